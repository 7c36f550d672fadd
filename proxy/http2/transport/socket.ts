import { connect, type Socket, type TcpNetConnectOpts } from 'node:net';
import { deafen, drain, publicIO, spent, type SocketIO } from '../../sockets/index.ts';
import { Turns, type TimerWheel } from '../../time/index.ts';
import { ClientSession } from '../connection/client.ts';
import { ServerSession } from '../connection/server.ts';
import type { Session } from '../connection/session.ts';
import type { Acceptor, Http2Environment, Keeper, Transport } from '../connection/types.ts';
import { Collector } from '../fields/index.ts';
import { defaultHttp2Limits, type Http2Limits } from '../limits.ts';
import { Slabs } from './slabs.ts';
import { Turn } from './turn.ts';

/** Output of TLS leaves later than it is written: a little of it is copied, so that a slab is not tied up by it. */
const copiedBytes = 8192;
const nothing = Buffer.alloc(0);
const readBuffer = Buffer.allocUnsafeSlow(65_536);

export interface EnvironmentOptions {
  /** Milliseconds on a monotonic clock: `performance.now`. */
  now(): number;
  readonly wheel: TimerWheel;
  /** How sockets are read and written; by Node's public interface unless set. */
  readonly io?: SocketIO;
  readonly limits?: Partial<Http2Limits>;
  /** Shared with those who read other connections of the process; else its own. */
  readonly turns?: Turns;
  onError(error: unknown): void;
}

/** What all HTTP/2 connections of a process share. */
export function http2Environment(options: EnvironmentOptions): Http2Environment {
  const limits = { ...defaultHttp2Limits, ...options.limits };
  return {
    now: options.now,
    wheel: options.wheel,
    io: options.io ?? publicIO,
    turn: new Turn(setImmediate),
    turns: options.turns ?? new Turns(options.now, setImmediate),
    slabs: new Slabs(),
    collector: new Collector(limits),
    limits,
    openHeads: { bytes: 0 },
    onError: options.onError,
  };
}

/** A client's connection, `net` or `tls`. `ahead`: what was read of it already. */
export function acceptSession(environment: Http2Environment, socket: Socket, acceptor: Acceptor, ahead?: Buffer): ServerSession {
  const transport = new SocketTransport(environment, socket);
  const session = new ServerSession(environment, transport, acceptor);
  transport.serve(session);
  environment.io.receive(socket, (bytes) => session.receive(bytes, 0, bytes.length));
  if (ahead !== undefined) session.receive(ahead, 0, ahead.length);
  return session;
}

/** Opens a connection to a server, in the clear. All such connections read into the same memory, which costs half of what `connectSession` does. */
export function dialSession(environment: Http2Environment, options: TcpNetConnectOpts, keeper: Keeper): ClientSession {
  let session: ClientSession | undefined = undefined as ClientSession | undefined;
  const onread = {
    buffer: readBuffer,
    callback: (length: number, bytes: Uint8Array): boolean => {
      session!.receive(bytes as Buffer, 0, length);
      return true;
    },
  };
  session = connectSession(environment, connect({ noDelay: true, allowHalfOpen: true, ...options, onread }), keeper);
  return session;
}

/** A connection to a server, established or about to be, such as one over TLS: what is written before waits for it. */
export function connectSession(environment: Http2Environment, socket: Socket, keeper: Keeper): ClientSession {
  const transport = new SocketTransport(environment, socket);
  const session = new ClientSession(environment, transport, keeper);
  transport.serve(session);
  return session;
}

/** A socket as sessions want it. */
class SocketTransport implements Transport {
  congested = false;
  readonly #environment: Http2Environment;
  readonly #socket: Socket;
  readonly #encrypted: boolean;
  /** Slabs that the socket still reads from. */
  readonly #lent: Buffer[] = [];
  readonly #written = (): void => this.#reclaim();

  constructor(environment: Http2Environment, socket: Socket) {
    this.#environment = environment;
    this.#socket = socket;
    this.#encrypted = 'encrypted' in socket;
  }

  get pending(): number {
    return this.#socket.writableLength;
  }

  serve(session: Session): void {
    const socket = this.#socket;
    socket.on('data', (bytes: Buffer) => session.receive(bytes, 0, bytes.length));
    this.#on('drain', () => {
      this.congested = false;
      this.#reclaim();
      session.drained();
    });
    this.#on('end', () => session.ended());
    this.#on('error', (error) => session.gone((error as NodeJS.ErrnoException).code ?? 'error'));
    this.#on('close', () => {
      this.#reclaim();
      session.gone('closed');
    });
  }

  write(slab: Buffer, length: number): void {
    const socket = this.#socket;
    const { slabs } = this.#environment;
    this.#reclaim();
    if (socket.destroyed || socket.writableEnded) {
      slabs.give(slab);
      return;
    }
    const copies = this.#encrypted && length <= copiedBytes;
    const bytes = copies ? Buffer.from(slab.subarray(0, length)) : length === slab.length ? slab : slab.subarray(0, length);
    const taken = this.#environment.io.write(socket, bytes);
    if (!taken && socket.writableLength > 0) this.congested = true;
    if (copies || socket.writableLength === 0) slabs.give(slab);
    else {
      this.#lent.push(slab);
      // Tells when all before it has left. A callback on every write would cost those that leave at once, which is nearly all of them.
      socket.write(nothing, this.#written);
    }
  }

  pause(): void {
    this.#socket.pause();
  }

  stop(): void {
    this.#environment.io.stop(this.#socket);
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    drain(this.#socket);
    this.#environment.turns.departures.add(this.#socket);
  }

  spent(bytes: Buffer): void {
    spent(bytes);
  }

  deafen(): void {
    deafen(this.#socket);
  }

  /** A fault of ours must end one connection, not the process. */
  #on(event: string, listener: (argument: unknown) => void): void {
    this.#socket.on(event, (argument: unknown) => {
      try {
        listener(argument);
      } catch (error) {
        this.#environment.onError(error);
        this.#socket.destroy();
      }
    });
  }

  #reclaim(): void {
    if (this.#lent.length === 0 || this.#socket.writableLength > 0) return;
    for (const slab of this.#lent) this.#environment.slabs.give(slab);
    this.#lent.length = 0;
  }
}
