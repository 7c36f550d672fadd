import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface HealthEnvironment {
  readonly address: string;
  readonly port: number;
  /** Why the replica is not ready; undefined where it is. */
  unready(): string | undefined;
  metrics(): Promise<{ readonly type: string; readonly text: string }>;
}

export interface HealthServer {
  readonly port: number;
  close(): void;
}

/** /healthz, /readyz, /metrics. Rejects where it can't bind. */
export async function serveHealth(env: HealthEnvironment): Promise<HealthServer> {
  const server = createServer({ requestTimeout: 5000, headersTimeout: 5000, keepAliveTimeout: 5000, maxHeaderSize: 8192 }, (request, response) => {
    const answer = (status: number, text: string, type = 'text/plain; charset=utf-8'): unknown => response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' }).end(text);
    if (request.method !== 'GET' && request.method !== 'HEAD') return answer(405, 'only GET\n');
    switch (request.url?.split('?', 1)[0]) {
      case '/healthz':
        return answer(200, 'ok\n');
      case '/readyz': {
        const reason = env.unready();
        return reason === undefined ? answer(200, 'ok\n') : answer(503, `${reason}\n`);
      }
      case '/metrics':
        return void env.metrics().then(
          ({ type, text }) => answer(200, text, type),
          (error: unknown) => answer(500, `${error instanceof Error ? error.message : String(error)}\n`),
        );
      default:
        return answer(404, 'not found\n');
    }
  });
  server.maxConnections = 100;
  server.on('clientError', (_error, socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(env.port, env.address, () => resolve());
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
