import { membersOf, Oddities, readChunks, readFields, readFraming, refused, token, valuesOf, type Certainty, type FieldLine, type Framed, type Incomplete, type Refused } from './message.ts';

export interface ReadRequest extends Certainty, Framed {
  readonly kind: 'request';
  readonly method: string;
  readonly target: string;
  /** Of the version: 1 for HTTP/1.1. */
  readonly minor: number;
  /** What the request is for: the target's authority, else the Host field's value. */
  readonly host: string;
  readonly fields: readonly FieldLine[];
  /** Names that `Connection` lists, lower case. */
  readonly options: readonly string[];
  /** The connection ends with it. */
  readonly last: boolean;
  /** For the proxy itself: CONNECT, `OPTIONS *` and what means the same of a gateway, its absolute form without path and query (RFC 9112, 3.2.4). */
  readonly local: boolean;
  /** An extended CONNECT that asks for a WebSocket. */
  readonly webSocket?: true;
}

const requestLine = new RegExp(`^(${token}) ([\\x21-\\x7e]+) HTTP/([0-9])\\.([0-9])$`);

/** The request that starts at `from`. */
export function readRequest(text: string, from: number): ReadRequest | Refused | Incomplete {
  const odd = new Oddities();
  let p = from;
  // RFC 9112, 2.2: at least one empty line before a request is to be ignored.
  while (text.startsWith('\r\n', p)) p += 2;
  if (p - from > 2) odd.note('several empty lines');
  const headEnd = text.indexOf('\r\n\r\n', p);
  if (headEnd < 0) return { kind: 'incomplete' };
  const [first, ...lines] = text.slice(p, headEnd).split('\r\n');
  const line = requestLine.exec(first!);
  if (line === null) return refused('request line');
  const [, method, target, major, minor] = line as unknown as [string, string, string, string, string];
  if (major !== '1') return refused('version');
  if (Number(minor) > 1) odd.note('later version');
  const fields = readFields(lines, odd);
  if (typeof fields === 'string') return refused(fields);
  const authority = readOrigin({ method, target, minor: Number(minor), fields }, odd);
  if ('kind' in authority) return authority;
  const framing = readFraming(fields, Number(minor), odd);
  if (typeof framing === 'string') return refused(framing);
  const body = readBody(text, headEnd + 4, framing, odd);
  if ('kind' in body) return body;
  if (method.length > 32) odd.note('long method');
  if (target.length > 8000) odd.note('long target');
  const expectations = valuesOf(fields, 'expect').filter(() => minor === '1');
  if (expectations.some((value) => value.toLowerCase() !== '100-continue')) odd.note('expectation');
  if (fields.some(({ name }) => isFramingAlias(name))) odd.note('alias of a framing field');
  const options = membersOf(valuesOf(fields, 'connection')).map((option) => option.toLowerCase());
  if (options.some((option) => !new RegExp(`^${token}$`).test(option))) odd.note('connection options');
  const last = options.includes('close') || (minor === '0' && !options.includes('keep-alive'));
  return { kind: 'request', method, target, minor: Number(minor), fields, options, last, ...authority, ...body, ...odd.certainty };
}

function readBody(text: string, from: number, framing: Exclude<ReturnType<typeof readFraming>, string>, odd: Oddities): Framed | Refused | Incomplete {
  if (framing.kind === 'chunked') return readChunks(text, from, odd);
  const end = from + (framing.kind === 'length' ? framing.length : 0);
  return end > text.length ? { kind: 'incomplete' } : { body: text.slice(from, end), end };
}

interface Head {
  readonly method: string;
  readonly target: string;
  readonly minor: number;
  readonly fields: readonly FieldLine[];
}

