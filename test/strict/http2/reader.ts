import { control, Oddities, refused, token, valuesOf, type FieldLine, type Incomplete, type Refused } from '../message.ts';
import { isFramingAlias, readOrigin, type ReadRequest } from '../request.ts';
import type { ReadResponse } from '../response.ts';
import type { Field, Piece } from './wire.ts';

/**
 * What a strict reader of RFC 9113 makes of the pieces of a message, in the terms in which the readers of HTTP/1.1 tell theirs: so that both
 * sides of a proxy can be compared, whatever each of them speaks.
 */

const requestPseudo = [':method', ':scheme', ':authority', ':path', ':protocol'];
const perConnection = /^(connection|proxy-connection|keep-alive|transfer-encoding|upgrade)$/;
/** What has no meaning behind the body (RFC 9110, 6.5.1), and what would be dangerous there. */
export const notInTrailers = /^(content-length|transfer-encoding|host|te|trailer|connection|content-encoding|content-type|content-range|authorization|cookie|set-cookie|expect|cache-control|x[^a-z0-9](forwarded[^a-z0-9].*|request[^a-z0-9]id|weft[^a-z0-9].*))$/;
const name = new RegExp(`^:?${token}$`);

interface List {
  readonly pseudo: ReadonlyMap<string, string>;
  readonly fields: readonly FieldLine[];
}

/** RFC 9113, 8.2 and 8.3. A text says why it is malformed. */
function readList(list: readonly Field[], allowed: readonly string[], odd: Oddities): List | string {
  const pseudo = new Map<string, string>();
  const fields: FieldLine[] = [];
  for (const [key, value] of list) {
    if (!name.test(key) || /[A-Z]/.test(key)) return 'field name';
    if (control.test(value)) return 'control character in a value';
    if (/^[ \t]|[ \t]$/.test(value)) return 'space around a value';
    if (key.startsWith(':')) {
      if (fields.length > 0) return 'late pseudo-header field';
      if (!allowed.includes(key)) return 'unexpected pseudo-header field';
      if (pseudo.has(key)) return 'pseudo-header field twice';
      pseudo.set(key, value);
      continue;
    }
    if (perConnection.test(key)) return 'connection-specific field';
    if (key === 'te' && value.toLowerCase() !== 'trailers') return 'te';
    if (key === 'te' && value !== 'trailers') odd.note('te in capitals');
    if (key.length > 256) odd.note('long name');
    if (value.length > 8000) odd.note('long value');
    if (isFramingAlias(key)) odd.note('alias of a framing field');
    fields.push({ name: key, value });
  }
  if (fields.length > 100) odd.note('many fields');
  return { pseudo, fields: joinCookies(fields) };
}

/** RFC 9113, 8.2.3: to HTTP/1.1 they are one field. */
function joinCookies(fields: readonly FieldLine[]): readonly FieldLine[] {
  const crumbs = valuesOf(fields, 'cookie');
  if (crumbs.length < 2) return fields;
  const first = fields.findIndex((field) => field.name === 'cookie');
  return fields.flatMap((field, index) => (field.name !== 'cookie' ? [field] : index === first ? [{ name: 'cookie', value: crumbs.join('; ') }] : []));
}

interface Content {
  readonly body: string;
  readonly trailers: readonly FieldLine[];
}

/** What follows the head. */
function readContent(pieces: readonly Piece[], odd: Oddities): Content | Refused | Incomplete {
  let body = '';
  let trailers: readonly FieldLine[] = [];
  for (const [index, piece] of pieces.entries()) {
    if (piece.kind === 'data') body += piece.text;
    else {
      if (!piece.end) return refused('trailers without end');
      const list = readList(piece.fields, [], odd);
      if (typeof list === 'string') return refused(`trailer: ${list}`);
      if (list.fields.some((field) => notInTrailers.test(field.name))) odd.note('odd trailer');
      trailers = list.fields;
    }
    if (piece.end) {
      if (index < pieces.length - 1) odd.note('frames behind the end');
      return { body, trailers };
    }
  }
  return { kind: 'incomplete' };
}

