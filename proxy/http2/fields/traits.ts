import { bytesOf, field, identifyField, tokenByte } from '../../codec/index.ts';

/** What a name means to HTTP/2 (RFC 9113, 8.2 and 8.3). */
export const kind = {
  ordinary: 0,
  method: 1,
  scheme: 2,
  authority: 3,
  path: 4,
  status: 5,
  /** RFC 8441, 4. */
  protocol: 6,
  /** The last of the pseudo-header fields, those that nobody knows. */
  unknownPseudo: 7,
  host: 8,
  contentLength: 9,
  cookie: 10,
  te: 11,
  /** Connection-specific (RFC 9113, 8.2.2), or an alias by which some servers take a framing field. */
  forbidden: 12,
  /** Not a token in lower case. */
  invalid: 13,
} as const;

export type Kind = (typeof kind)[keyof typeof kind];

/** Set beside the kind: the value has bytes that no value may have, or space around it. */
export const badValue = 0x10;
/** Set beside the kind: whoever sent it wants that it is never put into a table (RFC 7541, 6.2.3). */
export const neverIndexed = 0x20;
const idShift = 8;

const known: readonly (readonly [string, Kind])[] = [
  [':method', kind.method],
  [':scheme', kind.scheme],
  [':authority', kind.authority],
  [':path', kind.path],
  [':status', kind.status],
  [':protocol', kind.protocol],
  ['host', kind.host],
  ['content-length', kind.contentLength],
  ['cookie', kind.cookie],
  ['te', kind.te],
  ['connection', kind.forbidden],
  ['proxy-connection', kind.forbidden],
  ['keep-alive', kind.forbidden],
  ['transfer-encoding', kind.forbidden],
  ['upgrade', kind.forbidden],
];

const byLength = Array.from({ length: 18 }, (_, length) => known.filter(([name]) => name.length === length).map(([name, is]) => ({ bytes: bytesOf(name), is })));
const noCandidates: (typeof byLength)[number] = [];
const COLON = 58;

/** Kind and field number of a name, packed: both stay with an entry of a table. */
export function traitsOf(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start;
  const pseudo = bytes[start] === COLON;
  for (let p = pseudo ? start + 1 : start; p < end; p++) {
    const byte = bytes[p]!;
    if (tokenByte[byte] !== byte || byte === 0) return kind.invalid;
  }
  if (length === 0) return kind.invalid;
  const candidates = length < byLength.length ? byLength[length]! : noCandidates;
  let is: Kind = pseudo ? kind.unknownPseudo : kind.ordinary;
  for (let index = 0; index < candidates.length; index++) {
    if (!equals(bytes, start, candidates[index]!.bytes)) continue;
    is = candidates[index]!.is;
    break;
  }
  if (pseudo) return is;
  const id = identifyField(bytes, start, end);
  return (id === field.framingAlias ? kind.forbidden : is) | (id << idShift);
}

export function kindOf(traits: number): Kind {
  return (traits & 0xf) as Kind;
}

export function fieldIdOf(traits: number): number {
  return traits >> idShift;
}

function equals(bytes: Uint8Array, start: number, text: Uint8Array): boolean {
  for (let index = 0; index < text.length; index++) if (bytes[start + index] !== text[index]) return false;
  return true;
}
