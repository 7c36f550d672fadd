import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { hostPort } from '#snapshot';
import { tlsOptionsOf, type UpstreamSecurity } from '../configuration/backend-tls.ts';
import type { BackendState, PooledEndpoint } from '../configuration/backends.ts';
import type { Context } from '../context.ts';
import { ProxyError } from '../failures.ts';
import { boundUnsent } from '../sockets/index.ts';
import type { Ledger } from './ledger.ts';

/** A connection to an endpoint, which the balancer counts until it is released. */
export interface Joined {
  readonly socket: Socket;
  release(): void;
}

/** An address and a port of the proxy's own. */
export interface Entrance {
  readonly address: string;
  readonly port: number;
}

export interface DialOptions {
  /** Milliseconds per endpoint; 0: as long as the kernel tries. */
  readonly connectMs: number;
  /** Where the client came in, at a port of the proxy's own. */
  readonly entrance?: Entrance;
  readonly signal: AbortSignal;
}

/** How many endpoints are tried before a connection is given up: nothing was sent yet, so another one does no harm. */
const maxTries = 3;
const keepAliveMs = 30_000;

/** Connects to an endpoint of the backend, to another one where that refuses. Rejects with a ProxyError. */
export async function dialBackend(context: Context, name: string, ledger: Ledger, options: DialOptions): Promise<Joined> {
  const backend = context.backends.get(name);
  if (backend === undefined || (!backend.known && backend.endpoints.size === 0)) throw new ProxyError('config-missing', { reason: name });
  if (options.entrance !== undefined && comesBack(context, backend, options.entrance)) throw new ProxyError('loop-detected', { reason: 'own-address' });
  const tried: PooledEndpoint[] = [];
  let failure = new ProxyError('no-endpoints');
  while (tried.length < maxTries) {
    const endpoint = backend.balancer.pick(backend.endpoints, tried);
    if (endpoint === undefined || tried.includes(endpoint)) break;
    tried.push(endpoint);
    ledger.attempts = tried.length;
    ledger.endpoint = endpoint.place;
    endpoint.active++;
    const startedAt = context.now();
    try {
      return joined(context, backend, endpoint, await openTo(endpoint, options));
    } catch (error) {
      endpoint.active--;
      if (options.signal.aborted) throw new ProxyError('client-closed', { cause: error });
      failure = error instanceof ProxyError ? error : new ProxyError('connect-failed', { cause: error, reason: codeOf(error) });
      context.metrics.count('upstream_connections_failed');
      if (failure.code === 'tls-failed') context.metrics.count('upstream_tls_handshakes_failed');
      backend.attemptFailed(endpoint, failure, startedAt);
    }
  }
  throw failure;
}

/**
 * Whether what is sent there may come in again at the same port, where it would be routed as it was before. It is enough that one endpoint of several is
 * this proxy: those of one Gateway that send to each other would not end either. What TLS is put around may be routed elsewhere the second time.
 */
export function comesBack({ environment }: Context, { endpoints, security }: BackendState, { address, port }: Entrance): boolean {
  if (security !== undefined) return false;
  // Of a workload with addresses of both families only one stands among the endpoints.
  return endpoints.has(hostPort(address, port)) || environment.addresses?.some((own) => endpoints.has(hostPort(own, port))) === true;
}

function joined(context: Context, backend: BackendState, endpoint: PooledEndpoint, socket: Socket): Joined {
  const { metrics } = context;
  backend.endpoints.succeeded(endpoint);
  metrics.count('upstream_connections_opened');
  if ('encrypted' in socket) metrics.count('upstream_tls_handshakes');
  metrics.move('upstream_connections_active', 1);
  socket.once('close', () => metrics.move('upstream_connections_active', -1));
  let released = false;
  return {
    socket,
    release: () => {
      if (!released) endpoint.active--;
      released = true;
    },
  };
}

function openTo({ endpoint, pool }: PooledEndpoint, { connectMs, signal }: DialOptions): Promise<Socket> {
  const security = pool?.security;
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(new Error('given up'));
    // In the clear nothing must leave that is to be encrypted.
    if (security !== undefined && 'unusable' in security) return reject(new ProxyError('tls-failed', { reason: security.unusable }));
    const socket = socketTo(endpoint.address, endpoint.port, security);
    let isReached = false;
    const timer = connectMs > 0 ? setTimeout(() => fail(new ProxyError('connect-timeout')), connectMs) : undefined;
    const settle = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      socket.off('error', failed);
      socket.on('error', ignore);
    };
    const fail = (error: Error): void => {
      settle();
      socket.destroy();
      reject(error);
    };
    const failed = (error: Error): void => fail(isReached ? new ProxyError('tls-failed', { cause: error, reason: codeOf(error) }) : error);
    const abort = (): void => fail(new Error('given up'));
    signal.addEventListener('abort', abort, { once: true });
    socket.on('error', failed);
    socket.once('connect', () => {
      isReached = true;
      boundUnsent(socket);
    });
    socket.once(security === undefined ? 'connect' : 'secureConnect', () => {
      settle();
      resolve(socket);
    });
  });
}

function socketTo(host: string, port: number, security: Exclude<UpstreamSecurity, { unusable: string }>): Socket {
  const plain = { host, port, allowHalfOpen: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: keepAliveMs };
  return security === undefined ? connect(plain) : connectTls({ ...tlsOptionsOf(security), ...plain });
}

function codeOf(error: unknown): string {
  return error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? 'error') : 'error';
}

function ignore(): void {}
