import type { Socket } from 'node:net';
import { getSystemErrorName } from 'node:util';
import { receiverOf, setReceiver, type SocketIO } from './types.ts';

/**
 * Reads and writes by the handles behind Node's sockets (`net.Socket._handle`), which are not part of its interface: docs/decisions/0010.
 * The sockets stay whole. What is unusual goes their way: what comes while one is paused or holds bytes back, an end, an error, TLS, writing
 * to one that is not connected, has ended, or has bytes waiting. So there is one place for each hazard:
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

type OnRead = (this: ReadHandle, ...rest: unknown[]) => unknown;

const socketKey = Symbol('socket');
const ownOnRead = Symbol('own onread');

interface ReadHandle extends StreamHandle {
  [socketKey]?: Socket;
  [ownOnRead]?: OnRead;
}

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
  readonly #onread: OnRead;

  constructor(state: StreamState) {
    const memory = this.#memory;
    this.#state = state;
    this.#onread = function (...rest) {
      const length = state.values[state.readIndex]!;
      // An end, an error, or nothing.
      if (length <= 0) return this[ownOnRead]!.apply(this, rest);
      readSome(this, memory, length);
      return undefined;
    };
  }

  receive(socket: Socket, receiver: (this: Socket, bytes: Buffer) => void): void {
    const handle = handleOf(socket);
    setReceiver(socket, receiver);
    if (handle === undefined || handle[socketKey] === socket) return;
    handle[socketKey] = socket;
    handle[ownOnRead] = handle.onread;
    handle.onread = this.#onread;
    handle.useUserBuffer(this.#memory);
  }

  release(socket: Socket): void {
    setReceiver(socket, undefined);
  }

  write(socket: Socket, bytes: Buffer): boolean {
    const handle = (socket as SocketWithHandle)._handle;
    if (handle === null || handle === undefined || !isReady(socket)) return socket.write(bytes);
    const outcome = handle.writeBuffer(null, bytes);
    if (outcome === 0) return true;
    const error = typeof outcome === 'number' ? outcome : this.#state.values[this.#state.errorIndex]!;
    return typeof outcome === 'number' || error !== 0 ? failWrite(socket, bytes, error) : adoptWrite(socket, bytes, outcome);
  }
}

interface SocketWithHandle extends Socket {
  readonly _handle?: ReadHandle | null;
}

/** One whose bytes are those of the connection, with nothing of Node's in between. */
function handleOf(socket: Socket): ReadHandle | undefined {
  const handle = (socket as SocketWithHandle)._handle;
  return handle === null || handle === undefined || 'encrypted' in socket ? undefined : handle;
}

/** Whether what is written now may leave now. TLS has a state of its own between both. */
function isReady(socket: Socket): boolean {
  return socket.writableLength === 0 && !socket.connecting && !socket.writableEnded && !socket.destroyed && socket.writableCorked === 0 && !('encrypted' in socket);
}

function readSome(handle: ReadHandle, memory: Buffer, length: number): void {
  const socket = handle[socketKey]!;
  if (socket.destroyed) return;
  const bytes = Buffer.allocUnsafe(length);
  memory.copy(bytes, 0, 0, length);
  const receiver = receiverOf(socket);
  if (receiver !== undefined && socket.readableFlowing === true && socket.readableLength === 0) {
    receiver.call(socket, bytes);
    return;
  }
  if (socket.push(bytes)) return;
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
