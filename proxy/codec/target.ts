import { hexValue } from './tables.ts';

/**
 * Authorities and paths as requests name them. What is decided upon and what is forwarded is one and the same normal form
 * (CVE-2021-29492, CVE-2021-31920: a path that two servers read differently passes the rules of one).
 */

const hostCharacters = /^[a-z0-9._~!$&'()*+,;=%-]*$/;
const ipv6Literal = /^\[[0-9a-f:.]+(%25[a-z0-9._~-]+)?\]$/;

export interface Authority {
  /** Lower case, without port and trailing dot. Empty where the request has none. */
  readonly host: string;
  /** Undefined where none is written. */
  readonly port: number | undefined;
}

/** Undefined: no valid authority (RFC 3986, 3.2; no userinfo, RFC 9110, 4.2.4). */
export function parseAuthority(text: string): Authority | undefined {
  let end = text.length;
  let port: number | undefined;
  const colon = text.lastIndexOf(':');
  if (colon >= 0 && text.indexOf(']', colon) < 0) {
    const digits = text.slice(colon + 1);
    if (!/^[0-9]{0,5}$/.test(digits) || Number(digits) > 65_535) return undefined;
    // "host:" has the default port (RFC 3986, 3.2.3).
    port = digits === '' ? undefined : Number(digits);
    end = colon;
  }
  let host = text.slice(0, end).toLowerCase();
  if (host.startsWith('[')) return ipv6Literal.test(host) ? { host, port } : undefined;
  if (!hostCharacters.test(host)) return undefined;
  if (host.endsWith('.')) host = host.slice(0, -1);
  if (host === '' && text !== '') return undefined;
  return { host, port };
}

export function sameAuthority(one: Authority, other: Authority, defaultPort: number): boolean {
  return one.host === other.host && (one.port ?? defaultPort) === (other.port ?? defaultPort);
}

/** Unreserved characters (RFC 3986, 2.3): their escaped and plain forms are equal. */
const unreserved = /[A-Za-z0-9._~-]/;

/**
 * Dot segments removed (RFC 3986, 5.2.4), unreserved escapes decoded, hexadecimal digits upper case; slashes not merged. Undefined for
 * what must be refused: `\`, escaped `/`, `\` and NUL, and an escape that is none. Takes what begins with `/`, without query.
 */
export function normalisePath(raw: string): string | undefined {
  if (raw.includes('\\')) return undefined;
  const decoded = raw.includes('%') ? decodeUnreserved(raw) : raw;
  if (decoded === undefined) return undefined;
  return decoded.includes('/.') ? removeDotSegments(decoded) : decoded;
}

function decodeUnreserved(raw: string): string | undefined {
  let out = '';
  let copied = 0;
  for (let index = raw.indexOf('%'); index >= 0; index = raw.indexOf('%', index + 3)) {
    const high = hexValue[raw.charCodeAt(index + 1) & 255]!;
    const low = hexValue[raw.charCodeAt(index + 2) & 255]!;
    if (index + 2 >= raw.length || high > 15 || low > 15) return undefined;
    const code = high * 16 + low;
    if (code === 0x2f || code === 0x5c || code === 0) return undefined;
    const character = String.fromCharCode(code);
    const escape = code < 128 && unreserved.test(character) ? character : raw.slice(index, index + 3).toUpperCase();
    out += raw.slice(copied, index) + escape;
    copied = index + 3;
  }
  return out + raw.slice(copied);
}

function removeDotSegments(path: string): string {
  const kept: string[] = [];
  const segments = path.split('/');
  for (let index = 1; index < segments.length; index++) {
    const segment = segments[index]!;
    const last = index === segments.length - 1;
    if (segment === '..') kept.pop();
    else if (segment !== '.') kept.push(segment);
    if (last && (segment === '.' || segment === '..')) kept.push('');
  }
  return `/${kept.join('/')}`;
}
