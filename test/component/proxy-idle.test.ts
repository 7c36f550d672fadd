import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createSecureServer } from 'node:tls';
import { setTimeout as sleep } from 'node:timers/promises';
import { createExposition } from '#proxy';
import test, { type ExecutionContext } from 'ava';
import { Authority } from './authority.ts';
import { Sockets } from './passing/sockets.ts';
import { applyTo, backendNamed, fetchRaw, ok, policyOf, RawClient, rawServer, startRig, statusOf } from './proxy-rig.ts';
import { eventually } from './streams-rig.ts';

const closing = 'Connection: close\r\n';
const idleMs = 300;
/** By then its FIN is on the way: what comes now is lost. */
const lostMs = 270;

const authority = await Authority.named('root');
const pair = await authority.issue('shop', { dns: ['shop.example'] });

interface Served {
  /** Connections that the endpoint was asked for. */
  readonly opened: () => number;
  /** Whether the endpoint closes idle connections. */
  closes: boolean;
  /** Closes all connections now. */
  endAll(): void;
  /** Status of a POST that is answered after so many milliseconds. */
  post(ms?: number): Promise<number>;
  /** The proxy has no idle connection. */
  noneIdle(): Promise<void>;
}

/** Behind the proxy, an endpoint that closes its connections when they are idle for 300 ms, and does not say so. */
async function serve(t: ExecutionContext, protocol: 'HTTP' | 'TLS' = 'HTTP'): Promise<Served> {
  const sockets = new Set<Socket>();
  let opened = 0;
  const take = (socket: Socket): void => {
    opened++;
    sockets.add(socket);
    let answeredAt = Infinity;
    let timer: NodeJS.Timeout | undefined;
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(timer);
      sockets.delete(socket);
    });
    socket.on('data', (bytes: Buffer) => {
      clearTimeout(timer);
      if (served.closes && performance.now() - answeredAt >= lostMs) {
        socket.destroy();
        return;
      }
      timer = setTimeout(() => {
        socket.write(ok('hello'));
        answeredAt = performance.now();
        if (served.closes) timer = setTimeout(() => socket.destroy(), idleMs);
      }, Number(/^POST \/(\d+) /.exec(bytes.toString('latin1'))?.[1]));
    });
  };
  const server: Server = protocol === 'TLS' ? createSecureServer({ key: pair.key, cert: pair.chain }, take) : createServer(take);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const rig = await startRig({ backends: { a: [(server.address() as AddressInfo).port] } });
  if (protocol === 'TLS') applyTo(rig.proxy, { backends: { changed: [{ ...backendNamed('a'), tls: { hostname: 'shop.example', authorities: authority.certificate } }] } });
  const endAll = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  t.teardown(async () => {
    await rig.close();
    endAll();
    await new Promise((resolve) => server.close(resolve));
  });
  const served: Served = {
    closes: true,
    opened: () => opened,
    endAll,
    post: async (ms = 0) => statusOf(await fetchRaw(rig.listener.port, `POST /${ms} HTTP/1.1\r\nHost: shop.example\r\n${closing}Content-Length: 0\r\n\r\n`)),
    noneIdle: () => eventually(async () => (await createExposition(rig.metrics)()).body.includes('\nweft_upstream_connections_idle 0\n')),
  };
  return served;
}

/** The endpoint closes as many connections as are remembered. */
async function teach(t: ExecutionContext, { post, noneIdle }: Served): Promise<void> {
  for (let round = 0; round < 5; round++) {
    t.is(await post(), 200);
    await noneIdle();
  }
}

/** Statuses of POSTs that come just before the endpoint closes the connection of the one before. */
async function atTheMoment({ post }: Served, count: number): Promise<readonly number[]> {
  const statuses: number[] = [];
  for (let done = 0; done < count; done++) {
    statuses.push(await post());
    await sleep(lostMs + 15);
  }
  return statuses;
}

