import { connect as connectHttp2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { Worker } from 'node:worker_threads';
import test, { type ExecutionContext } from 'ava';
import type { Listener, ListenerSection } from '#snapshot';
import { responseOf } from './proxy-http2-rig.ts';
import { answering, applyTo, getRequest, listenerWith, ok, rawServer, startRig, type Rig } from './proxy-rig.ts';
import { certificateFor, eventually } from './streams-rig.ts';

/** Who comes in the last moment: connected, as far as the client knows, when the drain begins. */

const name = 'one.example';
const https: ListenerSection = { name: 'web', hostname: '', protocol: 'HTTPS', certificates: ['one'], routes: 'listener/shop/gw/http' };

async function secureRig(t: ExecutionContext): Promise<{ readonly rig: Rig; readonly listener: Awaited<ReturnType<Rig['proxy']['listen']>>; readonly wanted: Listener }> {
  const server = await rawServer(answering(ok('hello')));
  const rig = await startRig({ backends: { a: [server.port] } });
  applyTo(rig.proxy, { certificates: { changed: [{ kind: 'Certificate', name: 'one', ...certificateFor(name) }] } });
  const wanted = { ...listenerWith([https]), name: 'shop/gw/443' };
  const listener = await rig.proxy.listen(wanted);
  t.teardown(async () => {
    await rig.close();
    await server.close();
  });
  return { rig, listener, wanted };
}

/** A connection without a word so far; its handshake may follow. */
async function silent(t: ExecutionContext, port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1' }).on('error', () => {});
  t.teardown(() => socket.destroy());
  await new Promise((resolve) => socket.once('connect', resolve));
  await new Promise((resolve) => setTimeout(resolve, 50));
  return socket;
}

function handshake(socket: Socket, ALPNProtocols: string[]): Promise<TLSSocket | undefined> {
  return new Promise((resolve) => {
    const secured = connectTls({ socket, servername: name, rejectUnauthorized: false, ALPNProtocols } satisfies ConnectionOptions, () => resolve(secured));
    secured.on('error', () => {}).on('close', () => resolve(undefined));
  });
}

function textOf(socket: TLSSocket): Promise<string> {
  let text = '';
  return new Promise((resolve) => socket.on('data', (bytes) => (text += bytes.toString('latin1'))).on('close', () => resolve(text)).on('end', () => socket.end()));
}

const endsSoon = (drained: Promise<void>): Promise<string> => Promise.race([drained.then(() => 'ended'), new Promise<string>((resolve) => setTimeout(resolve, 15_000, 'still waiting'))]);

test('drain: who is connected and not yet accepted is served', async (t) => {
  const server = await rawServer(answering(ok('hello')));
  const rig = await startRig({ backends: { a: [server.port] } });
  const clients = 40;
  const shared = new SharedArrayBuffer(4);
  const beside = `
    const { connect } = require('node:net');
    const { workerData: { shared, clients, port, request }, parentPort } = require('node:worker_threads');
    const connected = new Int32Array(shared);
    const told = [];
    for (let each = 0; each < clients; each++) {
      let text = '';
      const socket = connect(port, '127.0.0.1', () => {
        socket.write(request);
        Atomics.add(connected, 0, 1);
        Atomics.notify(connected, 0);
      });
      socket.on('data', (bytes) => (text += bytes.toString('latin1'))).on('error', (error) => (text += error.code));
      socket.on('close', () => told.push(text) === clients && parentPort.postMessage(told));
    }`;
  const worker = new Worker(beside, { eval: true, workerData: { shared, clients, port: rig.listener.port, request: getRequest() } });
  t.teardown(() => worker.terminate());
  const told = new Promise<readonly string[]>((resolve) => worker.once('message', resolve));
  // This thread, which would accept them, stands still until all are connected.
  const connected = new Int32Array(shared);
  for (let count = 0; count < clients; count = Atomics.load(connected, 0)) Atomics.wait(connected, 0, count, 20_000);
  rig.proxy.retire();
  const drained = rig.proxy.drain(30_000);
  t.deepEqual([...new Set((await told).map((text) => text.replaceAll('\r\n', ' ')))], ['HTTP/1.1 200 OK content-length: 5 connection: close  hello']);
  t.is(await endsSoon(drained), 'ended');
  await server.close();
});

test('drain: a handshake that is under way comes to its end, and the first request is answered', async (t) => {
  const { rig, listener } = await secureRig(t);
  const sockets = await Promise.all([silent(t, listener.port), silent(t, listener.port), silent(t, listener.port)]);
  const drained = rig.proxy.drain(30_000);
  const [first, second, third] = await Promise.all(sockets.map((socket, index) => handshake(socket, index === 1 ? ['h2'] : ['http/1.1'])));
  const answered = textOf(first!);
  first!.write(getRequest('/', '', name));
  t.is((await answered).replaceAll('\r\n', ' '), 'HTTP/1.1 200 OK content-length: 5 connection: close  hello');
  t.is(second!.alpnProtocol, 'h2');
  const session = connectHttp2(`https://${name}`, { createConnection: () => second! });
  session.on('error', () => {});
  const told = new Promise<number>((resolve) => session.once('goaway', resolve));
  const { status, body } = await responseOf(session.request({ ':path': '/' }));
  t.deepEqual([status, body], [200, 'hello']);
  t.is(await told, 0);
  // Who says nothing then has no more than a moment.
  await textOf(third!);
  t.is(await endsSoon(drained), 'ended');
});

test('a handshake that was begun by other rules for clients is not served by them', async (t) => {
  const { listener, wanted } = await secureRig(t);
  const socket = await silent(t, listener.port);
  const open = await handshake(await silent(t, listener.port), ['http/1.1']);
  t.not(open, undefined);
  const authorities = certificateFor('authority.example').chain;
  listener.update({ ...wanted, sections: [{ ...https, clientValidation: { mode: 'AllowValidOnly', authorities } }] });
  const late = await handshake(socket, ['http/1.1']);
  late?.write(getRequest('/', '', name));
  t.is(late === undefined ? '' : await textOf(late), '');
  await eventually(() => open!.destroyed || open!.readableEnded);
});
