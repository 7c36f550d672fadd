import type { HeaderValue } from '#routing';
import { isFieldName, isFieldValue, phrases } from '../codec/index.ts';
import { failures, type FailureCode } from '../failures.ts';
import type { Exchange } from './exchange.ts';

/** An answer that is the proxy's own. */
export interface Reply {
  readonly status: number;
  readonly headers: readonly HeaderValue[];
  readonly body: string;
}

/** Of the proxy itself, to OPTIONS of what it does not forward: that it is there. */
export const emptyReply: Reply = { status: 200, headers: [], body: '' };

/** Says which failure it was. Dropped from whatever is passed on. */
export const failureHeader = 'x-weft-error';

/** The reply of a failure; `status` where the route says another than the table. */
export function failureReply(code: FailureCode, status: number = failures[code].status): Reply {
  return {
    status,
    headers: [
      { name: 'content-type', value: 'text/plain; charset=utf-8' },
      { name: failureHeader, value: code },
    ],
    body: `${failures[code].text}\n`,
  };
}

/** Puts a whole reply into the output buffer, as HTTP/1.1. */
export function putReply(exchange: Exchange, reply: Reply, keepAlive: boolean): void {
  const { output } = exchange.context;
  let text = `HTTP/1.1 ${reply.status} ${phrases[reply.status] ?? ''}\r\n`;
  for (const { name, value } of reply.headers) if (isFieldName(name) && isFieldValue(value)) text += `${name}: ${value}\r\n`;
  if (reply.status !== 204) text += `content-length: ${reply.body.length}\r\n`;
  if (!keepAlive) text += 'connection: close\r\n';
  else if (exchange.minorVersion === 0) text += 'connection: keep-alive\r\n';
  text += '\r\n';
  output.begin();
  output.putText(exchange.method === 'HEAD' ? text : text + reply.body);
}
