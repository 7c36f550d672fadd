import type { HeaderEdits } from '#routing';
import { field, isFieldName, isFieldValue, isName } from '../codec/index.ts';
import type { HeadForm } from '../connection/sides.ts';
import type { Context } from '../context.ts';
import { literalName } from '../http2/index.ts';
import { uuidLength } from '../telemetry/index.ts';
import type { Exchange } from './exchange.ts';
import { forwardedBehindTrusted, forwardedTarget, requestDrops, type RequestEdits } from './heads.ts';
import { hopsName, hopsOnward } from './hops.ts';
import type { Reply } from './replies.ts';

/** Heads as header blocks of HTTP/2: what `heads.ts` writes as lines. All are lent until the next one is encoded. */

const responseDrops = dropping(field.internal, field.host);
const noDrops = new Uint8Array(32);
const requestIdName = literalName('x-request-id');

function dropping(...ids: readonly number[]): Uint8Array {
  const drops = new Uint8Array(32);
  for (const id of ids) drops[id] = 1;
  return drops;
}

/** The head that goes upstream. The exchange's head must be the one last shown or parsed. */
export function encodeRequestHead(exchange: Exchange, edits: RequestEdits, scheme: 'http' | 'https', form: HeadForm): Uint8Array {
  const { encoder, requestHead } = exchange.context;
  const { block } = requestHead;
  if (block?.kept !== true || form === 'connect' || exchange.span !== undefined || exchange.binding.trustedHops > 0) {
    encoder.begin().scheme(scheme);
    putRequestParts(exchange, edits, form);
    putId(exchange);
    return encoder.view();
  }
  // Clients that repeat a head get it encoded once for each way in which it goes on; only its id is new.
  let made = block.attachment as EncodedRequest | undefined;
  if (made === undefined || made.edits !== edits || made.scheme !== scheme || made.idIsNew !== exchange.requestId.isNew) {
    encoder.begin().scheme(scheme);
    putRequestParts(exchange, edits, form);
    made = { edits, scheme, idIsNew: exchange.requestId.isNew, bytes: encoder.copy() };
    block.attachment = made;
  }
  encoder.begin().putEncoded(made.bytes);
  putId(exchange);
  return encoder.view();
}

/** A block's encoded head without the request's id. All else that matters for it is the same for all requests of a connection. */
interface EncodedRequest {
  readonly edits: RequestEdits;
  readonly scheme: 'http' | 'https';
  readonly idIsNew: boolean;
  readonly bytes: Buffer;
}

/** The same without its scheme, which may go before it: for heads that are kept until it is known. */
export function encodeRequestRest(exchange: Exchange, edits: RequestEdits): Uint8Array {
  const { encoder } = exchange.context;
  encoder.begin();
  putRequestParts(exchange, edits, 'plain');
  putId(exchange);
  return encoder.view();
}

function putId({ context, requestId }: Exchange): void {
  const { isNew, uuids, uuidStart } = requestId;
  if (isNew) context.encoder.putNamed(requestIdName, uuids, uuidStart, uuidStart + uuidLength);
}

function putRequestParts(exchange: Exchange, edits: RequestEdits, form: HeadForm): void {
  const { bytes, context, downstream } = exchange;
  const { encoder, requestHead: head } = context;
  const authority = edits.host ?? head.authorityText;
  encoder.method(form === 'connect' ? 'CONNECT' : head.method);
  if (authority !== '' && isFieldValue(authority)) encoder.authority(authority);
  encoder.path(forwardedTarget(exchange, edits));
  const drops = requestDrops(exchange);
  drops[field.host] = 1;
  if (form === 'connect') {
    encoder.put(':protocol', 'websocket');
    // A tunnel has none (RFC 9110, 9.3.6), though the GET may have said 0.
    drops[field.contentLength] = 1;
    const filtered = dropsOf(edits.request, undefined);
    encoder.putFields(bytes, head.fields, { drops, alsoDrops: (from, start, end) => isName(from, start, end, 'sec-websocket-key') || filtered(from, start, end) });
  } else encoder.putFields(bytes, head.fields, edits.request === undefined ? { drops } : { drops, alsoDrops: dropsOf(edits.request, undefined) });
  if (exchange.binding.role === 'edge') {
    if (exchange.binding.trustedHops === 0) encoder.putEncoded(downstream.forwarded.encoded(head.authorityText));
    else for (const [name, value] of forwardedBehindTrusted(exchange)) encoder.put(name, value);
  }
  encoder.put(hopsName, String(exchange.hops));
  if (exchange.span !== undefined) putTrace(exchange);
  const hops = hopsOnward(exchange, edits);
  if (hops !== undefined) encoder.put('max-forwards', hops);
  if (edits.request !== undefined) putAppended(context, edits.request);
  if (head.fields.trailersWelcome) encoder.put('te', 'trailers');
}

