import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface HealthEnvironment {
  /** All of this machine unless set. */
  readonly address?: string;
  readonly port: number;
  /** Why the replica is not ready; undefined where it is. */
  unready(): string | undefined;
  metrics(): Promise<{ readonly type: string; readonly text: string }>;
}

/** What a server answers to GET, by path. */
type Answers = Readonly<Record<string, (answer: (status: number, text: string, type?: string) => unknown) => unknown>>;

export interface HealthServer {
  readonly port: number;
  close(): void;
}

/** /healthz, /readyz, /metrics. Rejects where it can't bind. */
export function serveHealth(env: HealthEnvironment): Promise<HealthServer> {
  return serve(env, {
    '/healthz': (answer) => answer(200, 'ok\n'),
    '/readyz': (answer) => {
      const reason = env.unready();
      return reason === undefined ? answer(200, 'ok\n') : answer(503, `${reason}\n`);
    },
    '/metrics': (answer) =>
      void env.metrics().then(
        ({ type, text }) => answer(200, text, type),
        (error: unknown) => answer(500, `${error instanceof Error ? error.message : String(error)}\n`),
      ),
  });
}

/**
 * /proxies, as JSON: which workloads there are and what each may talk to. That is nobody's business but an operator's, so it is served
 * on loopback alone, where `kubectl port-forward` and `weft status` reach it with the rights of whoever calls them. Rejects where it
 * can't bind.
 */
export function serveAdmin({ port, proxies }: { readonly port: number; proxies(): object }): Promise<HealthServer> {
  return serve({ address: '127.0.0.1', port }, { '/proxies': (answer) => answer(200, `${JSON.stringify(proxies())}\n`, 'application/json') });
}

async function serve(place: { readonly address?: string; readonly port: number }, answers: Answers): Promise<HealthServer> {
  const server = createServer({ requestTimeout: 5000, headersTimeout: 5000, keepAliveTimeout: 5000, maxHeaderSize: 8192 }, (request, response) => {
    const answer = (status: number, text: string, type = 'text/plain; charset=utf-8'): unknown => response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' }).end(text);
    if (request.method !== 'GET' && request.method !== 'HEAD') return answer(405, 'only GET\n');
    const path = request.url?.split('?', 1)[0] ?? '';
    return Object.hasOwn(answers, path) ? answers[path]!(answer) : answer(404, 'not found\n');
  });
  server.maxConnections = 100;
  server.on('clientError', (_error, socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(place.port, place.address, () => resolve());
  });
  server.on('error', () => {});
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
