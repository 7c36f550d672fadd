import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Counter, Histogram, Registry } from 'prom-client';
import type { Outcome } from './server.ts';

export interface InjectorMetrics {
  answered(outcome: Outcome, milliseconds: number): void;
  /** A look at the certificate that failed. */
  failed(): void;
  text(): Promise<string>;
}

export function createMetrics(): InjectorMetrics {
  const registers = [new Registry()];
  const reviews = new Counter({ name: 'weft_injector_reviews_total', help: 'Pods reviewed, by what became of them', labelNames: ['outcome'], registers });
  const seconds = new Histogram({ name: 'weft_injector_review_seconds', help: 'From the head of a review to its answer', buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5], registers });
  const failures = new Counter({ name: 'weft_injector_certificate_failures_total', help: 'Times that the certificate could not be kept in step', registers });
  return {
    answered: (outcome, milliseconds) => {
      reviews.inc({ outcome });
      seconds.observe(milliseconds / 1000);
    },
    failed: () => failures.inc(),
    text: () => registers[0]!.metrics(),
  };
}

/** Answers GET /healthz, /readyz and /metrics, reading only. Rejects where the port can't be bound. */
export async function serveHealth(port: number, state: { ready(): boolean; metrics(): Promise<string> }): Promise<{ readonly port: number; close(): Promise<void> }> {
  const server: Server = createServer({ maxHeaderSize: 8192, headersTimeout: 5000, requestTimeout: 5000 }, (request, response) => {
    const path = request.method === 'GET' ? (request.url ?? '').split('?')[0] : undefined;
    if (path === '/healthz') response.writeHead(200).end('ok\n');
    else if (path === '/readyz') response.writeHead(state.ready() ? 200 : 503).end(state.ready() ? 'ok\n' : 'no certificate yet\n');
    else if (path === '/metrics') state.metrics().then((text) => response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' }).end(text), () => response.destroy());
    else response.writeHead(404).end();
  });
  server.maxConnections = 32;
  server.on('clientError', (_error, socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, () => {
      server.off('error', reject);
      server.on('error', () => {});
      resolve();
    });
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
