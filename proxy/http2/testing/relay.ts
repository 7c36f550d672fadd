import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { driveWheel } from '../../time/index.ts';
import {
  acceptSession,
  dialSession,
  errorCode,
  HeaderEncoder,
  http2Environment,
  type Acceptor,
  type ClientSession,
  type HeaderBlock,
  type Http2Environment,
  type Http2Limits,
  type Keeper,
  type ResponseUser,
  type Stream,
  type StreamUser,
} from '../index.ts';

/** The smallest proxy: each request goes to one server, over as few connections as it allows. For tests, and to measure the codec alone. */

const encoder = new HeaderEncoder();
const drops = new Uint8Array(32);
const badGateway = encoder.begin().status(502).copy();
const te = encoder.begin().put('te', 'trailers').copy();

export interface Relay {
  readonly port: number;
  readonly environment: Http2Environment;
  readonly faults: unknown[];
  /** Connections to the server that were opened. */
  readonly dialled: () => number;
  close(): Promise<void>;
}

export interface RelayOptions {
  readonly upstreamPort: number;
  readonly now: () => number;
  readonly limits?: Partial<Http2Limits>;
  readonly port?: number;
}

/** Both directions of one request; each is the user of one stream and writes to the other. */
class Exchange implements StreamUser {
  readonly down: Stream;
  up: Stream | undefined;
  readonly #response: ResponseUser;

  constructor(down: Stream) {
    this.down = down;
    this.#response = new ResponseSide(this);
  }

  get response(): ResponseUser {
    return this.#response;
  }

  received(stream: Stream, bytes: Buffer, start: number, end: number): void {
    this.up!.send(bytes, start, end);
    if (this.up!.queued > 0) stream.pause();
  }

  trailers(_stream: Stream, block: HeaderBlock): void {
    this.up!.trailers(trailersOf(block));
  }

  ended(): void {
    this.up!.end();
  }

  failed(): void {
    this.up!.reset(errorCode.cancel);
  }

  drained(): void {
    this.up!.resume();
  }
}

class ResponseSide implements ResponseUser {
  readonly #exchange: Exchange;

  constructor(exchange: Exchange) {
    this.#exchange = exchange;
  }

  interim(_stream: Stream, block: HeaderBlock): void {
    this.#exchange.down.headers(responseOf(block));
  }

  responded(_stream: Stream, block: HeaderBlock): void {
    this.#exchange.down.headers(responseOf(block));
  }

  received(stream: Stream, bytes: Buffer, start: number, end: number): void {
    const { down } = this.#exchange;
    down.send(bytes, start, end);
    if (down.queued > 0) stream.pause();
  }

  trailers(_stream: Stream, block: HeaderBlock): void {
    this.#exchange.down.trailers(trailersOf(block));
  }

  ended(): void {
    this.#exchange.down.end();
  }

  failed(_stream: Stream, code: number): void {
    const { down } = this.#exchange;
    if (code === errorCode.none && down.localEnded) return;
    down.reset(code);
  }

  drained(): void {
    this.#exchange.down.resume();
  }
}

export async function startRelay(options: RelayOptions): Promise<Relay> {
  const faults: unknown[] = [];
  const driver = driveWheel({ now: options.now, onError: (error) => faults.push(error) });
  const environment = http2Environment({
    now: options.now,
    wheel: driver.wheel,
    onError: (error) => faults.push(error),
    ...(options.limits === undefined ? {} : { limits: options.limits }),
  });
  const sockets = new Set<Socket>();
  const keep = (socket: Socket): Socket => sockets.add(socket) && socket.once('close', () => sockets.delete(socket));
  const sessions: ClientSession[] = [];
  let dialled = 0;
  const keeper: Keeper = {
    ready: () => {},
    available: () => {},
    leaving: (session) => void sessions.splice(sessions.indexOf(session), 1),
    closed: (session) => void (sessions.includes(session) && sessions.splice(sessions.indexOf(session), 1)),
  };
  const pick = (): ClientSession => {
    const usable = sessions.find((session) => session.canOpen);
    if (usable !== undefined) return usable;
    dialled++;
    const opened = dialSession(environment, { host: '127.0.0.1', port: options.upstreamPort }, keeper);
    sessions.push(opened);
    return opened;
  };
  const acceptor: Acceptor = {
    request: (stream, block) => {
      const exchange = new Exchange(stream);
      exchange.up = pick().open(requestOf(block), block.method, exchange.response);
      return exchange;
    },
    excessive: (stream) => {
      stream.headers(badGateway);
      stream.end();
      return new Exchange(stream);
    },
    refused: () => {},
    closed: () => {},
  };
  const server: Server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => acceptSession(environment, keep(socket), acceptor));
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    environment,
    faults,
    dialled: () => dialled,
    close: async () => {
      for (const session of sessions) session.gone('relay-closed');
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      driver.stop();
    },
  };
}

/** A kept block keeps what was encoded of it. */
function encodedOf(block: HeaderBlock, encode: (block: HeaderBlock) => HeaderEncoder): Buffer {
  if (!block.kept) return encode(block).view();
  return (block.attachment ??= encode(block).copy()) as Buffer;
}

function requestOf(block: HeaderBlock): Buffer {
  return encodedOf(block, (request) => {
    encoder.begin().method(request.method).scheme(request.scheme).authority(request.authority).path(request.path);
    encoder.putFields(request.bytes, request, { drops });
    return request.trailersWelcome ? encoder.putEncoded(te) : encoder;
  });
}

function responseOf(block: HeaderBlock): Buffer {
  return encodedOf(block, (response) => encoder.begin().status(response.status).putFields(response.bytes, response, { drops }));
}

function trailersOf(block: HeaderBlock): Buffer {
  return encodedOf(block, (trailers) => encoder.begin().putFields(trailers.bytes, trailers, { drops }));
}
