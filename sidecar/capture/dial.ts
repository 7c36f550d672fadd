import { connect, type Socket } from 'node:net';
import { boundUnsent, endless, type OpenedStream, type PickedEndpoint } from '#proxy';
import type { Address } from './original-destination.ts';
import { ignore } from './sockets.ts';

/** As a proxy's connections to endpoints. Milliseconds. */
const connectMs = 5000;
const keepAliveMs = 30_000;

/** Counted until it has `ended`, or was `unused`. */
export type Dialled = OpenedStream;

/** A connection that nobody counts. */
export function uncounted(socket: Socket): Dialled {
  return { socket, lifetime: endless, ended: ignore, unused: ignore };
}

/** Opens a connection. Rejects where there is none in time, or when the signal is aborted. `timeoutMs` 0: as long as the kernel tries. */
export function open(to: Address, timeoutMs: number, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(new Error('given up'));
    const socket = connect({ host: to.host, port: to.port, allowHalfOpen: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: keepAliveMs });
    const timer = timeoutMs > 0 ? setTimeout(() => fail(new Error('no connection in time')), timeoutMs) : undefined;
    const settle = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      socket.off('error', fail);
      socket.on('error', ignore);
    };
    const fail = (error: Error): void => {
      settle();
      socket.destroy();
      reject(error);
    };
    const abort = (): void => fail(new Error('given up'));
    signal.addEventListener('abort', abort, { once: true });
    socket.on('error', fail);
    socket.once('connect', () => {
      settle();
      boundUnsent(socket);
      resolve(socket);
    });
  });
}

/** How many endpoints are tried before a connection is given up: nothing was sent yet, so another one does no harm. */
const maxTries = 3;

/** A connection to an endpoint that `pick` names, or to `otherwise` where it names none at all. */
export async function openEndpoint(pick: (tried: readonly PickedEndpoint[]) => PickedEndpoint | undefined, otherwise: Address, signal: AbortSignal): Promise<Dialled> {
  const tried: PickedEndpoint[] = [];
  let failure: unknown;
  while (tried.length < maxTries) {
    const endpoint = pick(tried);
    if (endpoint === undefined) break;
    tried.push(endpoint);
    try {
      const socket = await open({ host: endpoint.address, port: endpoint.port }, connectMs, signal);
      endpoint.connected();
      return { socket, lifetime: endless, ended: () => endpoint.release(), unused: () => endpoint.release() };
    } catch (error) {
      if (signal.aborted) endpoint.release();
      else endpoint.refused((error as NodeJS.ErrnoException).code);
      if (signal.aborted) throw error;
      failure = error;
    }
  }
  if (tried.length > 0) throw failure;
  return uncounted(await open(otherwise, 0, signal));
}
