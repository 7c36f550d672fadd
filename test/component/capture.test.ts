import { connect as connectTls } from 'node:tls';
import test, { type ExecutionContext } from 'ava';
import { httpPeer, next, peer, readAll, service, startCaptureRig, type CaptureRig } from './capture-rig.ts';
import type { StreamServer } from './streams-rig.ts';
import { certificateFor, echoServer, eventually, exchangeBytes } from './streams-rig.ts';

const clusterIP = '10.96.0.10';
const place = { host: clusterIP, port: 80 };
const request = (host: string): string => `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`;

async function rigged(t: ExecutionContext, port: { name?: string; appProtocol?: string }, server: StreamServer, ...more: readonly object[]): Promise<CaptureRig> {
  const rig = await startCaptureRig([...service('web', clusterIP, port, [server.port]), ...more]);
  t.teardown(() => rig.close());
  t.teardown(() => server.close());
  return rig;
}

function counter(rig: CaptureRig, name: Parameters<CaptureRig['metrics']['count']>[0]): number {
  const before = rig.metrics.counters.slice();
  rig.metrics.count(name);
  const index = rig.metrics.counters.findIndex((value, at) => value !== before[at]);
  rig.metrics.count(name, -1);
  return before[index]!;
}

test.serial('a connection to a ClusterIP gets the routes of its Service, whatever the Host says', async (t) => {
  const canary = await httpPeer('canary');
  t.teardown(() => canary.close());
  const route = {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { name: 'r', namespace: 'shop' },
    spec: { parentRefs: [{ group: '', kind: 'Service', name: 'web', port: 80 }], rules: [{ backendRefs: [{ name: 'canary', port: 80 }] }] },
  };
  const rig = await rigged(t, {}, await httpPeer('stable'), ...service('canary', '10.96.0.11', {}, [canary.port]), route);
  for (const host of ['web', 'elsewhere.example', '10.96.0.10']) {
    const socket = rig.dial(place);
    socket.write(request(host));
    t.regex(await next(socket), /canary$/);
    socket.destroy();
  }
});

