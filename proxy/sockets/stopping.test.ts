import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { publicIO } from './public.ts';
import { openRawIO } from './raw.ts';
import type { SocketIO } from './types.ts';

async function pair(t: ExecutionContext): Promise<{ readonly near: Socket; readonly far: Socket }> {
  const server = createServer({ allowHalfOpen: true });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const far = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' });
  const [near] = await accepted;
  server.close();
  for (const socket of [near, far]) {
    socket.on('error', () => {});
    t.teardown(() => socket.destroy());
  }
  return { near, far };
}

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 60));

async function until(met: () => boolean): Promise<void> {
  for (let waited = 0; !met() && waited < 5000; waited += 5) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** Hears `stops` reads, each after the socket was resumed again. */
function hear(io: SocketIO, socket: Socket, wants: (read: number) => boolean): Buffer[] {
  const pieces: Buffer[] = [];
  const receiver = (bytes: Buffer): void => {
    pieces.push(bytes);
    if (wants(pieces.length)) return;
    socket.pause();
    io.stop(socket);
  };
  socket.on('data', receiver);
  io.receive(socket, receiver);
  return pieces;
}

for (const io of [publicIO, openRawIO()!]) {
  test(`${io.mode}: a socket that is stopped is not read ahead; resumed, it gives all that came, and its end`, async (t) => {
    const { near, far } = await pair(t);
    const sent = Buffer.from(Array.from({ length: 1_000_000 }, (_, index) => (index * 7) % 251));
    const pieces = hear(io, near, () => false);
    far.end(sent);
    const heard = (): number => pieces.reduce((sum, { length }) => sum + length, 0);
    for (let read = 1; heard() < sent.length; read++) {
      await until(() => pieces.length === read);
      await settled();
      t.is(pieces.length, read);
      t.is(near.readableLength, 0, 'nothing is held');
      near.resume();
    }
    t.true(Buffer.concat(pieces).equals(sent));
    near.resume();
    await once(near, 'end');
  });

  test(`${io.mode}: who pauses alone is read ahead as ever; a stop that was not called for changes nothing`, async (t) => {
    const { near, far } = await pair(t);
    let goes = false;
    const pieces = hear({ ...io, mode: io.mode, stop: () => {}, receive: (socket, receiver) => io.receive(socket, receiver) } as SocketIO, near, () => goes);
    far.write(Buffer.alloc(300_000));
    await until(() => near.readableLength >= 65_536);
    t.is(pieces.length, 1);
    t.true(near.readableLength >= 65_536);
    io.stop(near);
    goes = true;
    near.resume();
    await until(() => pieces.reduce((sum, { length }) => sum + length, 0) === 300_000);
    t.is(pieces.reduce((sum, { length }) => sum + length, 0), 300_000);
    io.stop(near);
    far.write('more');
    await until(() => String(pieces.at(-1)) === 'more');
    t.is(String(pieces.at(-1)), 'more');
  });

  test(`${io.mode}: paused and resumed in one moment, or destroyed while stopped`, async (t) => {
    const { near, far } = await pair(t);
    let all = 0;
    const receiver = (bytes: Buffer): void => {
      all += bytes.length;
      near.pause();
      io.stop(near);
      near.resume();
      if (all > 100_000) {
        near.pause();
        near.resume();
        near.pause();
        setTimeout(() => near.resume(), 1);
      }
    };
    near.on('data', receiver);
    io.receive(near, receiver);
    far.write(Buffer.alloc(500_000));
    await until(() => all === 500_000);
    t.is(all, 500_000);
    const other = await pair(t);
    hear(io, other.near, () => false);
    other.far.write('x');
    await once(other.near, 'pause');
    other.near.resume();
    other.near.destroy();
    await once(other.near, 'close');
  });
}
