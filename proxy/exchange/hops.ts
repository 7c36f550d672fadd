import { bytesOf, field, treatment } from '../codec/index.ts';
import type { Exchange } from './exchange.ts';
import type { RequestEdits } from './heads.ts';
import { emptyReply, type Reply } from './replies.ts';

/**
 * `Max-Forwards` (RFC 9110, 7.6.2): how many more proxies may forward a TRACE or OPTIONS. It counts for these two alone; on other methods it
 * passes as it is.
 */

/** The largest number that goes on. */
const maxHops = 2 ** 31 - 1;
const name = bytesOf('max-forwards');

/** Takes note of how often the request may be forwarded behind us. True: it may not go on at all, and has been answered. The head must be the one last parsed. */
export function endsHere(exchange: Exchange): boolean {
  const { bytes, context, method } = exchange;
  exchange.hopsLeft = -1;
  if (method !== 'OPTIONS' && method !== 'TRACE') return false;
  const value = context.requestHead.fields.lookup(bytes, 'max-forwards');
  if (value === undefined) return false;
  // Several lines, joined, are none either.
  if (!/^[0-9]{1,15}$/.test(value)) exchange.fail('bad-request', 'max-forwards');
  else if (Number(value) === 0) exchange.answer(method === 'TRACE' ? traced(exchange) : emptyReply);
  else {
    exchange.hopsLeft = Math.min(Number(value) - 1, maxHops);
    return false;
  }
  return true;
}

/** The field as it goes on; undefined where the one that came is left as it is, or where a filter says something else of it. */
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
