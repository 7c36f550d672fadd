import type { Socket } from 'node:net';
import { getSystemErrorName } from 'node:util';
import { give, stop } from './stopping.ts';
import { receiverOf, setReceiver, type Reader, type Receiver, type SocketIO } from './types.ts';

/**
 * Reads and writes by the handles behind Node's sockets (`net.Socket._handle`), which are not part of its interface: docs/decisions/0011.
 * The sockets stay whole. What is unusual goes their way: what comes while one is paused or holds bytes back, an end, an error, TLS, writing
 * to one that is not connected, has ended, or has bytes waiting. One place for each hazard:
 *
 * - All sockets are read into the same memory, which the next read overwrites: `readSome` gives bytes away as a copy only.
 * - A write that the kernel did not take in full goes on in the background, out of the bytes that were given. It is handed to the socket as the
 *   write that is under way, so that its length, `drain`, `end`, `destroy` and the order of writes are the socket's as ever.
 */

const readBytes = 65_536;

/** What a write that is not over yet is told by. Node makes it, and gives it away, where the kernel did not take all. */
interface WriteRequest {
  oncomplete: (status: number) => void;
  /** So that the memory stays while it is written. */
  buffer?: Buffer | undefined;
  /** Set where it is over already. */
  readonly writeStatus: number | null;
}

/** As far as it is used. */
interface StreamHandle {
  onread: OnRead;
  reading: boolean;
  readStop(): number;
  useUserBuffer(buffer: Buffer): void;
  /** 0: the kernel has it all. Below: the error. */
  writeBuffer(request: null, bytes: Buffer): number | WriteRequest;
}

type OnRead = (this: ReadHandle, rest?: unknown) => unknown;

/** What a handle that we read has besides: that the socket is its, that it is connected, and that there is no TLS in between. */
interface ReadHandle extends StreamHandle {
  [socketKey]?: Socket;
  /** Node's. */
  [nodesOnRead]?: OnRead;
  [memoryKey]?: Buffer;
  [readerKey]?: Reader;
}

const socketKey = Symbol('socket');
const nodesOnRead = Symbol("node's onread");
const memoryKey = Symbol('memory');
const readerKey = Symbol('reader');

/** Where Node's native part leaves what a call did. */
interface StreamState {
  readonly values: Int32Array;
  readonly readIndex: number;
  readonly errorIndex: number;
}

/** Undefined: this Node has no such thing, or does not give it away (`--permission`). */
export function openRawIO(): SocketIO | undefined {
  const state = streamState();
  return state === undefined ? undefined : new RawIO(state);
}

class RawIO implements SocketIO {
  readonly mode = 'raw';
  readonly #state: StreamState;
  readonly #memory = Buffer.allocUnsafeSlow(readBytes);
  readonly #received: OnRead;
  readonly #lent: OnRead;

