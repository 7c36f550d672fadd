import { parseIPv6 } from '#snapshot';
import type { RequestProblem } from './path.ts';

export interface NormalHost {
  /** Lower case, no trailing dot; an IPv6 address keeps its brackets. */
  readonly host: string;
  readonly port: number | undefined;
}

const longestHost = 253; // RFC 1035, 2.3.4, in text form without the trailing dot
const longestLabel = 63;

/**
 * Splits a Host field or an authority: a name or IPv4 address, or an IPv6 address in brackets, then an optional port
 * (RFC 9110, 7.2). Stricter than the grammar of RFC 3986: letters, digits, `-` and `_` in labels, nothing escaped, no user.
 */
export function normalizeHost(text: string): NormalHost | RequestProblem {
  if (text.charCodeAt(0) === 0x5b) return literalAddress(text);
  let upper = false;
  let labelStart = 0;
  let index = 0;
  for (; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if ((code >= 0x61 && code <= 0x7a) || (code >= 0x30 && code <= 0x39) || code === 0x2d || code === 0x5f) continue;
    if (code >= 0x41 && code <= 0x5a) upper = true;
    else if (code === 0x2e) {
      if (!isLabel(labelStart, index)) return badLabel;
      labelStart = index + 1;
    } else if (code === 0x3a) break;
    else return { problem: 'the host contains a character that no host has' };
  }
  const trailingDot = labelStart === index && index > 0;
  if (!trailingDot && !isLabel(labelStart, index)) return badLabel;
  const end = trailingDot ? index - 1 : index;
  if (end > longestHost) return { problem: 'the host is longer than 253 characters' };
  const host = end === text.length ? text : text.slice(0, end);
  return withPort(upper ? host.toLowerCase() : host, text, index);
}

const badLabel: RequestProblem = { problem: 'the host is empty or has a label that is empty or longer than 63 characters' };

function isLabel(start: number, end: number): boolean {
  return end > start && end - start <= longestLabel;
}

function literalAddress(text: string): NormalHost | RequestProblem {
  const end = text.indexOf(']');
  if (end < 0 || parseIPv6(text.slice(1, end)) === undefined) return { problem: 'the host is not an IPv6 address in brackets' };
  return withPort(text.slice(0, end + 1).toLowerCase(), text, end + 1);
}

/** `from` is where a port may begin. An empty port is none (RFC 3986, 3.2.3). */
function withPort(host: string, text: string, from: number): NormalHost | RequestProblem {
  const length = text.length - from;
  if (length === 0) return { host, port: undefined };
  if (text.charCodeAt(from) !== 0x3a) return { problem: 'the host is followed by something that is no port' };
  if (length === 1) return { host, port: undefined };
  const digits = text.slice(from + 1);
  const port = /^[0-9]{1,5}$/.test(digits) ? Number(digits) : 0;
  return port >= 1 && port <= 65_535 ? { host, port } : { problem: "the host's port is not a number from 1 to 65535" };
}