function putTrace(exchange: Exchange): void {
  const { encoder, tracer } = exchange.context;
  const span = exchange.attemptSpan ?? exchange.span!;
  encoder.put('traceparent', tracer!.header(span));
  if (span.tracestate !== undefined) encoder.put('tracestate', span.tracestate);
}

/** The head that goes to the client: `context.responseHead`, which lies in `bytes`. 1xx are no different. */
export function encodeResponseHead(context: Context, bytes: Buffer, edits: HeaderEdits | undefined, cors: HeaderEdits | undefined): Uint8Array {
  const { encoder, responseHead: head } = context;
  const block = head.block;
  if (edits === undefined && cors === undefined && block?.kept === true) {
    // Servers that repeat a head get it encoded once.
    if (block.attachment === undefined) block.attachment = Buffer.from(putResponse(context, bytes, undefined, undefined));
    return block.attachment as Buffer;
  }
  putResponse(context, bytes, edits, cors);
  if (edits !== undefined) putAppended(context, edits);
  if (cors !== undefined) putAppended(context, cors);
  return encoder.view();
}

function putResponse(context: Context, bytes: Buffer, edits: HeaderEdits | undefined, cors: HeaderEdits | undefined): Uint8Array {
  const { encoder, responseHead: head } = context;
  // RFC 9110, 8.6: none in 1xx and 204.
  responseDrops[field.contentLength] = head.status === 204 || head.status < 200 ? 1 : 0;
  encoder.begin().status(head.status);
  encoder.putFields(bytes, head.fields, edits === undefined && cors === undefined ? { drops: responseDrops } : { drops: responseDrops, alsoDrops: dropsOf(edits, cors) });
  return encoder.view();
}

/** Trailers, `context.trailers`, which lie in `bytes`. */
export function encodeTrailers(context: Context, bytes: Buffer): Uint8Array {
  return context.encoder.begin().putFields(bytes, context.trailers, { drops: noDrops }).view();
}

/** Trailers of our own. */
export function encodeOwnTrailers({ encoder }: Context, fields: Reply['headers']): Uint8Array {
  encoder.begin();
  for (const { name, value } of fields) encoder.put(name, value);
  return encoder.view();
}

/** The head of a reply of our own. */
export function encodeReply(context: Context, reply: Reply): Uint8Array {
  const encoder = context.encoder.begin().status(reply.status);
  for (const { name, value } of reply.headers) if (isFieldName(name) && isFieldValue(value)) encoder.put(name.toLowerCase(), value);
  if (reply.status !== 204 && reply.body !== '') encoder.put('content-length', String(reply.body.length));
  return encoder.view();
}

/** 200 to an extended CONNECT, of the 101 or 200 that `context.responseHead` has: what only HTTP/1.1 needs to agree upon it is left out (RFC 8441, 5). */
export function encodeAcceptance({ encoder, responseHead: head }: Context, bytes: Buffer): Uint8Array {
  responseDrops[field.contentLength] = 1;
  return encoder.begin().status(200).putFields(bytes, head.fields, { drops: responseDrops, alsoDrops: (from, start, end) => isName(from, start, end, 'sec-websocket-accept') }).view();
}

function putAppended(context: Context, edits: HeaderEdits): void {
  for (const { name, value } of edits.append) context.encoder.put(name.toLowerCase(), value);
}

function dropsOf(one: HeaderEdits | undefined, other: HeaderEdits | undefined): (bytes: Buffer, start: number, end: number) => boolean {
  return (bytes, start, end) => (one !== undefined && one.drops(bytes, start, end)) || (other !== undefined && other.drops(bytes, start, end));
}
