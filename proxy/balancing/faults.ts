import type { FailureCode } from '../failures.ts';

/**
 * What a failed attempt says of its endpoint. `absent`: nobody took the connection. `broken`: somebody did, and no valid head of a response
 * came of it.
 */
export type Fault = 'absent' | 'broken';

const faults: Partial<Record<FailureCode, Fault>> = {
  'connect-failed': 'absent',
  'connect-timeout': 'absent',
  'tls-failed': 'broken',
  'upstream-reset': 'broken',
  'bad-response': 'broken',
  'per-try-timeout': 'broken',
  'request-timeout': 'broken',
};

/** Want of descriptors, ports or memory of our own: no endpoint is to blame. */
const ours: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'EADDRNOTAVAIL', 'ENOBUFS', 'ENOMEM']);

/**
 * Undefined: it says nothing. A refused stream means that the server lives and asks for another connection; what a client does, or a limit of
 * ours, is not the endpoint's doing.
 */
export function faultOf(code: FailureCode, reason: string | undefined): Fault | undefined {
  return reason !== undefined && ours.has(reason) ? undefined : faults[code];
}
