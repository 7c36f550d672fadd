import { bytesOf, field, treatment, type Fields } from '../codec/index.ts';
import type { Exchange } from './exchange.ts';
import type { RequestEdits } from './heads.ts';
import { emptyReply, type Reply } from './replies.ts';

/** The largest number that goes on. */
const maxForwards = 2 ** 31 - 1;
const name = bytesOf('max-forwards');
/** As far as IP goes. A call of ten services in a row, each of which hands on all that it was given, passes twenty proxies. */
export const maxHops = 64;
export const hopsName = 'x-weft-hops';
/** By how many proxies it will have passed. */
export const hopsLines: readonly Uint8Array[] = Array.from({ length: maxHops + 1 }, (_, hops) => bytesOf(`${hopsName}: ${hops}\r\n`));

/**
 * Whether the request may not go on at all, and has been answered: `Max-Forwards` (RFC 9110, 7.6.2; of TRACE and OPTIONS alone, on other methods
 * it passes as it is), or because it has passed more proxies than any way has (decision 18). The head must be the one last parsed.
 */
export function endsHere(exchange: Exchange): boolean {
  const { bytes, context, method } = exchange;
  const { fields } = context.requestHead;
  exchange.hopsLeft = -1;
  exchange.hops = fields.hops < 0 ? 1 : hopsBefore(fields, bytes) + 1;
  if (exchange.hops > maxHops) {
    exchange.fail('loop-detected', 'hops');
    return true;
  }
  if (method !== 'OPTIONS' && method !== 'TRACE') return false;
  const value = fields.lookup(bytes, 'max-forwards');
  if (value === undefined) return false;
  // Several lines, joined, are none either.
  if (!/^[0-9]{1,15}$/.test(value)) exchange.fail('bad-request', 'max-forwards');
  else if (Number(value) === 0) exchange.answer(method === 'TRACE' ? traced(exchange) : emptyReply);
  else {
    exchange.hopsLeft = Math.min(Number(value) - 1, maxForwards);
    return false;
  }
  return true;
}

/** What is no number was not written by one of us, and counts for nothing. */
function hopsBefore(fields: Fields, bytes: Buffer): number {
  const value = fields.value(bytes, fields.hops);
  return /^[0-9]{1,3}$/.test(value) ? Number(value) : 0;
}

/** `Max-Forwards` as it goes on; undefined where the one that came is left as it is, or where a filter says something else of it. */
export function hopsOnward(exchange: Exchange, edits: RequestEdits): string | undefined {
  if (exchange.hopsLeft < 0 || edits.request?.drops(name, 0, name.length) === true) return undefined;
  return String(exchange.hopsLeft);
}

/** RFC 9110, 9.3.8: the message as it came, without what is secret or the connection's own. */
function traced({ bytes, context, path }: Exchange): Reply {
  const { authorityText, fields } = context.requestHead;
  const { count, ids, treatments } = fields;
  let body = `TRACE ${path} HTTP/1.1\r\n`;
  if (fields.host < 0) body += `host: ${authorityText}\r\n`;
  for (let index = 0; index < count; index++) {
    if (treatments[index] === treatment.drop || ids[index] === field.endToEnd) continue;
    body += `${bytes.toString('latin1', fields.nameStart(index), fields.nameEnd(index))}: ${fields.value(bytes, index)}\r\n`;
  }
  return { status: 200, headers: [{ name: 'content-type', value: 'message/http' }], body: `${body}\r\n` };
}