  constructor(state: StreamState) {
    const { values, readIndex } = state;
    const memory = this.#memory;
    this.#state = state;
    // After `destroy` neither is called: Node puts one that does nothing in their place.
    this.#received = function (rest) {
      const length = values[readIndex]!;
      // An end, an error, or nothing.
      if (length <= 0) return this[nodesOnRead]!(rest);
      readSome(this, memory, length);
      return undefined;
    };
    this.#lent = function (rest) {
      const length = values[readIndex]!;
      if (length <= 0) return this[nodesOnRead]!(rest);
      this[readerKey]!(this[memoryKey]!, length);
      return undefined;
    };
  }

  receive(socket: Socket, receiver: Receiver): void {
    setReceiver(socket, receiver);
    const handle = take(socket, this.#received);
    handle?.useUserBuffer(this.#memory);
  }

  lend(socket: Socket, memory: Buffer, reader: Reader): void {
    const handle = take(socket, this.#lent);
    if (handle === undefined) return;
    handle[memoryKey] = memory;
    handle[readerKey] = reader;
  }

  stop(socket: Socket): void {
    stop(socket);
  }

  release(socket: Socket): void {
    setReceiver(socket, undefined);
  }

  write(socket: Socket, bytes: Buffer): boolean {
    const handle = (socket as SocketWithHandle)._handle;
    if (handle === null || handle === undefined || handle[socketKey] !== socket || socket.writableLength > 0 || socket.writableEnded || socket.destroyed) return socket.write(bytes);
    const outcome = handle.writeBuffer(null, bytes);
    if (outcome === 0) return true;
    const error = typeof outcome === 'number' ? outcome : this.#state.values[this.#state.errorIndex]!;
    return typeof outcome === 'number' || error !== 0 ? failWrite(socket, bytes, error) : adoptWrite(socket, bytes, outcome);
  }
}

interface SocketWithHandle extends Socket {
  readonly _handle?: ReadHandle | null;
}

/** Has the handle tell us what is read. Undefined: it does already, there is none, or it is not the connection itself (TLS). */
function take(socket: Socket, onread: OnRead): ReadHandle | undefined {
  const handle = (socket as SocketWithHandle)._handle;
  if (handle === null || handle === undefined || socket.connecting || 'encrypted' in socket || handle[socketKey] === socket) return undefined;
  handle[socketKey] = socket;
  handle[nodesOnRead] = handle.onread;
  handle.onread = onread;
  return handle;
}

function readSome(handle: ReadHandle, memory: Buffer, length: number): void {
  const socket = handle[socketKey]!;
  const bytes = Buffer.allocUnsafe(length);
  memory.copy(bytes, 0, 0, length);
  const receiver = receiverOf(socket);
  if (receiver !== undefined && socket.readableFlowing === true && socket.readableLength === 0) {
    if (give(socket, receiver, bytes)) return;
  } else if (socket.push(bytes)) return;
  // As Node does where the stream holds enough; it starts reading again when that was taken.
  handle.reading = false;
  if (!socket.destroyed) handle.readStop();
}

/** The socket takes what is being written for its own write, which ends when the request does. */
function adoptWrite(socket: Socket, bytes: Buffer, request: WriteRequest): boolean {
  let done: ((error?: Error | null) => void) | undefined;
  let early: number | null = request.writeStatus;
  const tell = (status: number): void => done!(status < 0 && !socket.destroyed ? writeError(status) : null);
  request.buffer = bytes;
  request.oncomplete = (status) => {
    request.buffer = undefined;
    if (done === undefined) early = status;
    else tell(status);
  };
  return writeBy(socket, bytes, (callback) => {
    done = callback;
    if (early !== null) tell(early);
  });
}

function failWrite(socket: Socket, bytes: Buffer, status: number): boolean {
  return writeBy(socket, bytes, (done) => done(writeError(status)));
}

/** A write of the socket's whose bytes go another way. It calls `_write`, by which sockets are made out of streams, within this call. */
function writeBy(socket: Socket, bytes: Buffer, begin: (done: (error?: Error | null) => void) => void): boolean {
  socket._write = (_bytes, _encoding, done) => begin(done);
  try {
    return socket.write(bytes);
  } finally {
    delete (socket as Partial<Socket>)._write;
  }
}

function writeError(status: number): Error {
  const code = getSystemErrorName(status);
  return Object.assign(new Error(`write ${code}`), { code, errno: status, syscall: 'write' });
}

function streamState(): StreamState | undefined {
  let binding: Readonly<Record<string, unknown>>;
  try {
    binding = (process as unknown as { binding(name: string): Readonly<Record<string, unknown>> }).binding('stream_wrap');
  } catch {
    return undefined;
  }
  const { streamBaseState: values, kReadBytesOrError: readIndex, kLastWriteErr: errorIndex } = binding;
  if (!(values instanceof Int32Array) || typeof readIndex !== 'number' || typeof errorIndex !== 'number') return undefined;
  return { values, readIndex, errorIndex };
}