/** Whom a request is for, by its target and Host (RFC 9112, 3.2 and 3.3). */
export function readOrigin({ method, target, minor, fields }: Head, odd: Oddities): { readonly host: string; readonly local: boolean } | Refused {
  const hosts = valuesOf(fields, 'host');
  if (hosts.length > 1) return refused('several hosts');
  if (hosts.length === 0 && minor > 0) return refused('no host');
  const host = hosts[0] ?? '';
  if (host === '') odd.note('empty host');
  else if (!isAuthority(host, odd)) return refused('host');
  if (method === 'CONNECT') return isAuthority(target, odd) && /:[0-9]+$/.test(target) ? { host: target, local: true } : refused('target of CONNECT');
  if (target === '*') return method === 'OPTIONS' ? { host, local: true } : refused('target *');
  if (target.startsWith('/')) return checkPath(target, odd) ?? { host, local: false };
  const absolute = /^(https?):\/\/([^/?#]*)(.*)$/i.exec(target);
  if (absolute === null) return refused('target');
  const authority = absolute[2]!;
  if (authority === '' || authority.includes('@') || !isAuthority(authority, odd)) return refused('target without authority');
  // The Host field is to be ignored then (3.2.2); refusing what disagrees is safer, and allowed of a gateway that is no origin server.
  if (host !== '' && sameHost(host) !== sameHost(authority)) odd.note('host disagrees');
  return checkPath(absolute[3] === '' ? '/' : absolute[3]!, odd) ?? { host: authority, local: method === 'OPTIONS' && absolute[3] === '' };
}

function sameHost(authority: string): string {
  return authority.toLowerCase().replace(/:(80)?$/, '').replace(/\.(?=:|$)/, '');
}

/** RFC 3986, 3.2.2 and 3.2.3. */
function isAuthority(text: string, odd: Oddities): boolean {
  const parts = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9\-._~%!$&'()*+,;=]+)(?::([0-9]*))?$/.exec(text);
  if (parts === null) return false;
  if (parts[1]!.length > 253) odd.note('long host');
  if (parts[1]!.startsWith('[') ? !/^\[::1\]$/.test(parts[1]!) : !/^[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?$/.test(parts[1]!)) odd.note('unusual host');
  const port = parts[2] ?? '80';
  if (port !== '' && (Number(port) < 1 || Number(port) > 65_535 || port.length > 5)) odd.note('port');
  return true;
}

/** What two servers may read in two ways is refused by choice: escaped slashes, NUL, backslashes, dot segments with parameters; a fragment is no part of a target. */
function checkPath(target: string, odd: Oddities): Refused | undefined {
  const [path] = target.split('?', 1) as [string];
  if (target.includes('#')) return refused('fragment');
  if (/\\|%2f|%5c|%00/i.test(path)) return refused('ambiguous path');
  if (/\/(\.|%2e){1,2}(;|%3b)/i.test(path)) return refused('ambiguous path');
  if (!/^[A-Za-z0-9\-._~!$&'()*+,;=:@/?%]*$/.test(target)) odd.note('character outside of the grammar of targets');
  if (/%(?![0-9A-Fa-f]{2})/.test(target)) odd.note('malformed escape');
  return undefined;
}

/** Names that some servers take for a framing field: CGI and its heirs write `_` for whatever is not a letter or digit. */
export function isFramingAlias(name: string): boolean {
  return /^(content[^a-z0-9]length|transfer[^a-z0-9]encoding)$/.test(name) && name !== 'content-length' && name !== 'transfer-encoding';
}

export interface ReadStream {
  readonly requests: readonly ReadRequest[];
  /** `open`: all read, more may follow. `closed`: the last request ends the connection. */
  readonly outcome: 'open' | 'closed' | 'incomplete' | 'refused';
  readonly reason: string;
  /** What of the text is not part of a complete request. */
  readonly rest: string;
}

/** All requests of a connection. */
export function readRequests(text: string): ReadStream {
  const requests: ReadRequest[] = [];
  let p = 0;
  while (p < text.length) {
    const read = readRequest(text, p);
    if (read.kind !== 'request') return { requests, outcome: read.kind, reason: read.kind === 'refused' ? read.reason : '', rest: text.slice(p) };
    requests.push(read);
    p = read.end;
    if (read.last) return { requests, outcome: 'closed', reason: '', rest: text.slice(p) };
  }
  return { requests, outcome: 'open', reason: '', rest: '' };
}
