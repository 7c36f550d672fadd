import { isIP } from 'node:net';
import type { HeaderEdits, TargetRewrite } from '#routing';
import { bytesOf, field, framing, isFieldValue, phrases, treatment, webSocketAccept, type Fields, type Framing, type OutputBuffer, type ResponseHead } from '../codec/index.ts';
import { uuidLength } from '../telemetry/index.ts';
import type { Exchange } from './exchange.ts';
import { hopsLines, hopsOnward } from './hops.ts';

/** Heads are written anew, from what was parsed: no byte of a peer's head gets through that was not understood as part of a field. */

const requestEnd = bytesOf(' HTTP/1.1\r\n');
const responseStart = bytesOf('HTTP/1.1 ');
const requestIdName = bytesOf('x-request-id: ');
const chunkedLine = bytesOf('transfer-encoding: chunked\r\n');
const closeLine = bytesOf('connection: close\r\n');
const keepAliveLine = bytesOf('connection: keep-alive\r\n');
const emptyLine = bytesOf('content-length: 0\r\n');
const lastSize = bytesOf('0\r\n');
const websocketLines = bytesOf('connection: Upgrade\r\nupgrade: websocket\r\n');

/** By field id: 1 where a line is left out. Entries that depend on the request are set before each use. */
const edgeDrops = dropping(field.internal, field.forwardedFor, field.forwardedProto, field.forwardedHost, field.forwardedPort, field.forwardedOther, field.forwarded);
const trustingDrops = dropping(field.internal, field.forwardedFor, field.forwarded);
const meshDrops = dropping(field.internal);
const responseDrops = dropping(field.internal);
const noDrops = new Uint8Array(32);

function dropping(...ids: readonly number[]): Uint8Array {
  const drops = new Uint8Array(32);
  for (const id of ids) drops[id] = 1;
  return drops;
}

export const noEdits: RequestEdits = { request: undefined, target: undefined, host: undefined };

/** What filters make of a request on its way to one backend. */
export interface RequestEdits {
  readonly request: HeaderEdits | undefined;
  readonly target: TargetRewrite | undefined;
  readonly host: string | undefined;
}

/** Begins a message in the output buffer with the head that goes upstream. The exchange's head must be the one last parsed. */
export function putRequestHead(exchange: Exchange, edits: RequestEdits): void {
  const { bytes, context } = exchange;
  const { output, requestHead: head } = context;
  output.begin();
  if (head.verbatim && edits.target === undefined) output.putBytes(bytes, head.lineStart, head.targetEnd);
  else output.putText(`${head.method} ${forwardedTarget(exchange, edits)}`);
  output.putConstant(requestEnd);
  const host = edits.host ?? (head.form === 'absolute' || head.fields.host < 0 ? head.authorityText : undefined);
  const drops = requestDrops(exchange);
  drops[field.host] = host === undefined ? 0 : 1;
  putFields(output, bytes, head.fields, { drops, first: edits.request, second: undefined });
  if (host !== undefined) output.putText(`host: ${isFieldValue(host) ? host : ''}\r\n`);
  if (exchange.binding.role === 'edge') putForwarded(exchange);
  const { requestId } = exchange;
  if (requestId.isNew) {
    output.putConstant(requestIdName);
    output.putBytes(requestId.uuids, requestId.uuidStart, requestId.uuidStart + uuidLength);
    output.putLineEnd();
  }
  output.putConstant(hopsLines[exchange.hops]!);
  if (exchange.span !== undefined) output.putText(traceLines(exchange));
  const hops = hopsOnward(exchange, edits);
  if (hops !== undefined) output.putText(`max-forwards: ${hops}\r\n`);
  if (edits.request !== undefined) output.putText(edits.request.lines);
  if (exchange.body.framing === framing.chunked) output.putConstant(chunkedLine);
  if (head.upgradesToWebSocket) putUpgrade(exchange);
  output.putLineEnd();
}

/** Where the client asked over HTTP/2, what it need not say there (RFC 8441, 5) is said as well. */
function putUpgrade({ bytes, context, relay }: Exchange): void {
  const { output, requestHead: head } = context;
  output.putConstant(websocketLines);
  if (head.block === undefined) return;
  output.putText(`sec-websocket-key: ${relay.drawKey()}\r\n`);
  if (head.fields.lookup(bytes, 'sec-websocket-version') === undefined) output.putText('sec-websocket-version: 13\r\n');
}

