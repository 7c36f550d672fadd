import { bytesOf, isToken, tokenByte } from './tables.ts';

/** Field names that the proxy acts upon, as small numbers. `other` is every other name. */
export const field = {
  other: 0,
  host: 1,
  contentLength: 2,
  transferEncoding: 3,
  connection: 4,
  expect: 5,
  upgrade: 6,
  /** Hop-by-hop (RFC 9110, 7.6.1) without a meaning for us: proxy-connection, http2-settings, proxy-authorization… */
  hopByHop: 7,
  forwardedFor: 8,
  forwardedProto: 9,
  forwardedHost: 10,
  forwardedPort: 11,
  forwarded: 12,
  requestId: 13,
  traceparent: 14,
  tracestate: 15,
  retryAfter: 16,
  /** `x-weft-` and whatever follows, be it nothing: ours alone; and other spellings of `x-forwarded-…` and `x-request-id`. */
  internal: 17,
  /** A spelling by which some servers take it for a framing field: refused (`content_length`). */
  framingAlias: 18,
  /** Of the client and not of its connection; secret: authorization, cookie, set-cookie. */
  endToEnd: 19,
  /** Hop-by-hop; how long a server keeps its connection. */
  keepAlive: 20,
  /** Hop-by-hop; whether trailers are welcome. */
  te: 21,
  /** Counted down where it counts (RFC 9110, 7.6.2). */
  maxForwards: 22,
  /** How many proxies of ours a request has passed; each writes it anew. */
  hops: 23,
  /** `x-forwarded-` and whatever else follows: what proxies say of a request, to whoever believes them (CVE-2024-52003: `-prefix`). */
  forwardedOther: 24,
} as const;

export type FieldId = (typeof field)[keyof typeof field];

const known: readonly (readonly [string, FieldId])[] = [
  ['host', field.host],
  ['content-length', field.contentLength],
  ['transfer-encoding', field.transferEncoding],
  ['connection', field.connection],
  ['expect', field.expect],
  ['upgrade', field.upgrade],
  ['keep-alive', field.keepAlive],
  ['proxy-connection', field.hopByHop],
  ['proxy-authorization', field.hopByHop],
  ['proxy-authenticate', field.hopByHop],
  ['proxy-authentication-info', field.hopByHop],
  ['te', field.te],
  ['max-forwards', field.maxForwards],
  ['http2-settings', field.hopByHop],
  ['x-forwarded-for', field.forwardedFor],
  ['x-forwarded-proto', field.forwardedProto],
  ['x-forwarded-host', field.forwardedHost],
  ['x-forwarded-port', field.forwardedPort],
  ['forwarded', field.forwarded],
  // What proxies say of the client's certificate. We say nothing of it, so that what a client says must not get past us.
  ['x-forwarded-client-cert', field.forwarded],
  ['x-request-id', field.requestId],
  ['x-weft-hops', field.hops],
  ['traceparent', field.traceparent],
  ['tracestate', field.tracestate],
  ['retry-after', field.retryAfter],
  ['authorization', field.endToEnd],
  ['cookie', field.endToEnd],
  ['set-cookie', field.endToEnd],
];

/** Further names that `Connection` must not be able to remove. */
const lasting: ReadonlySet<string> = new Set(['content-type', 'content-encoding', 'cache-control', 'location', 'origin']);

/** Fields that a recipient needs before the body, beside those above (RFC 9110, 6.5.1): framing, routing, conditions, credentials, content. */
const headOnly: readonly string[] = [
  'age', 'accept-ranges', 'allow', 'authentication-info', 'cache-control', 'content-disposition', 'content-encoding', 'content-language', 'content-location', 'content-range',
  'content-type', 'cookie2', 'date', 'expires', 'from', 'if-match', 'if-modified-since', 'if-none-match', 'if-range', 'if-unmodified-since', 'location', 'origin', 'pragma',
  'range', 'referer', 'server', 'set-cookie2', 'strict-transport-security', 'trailer', 'user-agent', 'vary', 'via', 'warning', 'www-authenticate',
];
const headOnlyByLength: readonly (readonly Uint8Array[])[] = Array.from({ length: 32 }, (_, length) => headOnly.filter((name) => name.length === length).map(bytesOf));

