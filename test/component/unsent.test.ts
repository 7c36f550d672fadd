import { connect, createServer, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import test, { type ExecutionContext } from 'ava';
import { boundUnsent } from '#proxy';
import type { ListenerSection } from '#snapshot';
import { startCaptureRig } from './capture-rig.ts';
import { applyTo, backendNamed, startRig } from './proxy-rig.ts';
import { boundServer, certificateFor, setBackends, startStreamRig, streamBackend, streamTable, type StreamServer } from './streams-rig.ts';

/**
 * How much of what one side does not take is kept between the two, in the kernel mostly; whoever pours keeps little itself. It is 1.2 to 2.8 MiB here, and 6.8
 * to 9.2 without a bound.
 */
const kept = 2 ** 22;
const pieces = Buffer.alloc(65_536, 'x');

/** Pours for as long as anything is taken. Resolves to the bytes that left this process. */
async function pour(socket: Socket): Promise<number> {
  boundUnsent(socket);
  let poured = -1;
  const more = (): void => {
    while (!socket.destroyed && socket.write(pieces));
  };
  socket.on('drain', more);
  more();
  const left = (): number => socket.bytesWritten - socket.writableLength;
  while (left() > poured) {
    poured = left();
    await new Promise((resolve) => setTimeout(resolve, 400));
  }
  return poured;
}

function within(t: ExecutionContext, bytes: number): void {
  t.true(bytes > 65_536 && bytes <= kept, `${bytes} bytes are kept`);
}

/** Reads a head at most, then nothing. Resolves to a connection of it. */
function deaf(t: ExecutionContext, socket: Socket): Socket {
  t.teardown(() => socket.destroy());
  return socket.on('error', () => {}).pause();
}

/** Connections that it was given, not read. */
async function listener(t: ExecutionContext): Promise<{ readonly port: number; readonly next: Promise<Socket> }> {
  const { promise, resolve } = Promise.withResolvers<Socket>();
  const server: StreamServer = await boundServer(createServer((socket) => resolve(deaf(t, socket))), []);
  t.teardown(() => server.close());
  return { port: server.port, next: promise };
}

async function connected(t: ExecutionContext, port: number): Promise<Socket> {
  const socket = deaf(t, connect(port, '127.0.0.1'));
  await new Promise((resolve) => socket.once('connect', resolve));
  return socket;
}

const bodyBytes = 2 ** 26;
const onLinux = process.platform === 'linux' ? test.serial : test.serial.skip;

onLinux('of a response that its client does not read, and of an upload that its endpoint does not', async (t) => {
  const endpoint = await listener(t);
  const rig = await startRig({ backends: { a: [endpoint.port] } });
  t.teardown(() => rig.close());
  const [client, sender] = [await connected(t, rig.listener.port), await connected(t, rig.listener.port)];
  client.write('GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n');
  const answerer = await endpoint.next;
  answerer.write(`HTTP/1.1 200 OK\r\nContent-Length: ${bodyBytes}\r\n\r\n`);
  within(t, await pour(answerer));
  sender.write(`POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: ${bodyBytes}\r\n\r\n`);
  within(t, await pour(sender));
});

onLinux('of an upload over TLS to the endpoint', async (t) => {
  const pem = certificateFor('strict.test');
  const server = await boundServer(createTlsServer({ cert: pem.chain, key: pem.key }, (socket) => deaf(t, socket)), []);
  t.teardown(() => server.close());
  const rig = await startRig({ backends: { a: [server.port] } });
  t.teardown(() => rig.close());
  applyTo(rig.proxy, { backends: { changed: [{ ...backendNamed('a'), tls: { hostname: 'strict.test', authorities: pem.chain } }] } });
  const sender = await connected(t, rig.listener.port);
  sender.write(`POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: ${bodyBytes}\r\n\r\n`);
  within(t, await pour(sender));
});

onLinux('of what passes as it is, in both directions', async (t) => {
  const endpoint = await listener(t);
  const rig = await startStreamRig();
  t.teardown(() => rig.close());
  setBackends(rig.proxy, { a: [endpoint.port] });
  applyTo(rig.proxy, { streamTables: { changed: [streamTable('tcp', [{ backends: [streamBackend('a')] }])] } });
  const section: ListenerSection = { name: 'tcp', hostname: '', protocol: 'TCP', routes: 'listener/shop/gw/tcp' };
  const client = await connected(t, (await rig.listen([section])).port);
  client.write('x');
  const answerer = await endpoint.next;
  within(t, await pour(client));
  within(t, await pour(answerer));
});

onLinux('of a captured connection to a place that no route is for', async (t) => {
  const endpoint = await listener(t);
  const rig = await startCaptureRig([]);
  t.teardown(() => rig.close());
  const client = deaf(t, rig.dial({ host: '127.0.0.1', port: endpoint.port }));
  client.write('\0');
  const answerer = await endpoint.next;
  within(t, await pour(client));
  within(t, await pour(answerer));
});

onLinux('without a bound it is more: the kernel of this machine shows a difference', async (t) => {
  const endpoint = await listener(t);
  const client = await connected(t, endpoint.port);
  const peer = await endpoint.next;
  t.true((await pour(peer)) < kept);
  while (client.writableLength < 2 ** 24) client.write(pieces);
  await new Promise((resolve) => setTimeout(resolve, 400));
  const bytes = client.bytesWritten - client.writableLength;
  t.true(bytes > 2 ** 21, `${bytes} bytes are kept`);
});
