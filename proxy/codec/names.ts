import { bytesOf, isToken } from './tables.ts';

/** Field names that the proxy acts upon, as small numbers. `other` is every other name. */
export const field = {
  other: 0,
  host: 1,
  contentLength: 2,
  transferEncoding: 3,
  connection: 4,
  expect: 5,
  upgrade: 6,
  /** Hop-by-hop (RFC 9110, 7.6.1) without a meaning for us: keep-alive, proxy-connection, te, trailer, http2-settings, proxy-authorization… */
  hopByHop: 7,
  forwardedFor: 8,
  forwardedProto: 9,
  forwardedHost: 10,
  forwardedPort: 11,
  forwarded: 12,
  requestId: 13,
  traceparent: 14,
  origin: 15,
  requestMethod: 16,
  retryAfter: 17,
  /** `x-weft-…`: ours alone. */
  internal: 18,
  /** End-to-end fields that `Connection` must not be able to remove: authorization, cookie. */
  endToEnd: 19,
  /** `access-control-…` of a response: a CORS filter's answer replaces them. */
  accessControl: 20,
  userAgent: 21,
  /** An alias by which some servers take a framing field: never forwarded (`content_length`). */
  framingAlias: 22,
  tracestate: 23,
} as const;

export type FieldId = (typeof field)[keyof typeof field];

const known: readonly (readonly [string, FieldId])[] = [
  ['host', field.host],
  ['content-length', field.contentLength],
  ['transfer-encoding', field.transferEncoding],
  ['connection', field.connection],
  ['expect', field.expect],
  ['upgrade', field.upgrade],
  ['keep-alive', field.hopByHop],
  ['proxy-connection', field.hopByHop],
  ['proxy-authorization', field.hopByHop],
  ['proxy-authenticate', field.hopByHop],
  ['proxy-authentication-info', field.hopByHop],
  ['te', field.hopByHop],
  ['trailer', field.hopByHop],
  ['http2-settings', field.hopByHop],
  ['x-forwarded-for', field.forwardedFor],
  ['x-forwarded-proto', field.forwardedProto],
  ['x-forwarded-host', field.forwardedHost],
  ['x-forwarded-port', field.forwardedPort],
  ['forwarded', field.forwarded],
  ['x-request-id', field.requestId],
  ['traceparent', field.traceparent],
  ['tracestate', field.tracestate],
  ['authorization', field.endToEnd],
  ['cookie', field.endToEnd],
  ['set-cookie', field.endToEnd],
  ['origin', field.origin],
  ['access-control-request-method', field.requestMethod],
  ['retry-after', field.retryAfter],
  ['user-agent', field.userAgent],
  ['content_length', field.framingAlias],
  ['transfer_encoding', field.framingAlias],
];

interface Known {
  readonly bytes: Uint8Array;
  readonly id: FieldId;
}

/** By length, then by first letter: most names are told apart without a comparison. */
const byLength: readonly (readonly Known[] | undefined)[] = Array.from({ length: 32 }, (_, length) => {
  const fitting = known.filter(([name]) => name.length === length).map(([name, id]) => ({ bytes: bytesOf(name), id }));
  return fitting.length === 0 ? undefined : fitting;
});

const internalPrefix = bytesOf('x-weft-');
const accessControlPrefix = bytesOf('access-control-');
const LETTER_A = 97;
const LETTER_X = 120;

/** `start` to `end` is a token. */
export function identifyField(bytes: Uint8Array, start: number, end: number): FieldId {
  const length = end - start;
  const candidates = length < 32 ? byLength[length] : undefined;
  const first = bytes[start]! | 0x20;
  if (candidates !== undefined) {
    for (let index = 0; index < candidates.length; index++) {
      const candidate = candidates[index]!;
      if (candidate.bytes[0] === first && isToken(bytes, start, candidate.bytes)) return candidate.id;
    }
  }
  if (first === LETTER_X && length > 7 && isToken(bytes, start, internalPrefix)) return field.internal;
  if (first === LETTER_A && length > 15 && isToken(bytes, start, accessControlPrefix)) return field.accessControl;
  return field.other;
}

/** Whether a name that `Connection` lists may be removed for it. Naming a field that others rely on does nothing (CVE-2024-45410). */
export function isRemovable(id: FieldId): boolean {
  return id === field.other || id === field.hopByHop || id === field.upgrade;
}