test.serial('a head that comes byte by byte is still HTTP; bodies pass, connections are kept', async (t) => {
  const rig = await rigged(t, {}, await httpPeer('web'));
  const socket = rig.dial(place);
  socket.setNoDelay(true);
  for (const letter of request('web')) {
    socket.write(letter);
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.regex(await next(socket), /web$/);
  socket.write(request('web'));
  t.regex(await next(socket), /web$/);
  t.is(counter(rig, 'tcp_connections'), 0);
  socket.destroy();
});

test.serial('a server that speaks first is heard, on a port that says nothing of its protocol', async (t) => {
  const server = await peer((socket) => {
    socket.write('220 ready\r\n');
    socket.on('data', (bytes) => socket.end(`got ${bytes.toString()}`));
  });
  const rig = await rigged(t, {}, server);
  const socket = rig.dial(place);
  t.is(await next(socket), '220 ready\r\n');
  socket.write('GET / HTTP/1.1\r\n\r\n');
  t.is(await readAll(socket), 'got GET / HTTP/1.1\r\n\r\n');
});

test.serial('an HTTP client that waits before its first request still gets its routes', async (t) => {
  const server = await httpPeer('web');
  const rig = await rigged(t, {}, server);
  const socket = rig.dial(place);
  for (let wait = 0; wait < 500 && server.sockets.length === 0; wait++) await new Promise((resolve) => setTimeout(resolve, 10));
  t.is(server.sockets.length, 1, 'the server had the chance to speak');
  socket.write(request('web'));
  t.regex(await next(socket), /web$/);
  t.is(counter(rig, 'tcp_connections'), 0);
  socket.destroy();
});

for (const [title, bytes] of [
  ['TLS', '\x16\x03\x01\x00\x10hello'],
  ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ['something else', '*1\r\n$4\r\nPING\r\n'],
] as const) {
  test(`${title} on a port that is said to be HTTP passes as it is`, async (t) => {
    const rig = await rigged(t, { name: 'http' }, await peer((socket) => socket.once('data', (got) => socket.end(got))));
    const socket = rig.dial(place);
    socket.write(Buffer.from(bytes, 'latin1'));
    t.is(await readAll(socket), bytes);
  });
}

test.serial('each direction of a connection ends by itself', async (t) => {
  const server = await peer((socket) => {
    let text = '';
    socket.on('data', (bytes) => (text += bytes.toString()));
    socket.on('end', () => socket.end(`all of ${text.length}`));
  });
  const rig = await rigged(t, { name: 'tcp' }, server);
  const socket = rig.dial(place);
  socket.end('x'.repeat(100_000));
  t.is(await readAll(socket), 'all of 100000');
  await new Promise((resolve) => setTimeout(resolve, 20));
  t.is(counter(rig, 'tcp_bytes_in'), 100_000);
});

test.serial('an end that comes with, or instead of, the first bytes is passed on', async (t) => {
  const rig = await rigged(t, {}, await peer((socket) => {
    let text = '';
    socket.on('data', (bytes) => (text += bytes.toString()));
    socket.on('end', () => socket.end(`got [${text}]`));
  }));
  for (const text of ['', 'GET', 'x']) {
    const socket = rig.dial(place);
    socket.end(text);
    t.is(await readAll(socket), `got [${text}]`);
  }
});

test.serial('a reset is passed on as a reset', async (t) => {
  const server = await peer((socket) => socket.once('data', () => socket.resetAndDestroy()));
  const rig = await rigged(t, { name: 'tcp' }, server);
  const socket = rig.dial(place);
  socket.write('x');
  t.is(await readAll(socket), 'reset');
  const other = rig.dial(place);
  await new Promise((resolve) => setTimeout(resolve, 50));
  const gone = new Promise((resolve) => server.sockets.at(-1)!.once('close', resolve));
  other.resetAndDestroy();
  await gone;
  t.pass();
});

test.serial('a slow reader holds the sender back', async (t) => {
  const total = 64 << 20;
  let sent = 0;
  const server = await peer((socket) => {
    const chunk = Buffer.alloc(1 << 20);
    const more = (): void => {
      while (sent < total && !socket.destroyed) {
        sent += chunk.length;
        if (!socket.write(chunk)) {
          socket.once('drain', more);
          return;
        }
      }
      socket.end();
    };
    more();
  });
  const rig = await rigged(t, { name: 'tcp' }, server);
  const socket = rig.dial(place);
  await new Promise((resolve) => setTimeout(resolve, 300));
  t.true(sent < total, `${sent} bytes were sent though nothing was read`);
  let got = 0;
  socket.on('data', (bytes: Buffer) => (got += bytes.length));
  await new Promise((resolve) => socket.once('end', resolve));
  t.is(got, total);
  socket.end();
});

test.serial('an endpoint that refuses makes way for another', async (t) => {
  const gone = await peer(() => {});
  gone.close();
  const server = await peer((socket) => socket.end('here'));
  t.teardown(() => server.close());
  const rig = await startCaptureRig(service('web', clusterIP, { name: 'tcp' }, [gone.port, server.port]));
  t.teardown(() => rig.close());
  for (let round = 0; round < 8; round++) t.is(await readAll(rig.dial(place)), 'here');
});

test.serial('what is no Service of the mesh passes untouched; so does everything while the controller is away', async (t) => {
  const server = await peer((socket) => socket.once('data', (bytes) => socket.end(bytes)));
  const rig = await rigged(t, {}, server);
  const away = await startCaptureRig([], { controller: 'away' });
  t.teardown(() => away.close());
  for (const one of [rig, away]) {
    const socket = one.dial({ host: '127.0.0.1', port: server.port });
    socket.write('GET /  HTTP/1.1\r\n');
    t.is(await readAll(socket), 'GET /  HTTP/1.1\r\n');
  }
});

for (const newer of ['Destination', 'RouteTable', 'Backend'] as const) {
  test.serial(`a Service of which a newer controller says in its ${newer} what is not known here is not reached without its routes`, async (t) => {
    const server = await peer((socket) => socket.write('reached'));
    t.teardown(() => server.close());
    // What passes as it is goes to the address that is dialled.
    const [{ spec, ...web }, ...slices] = service('web', '127.0.0.1', {}, [server.port]) as readonly [{ readonly spec: object }, ...object[]];
    const rig = await startCaptureRig([{ ...web, spec: { ...spec, ports: [{ port: server.port }] } }, ...slices], { controller: 'there', newer });
    t.teardown(() => rig.close());
    const socket = rig.dial({ host: '127.0.0.1', port: server.port });
    socket.write(request('web'));
    t.regex(await next(socket), /^HTTP\/1.1 503 /);
    socket.destroy();
    t.is(await readAll(rig.dial({ host: '127.0.0.1', port: server.port })), 'reset', 'a client that waits for the server to speak');
    t.is(server.sockets.length, 0);
  });
}

test.serial('a destination that refuses: the client gets a reset', async (t) => {
  const gone = await peer(() => {});
  gone.close();
  const rig = await startCaptureRig(service('web', clusterIP, {}, [gone.port]));
  t.teardown(() => rig.close());
  t.is(await readAll(rig.dial({ host: '127.0.0.1', port: gone.port })), 'reset');
  t.is(await readAll(rig.dial(place)), 'reset', 'silent on both sides');
  const socket = rig.dial(place);
  socket.write(request('web'));
  t.regex(await next(socket), /^HTTP\/1.1 503 /, 'HTTP gets an answer');
  socket.destroy();
});

test.serial('a connection that nobody redirected is closed: it would go round for ever', async (t) => {
  const rig = await startCaptureRig([]);
  t.teardown(() => rig.close());
  t.is(await readAll(rig.dial({ host: '127.0.0.1', port: rig.capture.outboundPort })), '');
  t.is(await readAll(rig.dial({ host: '127.0.0.1', port: rig.capture.inboundPort }, 'inbound')), '');
  t.is(counter(rig, 'captures_refused'), 2);
});

test.serial('inbound: HTTP is counted, what is not passes, and a server may speak first', async (t) => {
  const rig = await startCaptureRig([]);
  t.teardown(() => rig.close());
  const web = await httpPeer('app');
  const first = await peer((socket) => socket.end('220 hello'));
  t.teardown(() => (web.close(), first.close()));
  const socket = rig.dial({ host: '127.0.0.1', port: web.port }, 'inbound');
  socket.write(request('anything'));
  t.regex(await next(socket), /app$/);
  socket.destroy();
  t.is(await readAll(rig.dial({ host: '127.0.0.1', port: first.port }, 'inbound')), '220 hello');
  const series = rig.metrics.labels.findIndex(({ source, backend }) => source === 'inbound/shop' && backend === 'passthrough');
  t.is(rig.metrics.requests(series), 1);
});

test.serial('inbound: a workload that refuses is told of by a header that is ours alone', async (t) => {
  const rig = await startCaptureRig([]);
  t.teardown(() => rig.close());
  const gone = await httpPeer('gone');
  gone.close();
  const answer = 'HTTP/1.1 503 No\r\nX-Weft-Error: connect-failed\r\nx_weft_error: connect-failed\r\nx-other: 1\r\ncontent-length: 0\r\n\r\n';
  const liar = await peer((socket) => socket.once('data', () => socket.write(answer)));
  t.teardown(() => liar.close());
  const ask = async (port: number): Promise<string> => {
    const socket = rig.dial({ host: '127.0.0.1', port }, 'inbound');
    socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n');
    const text = await next(socket);
    socket.destroy();
    return text;
  };
  t.regex(await ask(gone.port), /^HTTP\/1\.1 503 .*\r\nx-weft-error: connect-failed\r\n/s);
  const lie = await ask(liar.port);
  t.regex(lie, /^HTTP\/1\.1 503 No\r\n.*x-other: 1/s);
  t.notRegex(lie, /weft/i);
});

test.serial('draining: what is in flight ends, what stands still is cut', async (t) => {
  const server = await peer((socket) => socket.once('data', () => setTimeout(() => socket.end('late'), 100)));
  const rig = await rigged(t, { name: 'tcp' }, server);
  const busy = rig.dial(place);
  busy.write('x');
  const idle = rig.dial(place);
  const ends = [readAll(busy), readAll(idle)];
  await new Promise((resolve) => setTimeout(resolve, 50));
  await rig.capture.drain(400);
  t.deepEqual(await Promise.all(ends), ['late', 'reset']);
});

test.serial('draining: who waits for nothing is told to go at once, though what is not HTTP takes all of the time', async (t) => {
  const silent = await peer(() => {});
  t.teardown(() => silent.close());
  const server = await httpPeer('here');
  const rig = await rigged(t, { name: 'http' }, server);
  rig.dial({ host: '127.0.0.1', port: silent.port }, 'inbound').write('no HTTP at all\n');
  const client = rig.dial(place);
  client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  t.regex(await next(client), /^HTTP\/1\.1 200 OK\r\n/);
  let isOver = false;
  const drained = rig.capture.drain(3000).then(() => (isOver = true));
  t.is(await readAll(client), '');
  t.false(isOver);
  client.end();
  await drained;
});

test.serial('draining: what is not known yet to be HTTP may still become it', async (t) => {
  const server = await httpPeer('here');
  const rig = await rigged(t, { name: 'http' }, server);
  const client = rig.dial(place);
  client.write('GET / HTTP/1.1\r');
  await eventually(() => counter(rig, 'client_connections_accepted') === 1);
  await new Promise((resolve) => setTimeout(resolve, 100));
  const drained = rig.capture.drain(5000);
  client.write('\nHost: a\r\n\r\n');
  t.regex(await readAll(client), /^HTTP\/1\.1 200 OK\r\n.*connection: close\r\n.*here$/s);
  client.end();
  await drained;
});

test.serial('draining: a connection whose place is being asked for is not forgotten', async (t) => {
  let isOver = false;
  const server = await peer((socket) => socket.end(isOver ? 'too late' : 'here'));
  const rig = await startCaptureRig([], { controller: 'away' });
  const client = rig.dial({ host: '127.0.0.1', port: server.port });
  await eventually(() => counter(rig, 'client_connections_accepted') === 1);
  const drained = rig.capture.drain(5000).then(() => (isOver = true));
  t.is(await readAll(client), 'here');
  client.end();
  await drained;
  server.close();
});

const routeTo = (kind: string, backend: string, more: object = {}): object => ({
  apiVersion: 'gateway.networking.k8s.io/v1', kind, metadata: { name: `to-${backend}`, namespace: 'shop' },
  spec: { parentRefs: [{ group: '', kind: 'Service', name: 'a', port: 80 }], rules: [{ backendRefs: [{ name: backend, port: 80 }] }], ...more },
});

test.serial('a TCPRoute of the Service decides, not its endpoints; counted by route', async (t) => {
  const [own, other] = [await peer((socket) => socket.end('own')), await peer((socket) => socket.end('other'))];
  const rig = await startCaptureRig([...service('a', place.host, { name: 'tcp' }, [own.port]), ...service('b', '10.96.0.2', {}, [other.port]), routeTo('TCPRoute', 'b')]);
  t.teardown(async () => {
    await rig.close();
    own.close();
    other.close();
  });
  const client = rig.dial(place);
  t.is(await readAll(client), 'other');
  client.end();
  const series = rig.metrics.labels.findIndex(({ routeKind }) => routeKind === 'TCPRoute');
  t.like(rig.metrics.labels[series], { source: 'mesh/shop', routeName: 'to-b' });
  t.regex(rig.metrics.labels[series]!.backend, /^shop\/b:80/);
  await eventually(() => rig.metrics.streams.get(series, 'bytesOut') === 5);
  t.is(rig.metrics.streams.get(series, 'active'), 0);
});

test.serial('a TimeoutPolicy on a TCPRoute ends its connections; those of other Services have no time limit', async (t) => {
  const [own, other] = [await echoServer('own'), await echoServer('other')];
  const policy = {
    apiVersion: 'policy.weft-mesh.io/v1alpha1', kind: 'TimeoutPolicy', metadata: { name: 'short', namespace: 'shop' },
    spec: { targetRefs: [{ group: 'gateway.networking.k8s.io', kind: 'TCPRoute', name: 'to-b' }, { group: '', kind: 'Service', name: 'c' }], default: { maxConnectionDuration: '300ms' } },
  };
  const rig = await startCaptureRig([...service('a', place.host, { name: 'tcp' }, [own.port]), ...service('b', '10.96.0.2', {}, [other.port]), ...service('c', '10.96.0.3', { name: 'tcp' }, [own.port]), routeTo('TCPRoute', 'b'), policy]);
  t.teardown(async () => {
    await rig.close();
    own.close();
    other.close();
  });
  const untouched = rig.dial({ host: '10.96.0.3', port: 80 });
  t.is(await next(untouched), 'own\n');
  const client = rig.dial(place);
  t.is(await readAll(client), 'other\n');
  client.end();
  const series = rig.metrics.labels.findIndex(({ routeKind }) => routeKind === 'TCPRoute');
  await eventually(() => rig.metrics.streams.get(series, 'active') === 0);
  t.is(rig.metrics.streams.get(series, 'failed'), 1);
  untouched.write('x');
  t.is(await next(untouched), 'x');
  untouched.destroy();
});

test.serial('a TLSRoute of the Service: by server name, what has no route is reset', async (t) => {
  const tls = await echoServer('b', certificateFor('b.example'));
  const own = await echoServer('own', certificateFor('own.example'));
  const rig = await startCaptureRig([...service('a', place.host, { name: 'tls' }, [own.port]), ...service('b', '10.96.0.2', {}, [tls.port]), routeTo('TLSRoute', 'b', { hostnames: ['b.example'] })]);
  t.teardown(async () => {
    await rig.close();
    tls.close();
    own.close();
  });
  const ask = (servername: string) => exchangeBytes(connectTls({ socket: rig.dial(place), servername, rejectUnauthorized: false }), 'x', 'secureConnect');
  t.is(await ask('b.example'), 'b b.example\nxend');
  await t.throwsAsync(ask('else.example'), { message: /ECONNRESET/ });
  const plain = rig.dial(place);
  plain.write('not TLS');
  t.is(await readAll(plain), 'reset');
});
