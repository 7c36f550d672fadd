import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Exposition } from './metrics/index.ts';

export interface AdminOptions {
  /** 0: any free port. */
  readonly port: number;
  /** 127.0.0.1 unless set. */
  readonly address?: string;
  /** Further names by which a request may call this server, without port: a Pod's IP for the kubelet's probe. */
  readonly hosts?: readonly string[];
  readonly metrics: () => Promise<Exposition>;
  /** Why the proxy isn't ready; undefined while it is. */
  readonly notReady: () => string | undefined;
  /** A summary of the configuration in force; no secrets. */
  readonly config: () => unknown;
}

export interface AdminServer {
  readonly address: string;
  readonly port: number;
  close(): Promise<void>;
}

const maxConnections = 32;

/**
 * Answers GET /metrics, /ready and /config: reading only, nothing here changes anything. Not the data path. The Host check keeps web
 * pages that rebind their name to a loopback address (DNS rebinding) from reading it. Rejects where the port can't be bound.
 */
export async function startAdmin(options: AdminOptions): Promise<AdminServer> {
  const address = options.address ?? '127.0.0.1';
  const hosts = new Set([address, 'localhost', '127.0.0.1', '[::1]', ...(options.hosts ?? [])].map((host) => host.toLowerCase()));
  const server = createServer({ maxHeaderSize: 8192, headersTimeout: 5000, requestTimeout: 5000, keepAliveTimeout: 5000 }, (request, response) => {
    answer(request, options, hosts)
      .catch((): Answer => ({ status: 500, type: 'text/plain', body: 'Internal error.\n' }))
      .then((found) => send(response, found))
      .catch(() => response.destroy());
  });
  server.maxConnections = maxConnections;
  server.on('clientError', (_error, socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, address, () => {
      server.off('error', reject);
      server.on('error', () => {});
      resolve();
    });
  });
  return {
    address,
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

async function answer(request: IncomingMessage, options: AdminOptions, hosts: ReadonlySet<string>): Promise<Answer> {
  const host = (request.headers.host ?? '').toLowerCase().replace(/:[0-9]+$/, '');
  if (!hosts.has(host)) return plain(421, 'This server does not have that name.');
  if (request.method !== 'GET' && request.method !== 'HEAD') return plain(405, 'GET only.');
  switch ((request.url ?? '').split('?')[0]) {
    case '/metrics': {
      const { contentType, body } = await options.metrics();
      return { status: 200, type: contentType, body };
    }
    case '/ready': {
      const reason = options.notReady();
      return reason === undefined ? plain(200, 'ready') : plain(503, reason);
    }
    case '/config':
      return { status: 200, type: 'application/json', body: `${JSON.stringify(options.config(), undefined, 2)}\n` };
    default:
      return plain(404, 'There are /metrics, /ready and /config.');
  }
}

function plain(status: number, text: string): Answer {
  return { status, type: 'text/plain; charset=utf-8', body: `${text}\n` };
}

function send(response: ServerResponse, { status, type, body }: Answer): void {
  const bytes = Buffer.from(body);
  response.writeHead(status, {
    'content-type': type,
    'content-length': bytes.length,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...(status === 405 ? { allow: 'GET, HEAD' } : {}),
  });
  response.end(response.req.method === 'HEAD' ? undefined : bytes);
}