/** By field id, which fields of the request at hand do not go on as they came. Holds until the next call. */
export function requestDrops(exchange: Exchange): Uint8Array {
  const drops = exchange.binding.role === 'mesh' ? meshDrops : exchange.binding.trustedHops > 0 ? trustingDrops : edgeDrops;
  drops[field.requestId] = exchange.requestId.isNew ? 1 : 0;
  drops[field.contentLength] = exchange.body.framing === framing.chunked ? 1 : 0;
  drops[field.maxForwards] = exchange.hopsLeft < 0 ? 0 : 1;
  drops[field.traceparent] = drops[field.tracestate] = exchange.span === undefined ? 0 : 1;
  return drops;
}

/** Path and query as they go on. */
export function forwardedTarget(exchange: Exchange, edits: RequestEdits): string {
  const { path, query, serverWide } = exchange.context.requestHead;
  if (edits.target !== undefined) return edits.target(path, query);
  if (serverWide) return '*';
  return query === undefined ? path : `${path}?${query}`;
}

/** Who the client is, for the backend. A first hop replaces what it was told; behind trusted ones it adds to it. */
function putForwarded(exchange: Exchange): void {
  const { downstream, context, binding } = exchange;
  if (binding.trustedHops === 0) {
    downstream.forwarded.putLines(context.output, context.requestHead.authorityText);
    return;
  }
  for (const [name, value] of forwardedBehindTrusted(exchange)) context.output.putText(`${name}: ${value}\r\n`);
}

/**
 * Whom the trusted proxies before us say they were asked by, the farthest one first: one entry of `x-forwarded-for` each, from its end. What
 * stands before those is what a client sent.
 */
function trustedAddresses({ bytes, context, binding }: Exchange): readonly string[] {
  const said = context.requestHead.fields.lookup(bytes, 'x-forwarded-for') ?? '';
  const entries: string[] = [];
  // From its end, for a client may have sent tens of thousands.
  for (let end = said.length; end > 0 && entries.length < binding.trustedHops; ) {
    const comma = said.lastIndexOf(',', end - 1);
    const entry = said.slice(comma + 1, end).trim();
    if (entry === '') break;
    entries.unshift(entry);
    end = comma;
  }
  return entries;
}

/** Who asked the farthest trusted proxy; undefined where not all of them said by whom they were asked, or it is no address. */
export function clientBehindTrusted(exchange: Exchange): string | undefined {
  const said = trustedAddresses(exchange);
  return said.length === exchange.binding.trustedHops && isIP(said[0]!) !== 0 ? said[0] : undefined;
}

/** What trusted proxies before us said, and what we add to it. */
export function forwardedBehindTrusted(exchange: Exchange): readonly (readonly [name: string, value: string])[] {
  const { bytes } = exchange;
  const { authorityText, fields } = exchange.context.requestHead;
  const added: [string, string][] = [['x-forwarded-for', [...trustedAddresses(exchange), exchange.downstream.client.address].join(', ')]];
  if (fields.lookup(bytes, 'x-forwarded-proto') === undefined) added.push(['x-forwarded-proto', exchange.binding.scheme]);
  if (fields.lookup(bytes, 'x-forwarded-host') === undefined) added.push(['x-forwarded-host', authorityText]);
  if (fields.lookup(bytes, 'x-forwarded-port') === undefined) added.push(['x-forwarded-port', String(exchange.binding.port)]);
  return added;
}

function traceLines(exchange: Exchange): string {
  const span = exchange.attemptSpan ?? exchange.span!;
  const lines = `traceparent: ${exchange.context.tracer!.header(span)}\r\n`;
  return span.tracestate === undefined ? lines : `${lines}tracestate: ${span.tracestate}\r\n`;
}

/** How a response is passed on, where that differs from how it came. */
export interface ResponseShape {
  readonly body: Framing;
  readonly keepAlive: boolean;
  readonly edits: HeaderEdits | undefined;
  readonly cors: HeaderEdits | undefined;
}

