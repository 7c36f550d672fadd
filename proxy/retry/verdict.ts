import type { RetryCondition } from '#snapshot';
import type { RetryableCode, FailureCode } from '../failures.ts';
import type { RetrySettings } from './settings.ts';

/** How an attempt ended, as far as it matters for another one. */
export interface Outcome {
  /** Of the response; 0 where there was none. */
  readonly status: number;
  /** Of gRPC, where that is what may ask for another attempt. */
  readonly grpcStatus?: number;
  /** Where there was no response. */
  readonly failure?: FailureCode;
  /** Whether the endpoint may have begun to work on the request: there was a connection for it, however long that lasted. */
  readonly sent: boolean;
  /** Whether the request can be sent again as it was: it has no body, or all that was sent of it is still in the buffer. */
  readonly replayable: boolean;
}

/** `retry`, or what speaks against it. */
export type RetryVerdict = 'retry' | 'not-asked-for' | 'method' | 'body-too-large-to-retry';

/** The conditions that a failed attempt meets. `5xx` has them all, for the client would get one. */
export const conditionsMet: Readonly<Record<RetryableCode, readonly RetryCondition[]>> = {
  // GEP-1731: "connect timeout, connection refused, TLS handshake failure" are one.
  'connect-failed': ['connect-failure', '5xx'],
  'connect-timeout': ['connect-failure', '5xx'],
  'tls-failed': ['connect-failure', '5xx'],
  'refused-stream': ['refused-stream', '5xx'],
  'upstream-reset': ['reset', '5xx'],
  'bad-response': ['reset', '5xx'],
  'response-too-large-head': ['5xx'],
  // An attempt that ran out of time is the proxy's own 504.
  'per-try-timeout': ['timeout', 'gateway-error', '5xx'],
};

/** Failures before the endpoint got anything that it would act upon. */
const neverBegun: ReadonlySet<FailureCode> = new Set<RetryableCode>(['connect-failed', 'connect-timeout', 'tls-failed', 'refused-stream']);

/** The one question that each response has to answer; cheap. */
export function retriesStatus(settings: RetrySettings, status: number): boolean {
  return settings.statuses[status] === 1;
}

/**
 * Whether the kind of the outcome lets another attempt follow. Count, budget and deadline are not asked here.
 * - Asked for: by code or condition. A code also stands for the 504 that is the proxy's own, for one attempt's timeout.
 * - gRPC has no method but POST: a status of its own among the conditions is answer enough, unless a list of methods was written.
 * - Method: what the endpoint may have worked on is repeated only for the methods listed (GEP-1731: unsafe for others). What it did not
 *   begin with may be repeated whatever the method, unless the list was written by hand: then it holds always.
 * - Body: only what can be sent again in full.
 */
export function retryVerdict(settings: RetrySettings, method: string, outcome: Outcome): RetryVerdict {
  if (!askedFor(settings, outcome)) return 'not-asked-for';
  const begun = outcome.failure === undefined || (outcome.sent && !neverBegun.has(outcome.failure));
  const byMethod = begun && outcome.grpcStatus === undefined;
  if ((byMethod || settings.methodsAre === 'written') && !settings.methods.has(method)) return 'method';
  return outcome.replayable ? 'retry' : 'body-too-large-to-retry';
}

/** `retryVerdict` for callers that need no reason. */
export function shouldRetry(settings: RetrySettings, method: string, outcome: Outcome): boolean {
  return retryVerdict(settings, method, outcome) === 'retry';
}

function askedFor(settings: RetrySettings, outcome: Outcome): boolean {
  if (outcome.grpcStatus !== undefined) return settings.grpcStatuses[outcome.grpcStatus] === 1;
  if (outcome.failure === undefined) return retriesStatus(settings, outcome.status);
  const met = (conditionsMet as Partial<Record<FailureCode, readonly RetryCondition[]>>)[outcome.failure];
  if (met === undefined) return false;
  if (outcome.failure === 'per-try-timeout' && retriesStatus(settings, 504)) return true;
  return met.some((condition) => settings.conditions.has(condition));
}
