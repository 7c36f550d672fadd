import { connect as connectHttp2 } from 'node:http2';
import test from 'ava';
import { createProxy, Metrics, type Bound, type Proxy } from '#proxy';
import type { Destination, TimeoutFields } from '#snapshot';
import { responseOf } from './proxy-http2-rig.ts';
import { applyTo, answering, backendNamed, bodyOf, closedPort, endpointsOf, fetchRaw, getRequest, ok, policyOf, rawServer, RawClient, startRig, statusOf, tableOf, type RawServer } from './proxy-rig.ts';
import { socketIO } from './socket-io.ts';
import { eventually, startStreamRig } from './streams-rig.ts';

const handshake = 'GET /chat HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: abc\r\nSec-WebSocket-Version: 13\r\n\r\n';
const accepted = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: def\r\n\r\n';

/** Accepts a WebSocket, then sends back what it gets in upper case. */
async function webSocketServer(): Promise<RawServer> {
  return rawServer((socket, text) => socket.write(text.startsWith('GET') ? `${accepted}welcome` : text.toUpperCase()));
}

test('a WebSocket: the handshake passes, then bytes do, both ways', async (t) => {
  const server = await webSocketServer();
  const rig = await startRig({ backends: { a: [server.port] } });
  const client = new RawClient(rig.listener.port);
  client.send(`${handshake}early`);
  const text = await client.until((got) => got.endsWith('EARLY'));
  t.is(text, 'HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: def\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\nwelcomeEARLY');
  t.regex(server.received[0]!, /\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n/);
  t.true(server.received[0]!.includes('Sec-WebSocket-Key: abc\r\n'));
  client.text = '';
  client.send('more');
  await client.until((got) => got === 'MORE');
  const closed = new Promise<void>((resolve) => server.sockets[0]!.on('close', () => resolve()));
  client.socket.end();
  await client.all();
  await closed;
  await rig.close();
  await server.close();
});

test('a tunnel carries much, at the pace of the slower side', async (t) => {
  const size = 16 * 1024 * 1024;
  const server = await rawServer((socket, text, connection) => {
    if (text.startsWith('GET')) socket.write(accepted);
    if (server.received[connection]!.length > size) socket.end('got all');
  });
  const rig = await startRig({ backends: { a: [server.port] } });
  const client = new RawClient(rig.listener.port);
  client.send(handshake);
  await client.until((got) => got.endsWith('\r\n\r\n'));
  client.send('q'.repeat(size));
  t.true((await client.until((got) => got.endsWith('got all'), 20_000)).length > 0);
  client.close();
  await rig.close();
  await server.close();
});

test('an endpoint that refuses the upgrade answers as ever', async (t) => {
  const server = await rawServer(answering('HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno'));
  const rig = await startRig({ backends: { a: [server.port] } });
  const client = new RawClient(rig.listener.port);
  client.send(handshake);
  t.is(statusOf(await client.until((text) => text.endsWith('no'))), 403);
  client.text = '';
  client.send(getRequest());
  await client.until((text) => text.endsWith('no'));
  client.close();
  await rig.close();
  await server.close();
});

