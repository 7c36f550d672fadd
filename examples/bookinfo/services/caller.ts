import { Agent, request, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http';

/** One GET to another application: what came back, or an error where nothing did. */
export type Caller = (url: string, headers: OutgoingHttpHeaders) => Promise<Reply>;

export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

const bodyLimit = 1_000_000;

/** Calls by way of the HTTP proxy at `proxy` (RFC 9112, 3.2.2: the target is then the whole URL), or directly without one. */
export function callerThrough(proxy: string | undefined): Caller {
  const agent = new Agent({ keepAlive: true });
  return (url, headers) => {
    const target = new URL(url);
    const to = proxy === undefined ? target : new URL(proxy);
    const path = proxy === undefined ? `${target.pathname}${target.search}` : url;
    return new Promise((resolve, reject) => {
      const outgoing = request({ agent, host: to.hostname, port: to.port, path, headers: { ...headers, host: target.host } }, (incoming) => {
        let body = '';
        incoming.setEncoding('utf8');
        incoming.on('data', (chunk: string) => {
          body += chunk;
          if (body.length > bodyLimit) incoming.destroy(new Error('body too large'));
        });
        incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body }));
        incoming.on('error', reject);
      });
      outgoing.on('error', reject);
      outgoing.end();
    });
  };
}
