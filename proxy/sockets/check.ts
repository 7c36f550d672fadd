import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type OnReadOpts, type Socket } from 'node:net';
import { publicIO } from './public.ts';
import { openRawIO } from './raw.ts';
import type { SocketIO, SocketMode } from './types.ts';
import { prepareBroken } from './broken.ts';
import { prepareUnsent } from './unsent.ts';

/** For all of the check. Milliseconds. */
const checkMs = 10_000;
/** More than the kernel takes of one connection whose other side does not read, in writes of so many bytes. */
const pieceBytes = 1 << 20;
const maxPieces = 256;
const echoed = [1, 1024, 65_536, 200_000];

export interface OpenedIO {
  readonly io: SocketIO;
  /** Why it is not the one that was asked for. */
  readonly refused?: string;
}

/** To be called once, when the process starts: sockets are bounded from then on (`boundUnsent`). Raw only where it is asked for, and where a check on loopback finds that this Node's handles are as we take them to be; else public. Never rejects. */
export async function openSocketIO(asked: SocketMode): Promise<OpenedIO> {
  await prepareUnsent();
  await prepareBroken();
  if (asked === 'public') return { io: publicIO };
  const io = openRawIO();
  const refused = io === undefined ? 'Node does not give away what its handles tell' : await faultOf(io);
  return io === undefined || refused !== undefined ? { io: publicIO, refused: refused ?? '' } : { io };
}

/** What is not as it should be; undefined: nothing. */
export async function faultOf(io: SocketIO, withinMs = checkMs): Promise<string | undefined> {
  const sockets: Socket[] = [];
  let failed: ((error: Error) => void) | undefined;
  const failure = new Promise<never>((_resolve, reject) => (failed = reject));
  const server = createServer({ allowHalfOpen: true, noDelay: true });
  const timer = setTimeout(() => failed!(new Error('the check takes too long')), withinMs);
  const pair = async (onread?: OnReadOpts): Promise<Pair> => {
    const { port } = server.address() as AddressInfo;
    const accepted = once(server, 'connection') as Promise<[Socket]>;
    const near = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true, ...(onread && { onread }) });
    sockets.push(near.on('error', () => {}));
    await told(near, 'connect');
    const [far] = await accepted;
    sockets.push(far.on('error', () => {}));
    return { near, far };
  };
  try {
    await Promise.race([failure, once(server.listen(0, '127.0.0.1'), 'listening')]);
    await Promise.race([failure, checkAll(io, pair)]);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    clearTimeout(timer);
    for (const socket of sockets) socket.destroy();
    server.close();
  }
}

interface Pair {
  readonly near: Socket;
  readonly far: Socket;
}

async function checkAll(io: SocketIO, pair: (onread?: OnReadOpts) => Promise<Pair>): Promise<void> {
  const { near, far } = await pair();
  checkConvention(near);
  await checkEcho(io, near, far);
  await checkUnfinished(io, near, far);
  await checkEnd(near, far);
  await checkReset(io, await pair());
  await checkLent(io, pair);
}

/** Node's own write has to look as ours will: called otherwise, a handle ends the process. */
function checkConvention(socket: Socket): void {
  const handle = (socket as unknown as { readonly _handle?: Readonly<Record<string, unknown>> })._handle;
  for (const name of ['writeBuffer', 'useUserBuffer', 'readStop', 'onread'] as const) if (typeof handle?.[name] !== 'function') throw new Error(`a handle has no ${name}`);
  let seen: { readonly given: readonly unknown[]; readonly outcome: unknown } | undefined;
  const spied = handle as { writeBuffer?: (...given: unknown[]) => unknown };
  const { writeBuffer } = spied;
  spied.writeBuffer = function (...given) {
    const outcome = writeBuffer!.apply(this, given);
    seen = { given, outcome };
    return outcome;
  };
  const bytes = Buffer.from([0]);
  socket.write(bytes);
  delete spied.writeBuffer;
  if (seen === undefined || seen.given.length !== 2 || seen.given[0] !== null || seen.given[1] !== bytes || seen.outcome !== 0) throw new Error('a write by a handle works otherwise');
}

