import { control, valuesOf, type FieldLine } from './message.ts';
import { notInTrailers } from './http2/reader.ts';
import { normalTarget } from './normal-form.ts';
import { isFramingAlias, readRequest, type ReadRequest, type ReadStream } from './request.ts';
import { readResponses } from './response.ts';
import type { Talk } from './rig.ts';

/** What the upstream got of one connection: whole requests, and what is left. */
export interface Upstreamed {
  readonly requests: readonly ReadRequest[];
  readonly faults: readonly string[];
  readonly rest: string;
}

/** Reads what a connection to the upstream carried; whatever is not plainly a request is a fault. */
export function readUpstream(text: string): Upstreamed {
  const requests: ReadRequest[] = [];
  const faults: string[] = [];
  let p = 0;
  while (p < text.length) {
    const read = readRequest(text, p);
    if (read.kind === 'incomplete') break;
    if (read.kind === 'refused') {
      faults.push(`unsafe upstream (${read.reason}): ${JSON.stringify(text.slice(p, p + 400))}`);
      break;
    }
    const head = text.slice(p, text.indexOf('\r\n\r\n', p));
    const fault = unsafeHead(head, read);
    if (fault !== undefined) faults.push(`${fault}: ${JSON.stringify(head)}`);
    requests.push(read);
    p = read.end;
  }
  const rest = text.slice(p);
  const head = rest.includes('\r\n\r\n') ? rest.slice(0, rest.indexOf('\r\n\r\n')) : rest;
  if (rest !== '' && head.split('\r\n').some((line) => control.test(line))) faults.push(`unsafe part of a head upstream: ${JSON.stringify(head)}`);
  return { requests, faults, rest };
}

const hopByHop = /^(keep-alive|proxy-connection|proxy-authorization|proxy-authenticate|te|http2-settings|upgrade|connection)$/;

/** Another reader's rules, on top of the grammar: heads that some server reads in another way. */
function unsafeHead(head: string, read: ReadRequest): string | undefined {
  const names = read.fields.map(({ name }) => name);
  const count = (name: string): number => names.filter((each) => each === name).length;
  if (count('content-length') + count('transfer-encoding') > 1) return 'framed twice';
  const odd = read.why.split('; ').filter((why) => why !== '' && !tolerated.has(why));
  if (odd.length > 0) return `odd upstream (${odd.join('; ')})`;
  if (!/^[^\r\n]+ HTTP\/1\.1\r\n/.test(head)) return 'version';
  if (read.trailers?.some(({ name }) => notInTrailers.test(name)) === true) return 'trailers that belong into a head';
  return unsafeFields(isUpgrade(read) ? read.fields.filter(({ name }) => name !== 'upgrade' && name !== 'connection') : read.fields, hopByHop);
}

/** A whole request for a WebSocket (RFC 6455, 4.1), and nothing but that. */
function isUpgrade({ method, fields, body }: ReadRequest): boolean {
  const all = (name: string): string => valuesOf(fields, name).join();
  const key = Buffer.from(all('sec-websocket-key'), 'base64');
  const isFramed = fields.some(({ name }) => name === 'content-length' || name === 'transfer-encoding');
  return method === 'GET' && body === '' && !isFramed && all('upgrade') === 'websocket' && all('connection') === 'Upgrade' && key.length === 16 && fields.some(({ name }) => name === 'sec-websocket-version');
}