/** Whether the token names a field that means nothing in trailers. */
export function belongsInHead(bytes: Uint8Array, start: number, end: number): boolean {
  const candidates = headOnlyByLength[end - start];
  if (candidates === undefined) return false;
  for (let index = 0; index < candidates.length; index++) if (isToken(bytes, start, candidates[index]!)) return true;
  return false;
}

const LETTER_X = 120;

interface Known {
  readonly bytes: Uint8Array;
  readonly id: FieldId;
  /**
   * What another spelling of it is (`x_forwarded_for`), for it must not get past us to a server that takes it for the same: dropped where it
   * says who the client is, refused where it frames the message. 0: a field like any other.
   */
  readonly alias: FieldId;
}

const longestKnown = 32;
const internalPrefix = bytesOf('x-weft-');
const forwardedPrefix = bytesOf('x-forwarded-');

/** By length and first letter: most names are told apart by one look. */
const byShape: readonly (readonly Known[] | undefined)[] = Array.from({ length: longestKnown * 32 }, (_, shape) => {
  const fitting = known.filter(([name]) => shapeOf(name.length, name.charCodeAt(0)) === shape).map(([name, id]) => ({ bytes: bytesOf(name), id, alias: aliasOf(name, id) }));
  return fitting.length === 0 ? undefined : fitting;
});
/** 1 where `byShape` has something, or a prefix may fit. */
const shapes = Uint8Array.from(byShape, (fitting, shape) => (fitting !== undefined || isPrefixShape(shape) ? 1 : 0));

function aliasOf(name: string, id: FieldId): FieldId {
  if (id === field.contentLength || id === field.transferEncoding) return field.framingAlias;
  return name.startsWith('x-') ? field.internal : field.other;
}

function shapeOf(length: number, letter: number): number {
  return length * 32 + (letter & 31);
}

function isPrefixShape(shape: number): boolean {
  return (shape & 31) === (LETTER_X & 31) && shape >> 5 >= internalPrefix.length;
}

/** `start` to `end` is a token. */
export function identifyField(bytes: Uint8Array, start: number, end: number): FieldId {
  const length = end - start;
  const shape = length < longestKnown ? length * 32 + (bytes[start]! & 31) : 0;
  return shape !== 0 && shapes[shape] === 0 ? field.other : compare(bytes, start, shape, length);
}

function compare(bytes: Uint8Array, start: number, shape: number, length: number): FieldId {
  const candidates = byShape[shape];
  if (candidates !== undefined) {
    for (let index = 0; index < candidates.length; index++) {
      const candidate = candidates[index]!;
      if (isToken(bytes, start, candidate.bytes)) return candidate.id;
      if (candidate.alias !== field.other && isAlias(bytes, start, candidate.bytes)) return candidate.alias;
    }
  }
  if (length >= internalPrefix.length && isAlias(bytes, start, internalPrefix)) return field.internal;
  if (length >= forwardedPrefix.length && isAlias(bytes, start, forwardedPrefix)) return isToken(bytes, start, forwardedPrefix) ? field.forwardedOther : field.internal;
  return field.other;
}

/** Whether the token is `lower` to a server that takes whatever is no letter or digit for `_`, as CGI does, or for `-` (CVE-2026-33433). */
function isAlias(bytes: Uint8Array, start: number, lower: Uint8Array): boolean {
  for (let index = 0; index < lower.length; index++) {
    const byte = tokenByte[bytes[start + index]!]!;
    if (byte !== lower[index] && !(lower[index] === 45 && !isAlphanumeric(byte))) return false;
  }
  return true;
}

function isAlphanumeric(lower: number): boolean {
  return (lower >= 97 && lower <= 122) || (lower >= 48 && lower <= 57);
}

/** Whether a name that `Connection` lists (lower case) may be removed for it: others rely on the rest (CVE-2024-45410). */
export function isRemovable(id: FieldId, name: string): boolean {
  return (id === field.other && !lasting.has(name)) || id === field.hopByHop || id === field.upgrade || id === field.keepAlive || id === field.te;
}