/** The byte of `checkConvention` comes first. */
async function checkEcho(io: SocketIO, near: Socket, far: Socket): Promise<void> {
  const back = collect(io, near);
  const echo = (bytes: Buffer): void => void io.write(far, bytes);
  far.on('data', echo);
  io.receive(far, echo);
  let length = 1;
  for (const size of echoed) {
    const piece = patterned(length, size);
    io.write(near, piece);
    length += size;
    await back.until(length, 'an echo');
  }
  io.release(far);
  far.off('data', echo);
  far.pause();
  io.release(near);
  near.removeAllListeners('data');
}

/** Writes more than the kernel takes, so that one goes on in the background, and writes behind it. */
async function checkUnfinished(io: SocketIO, near: Socket, far: Socket): Promise<void> {
  let length = 0;
  while (near.writableLength === 0) {
    if (length >= maxPieces * pieceBytes) throw new Error('a write that can\'t be over says that it is');
    io.write(near, patterned(length, pieceBytes));
    length += pieceBytes;
  }
  io.write(near, patterned(length, 1000));
  length += 1000;
  const taken = collect(io, far);
  const drained = told(near, 'drain');
  far.resume();
  await taken.until(length, 'what was written in the background');
  await drained;
  if (near.writableLength !== 0) throw new Error('a write in the background does not end');
}

async function checkEnd(near: Socket, far: Socket): Promise<void> {
  const [ended, closed] = [told(far, 'end'), Promise.all([told(near, 'close'), told(far, 'close')])];
  near.resume().end();
  await ended;
  far.end();
  await closed;
}

async function checkReset(io: SocketIO, { near, far }: Pair): Promise<void> {
  collect(io, near);
  const closed = told(near, 'close');
  far.resetAndDestroy();
  for (let tries = 0; tries < 100 && !near.destroyed; tries++) {
    io.write(near, Buffer.from('x'));
    await new Promise(setImmediate);
  }
  await closed;
}

/** Errors are heard elsewhere. */
function told(socket: Socket, event: string): Promise<void> {
  return new Promise((resolve) => socket.once(event, () => resolve()));
}

/** Bytes that tell where they belong: what is lost, doubled or in another's place shows. A prime, so that no buffer's size hides a shift. */
const period = 4093;
const pattern = Buffer.from(Array.from({ length: period }, (_, at) => (at ^ (at >>> 8)) & 255));

function patterned(from: number, length: number): Buffer {
  const at = from % period;
  return Buffer.alloc(length, Buffer.concat([pattern.subarray(at), pattern.subarray(0, at)]));
}

/** Looks at all that comes. */
class Collected {
  #length = 0;
  #wrong = false;
  #awaited: (() => void) | undefined;

  take(bytes: Buffer): void {
    this.#wrong ||= !bytes.equals(patterned(this.#length, bytes.length));
    this.#length += bytes.length;
    this.#awaited?.();
  }

  async until(length: number, what: string): Promise<void> {
    while (this.#length < length && !this.#wrong) await new Promise<void>((resolve) => (this.#awaited = resolve));
    if (this.#wrong || this.#length > length) throw new Error(`${what} comes back changed`);
  }
}

function collect(io: SocketIO, socket: Socket): Collected {
  const collected = new Collected();
  const take = (bytes: Buffer): void => collected.take(bytes);
  socket.on('data', take);
  io.receive(socket, take);
  return collected;
}

/** Reading into memory that was given to `connect`. */
async function checkLent(io: SocketIO, pair: (onread: OnReadOpts) => Promise<Pair>): Promise<void> {
  const memory = Buffer.alloc(16_384);
  const collected = new Collected();
  const reader = (bytes: Buffer, length: number): void => collected.take(bytes.subarray(0, length));
  const callback = (length: number, bytes: Uint8Array): boolean => {
    reader(bytes as Buffer, length);
    return true;
  };
  const { near, far } = await pair({ buffer: memory, callback });
  io.lend(near, memory, reader);
  let length = 0;
  for (const size of echoed) {
    far.write(patterned(length, size));
    length += size;
    await collected.until(length, 'what was lent');
  }
  far.end();
  await told(near, 'end');
  near.end();
}