/** Whatever protocol carries them: fields of the last hop, aliases, and what the client says of itself. */
export function unsafeFields(fields: readonly FieldLine[], forbidden: RegExp): string | undefined {
  const names = fields.map(({ name }) => name);
  const count = (name: string): number => names.filter((each) => each === name).length;
  if (names.some((name) => isFramingAlias(name))) return 'alias of a framing field';
  if (names.some((name) => forbidden.test(name))) return 'hop-by-hop field';
  const spelled = names.filter((name) => /^x[^a-z0-9](forwarded[^a-z0-9].*|request[^a-z0-9]id|weft[^a-z0-9].*)$/.test(name));
  const own = ['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'x-forwarded-port', 'x-request-id', 'x-weft-hops'];
  if (spelled.length !== own.length || own.some((name) => count(name) !== 1)) return `identity fields (${spelled.join(' ')})`;
  if (fields.some(({ name, value }) => own.includes(name) && value.includes('6.6.6.6'))) return 'forged identity';
  if (!/^([1-9]|[1-5][0-9]|6[0-4])$/.test(valuesOf(fields, 'x-weft-hops').join())) return 'no count of hops';
  return undefined;
}

/** Odd, but not to be mended by a proxy: no two readings. */
export const tolerated: ReadonlySet<string> = new Set(['empty host', 'long host', 'long value', 'long target', 'unusual host', 'many fields', 'long name', 'character outside of the grammar of targets', 'malformed escape']);

/** Compares what a stream of requests says with what came of it. Returns what is wrong. */
export function compare(expected: ReadStream, got: readonly ReadRequest[]): string | undefined {
  const forwardable = expected.requests.filter(({ local }) => !local);
  const sure = expected.requests.findIndex(({ certainty }) => certainty === 'may');
  const due = (sure < 0 ? expected.requests : expected.requests.slice(0, sure)).filter(({ local }) => !local).length;
  if (got.length > forwardable.length) return `extra request upstream: ${got.slice(forwardable.length).map(({ target }) => target).join(' ')}`;
  for (const [index, request] of got.entries()) {
    const fault = difference(forwardable[index]!, request);
    if (fault !== undefined) return fault;
  }
  return got.length < due ? `refused though valid: ${forwardable[got.length]!.method} ${forwardable[got.length]!.target}` : undefined;
}

/** What a request became on its way; undefined: nothing that it may not. */
export function difference(sent: ReadRequest, got: ReadRequest): string | undefined {
  if (sent.webSocket !== true && valuesOf(got.fields, 'upgrade').length > 0) return 'an upgrade that nobody asked for';
  if (sent.method !== got.method) return `method ${sent.method} became ${got.method}`;
  if (sent.body !== got.body) return `body ${JSON.stringify(sent.body.slice(0, 100))} became ${JSON.stringify(got.body.slice(0, 100))}`;
  // Where :authority and Host differ in case alone, either may go on.
  if (sent.host.toLowerCase() !== got.host.toLowerCase()) return `host ${sent.host} became ${got.host}`;
  const target = normalTarget(sent.target);
  if (target !== got.target) return `target ${sent.target} became ${got.target}, not ${target ?? 'refused'}`;
  return lostField(sent, got);
}

const replaced = /^(host|connection|content-length|transfer-encoding|keep-alive|proxy-connection|proxy-authorization|proxy-authenticate|proxy-authentication-info|te|upgrade|http2-settings|forwarded|x[^a-z0-9](forwarded[^a-z0-9].*|request[^a-z0-9]id|weft[^a-z0-9].*))$/;

/** End-to-end fields get through with all their lines. */
function lostField(sent: ReadRequest, got: ReadRequest): string | undefined {
  // Crumbs of cookies are one field in HTTP/1.1 (RFC 9113, 8.2.3).
  const lines = (fields: readonly FieldLine[], name: string): string => (name === 'cookie' ? valuesOf(fields, name).join('; ') : JSON.stringify(valuesOf(fields, name)));
  for (const { name } of sent.fields) {
    // RFC 9110, 10.1.1: HTTP/1.0 has no expectations.
    if (replaced.test(name) || (name === 'expect' && sent.minor === 0) || (name === 'sec-websocket-key' && sent.webSocket === true) || sent.options.includes(name)) continue;
    if (lines(sent.fields, name) !== lines(got.fields, name)) return `field ${name}: ${lines(sent.fields, name)} became ${lines(got.fields, name)}`;
  }
  return undefined;
}

/** What is wrong with what the client of a stream of requests got from an upstream that echoes targets (`echo`). */
export function judgeClient(stream: ReadStream, { text, outcome }: Talk): string | undefined {
  if (outcome === 'hung') return `hung with ${JSON.stringify(text.slice(0, 200))}`;
  // A request that is refused may still have said that it is HEAD.
  const methods = [...stream.requests.map(({ method }) => method), /^(\r\n){0,2}HEAD /.test(stream.rest) ? 'HEAD' : 'GET'];
  const { responses, fault } = readResponses(text, methods);
  if (fault !== undefined) return `the client got no valid response (${fault}): ${JSON.stringify(text.slice(0, 300))}`;
  const allowed = stream.requests.length + (stream.outcome === 'open' || stream.outcome === 'closed' ? 0 : 1);
  if (responses.length > allowed) return `${responses.length} responses for ${allowed} requests`;
  for (const [index, request] of stream.requests.entries()) {
    if (request.certainty === 'may') break;
    const response = responses[index];
    if (response === undefined) return `no response for ${request.method} ${request.target}`;
    if (request.local) continue;
    if (response.status !== 200) return `${response.status} for the valid ${request.method} ${request.target}`;
    if (request.method !== 'HEAD' && response.body !== `echo ${normalTarget(request.target)}`) return `the response for ${request.target} is ${response.body}`;
  }
  return undefined;
}
