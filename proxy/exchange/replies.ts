import type { FilterPlan, HeaderValue } from '#routing';
import { isFieldName, isFieldValue } from '../codec/index.ts';
import { failures, type FailureCode } from '../failures.ts';
import type { Exchange } from './exchange.ts';
import { phrases } from './phrases.ts';

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

/** What filters answer in the backend's place: a preflight of CORS, a redirect. The exchange's head must be the one last parsed. */
export function filterReply({ binding, context }: Exchange, { cors, redirect, response }: FilterPlan): Reply | undefined {
  const { view, requestHead } = context;
  const preflight = cors?.preflight(view);
  if (preflight !== undefined) return { status: preflight.status, headers: preflight.headers, body: '' };
  if (redirect === undefined) return undefined;
  // In the mesh the frontend is the Service port that was dialled, not the sidecar's own.
  const port = binding.role === 'mesh' ? (requestHead.authority.port ?? 80) : binding.port;
  const { status, location } = redirect({ scheme: binding.scheme, host: view.host, port, path: view.path, query: view.query });
  const headers: HeaderValue[] = [{ name: 'location', value: location }];
  return { status, headers: response === undefined ? headers : [...headers, ...response.append], body: '' };
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
