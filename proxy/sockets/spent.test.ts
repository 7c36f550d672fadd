import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { deafen, drain, spent } from './spent.ts';

test('the memory of a large read is given back at once; what is small, or part of other memory, stays', (t) => {
  const read = Buffer.from(new ArrayBuffer(65_536));
  spent(read);
  t.is(read.length, 0);
  t.is(read.buffer.byteLength, 0);
  const small = Buffer.from(new ArrayBuffer(1000));
  spent(small);
  t.is(small.length, 1000);
  const memory = new ArrayBuffer(65_536);
  spent(Buffer.from(memory, 0, 32_768));
  spent(Buffer.from(memory, 16_384));
  t.is(memory.byteLength, 65_536);
  const filled = Buffer.from(memory, 0, 40_000);
  spent(filled);
  t.is(filled.length, 0, 'a read that does not fill all of what Node has for it');
  const pooled = new ArrayBuffer(65_600);
  spent(Buffer.from(pooled, 0, 60_000));
  t.is(pooled.byteLength, 65_600);
  const shared = Buffer.from(new SharedArrayBuffer(65_536));
  spent(shared);
  t.is(shared.length, 65_536);
});

/** A connection on which more is written than is read. */
async function flooded(t: ExecutionContext): Promise<Socket> {
  const socket = await new Promise<Socket>((resolve) => {
    const server = createServer(resolve).listen(0, '127.0.0.1', () => {
      const client = connect((server.address() as AddressInfo).port, '127.0.0.1').on('error', () => {});
      client.write(Buffer.alloc(4_000_000));
      t.teardown(() => {
        client.destroy();
        server.close();
      });
    });
  });
  return socket.on('error', () => {});
}

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 100));

test('what comes of a connection that nobody listens to any more takes no memory', async (t) => {
  const socket = await flooded(t);
  const memory: ArrayBufferLike[] = [];
  const { push } = socket;
  socket.push = (piece: Buffer, encoding?: BufferEncoding) => {
    memory.push(piece.buffer);
    return push.call(socket, piece, encoding);
  };
  let heard = 0;
  socket.on('data', ({ length }) => {
    heard += length;
    deafen(socket);
  });
  await settled();
  t.true(heard > 0 && heard <= 65_536);
  t.true(socket.readableLength >= 65_536, 'it is not read on and on');
  t.true(memory.length > 1);
  t.true(memory.slice(1).every(({ byteLength }) => byteLength === 0 || byteLength < 16_384));
  socket.destroy();
});

for (const when of ['open', 'closed'] as const) {
  test(`what a connection holds when it is ${when} is given back`, async (t) => {
    const socket = await flooded(t);
    socket.pause();
    await settled();
    const memory: ArrayBufferLike[] = [];
    const { read } = socket;
    socket.read = (size?: number) => {
      const piece = read.call(socket, size) as Buffer | null;
      if (piece !== null) memory.push(piece.buffer);
      return piece;
    };
    if (when === 'closed') socket.destroy();
    drain(socket);
    t.true(memory.length > 0);
    t.true(memory.every(({ byteLength }) => byteLength === 0 || byteLength < 16_384));
    socket.destroy();
  });
}
