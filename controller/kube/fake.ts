import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { KubeConfig } from '@kubernetes/client-node';
import { connectApi } from './api.ts';
import type { KubeApi } from './types.ts';

/** A request as the fake API server got it. */
export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: string;
}

/** Answers one request; a watch keeps the response open. */
export type Script = (seen: Seen, response: ServerResponse) => void;

export interface FakeServer {
  readonly api: KubeApi;
  readonly seen: readonly Seen[];
  close(): Promise<void>;
}

/** A scripted API server on loopback, and the client that tests reach it with. */
export async function fakeServer(script: Script): Promise<FakeServer> {
  const seen: Seen[] = [];
  const server = createServer((request, response) => {
    void bodyOf(request).then((body) => {
      const url = new URL(request.url ?? '/', 'http://fake');
      const one = { method: request.method ?? '', path: url.pathname, query: url.searchParams, body };
      seen.push(one);
      script(one, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const config = new KubeConfig();
  config.loadFromClusterAndUser({ name: 'fake', server: `http://127.0.0.1:${port}`, skipTLSVerify: true }, { name: 'user', token: 'secret' });
  return {
    api: connectApi(config, 'weft-test'),
    seen,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export function json(response: ServerResponse, body: unknown, status = 200, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

/** Begins a watch's answer; the events go out one a line. */
export function watching(response: ServerResponse, ...events: readonly object[]): ServerResponse {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.flushHeaders();
  for (const event of events) response.write(`${JSON.stringify(event)}\n`);
  return response;
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request as AsyncIterable<Buffer>) text += chunk.toString('utf8');
  return text;
}
