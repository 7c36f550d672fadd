import { appendFileSync } from 'node:fs';
import { Agent, createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createRequire } from 'node:module';

/** `node library.ts http-proxy|undici PORT BACKEND`: a proxy as one writes it with the library, with a line of log per request. */

const [library, port, backend] = process.argv.slice(2);
const lines: string[] = [];
setInterval(() => {
  appendFileSync('/dev/null', lines.join(''));
  lines.length = 0;
}, 250).unref();

function log(request: IncomingMessage, response: ServerResponse): void {
  lines.push(`${request.socket.remoteAddress} ${request.method} ${request.url} ${response.statusCode}\n`);
}

/** What is used of http-proxy, which has no types. */
interface ProxyServer {
  on(event: 'error', listener: (error: Error, request: IncomingMessage, response: ServerResponse) => void): void;
  web(request: IncomingMessage, response: ServerResponse): void;
}

function withHttpProxy(): (request: IncomingMessage, response: ServerResponse) => void {
  const httpProxy = createRequire(import.meta.url)('http-proxy') as { createProxyServer(options: object): ProxyServer };
  const proxy = httpProxy.createProxyServer({ target: `http://127.0.0.1:${backend}`, agent: new Agent({ keepAlive: true, maxSockets: 512 }), xfwd: true });
  proxy.on('error', (_error, _request, response) => response.destroy());
  return (request, response) => {
    response.once('finish', () => log(request, response));
    proxy.web(request, response);
  };
}

async function withUndici(): Promise<(request: IncomingMessage, response: ServerResponse) => void> {
  const { Pool } = await import('undici');
  const pool = new Pool(`http://127.0.0.1:${backend}`, { connections: 512 });
  const hopByHop = new Set(['connection', 'keep-alive', 'te', 'trailer', 'transfer-encoding', 'upgrade']);
  return (request, response) => {
    const headers = Object.fromEntries(Object.entries(request.headers).filter(([name]) => !hopByHop.has(name)));
    response.once('finish', () => log(request, response));
    const bodied = request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined;
    pool
      .stream({ method: request.method as 'GET', path: request.url ?? '/', headers: { ...headers, 'x-forwarded-for': request.socket.remoteAddress ?? '' }, body: bodied ? request : null }, ({ statusCode, headers: answered }) => {
        response.writeHead(statusCode, Object.fromEntries(Object.entries(answered).filter(([name]) => !hopByHop.has(name))));
        return response;
      })
      .catch(() => response.destroy());
  };
}

createServer({ keepAliveTimeout: 60_000 }, library === 'undici' ? await withUndici() : withHttpProxy()).listen(Number(port), '127.0.0.1');
