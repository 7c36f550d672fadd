import { notInTrailers } from './http2/reader.ts';
import { membersOf, valuesOf, type FieldLine } from './message.ts';
import { readResponses, type readResponse, type ReadResponse } from './response.ts';
import type { Talk } from './rig.ts';

const rewritten = /^(host|connection|content-length|transfer-encoding|keep-alive|proxy-connection|proxy-authorization|proxy-authenticate|proxy-authentication-info|te|upgrade|http2-settings|x[^a-z0-9](forwarded[^a-z0-9].*|request[^a-z0-9]id|weft[^a-z0-9].*))$/;

function lostField(sent: ReadResponse, got: ReadResponse): string | undefined {
  // Crumbs of cookies are one field in HTTP/1.1 (RFC 9113, 8.2.3), whoever puts them into a response.
  const lines = (fields: readonly FieldLine[], name: string): string => (name === 'cookie' ? valuesOf(fields, name).join('; ') : JSON.stringify(valuesOf(fields, name)));
  const options = membersOf(valuesOf(sent.fields, 'connection')).map((option) => option.toLowerCase());
  for (const { name } of sent.fields) {
    if (!rewritten.test(name) && !options.includes(name) && lines(sent.fields, name) !== lines(got.fields, name)) return `field ${name}: ${lines(sent.fields, name)} became ${lines(got.fields, name)}`;
  }
  return undefined;
}

/** Whether a response became another one. */
export function differs(sent: ReadResponse, got: ReadResponse): string | undefined {
  if (sent.status !== got.status) return `status ${sent.status} became ${got.status}`;
  if (sent.body !== got.body) return `body ${JSON.stringify(sent.body.slice(0, 100))} became ${JSON.stringify(got.body.slice(0, 100))}`;
  if (sent.interims.join() !== got.interims.join()) return `interim responses ${sent.interims.join()} became ${got.interims.join()}`;
  if (got.status === 204 && got.fields.some(({ name }) => name === 'content-length' || name === 'transfer-encoding')) return '204 with framing';
  if (got.trailers?.some(({ name }) => notInTrailers.test(name)) === true) return 'trailers that belong into a head';
  return lostField(sent, got);
}

/** What an upstream answered to `/r…`. */
export interface Answer {
  readonly method: 'GET' | 'HEAD';
  readonly read: ReturnType<typeof readResponse>;
}

/** Whether there is a response that only who splits the real one would find. */
export function isInjected(responses: readonly ReadResponse[]): boolean {
  return responses.some(({ fields }) => fields.some(({ name }) => name === 'x-injected'));
}

/** What is wrong with what the client got for `/r…` and, behind it, `/f…`, whose answer is its target. */
export function judgeAnswer({ read, method }: Answer, number: string, { text, outcome }: Talk): string | undefined {
  if (outcome === 'hung') return `hung with ${JSON.stringify(text.slice(0, 200))}`;
  const { responses, fault } = readResponses(text, [method, 'GET']);
  const [first, second] = responses;
  const quote = JSON.stringify(text.slice(0, 300));
  if (responses.length > 2) return `${responses.length} responses for 2 requests: ${quote}`;
  if (isInjected(responses) && !(read.kind === 'response' && isInjected([read]))) return `injected: ${quote}`;
  if (second !== undefined && second.body !== `/f${number}`) return `the second request got another response: ${quote}`;
  const own = first !== undefined && first.status === 502 && valuesOf(first.fields, 'x-weft-error').length === 1;
  if (fault !== undefined) {
    // Cut, and plainly so: never a whole response.
    if (read.kind === 'response' && read.certainty === 'must') return `valid, and cut (${fault}): ${quote}`;
    return fault === 'incomplete' && responses.length === 0 ? undefined : `${fault}: ${quote}`;
  }
  if (first === undefined) return read.kind === 'response' && read.certainty === 'must' ? 'no response for a valid one' : undefined;
  if (read.kind !== 'response') return own ? undefined : `relayed though ${read.kind === 'refused' ? read.reason : 'incomplete'}: ${quote}`;
  if (own && read.certainty === 'may') return undefined;
  return differs(read, first) ?? (second === undefined ? 'no second response' : undefined);
}