/** Begins a message in the output buffer with the head that goes to the client. */
export function putResponseHead(exchange: Exchange, bytes: Buffer, shape: ResponseShape): void {
  const { output, responseHead: head } = exchange.context;
  output.begin();
  putStatusLine(output, head, bytes);
  // RFC 9110, 8.6: none in 204; and there is none to be believed beside chunked.
  responseDrops[field.contentLength] = head.status === 204 || shape.body === framing.chunked ? 1 : 0;
  putFields(output, bytes, head.fields, { drops: responseDrops, first: shape.edits, second: shape.cors });
  if (shape.edits !== undefined) output.putText(shape.edits.lines);
  if (shape.cors !== undefined) output.putText(shape.cors.lines);
  if (shape.body === framing.chunked) output.putConstant(chunkedLine);
  if (lacksLength(exchange)) output.putConstant(emptyLine);
  if (!shape.keepAlive) output.putConstant(closeLine);
  else if (exchange.minorVersion === 0) output.putConstant(keepAliveLine);
  output.putLineEnd();
}

/** A 1xx response. */
export function putInterimHead(exchange: Exchange, bytes: Buffer): void {
  const { output, responseHead: head } = exchange.context;
  output.begin();
  putStatusLine(output, head, bytes);
  responseDrops[field.contentLength] = 1;
  putFields(output, bytes, head.fields, { drops: responseDrops, first: undefined, second: undefined });
  output.putLineEnd();
}

/** 101, where the endpoint has said so, or has accepted an extended CONNECT (RFC 8441, 5), which knows no key. */
export function putSwitchingHead(exchange: Exchange, bytes: Buffer): void {
  const { output, responseHead: head } = exchange.context;
  output.begin();
  if (head.block === undefined) putStatusLine(output, head, bytes);
  else output.putText(`HTTP/1.1 101 ${phrases[101]!}\r\n`);
  responseDrops[field.contentLength] = 1;
  putFields(output, bytes, head.fields, { drops: responseDrops, first: undefined, second: undefined });
  if (head.block !== undefined) putAccept(exchange);
  output.putConstant(websocketLines);
  output.putLineEnd();
}

/** What the client's key asks for; a client without one gets none. */
function putAccept({ downstream, context, bytes }: Exchange): void {
  downstream.showHead();
  const key = context.requestHead.fields.lookup(bytes, 'sec-websocket-key');
  if (key !== undefined) context.output.putText(`sec-websocket-accept: ${webSocketAccept(key)}\r\n`);
}

/** A response of HTTP/2 without a body, where HTTP/1.1 would have to wait for one (RFC 9112, 6.3). */
function lacksLength(exchange: Exchange): boolean {
  const { framing: told, status, fields } = exchange.context.responseHead;
  return told === framing.none && fields.contentLength < 0 && status !== 204 && status !== 304 && exchange.method !== 'HEAD';
}

function putStatusLine(output: OutputBuffer, head: ResponseHead, bytes: Buffer): void {
  output.putConstant(responseStart);
  if (head.block !== undefined) {
    output.putText(`${head.status} ${phrases[head.status] ?? ''}\r\n`);
    return;
  }
  output.putBytes(bytes, head.statusStart, head.reasonEnd);
  if (head.reasonEnd - head.statusStart === 3) output.putText(' ');
  output.putLineEnd();
}

/** The last chunk, with trailers behind it. */
export function putTrailers(output: OutputBuffer, bytes: Buffer, trailers: Fields): void {
  output.putConstant(lastSize);
  putFields(output, bytes, trailers, { drops: noDrops, first: undefined, second: undefined });
  output.putLineEnd();
}

interface Selection {
  readonly drops: Uint8Array;
  readonly first: HeaderEdits | undefined;
  readonly second: HeaderEdits | undefined;
}

/** Fields that are kept, in their order; runs of lines that are written as they should be are copied at once. */
function putFields(output: OutputBuffer, bytes: Buffer, fields: Fields, { drops, first, second }: Selection): void {
  const { ids, treatments, count } = fields;
  let run = -1;
  for (let index = 0; index < count; index++) {
    const start = fields.nameStart(index);
    const left =
      treatments[index] === treatment.drop ||
      drops[ids[index]!] === 1 ||
      (first !== undefined && first.drops(bytes, start, fields.nameEnd(index))) ||
      (second !== undefined && second.drops(bytes, start, fields.nameEnd(index)));
    if (!left && treatments[index] === treatment.copy) {
      if (run < 0) run = start;
      continue;
    }
    if (run >= 0) output.putBytes(bytes, run, start);
    run = -1;
    if (left) continue;
    output.putBytes(bytes, start, fields.nameEnd(index));
    output.putText(': ');
    output.putBytes(bytes, fields.valueStart(index), fields.valueEnd(index));
    output.putLineEnd();
  }
  if (run >= 0) output.putBytes(bytes, run, fields.end);
}