for (const protocol of ['HTTP', 'TLS'] as const) {
  test.serial(`${protocol}: once it was seen when an endpoint closes idle connections, no POST runs into that`, async (t) => {
    const served = await serve(t, protocol);
    await teach(t, served);
    t.deepEqual(await atTheMoment(served, 12), Array.from({ length: 12 }, () => 200));
    const before = served.opened();
    for (let count = 0; count < 10; count++) t.is(await served.post(), 200);
    t.true(served.opened() < before + 10, 'younger connections are used again');
  });
}

test.serial('POSTs that run into it teach it, too', async (t) => {
  const served = await serve(t);
  t.true((await atTheMoment(served, 12)).includes(502));
  t.deepEqual(await atTheMoment(served, 8), Array.from({ length: 8 }, () => 200));
});

test.serial('an endpoint that ends and comes back, with all connections at once, does not end their reuse', async (t) => {
  const served = await serve(t);
  served.closes = false;
  for (let restart = 0; restart < 2; restart++) {
    t.deepEqual(await Promise.all([100, 220, 340, 460].map(served.post)), [200, 200, 200, 200]);
    await sleep(250);
    served.endAll();
    await served.noneIdle();
  }
  t.is(await served.post(), 200);
  const before = served.opened();
  await sleep(900);
  t.is(await served.post(), 200);
  t.is(served.opened(), before);
});

test.serial('an endpoint that closes them no more: that is seen as well', async (t) => {
  const served = await serve(t);
  await teach(t, served);
  served.closes = false;
  const opened: number[] = [];
  for (let count = 0; count < 15; count++) {
    t.is(await served.post(), 200);
    opened.push(served.opened());
    await sleep(lostMs + 15);
  }
  t.is(opened[1], opened[0]! + 1, 'at first it is still believed');
  t.is(opened.at(-1), opened.at(-2), 'then connections are used again');
});

test('a response that is told by its end is not ended in its midst, however long its client takes nothing', async (t) => {
  const sockets = new Sockets();
  const server = await rawServer((socket) => socket.write('HTTP/1.1 200 OK\r\n\r\n'));
  const timeouts = { streamIdle: '1s' };
  const rig = await startRig({ backends: { a: [server.port] }, policies: [policyOf({ timeouts })], listenerPolicy: policyOf({ timeouts }), rules: [{}] });
  const client = new RawClient(rig.listener.port);
  client.send('GET / HTTP/1.0\r\nHost: x\r\n\r\n');
  await client.until((text) => text.includes('\r\n\r\n'));
  client.socket.pause();
  const toClient = sockets.toClient(rig.listener.port, client.socket)!;
  let sent = 0;
  for (; toClient.writableLength === 0; sent += 10_000) {
    server.sockets[0]!.write('x'.repeat(10_000));
    await sleep(1);
  }
  server.sockets[0]!.end();
  await eventually(() => toClient.destroyed);
  client.socket.resume();
  t.true((await client.all()).length < sent);
  t.is(client.error, 'ECONNRESET');
  sockets.close();
  await rig.close();
  await server.close();
});

test('a client that sent much more than it asked for, and took its last response slowly, is let go when it has that', async (t) => {
  const sockets = new Sockets();
  const server = await rawServer((socket) => socket.write('HTTP/1.1 200 OK\r\n\r\n'));
  const rig = await startRig({ backends: { a: [server.port] }, limits: { lingerMs: 40 } });
  const client = new RawClient(rig.listener.port);
  client.send('GET / HTTP/1.0\r\nHost: x\r\n\r\n');
  await client.until((text) => text.includes('\r\n\r\n'));
  client.socket.pause();
  const toClient = sockets.toClient(rig.listener.port, client.socket)!;
  for (; toClient.writableLength === 0; await sleep(1)) server.sockets[0]!.write('x'.repeat(10_000));
  server.sockets[0]!.end();
  client.send('x'.repeat(400_000));
  await eventually(() => toClient.bytesRead > 131_072);
  client.socket.resume();
  await client.all();
  t.is(client.error, undefined);
  await eventually(() => toClient.destroyed);
  client.close();
  sockets.close();
  await rig.close();
  await server.close();
});
