import { createServer as createPlainServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { acceptSession, HeaderEncoder, http2Environment, type Acceptor, type Http2Environment, type Http2Limits, type Stream, type StreamUser } from '../../proxy/http2/index.ts';
import { driveWheel } from '../../proxy/time/index.ts';

/** A small server on our codec: answers every request with 200 and a body, once all of the request has come. */

export interface SmallServer {
  readonly port: number;
  readonly environment: Http2Environment;
  /** Faults of ours; there must be none. */
  readonly faults: unknown[];
  close(): Promise<void>;
}

export interface SmallServerOptions {
  readonly tls?: { readonly key: string; readonly cert: string };
  readonly limits?: Partial<Http2Limits>;
  readonly acceptor?: Acceptor;
}

const encoder = new HeaderEncoder();
const body = Buffer.from('Hello from a small server.\n');
const ok = encoder.begin().status(200).put('content-type', 'text/plain').put('content-length', String(body.length)).copy();
const tooLarge = encoder.begin().status(431).copy();

const answering: StreamUser = {
  received: () => {},
  trailers: () => {},
  ended: (stream: Stream) => {
    stream.headers(ok);
    stream.send(body, 0, body.length);
    stream.end();
  },
  failed: () => {},
  drained: () => {},
};

const smallAcceptor: Acceptor = {
  request: () => answering,
  excessive: (stream) => {
    stream.headers(tooLarge);
    stream.end();
    return answering;
  },
  refused: () => {},
  closed: () => {},
};

export async function startSmallServer(options: SmallServerOptions = {}): Promise<SmallServer> {
  const faults: unknown[] = [];
  const driver = driveWheel({ now: () => performance.now(), onError: (error) => faults.push(error) });
  const environment = http2Environment({
    now: () => performance.now(),
    wheel: driver.wheel,
    onError: (error) => faults.push(error),
    ...(options.limits === undefined ? {} : { limits: options.limits }),
  });
  const sockets = new Set<Socket>();
  const accept = (socket: Socket): void => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    acceptSession(environment, socket, options.acceptor ?? smallAcceptor);
  };
  const server: Server =
    options.tls === undefined
      ? createPlainServer({ noDelay: true, allowHalfOpen: true }, accept)
      : createTlsServer({ ...options.tls, ALPNProtocols: ['h2'], noDelay: true }, accept).on('tlsClientError', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    environment,
    faults,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      driver.stop();
    },
  };
}
