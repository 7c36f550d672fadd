import type { HeaderValue } from '#routing';
import { isFieldName, isFieldValue } from '../codec/index.ts';
import { failures, type FailureCode } from '../failures.ts';
import type { Exchange } from './exchange.ts';

const phrases: Readonly<Record<number, string>> = {
  200: 'OK',
  204: 'No Content',
  301: 'Moved Permanently',
  302: 'Found',
  303: 'See Other',
  307: 'Temporary Redirect',
  308: 'Permanent Redirect',
  400: 'Bad Request',
  403: 'Forbidden',
  404: 'Not Found',
  408: 'Request Timeout',
  414: 'URI Too Long',
  417: 'Expectation Failed',
  421: 'Misdirected Request',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  505: 'HTTP Version Not Supported',
  508: 'Loop Detected',
};

/** An answer that is the proxy's own. */
export interface Reply {
  readonly status: number;
  readonly headers: readonly HeaderValue[];
  readonly body: string;
}

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

/** Puts a whole reply into the output buffer. */
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