/** RFC 9113, 8.1.1. Undefined: not told. */
function readLength(fields: readonly FieldLine[], odd: Oddities): number | undefined | string {
  const values = valuesOf(fields, 'content-length');
  if (values.length === 0) return undefined;
  const members = values.join(',').split(',').map((member) => member.replace(/^[ \t]+|[ \t]+$/g, ''));
  if (members.some((member) => !/^[0-9]+$/.test(member) || member.length > 15)) return 'content-length is no number';
  if (new Set(members.map(Number)).size > 1) return 'content-lengths differ';
  if (members.length > 1 || /^0[0-9]/.test(members[0]!)) odd.note('content-length in another spelling');
  return Number(members[0]);
}

/** A request on a stream. */
export function readStreamRequest(pieces: readonly Piece[]): ReadRequest | Refused | Incomplete {
  const [head, ...rest] = pieces;
  if (head === undefined) return { kind: 'incomplete' };
  if (head.kind !== 'headers') return refused('no head');
  const odd = new Oddities();
  const list = readList(head.fields, requestPseudo, odd);
  if (typeof list === 'string') return refused(list);
  const origin = readPseudo(list, odd);
  if ('kind' in origin) return origin;
  const length = readLength(list.fields, odd);
  if (typeof length === 'string') return refused(length);
  // What follows is for the tunnel, and for nobody where there is none (RFC 8441, 5).
  if (origin.webSocket === true) return length === undefined ? { kind: 'request', ...origin, minor: 1, fields: list.fields, options: [], last: false, end: 0, body: '', trailers: [], ...odd.certainty } : refused('content of CONNECT');
  const content = head.end ? { body: '', trailers: [] } : readContent(rest, odd);
  if (head.end && rest.length > 0) odd.note('frames behind the end');
  if ('kind' in content) {
    const come = rest.map((piece) => (piece.kind === 'data' ? piece.text : '')).join('');
    if (content.kind === 'refused' || length === undefined || length === 0 || come.length !== length) return content;
    // To HTTP/1.1 it is complete, and an intermediary that does not hold it back can't know better.
    odd.note('complete by its length');
    return { kind: 'request', ...origin, minor: 1, fields: list.fields, options: [], last: false, end: 0, body: come, trailers: [], ...odd.certainty };
  }
  if (length !== undefined && length !== content.body.length) return refused('content-length is not that of the content');
  if (origin.method.length > 32) odd.note('long method');
  if (origin.target.length > 8000) odd.note('long target');
  if (valuesOf(list.fields, 'expect').some((value) => value.toLowerCase() !== '100-continue')) odd.note('expectation');
  return { kind: 'request', ...origin, minor: 1, fields: list.fields, options: [], last: false, end: 0, ...content, ...odd.certainty };
}

interface Origin {
  readonly method: string;
  readonly target: string;
  readonly host: string;
  readonly local: boolean;
  readonly webSocket?: true;
}

