import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import test from 'ava';
import fc from 'fast-check';
import { openRawIO } from './raw.ts';

const io = openRawIO()!;
const open = new Set<Socket>();

test.after.always(() => {
  for (const socket of open) socket.destroy();
});

interface Pair {
  readonly near: Socket;
  readonly far: Socket;
}

/** `begin` gets the near one before it is connected. */
async function pair(begin: (near: Socket) => void = () => {}): Promise<Pair> {
  const server = createServer({ allowHalfOpen: true, noDelay: true });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const near = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
  begin(near);
  const [[far]] = await Promise.all([accepted, once(near, 'connect')]);
  server.close();
  // Else what is written goes the public way.
  io.receive(near, () => {});
  for (const socket of [near, far]) open.add(socket);
  return { near, far };
}

function received(socket: Socket): Buffer[] {
  const pieces: Buffer[] = [];
  const take = (bytes: Buffer): void => void pieces.push(bytes);
  socket.on('data', take);
  io.receive(socket, take);
  return pieces;
}

async function until(test: () => boolean): Promise<void> {
  for (let turn = 0; turn < 2000 && !test(); turn++) await new Promise((resolve) => setTimeout(resolve, 2));
}

const lengthOf = (pieces: readonly Buffer[]): number => pieces.reduce((sum, { length }) => sum + length, 0);

/** Writes until the kernel takes no more. */
function stuff(socket: Socket): Buffer {
  const pieces: Buffer[] = [];
  while (socket.writableLength === 0) {
    const piece = Buffer.alloc(1 << 20, `${pieces.length} piece `);
    pieces.push(piece);
    io.write(socket, piece);
  }
  return Buffer.concat(pieces);
}

test('what was received stays as it is when more comes', async (t) => {
  const { near, far } = await pair();
  const pieces = received(far);
  io.write(near, Buffer.from('one'));
  await until(() => pieces.length === 1);
  io.write(near, Buffer.from('two'));
  await until(() => pieces.length === 2);
  t.deepEqual(pieces.map(String), ['one', 'two']);
});

test('a write that is not over is the socket\'s: length, drain, order, end', async (t) => {
  const { near, far } = await pair();
  far.pause();
  const sent = stuff(near);
  t.true(near.writableNeedDrain);
  io.write(near, Buffer.from('behind it, '));
  near.write('and behind that');
  let drained = 0;
  near.on('drain', () => drained++);
  near.end();
  const pieces = received(far);
  let ended = false;
  far.on('end', () => (ended = true)).resume();
  await until(() => ended);
  t.true(Buffer.concat(pieces).equals(Buffer.concat([sent, Buffer.from('behind it, and behind that')])));
  t.deepEqual([near.writableFinished, near.writableLength], [true, 0]);
  // As of any stream: none behind an end.
  t.is(drained, 0);
});

test('drain comes once, when all has left', async (t) => {
  const { near, far } = await pair();
  far.pause();
  const { length } = stuff(near);
  let drained = 0;
  near.on('drain', () => drained++);
  const pieces = received(far);
  far.resume();
  await until(() => drained > 0 && lengthOf(pieces) === length);
  t.deepEqual([drained, near.writableLength, lengthOf(pieces)], [1, 0, length]);
  t.true(io.write(near, Buffer.from('x')));
  t.is(near.writableLength, 0);
});

test('a socket that is destroyed while a write goes on closes, and no error is left behind', async (t) => {
  const { near, far } = await pair();
  far.on('error', () => {}).pause();
  stuff(near);
  const errors: unknown[] = [];
  near.on('error', (error) => errors.push(error));
  const closed = once(near, 'close');
  near.destroy();
  await closed;
  t.deepEqual(errors, []);
});

test('a peer that resets while a write goes on fails the socket, once', async (t) => {
  const { near, far } = await pair();
  far.pause();
  received(near);
  stuff(near);
  const codes: (string | undefined)[] = [];
  near.on('error', ({ code }: NodeJS.ErrnoException) => codes.push(code));
  const closed = new Promise<void>((resolve) => near.once('close', () => resolve()));
  far.resetAndDestroy();
  await closed;
  t.is(codes.length, 1);
  t.regex(codes[0]!, /^(ECONNRESET|EPIPE)$/);
});

test('a write to one that is gone fails the socket with its code', async (t) => {
  const { near, far } = await pair();
  near.pause();
  far.resetAndDestroy();
  const failed = new Promise<NodeJS.ErrnoException>((resolve) => near.once('error', resolve));
  const timer = setInterval(() => io.write(near, Buffer.from('x')), 1);
  const { code, syscall } = await failed;
  clearInterval(timer);
  t.regex(code!, /^(ECONNRESET|EPIPE)$/);
  t.regex(syscall!, /^(write|read)$/);
  t.false(io.write(near.on('error', () => {}), Buffer.from('x')));
});

test('what is not open or has ended is written as ever; no cork changes the order', async (t) => {
  const { near, far } = await pair((connecting) => {
    io.write(connecting, Buffer.from('early '));
    t.is(connecting.writableLength, 6);
  });
  const pieces = received(far);
  await until(() => lengthOf(pieces) === 6);
  near.cork();
  near.write('held ');
  io.write(near, Buffer.from('too '));
  t.is(near.writableLength, 9);
  near.uncork();
  await until(() => lengthOf(pieces) === 15);
  const failed = once(near, 'error') as Promise<[NodeJS.ErrnoException]>;
  near.end();
  io.write(near, Buffer.from('late'));
  t.is((await failed)[0].code, 'ERR_STREAM_WRITE_AFTER_END');
  t.is(Buffer.concat(pieces).toString(), 'early held too ');
});

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ step: fc.constant('raw' as const), length: fc.integer({ min: 1, max: 400_000 }) }) },
  { weight: 2, arbitrary: fc.record({ step: fc.constant('public' as const), length: fc.integer({ min: 0, max: 70_000 }) }) },
  { weight: 1, arbitrary: fc.constant({ step: 'pause' as const }) },
  { weight: 1, arbitrary: fc.constant({ step: 'resume' as const }) },
  { weight: 1, arbitrary: fc.constant({ step: 'release' as const }) },
  { weight: 1, arbitrary: fc.constant({ step: 'receive' as const }) },
  { weight: 2, arbitrary: fc.constant({ step: 'wait' as const }) },
);

test('whatever is written by either way, paused and handed over meanwhile: the same bytes come in the same order', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const { near, far } = await pair();
      const pieces: Buffer[] = [];
      const take = (bytes: Buffer): void => void pieces.push(bytes);
      far.on('data', take);
      io.receive(far, take);
      const sent: Buffer[] = [];
      for (const [index, one] of steps.entries()) {
        if (one.step === 'pause' || one.step === 'resume') far[one.step]();
        else if (one.step === 'release') io.release(far);
        else if (one.step === 'receive') io.receive(far, take);
        else if (one.step === 'wait') await new Promise(setImmediate);
        else {
          const bytes = Buffer.alloc(one.length, `${index},`);
          // What has left may be overwritten.
          const copy = Buffer.from(bytes);
          sent.push(copy);
          if (one.step === 'public') near.write(bytes);
          else {
            io.write(near, bytes);
            if (near.writableLength === 0) bytes.fill(0);
          }
        }
      }
      const ended = once(far, 'end');
      near.end();
      far.resume();
      await ended;
      near.destroy();
      far.destroy();
      return Buffer.concat(pieces).equals(Buffer.concat(sent));
    }),
    { numRuns: 60 },
  );
  t.pass();
});
