import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { streamServer } from './proxy-http2-rig.ts';
import { answering, behind, bodyOf, closedPort, getRequest, ok, policyOf, RawClient, rule, statusOf, type RigOptions } from './proxy-rig.ts';

/** What happens at a moment that is not the usual one for it: while something else waits, or is half done. */

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const closed = (socket: Socket): Promise<void> => new Promise((resolve) => void (socket.destroyed ? resolve() : socket.once('close', () => resolve())));
const post = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello';
const unavailable = 'HTTP/1.1 503 Service Unavailable\r\n';
const retrying: RigOptions = { policies: [policyOf({ retry: { maxRetries: 1, retryOn: { codes: [503] }, backoff: { base: '1ms', max: '1ms' } } })], limits: { maxDiscardMs: 100 } };

/** The proxy's own end of the connections that come while the test runs. */
function ownEnds(t: ExecutionContext): (port: number) => Socket {
  const accepted: Socket[] = [];
  const note = (message: unknown): void => void accepted.push((message as { readonly socket: Socket }).socket);
  subscribe('net.server.socket', note);
  t.teardown(() => unsubscribe('net.server.socket', note));
  return (port) => accepted.findLast(({ localPort }) => localPort === port)!;
}

test('a body that is here, but did not go on: an answer of the proxy itself does not wait for it', async (t) => {
  // A request for an endpoint of HTTP/2 waits for its connection.
  const { client } = await behind(t, () => {}, { backends: { a: [await closedPort()] }, protocol: 'http2' });
  client.send(post).send(post);
  const text = await client.until((got) => got.split('x-weft-error: connect-failed').length === 3);
  t.false(text.includes('connection: close'));
});

for (const [framing, begin] of [['a length', 'content-length: 10\r\n\r\nbusy'], ['chunks', 'transfer-encoding: chunked\r\n\r\n4\r\nbusy\r\n']] as const) {
  test(`a response that was given up for another attempt, and does not end: with ${framing} its connection is not kept for ever`, async (t) => {
    const { server, client } = await behind(t, (socket, _text, connection) => socket.write(connection === 0 ? `${unavailable}${begin}` : ok('well')), retrying);
    t.is(statusOf(await client.send(getRequest()).until((text) => text.endsWith('well'))), 200);
    await closed(server.sockets[0]!);
    t.false(server.sockets[1]!.destroyed);
  });
}

test('the same of a stream of HTTP/2', async (t) => {
  const server = await streamServer((stream) => {
    if (server.seen.length === 1) {
      stream.respond({ ':status': 503 });
      stream.write('busy');
    } else {
      stream.respond({ ':status': 200 });
      stream.end('well');
    }
  });
  t.teardown(() => server.close());
  const { client } = await behind(t, () => {}, { ...retrying, backends: { a: [server.port] }, protocol: 'http2' });
  await client.send(getRequest()).until((text) => text.includes('well'));
  while (server.resets.length === 0) await pause(10);
  // CANCEL
  t.deepEqual(server.resets, [8]);
});