/** RFC 9113, 8.3.1 and 8.5; RFC 8441, 4. */
function readPseudo({ pseudo, fields }: List, odd: Oddities): Origin | Refused {
  const method = pseudo.get(':method');
  const authority = pseudo.get(':authority');
  const path = pseudo.get(':path');
  const scheme = pseudo.get(':scheme');
  if (method === undefined || !new RegExp(`^${token}$`).test(method)) return refused('method');
  const hosts = valuesOf(fields, 'host');
  if (hosts.length > 1) return refused('several hosts');
  // It SHOULD be refused; what goes on is what the authority says.
  if (authority !== undefined && hosts.length > 0 && hosts[0]!.toLowerCase() !== authority.toLowerCase()) odd.note('host disagrees');
  const host = authority ?? hosts[0] ?? '';
  const protocol = pseudo.get(':protocol');
  if (protocol !== undefined) return readExtended({ method, protocol, authority, path, scheme }, odd);
  if (method === 'CONNECT') {
    if (path !== undefined || scheme !== undefined || authority === undefined) return refused('CONNECT');
    const read = readOrigin({ method, target: authority, minor: 1, fields: [{ name: 'host', value: authority }] }, odd);
    return 'kind' in read ? read : { method, target: authority, ...read };
  }
  if (path === undefined || path === '' || scheme === undefined) return refused('pseudo-header fields are missing');
  if (!/^https?$/.test(scheme)) odd.note('scheme');
  if (!path.startsWith('/') && !(path === '*' && method === 'OPTIONS')) return refused('path');
  if (!/^[\x21-\x7e]+$/.test(path)) return refused('path');
  if (host === '') odd.note('no host');
  const read = readOrigin({ method, target: path, minor: 1, fields: [{ name: 'host', value: host }] }, odd);
  return 'kind' in read ? read : { method, target: path, ...read };
}

/** A WebSocket is asked for by what is a GET to HTTP/1.1; whether there will be one is for the endpoint to say, and ours says no. */
function readExtended({ method, protocol, authority, path, scheme }: Readonly<Record<'authority' | 'path' | 'scheme', string | undefined>> & { readonly method: string; readonly protocol: string }, odd: Oddities): Origin | Refused {
  if (method !== 'CONNECT' || authority === undefined || path === undefined || scheme === undefined) return refused('extended CONNECT');
  if (!new RegExp(`^${token}$`).test(protocol)) return refused('protocol');
  if (!/^https?$/.test(scheme)) odd.note('scheme');
  if (!/^\/[\x21-\x7e]*$/.test(path)) return refused('path');
  odd.note('extended CONNECT');
  const read = readOrigin({ method: 'GET', target: path, minor: 1, fields: [{ name: 'host', value: authority }] }, odd);
  if ('kind' in read) return read;
  return protocol === 'websocket' ? { method: 'GET', target: path, ...read, webSocket: true } : { method, target: path, ...read, local: true };
}

/** A response on a stream, to a request with that method. */
export function readStreamResponse(pieces: readonly Piece[], method: string): ReadResponse | Refused | Incomplete {
  const odd = new Oddities();
  const interims: number[] = [];
  for (const [index, piece] of pieces.entries()) {
    if (piece.kind !== 'headers') return refused('no head');
    const list = readList(piece.fields, [':status'], odd);
    if (typeof list === 'string') return refused(list);
    const written = list.pseudo.get(':status') ?? '';
    if (!/^[1-9][0-9]{2}$/.test(written)) return refused('status');
    const status = Number(written);
    if (status > 599) odd.note('status');
    if (status === 101) return refused('upgrade');
    const length = readLength(list.fields, odd);
    if (typeof length === 'string') return refused(length);
    if (valuesOf(list.fields, 'host').length > 0) odd.note('host in a response');
    if (status < 200) {
      if (piece.end) return refused('interim response with an end');
      if (length !== undefined) odd.note('framing in an interim response');
      interims.push(status);
      if (interims.length > 10) odd.note('many interim responses');
      continue;
    }
    const rest = pieces.slice(index + 1);
    const content = piece.end ? { body: '', trailers: [] } : readContent(rest, odd);
    if ('kind' in content) return content;
    if (piece.end && rest.length > 0) odd.note('frames behind the end');
    const bodiless = method === 'HEAD' || status === 204 || status === 304;
    if (bodiless && content.body !== '') return refused('content where there is none');
    if (status === 204 && length !== undefined) odd.note('framing in 204');
    if (!bodiless && length !== undefined && length !== content.body.length) return refused('content-length is not that of the content');
    return { kind: 'response', status, fields: list.fields, interims, last: false, end: 0, ...content, ...odd.certainty };
  }
  return { kind: 'incomplete' };
}
