import { connect, createServer, type Server, type Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { ListeningSockets, type ListeningOptions } from './sockets.ts';

interface Rig {
  readonly sockets: ListeningSockets;
  readonly accepted: Socket[];
  refused: number;
}

function rig(options: Partial<ListeningOptions> = {}): Rig {
  const accepted: Socket[] = [];
  const made: Rig = {
    accepted,
    refused: 0,
    sockets: new ListeningSockets({
      address: '127.0.0.1',
      isShared: false,
      maxConnections: 1000,
      connections: {},
      accept: (socket) => void accepted.push(socket.on('error', () => {}).resume()),
      refused: () => made.refused++,
      ...options,
    }),
  };
  return made;
}

function client(t: ExecutionContext, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket)).on('error', reject).resume();
    t.teardown(() => socket.destroy());
  });
}

async function until(met: () => boolean): Promise<void> {
  while (!met()) await new Promise((resolve) => setTimeout(resolve, 5));
}

test('several connections are accepted in one turn of the event loop', async (t) => {
  let now = 0;
  let most = 0;
  const begun = (): void => {
    most = Math.max(most, ++now);
    if (now === 1) setImmediate(() => (now = 0));
  };
  const { sockets, accepted } = rig({ accept: (socket) => (begun(), void accepted.push(socket.resume())) });
  const port = await sockets.bind(0);
  await Promise.all(Array.from({ length: 40 }, () => client(t, port)));
  await until(() => accepted.length === 40);
  // Where the kernel can't spread connections there is one.
  t.true(most <= 4 && (most > 1 || process.platform !== 'linux'), `${most}`);
  for (const socket of accepted) socket.destroy();
  await sockets.close();
});

test('a port that another has is found to be taken', async (t) => {
  const first = rig();
  const port = await first.sockets.bind(0);
  await t.throwsAsync(rig().sockets.bind(port), { code: 'EADDRINUSE' });
  await t.throwsAsync(rig({ address: '0.0.0.0' }).sockets.bind(port), { code: 'EADDRINUSE' });
  await t.throwsAsync(plain(t, port), { code: 'EADDRINUSE' });
  await first.sockets.close();
  const server = await plain(t, port);
  await t.throwsAsync(rig().sockets.bind(port), { code: 'EADDRINUSE' });
  await new Promise((resolve) => server.close(resolve));
  const again = rig();
  t.is(await again.sockets.bind(port), port);
  await again.sockets.close();
  await t.throwsAsync(rig({ address: '192.0.2.1' }).sockets.bind(0), { code: 'EADDRNOTAVAIL' });
});

function plain(t: ExecutionContext, port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer().on('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server));
    t.teardown(() => server.close());
  });
}

test('several processes have one port where they are to', async (t) => {
  const [one, two] = [rig({ isShared: true }), rig({ isShared: true })];
  const port = await one.sockets.bind(0);
  t.is(await two.sockets.bind(port), port);
  await Promise.all([one.sockets.close(), two.sockets.close()]);
});

test('no more connections than the limit, of all sockets together; those that end make room', async (t) => {
  const limited = rig({ maxConnections: 3 });
  const port = await limited.sockets.bind(0);
  await Promise.all(Array.from({ length: 20 }, () => client(t, port)));
  await until(() => limited.accepted.length + limited.refused === 20);
  t.deepEqual([limited.accepted.length, limited.refused], [3, 17]);
  await new Promise((resolve) => limited.accepted[0]!.on('close', resolve).destroy());
  await client(t, port);
  await until(() => limited.accepted.length + limited.refused === 21);
  t.deepEqual([limited.accepted.length, limited.refused], [4, 17]);
  for (const socket of limited.accepted) socket.destroy();
  await limited.sockets.close();
});

test('once closed none of them accepts, and what is open goes on', async (t) => {
  const { sockets, accepted } = rig();
  const port = await sockets.bind(0);
  const open = await client(t, port);
  await until(() => accepted.length === 1);
  let closed = false;
  const closing = sockets.close().then(() => (closed = true));
  for (let count = 0; count < 12; count++) await t.throwsAsync(client(t, port), { code: 'ECONNREFUSED' });
  t.false(closed);
  open.end();
  accepted[0]!.destroy();
  await closing;
  t.true(closed);
});