test('drain: a response that began before, and said nothing of an end, is the last of its connection', async (t) => {
  t.timeout(15_000);
  const { server, rig, client } = await behind(t, (socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe'));
  t.false((await client.send(getRequest()).until((text) => text.endsWith('he'))).includes('connection: close'));
  const drained = rig.proxy.drain(60_000);
  // By then all that were idle are closed.
  await pause(400);
  server.sockets[0]!.write('llo');
  t.is(bodyOf(await client.all()), 'hello');
  client.socket.end();
  await drained;
  await server.close();
});

test('who asks on and reads no answer is not read any more, and gets them all in the end', async (t) => {
  const end = ownEnds(t);
  for (const [count, options] of [[600, {}], [100_000, { rules: [rule({ backends: [] })] }]] as const) {
    const { rig } = await behind(t, answering(ok('x'.repeat(65_536))), options);
    const client = new RawClient(rig.listener.port);
    t.teardown(() => client.close());
    client.socket.pause();
    const sent = new Promise((resolve) => client.socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(count), resolve));
    await new Promise((resolve) => client.socket.once('connect', resolve));
    for (let [before, now] = [-1, 0]; now !== before; ) {
      await pause(200);
      const own = end(rig.listener.port);
      [before, now] = [now, own.bytesWritten + own.bytesRead];
      t.true(own.writableLength < 2 ** 20, `${own.writableLength} bytes wait to be read`);
    }
    let heads = 0;
    client.socket.removeAllListeners('data');
    const all = new Promise<void>((resolve) => {
      let rest = '';
      client.socket.on('data', (bytes) => {
        const text = rest + bytes.toString('latin1');
        heads += text.split('HTTP/1.1 ').length - 1;
        rest = text.slice(-8);
        if (heads === count) resolve();
      });
    });
    client.socket.resume();
    await Promise.all([sent, all]);
    t.is(heads, count);
  }
});

test('a client that ends its side behind several requests gets all answers, whoever gives them', async (t) => {
  const { rig } = await behind(t, (socket) => setTimeout(() => socket.write(ok('hello')), 50), { rules: [rule(), rule({ path: '/none', backends: [] })] });
  const client = new RawClient(rig.listener.port);
  t.teardown(() => client.close());
  client.socket.end(getRequest() + getRequest('/none').repeat(20) + getRequest());
  const text = await client.all();
  t.is(text.split('HTTP/1.1 200 ').length, 3, text);
  t.is(text.split('HTTP/1.1 500 ').length, 21);
  t.is(text.split('connection: close').length, 2);
});

test('a client that ended its side is waited for anew with each response', async (t) => {
  const { rig } = await behind(t, (socket) => setTimeout(() => socket.write(ok('hello')), 1200), { limits: { halfClosedMs: 2000 } });
  const client = new RawClient(rig.listener.port);
  t.teardown(() => client.close());
  client.socket.end(getRequest().repeat(2));
  t.is((await client.all()).split('hello').length, 3);
});

test('a tunnel whose endpoint is gone, behind its end in order, does not take what its client still sends', async (t) => {
  const handshake = 'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: abc\r\nSec-WebSocket-Version: 13\r\n\r\n';
  const { client } = await behind(t, (socket, text) => {
    if (text.startsWith('GET')) socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nlast');
    else socket.resetAndDestroy();
  }, { limits: { lingerMs: 100 } });
  t.true((await client.send(handshake).all()).endsWith('last'));
  const sending = setInterval(() => client.send('more'), 20);
  t.teardown(() => clearInterval(sending));
  await closed(client.socket);
  t.pass();
});

test('the answer of an endpoint that breaks the upload off is read to its end, also where its client takes its time', async (t) => {
  const dialled: Socket[] = [];
  const note = (message: unknown): void => void dialled.push((message as { readonly socket: Socket }).socket);
  subscribe('net.client.socket', note);
  t.teardown(() => unsubscribe('net.client.socket', note));
  const { promise: brokenOff, resolve } = Promise.withResolvers<void>();
  const piece = 'x'.repeat(16_384);
  let pieces = 0;
  const answer = async (socket: Socket): Promise<void> => {
    socket.pause();
    socket.write('HTTP/1.1 413 Content Too Large\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n');
    const own = dialled.find(({ remotePort }) => remotePort === server.port)!;
    // Until the proxy reads no more, for its client takes nothing.
    for (; pieces < 2 || own.bytesRead === socket.bytesWritten; pieces++) {
      socket.write(`4000\r\n${piece}\r\n`);
      await pause(10);
    }
    socket.write('0\r\n\r\n');
    await pause(50);
    // With bytes that it has not read, a socket that is closed resets its connection.
    socket.destroy();
    await pause(100);
    resolve();
  };
  const { client, server } = await behind(t, (socket, text) => void (text.startsWith('POST') && answer(socket)));
  client.socket.pause();
  client.send('POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 33554432\r\n\r\n');
  client.socket.write(Buffer.alloc(8 * 1024 * 1024, 'y'));
  await brokenOff;
  client.socket.resume();
  t.is((await client.until((got) => got.endsWith('0\r\n\r\n'))).split('x').length - 1, pieces * piece.length);
});

test('requests that were sent ahead are served however slowly their client takes the answers; who takes none for too long is closed', async (t) => {
  const end = ownEnds(t);
  const { rig } = await behind(t, answering(ok('x'.repeat(30_000))), { listenerPolicy: policyOf({ timeouts: { idle: '200ms', streamIdle: '400ms', maxConnectionDuration: '0s' } }), policies: [policyOf({ timeouts: { streamIdle: '400ms' } })], rules: [{}] });
  const client = new RawClient(rig.listener.port);
  t.teardown(() => client.close());
  client.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(450));
  client.socket.removeAllListeners('data');
  let heads = 0;
  let taken = 0;
  let rest = '';
  const all = new Promise<void>((resolve) => {
    client.socket.on('data', (bytes) => {
      const text = rest + bytes.toString('latin1');
      heads += text.split('HTTP/1.1 ').length - 1;
      rest = text.slice(-8);
      taken += bytes.length;
      if (taken > 1_000_000) {
        taken = 0;
        client.socket.pause();
        setTimeout(() => client.socket.resume(), 300);
      }
      if (heads === 450) resolve();
    });
    client.socket.on('close', () => resolve());
  });
  await all;
  t.is(heads, 450);
  client.close();
  const silent = new RawClient(rig.listener.port);
  t.teardown(() => silent.close());
  silent.socket.pause();
  silent.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(450));
  await new Promise((resolve) => silent.socket.once('connect', resolve));
  await pause(50);
  await closed(end(rig.listener.port));
});
