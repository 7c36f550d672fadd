import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { details, productPage, ratings, reviews } from './apps.ts';
import type { Caller } from './caller.ts';
import { callerThrough } from './caller.ts';

/**
 * One bookinfo application: `node examples/bookinfo/services/main.ts <app> <version>`.
 * HOST and PORT say where to listen; HTTP_PROXY, where set, is the sidecar through which it calls the others.
 */

export type App = (request: IncomingMessage, response: ServerResponse, call: Caller) => Promise<void>;

const apps: Readonly<Record<string, (version: string) => App>> = { productpage: productPage, details, reviews, ratings };
const [name = '', version = 'v1'] = process.argv.slice(2);
const create = apps[name];
if (create === undefined) {
  console.error(`bookinfo: unknown application "${name}"; one of ${Object.keys(apps).join(', ')}`);
  process.exit(1);
}
const app = create(version);
const call = callerThrough(process.env['HTTP_PROXY']);
const server = createServer((request, response) => {
  app(request, response, call).catch((error: unknown) => {
    if (!response.headersSent) response.writeHead(500, { 'content-type': 'text/plain' });
    response.end(`${name} ${version}: ${String(error)}\n`);
  });
});
server.listen(Number(process.env['PORT'] ?? 9080), process.env['HOST'] ?? '0.0.0.0', () => process.send?.('listening'));
server.on('error', (error) => {
  console.error(`bookinfo ${name} ${version}: ${error.message}`);
  process.exit(1);
});
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => server.close(() => process.exit(0)).closeIdleConnections());
// Whoever started this process is gone when its channel closes; then nothing must be left behind.
process.on('disconnect', () => process.exit(0));