test('bytes of a client do not reach the endpoint before it accepts the upgrade', async (t) => {
  const server = await rawServer((socket, text) => text.startsWith('GET') && setTimeout(() => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nno'), 50));
  const rig = await startRig({ backends: { a: [server.port] } });
  const client = new RawClient(rig.listener.port);
  client.send(`${handshake}GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n`);
  await client.until((text) => text.split('no').length === 3);
  t.is(server.received[0]!.split('x-request-id').length, 3, 'the second request was a request of its own');
  client.close();
  await rig.close();
  await server.close();
});

for (const early of ['', 'early']) {
  test(`a client that ends its side before the 101${early === '' ? '' : ', behind what it sends ahead'}: its end passes once the tunnel stands, and the other way stays open`, async (t) => {
    let accept: () => void = () => {};
    const server = await rawServer((socket, text) => {
      if (text.startsWith('GET')) accept = () => socket.write(accepted);
    });
    const ended: string[] = [];
    const rig = await startRig({ backends: { a: [server.port] } });
    const client = new RawClient(rig.listener.port);
    client.socket.end(`${handshake}${early}`);
    await eventually(async () => server.received.length > 0);
    const [endpoint] = server.sockets;
    endpoint!.prependListener('end', () => {
      ended.push(server.received[0]!.split('\r\n\r\n')[1]!);
      endpoint!.end('last');
    });
    // The proxy has heard of the end by now.
    await new Promise((resolve) => setTimeout(resolve, 50));
    t.deepEqual(ended, [], 'not before the tunnel stands');
    accept();
    t.regex(await client.all(), /^HTTP\/1\.1 101 [^]*\r\n\r\nlast$/);
    t.deepEqual(ended, [early]);
    await rig.close();
    await server.close();
  });
}

test('a client that ends its side before a 101 that does not come: it gets the answer that does', async (t) => {
  const server = await rawServer(answering('HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno'));
  const rig = await startRig({ backends: { a: [server.port] } });
  const client = new RawClient(rig.listener.port);
  client.socket.end(handshake);
  t.regex(await client.all(), /^HTTP\/1\.1 403 [^]*no$/);
  await rig.close();
  await server.close();
});

test('a tunnel whose client has ended its side before the 101 ends when nothing moves in it any more', async (t) => {
  const server = await rawServer((socket) => {
    socket.removeAllListeners('end');
    setTimeout(() => socket.write(`${accepted}welcome`), 30);
  });
  const rig = await startRig({ backends: { a: [server.port] }, policies: [{ timeouts: { streamIdle: '300ms' }, origins: {} }], rules: [{}] });
  const client = new RawClient(rig.listener.port);
  client.socket.end(handshake);
  t.true((await client.all()).endsWith('welcome'));
  await rig.close();
  await server.close();
});

test('a tunnel in which nothing moves ends', async (t) => {
  const server = await webSocketServer();
  const rig = await startRig({ backends: { a: [server.port] }, policies: [{ timeouts: { streamIdle: '300ms' }, origins: {} }], rules: [{}] });
  const client = new RawClient(rig.listener.port);
  client.send(handshake);
  await client.until((text) => text.endsWith('welcome'));
  await client.all();
  t.pass();
  await rig.close();
  await server.close();
});

test('the log says how a tunnel came to its end', async (t) => {
  const server = await rawServer((socket, text) => {
    if (text.startsWith('GET')) socket.write(accepted);
    else if (text === 'reset') socket.resetAndDestroy();
    else if (text === 'end') socket.end();
    else if (text === 'more') socket.resetAndDestroy();
  });
  const rig = await startStreamRig();
  const table = tableOf([{}], [{ timeouts: { streamIdle: '300ms' }, origins: {} }]);
  applyTo(rig.proxy, { backends: { changed: [backendNamed('a')] }, endpoints: { changed: [{ kind: 'Endpoints', name: 'a', endpoints: endpointsOf([server.port]) }] }, routeTables: { changed: [table] } });
  const { port } = await rig.listen([{ name: 'http', hostname: '', protocol: 'HTTP', routes: table.name }]);
  const ends: Readonly<Record<string, (client: RawClient) => unknown>> = {
    'completed': (client) => client.socket.end(),
    'upstream-reset': (client) => client.send('reset'),
    'client-closed': (client) => client.socket.resetAndDestroy(),
    'stream-idle-timeout': () => {},
    // The endpoint ends, and breaks the connection over what the client still sends; the client may send on, to nobody.
    'upstream-reset after its end': async (client) => {
      client.send('end');
      await client.all();
      client.send('more');
      await new Promise((resolve) => setTimeout(resolve, 50));
      client.send('and more').send('and more');
    },
  };
  for (const [index, [end, begin]] of Object.entries(ends).entries()) {
    const client = new RawClient(port);
    await client.send(handshake).until((text) => text.includes('\r\n\r\n'));
    await begin(client);
    await eventually(async () => (await rig.logged()).length === index + 1);
    t.is(rig.log[index]!['status'], 101);
    t.is(rig.log[index]!['failure'] ?? 'completed', end.split(' ')[0]!, end);
    client.close();
  }
  t.deepEqual(rig.faults, []);
  await rig.close();
  await server.close();
});

for (const side of ['client', 'endpoint', 'proxy, for nothing moves,'] as const) {
  test(`a tunnel that the ${side} breaks off ends in order for nobody`, async (t) => {
    const server = await webSocketServer();
    const rig = await startRig({ backends: { a: [server.port] }, policies: [policyOf({ timeouts: side.startsWith('proxy') ? { streamIdle: '1s' } : {} })], rules: [{}] });
    const client = new RawClient(rig.listener.port);
    await client.send(handshake).until((text) => text.endsWith('welcome'));
    const [endpoint] = server.sockets;
    const seen: string[] = [];
    for (const [name, socket] of [['client', client.socket], ['endpoint', endpoint!]] as const) {
      socket.prependListener('end', () => {
        seen.push(`${name}: end`);
        socket.end();
      });
      socket.on('error', (error: NodeJS.ErrnoException) => seen.push(`${name}: ${error.code}`));
    }
    const closed = [client.socket, endpoint!].map((socket) => new Promise((resolve) => socket.once('close', resolve)));
    if (side === 'client') client.socket.resetAndDestroy();
    else if (side === 'endpoint') endpoint!.resetAndDestroy();
    await Promise.all(closed);
    t.deepEqual(seen.toSorted(), ['client: ECONNRESET', 'endpoint: ECONNRESET'].filter((each) => !each.startsWith(side)));
    await rig.close();
    await server.close();
  });
}

interface Mesh {
  readonly proxy: Proxy;
  readonly outbound: Bound;
  readonly asked: string[];
}

async function meshTo(server: number, answer: (destination: Destination) => Destination | Promise<Destination> = (d) => d): Promise<Mesh> {
  const proxy = createProxy({ now: () => performance.now(), wallClock: Date.now, random: Math.random, metrics: new Metrics(), io: socketIO, options: { streamEndingMs: 60_000 } });
  const routes = 'service/client/shop/reviews/9080';
  applyTo(proxy, {
    routeTables: { changed: [{ ...tableOf([{ backends: [{ index: 0, weight: 1, filters: [], target: { kind: 'backend', ref: { kind: 'Service', namespace: 'shop', name: 'reviews' }, port: 9080, backend: 'shop/reviews:9080' } }] }]), name: routes }] },
    backends: { changed: [backendNamed('shop/reviews:9080')] },
    endpoints: { changed: [{ kind: 'Endpoints', name: 'shop/reviews:9080', endpoints: endpointsOf([server]) }] },
  });
  const asked: string[] = [];
  const outbound = await proxy.listenOutbound({
    address: '127.0.0.1',
    port: 0,
    resolve: (host, port) => {
      asked.push(`${host}:${port}`);
      const service = { kind: 'Service', namespace: 'shop', name: 'reviews' };
      if (host.startsWith('reviews')) return answer({ kind: 'Destination', name: `${host}:${port}`, target: { kind: 'service', service, port: 9080, routes } });
      return answer({ kind: 'Destination', name: `${host}:${port}`, target: { kind: 'passthrough' } });
    },
  });
  return { proxy, outbound, asked };
}

test('outbound: absolute and origin form go where the host says, by the routes of the service', async (t) => {
  const server = await rawServer(answering(ok('reviewed')));
  const { proxy, outbound, asked } = await meshTo(server.port);
  const lines = 'Connection: close\r\nX-Request-Id: kept-1\r\nX-Forwarded-For: 9.9.9.9\r\nProxy-Connection: keep-alive\r\n';
  t.is(bodyOf(await fetchRaw(outbound.port, getRequest('http://Reviews.shop:9080/x?y', lines, 'lies.example'))), 'reviewed');
  t.is(bodyOf(await fetchRaw(outbound.port, getRequest('/z', lines, 'reviews.shop:9080'))), 'reviewed');
  t.deepEqual(asked, ['reviews.shop:9080', 'reviews.shop:9080']);
  const [first, second] = server.received.join('').split(/(?=GET \/z)/) as [string, string];
  t.regex(first, /^GET \/x\?y HTTP\/1\.1\r\n/);
  t.true(first.includes('host: Reviews.shop:9080\r\n') && !first.includes('lies'));
  t.true(first.includes('X-Request-Id: kept-1\r\n') && first.includes('X-Forwarded-For: 9.9.9.9\r\n') && !/proxy-/i.test(first));
  t.true(second.startsWith('GET /z HTTP/1.1\r\nHost: reviews.shop:9080\r\n'));
  await proxy.close();
  await server.close();
});

test('outbound: OPTIONS of a server goes on as `*`, by the routes of its root; of the proxy itself it is answered', async (t) => {
  const server = await rawServer(answering(ok('reviewed')));
  const { proxy, outbound, asked } = await meshTo(server.port);
  const options = (target: string): Promise<string> => fetchRaw(outbound.port, `OPTIONS ${target} HTTP/1.1\r\nHost: reviews.shop:9080\r\nConnection: close\r\n\r\n`);
  for (const target of ['http://reviews.shop:9080', 'http://reviews.shop:9080/', 'http://reviews.shop:9080?']) t.is(bodyOf(await options(target)), 'reviewed', target);
  const session = connectHttp2(`http://127.0.0.1:${outbound.port}`);
  t.is((await responseOf(session.request({ ':method': 'OPTIONS', ':authority': 'reviews.shop:9080', ':path': '*' }))).body, 'reviewed');
  session.close();
  t.deepEqual([...server.received.join('').matchAll(/OPTIONS (\S+) /g)].map(([, target]) => target), ['*', '/', '/?', '*']);
  const { length } = asked;
  t.regex(await options('*'), /^HTTP\/1\.1 200 OK\r\ncontent-length: 0\r\n/);
  t.is(asked.length, length);
  await proxy.close();
  await server.close();
});

test('outbound: a request to the proxy itself ends, by address or by name', async (t) => {
  const { proxy, outbound, asked } = await meshTo(1);
  const own = `127.0.0.1:${outbound.port}`;
  const lines = 'Connection: close\r\n';
  for (const text of [getRequest(`http://${own}/`, lines, own), getRequest('/', lines, own), getRequest(`http://localhost:${outbound.port}/`, lines, own)]) {
    t.regex(await fetchRaw(outbound.port, text), /^HTTP\/1\.1 508 [^]*x-weft-error: loop-detected\r\n/);
  }
  t.regex(await fetchRaw(outbound.port, `CONNECT ${own} HTTP/1.1\r\nHost: ${own}\r\n${lines}\r\n`), /^HTTP\/1\.1 508 /);
  t.is(asked.length, 4, 'each was forwarded once at most');
  await proxy.close();
});

test('outbound: an answer that takes its time is waited for, with the body', async (t) => {
  const server = await rawServer((socket) => {
    if (server.received[0]!.endsWith('hello')) socket.write(ok('reviewed'));
  });
  const { proxy, outbound } = await meshTo(server.port, (destination) => new Promise((resolve) => setTimeout(() => resolve(destination), 40)));
  const client = new RawClient(outbound.port);
  client.send('POST http://reviews.shop:9080/ HTTP/1.1\r\nHost: reviews.shop:9080\r\nContent-Length: 5\r\n\r\nhe');
  setTimeout(() => client.send('llo'), 10);
  await client.until((text) => text.endsWith('reviewed'));
  t.is(server.received[0]!.split('hello').length, 2);
  client.close();
  await proxy.close();
  await server.close();
});

test('outbound: an answer that fails is 503', async (t) => {
  const { proxy, outbound } = await meshTo(1, () => Promise.reject(new Error('no')));
  t.is(statusOf(await fetchRaw(outbound.port, getRequest('http://reviews.shop/', 'Connection: close\r\n'))), 503);
  await proxy.close();
});

test('outbound: neither answer is in the way of the next request, though a body came with the first', async (t) => {
  const server = await rawServer(answering(ok('reviewed')));
  const { proxy, outbound } = await meshTo(server.port, () => Promise.reject(new Error('no')));
  const client = new RawClient(outbound.port);
  const post = 'POST http://reviews.shop/ HTTP/1.1\r\nHost: reviews.shop\r\nContent-Length: 5\r\n\r\nhello';
  client.send(post).send(post);
  t.false((await client.until((text) => text.split('config-missing').length === 3)).includes('connection: close'));
  client.close();
  await proxy.close();
  await server.close();
});

test('outbound: a client that ends its side behind its body gets the answer, though the body waits', async (t) => {
  const server = await rawServer((socket) => {
    if (server.received[0]!.endsWith('hello')) socket.write(ok('reviewed'));
  });
  const { proxy, outbound } = await meshTo(server.port, (destination) => new Promise((resolve) => setTimeout(() => resolve(destination), 100)));
  const client = new RawClient(outbound.port);
  client.socket.end('POST http://reviews.shop:9080/ HTTP/1.1\r\nHost: reviews.shop:9080\r\nContent-Length: 5\r\n\r\nhello');
  t.is(bodyOf(await client.all()), 'reviewed');
  await proxy.close();
  await server.close();
});

test('outbound: what the mesh does not know passes through, on kept connections', async (t) => {
  const server = await rawServer(answering(ok('outside')));
  const { proxy, outbound } = await meshTo(1);
  const client = new RawClient(outbound.port);
  for (let round = 0; round < 3; round++) {
    client.text = '';
    client.send(getRequest(`http://127.0.0.1:${server.port}/`, '', `127.0.0.1:${server.port}`));
    await client.until((text) => text.endsWith('outside'));
  }
  t.is(server.sockets.length, 1);
  client.close();
  await proxy.close();
  await server.close();
});

test('outbound: CONNECT makes a tunnel to an endpoint or an address', async (t) => {
  const server = await rawServer((socket, text) => socket.write(text.toUpperCase()));
  const { proxy, outbound } = await meshTo(server.port);
  for (const authority of ['reviews.shop:9080', `127.0.0.1:${server.port}`]) {
    const client = new RawClient(outbound.port);
    client.send(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\nearly`);
    t.is(await client.until((text) => text.endsWith('EARLY')), 'HTTP/1.1 200 Connection Established\r\n\r\nEARLY');
    client.socket.end('late');
    t.true((await client.all()).endsWith('LATE'));
  }
  t.is(statusOf(await fetchRaw(outbound.port, `CONNECT 127.0.0.1:${await closedPort()} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)), 503);
  const told = server.received.length;
  for (const lines of ['Content-Length: 5\r\n', 'Transfer-Encoding: chunked\r\n']) {
    t.regex(await fetchRaw(outbound.port, `CONNECT 127.0.0.1:${server.port} HTTP/1.1\r\nHost: x\r\n${lines}\r\n5\r\nearly\r\n0\r\n\r\n`), /^HTTP\/1\.1 400 [^]*bad-request/);
  }
  t.is(server.received.length, told);
  await proxy.close();
  await server.close();
});

test('outbound: a tunnel by a TCPRoute has the times of its policy: it ends without a byte for too long, or when it is as old as it may be', async (t) => {
  const server = await rawServer((socket, text) => socket.write(text.toUpperCase()));
  const { proxy, outbound } = await meshTo(server.port, (destination) => (destination.target.kind === 'service' ? { ...destination, target: { ...destination.target, protocol: 'tcp', streams: 'service/client/shop/reviews/9080' } } : destination));
  const times = (timeouts: TimeoutFields): void => {
    const target = { kind: 'backend', ref: { kind: 'Service', namespace: 'shop', name: 'reviews' }, port: 9080, backend: 'shop/reviews:9080' } as const;
    const rule = { index: 0, backends: [{ index: 0, weight: 1, filters: [], target, policy: 0 }] };
    const route = { ref: { kind: 'TCPRoute', namespace: 'shop', name: 'r' }, createdAt: 0, hostnames: [], rule };
    applyTo(proxy, { streamTables: { changed: [{ kind: 'StreamTable', name: 'service/client/shop/reviews/9080', routes: [route], policies: [{ timeouts, origins: {} }] }] } });
  };
  const open = async (): Promise<RawClient> => {
    const client = new RawClient(outbound.port);
    client.send('CONNECT reviews.shop:9080 HTTP/1.1\r\nHost: reviews.shop:9080\r\n\r\nearly');
    await client.until((text) => text.endsWith('EARLY'));
    return client;
  };
  times({ streamIdle: '200ms' });
  await (await open()).all();
  times({ maxConnectionDuration: '300ms' });
  const client = await open();
  const talk = setInterval(() => client.socket.write('x'), 20);
  t.regex(await client.all(), /EARLYX{2,}$/);
  clearInterval(talk);
  // In order: this side may take its time, and is not reset.
  t.false(client.socket.destroyed);
  client.socket.end();
  await new Promise((resolve) => client.socket.once('close', resolve));
  t.is(client.error, undefined);
  await proxy.close();
  await server.close();
});

test('outbound: over HTTP/2 requests are routed; a tunnel is refused', async (t) => {
  const server = await rawServer(answering(ok('reviewed')));
  const { proxy, outbound } = await meshTo(server.port);
  const session = connectHttp2(`http://127.0.0.1:${outbound.port}`);
  t.is((await responseOf(session.request({ ':authority': 'reviews.shop:9080' }))).body, 'reviewed');
  const tunnel = session.request({ ':method': 'CONNECT', ':authority': 'elsewhere.example:443' });
  t.is((await responseOf(tunnel)).status, 501);
  t.is((await responseOf(session.request({ ':authority': 'reviews.shop:9080' }))).status, 200);
  session.close();
  await proxy.close();
  await server.close();
});
