import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import test from 'ava';
import type { ListenerSection, StreamTable, TimeoutFields } from '#snapshot';
import { applyTo, backendNamed, closedPort, endpointsOf, RawClient } from './proxy-rig.ts';
import { boundServer, echoServer, eventually, invalidBackend, setBackends, startStreamRig, streamBackend, streamTable, tcpExchange } from './streams-rig.ts';

/** One route to `a`, with a policy. */
function withTimeouts(timeouts: TimeoutFields): StreamTable {
  return { ...streamTable('tcp', [{ backends: [streamBackend('a', { policy: 0 })] }]), policies: [{ timeouts, origins: {} }] };
}

const tcp: ListenerSection = { name: 'tcp', hostname: '', protocol: 'TCP', routes: 'listener/shop/gw/tcp' };

test('a connection is joined to an endpoint, each direction ends by itself; it is counted and logged', async (t) => {
  const rig = await startStreamRig();
  const server = await echoServer('a');
  setBackends(rig.proxy, { 'shop/a:80': [server.port] });
  applyTo(rig.proxy, { streamTables: { changed: [streamTable('tcp', [{ backends: [streamBackend('shop/a:80')] }])] } });
  const { port } = await rig.listen([tcp]);
  t.is(await tcpExchange(port, 'hello'), 'a\nhelloend');
  await eventually(async () => (await rig.logged()).length === 1);
  t.like(rig.log[0], {
    protocol: 'tcp', bytesIn: 5, bytesOut: 10, client: '127.0.0.1', source: 'shop/gw/tcp', route: 'TCPRoute/shop/tcp-0', rule: 0, backend: 'shop/a:80', endpoint: `127.0.0.1:${server.port}`,
  });
  t.false('failure' in rig.log[0]!);
  const labels = 'source="shop/gw/tcp",route_kind="TCPRoute",route_namespace="shop",route_name="tcp-0",rule="0",backend="shop/a:80"';
  t.deepEqual(await rig.metricLines('weft_streams_'), [`weft_streams_total{result="completed",${labels}} 1`, `weft_streams_total{result="failed",${labels}} 0`, `weft_streams_active{${labels}} 0`]);
  t.deepEqual(await rig.metricLines('weft_stream_received'), [`weft_stream_received_bytes_total{${labels}} 5`]);
  t.deepEqual(await rig.metricLines('weft_request_duration_seconds_count'), []);
  t.deepEqual(await rig.metricLines('weft_client_connections_active'), ['weft_client_connections_active 0']);
  t.deepEqual(rig.faults, []);
  await rig.close();
  server.close();
});

test('weights share connections; the share of an invalid backend is reset, what has no route too', async (t) => {
  let drawn = 0;
  const rig = await startStreamRig({ random: () => drawn });
  const [one, two] = [await echoServer('one'), await echoServer('two')];
  setBackends(rig.proxy, { one: [one.port], two: [two.port] });
  applyTo(rig.proxy, { streamTables: { changed: [streamTable('tcp', [{ backends: [streamBackend('one', { weight: 6 }), streamBackend('two', { weight: 3 }), invalidBackend] }])] } });
  const { port } = await rig.listen([tcp]);
  const answers: string[] = [];
  for (drawn of [0, 0.59, 0.6, 0.89]) answers.push((await tcpExchange(port, '')).split('\n')[0]!);
  t.deepEqual(answers, ['one', 'one', 'two', 'two']);
  drawn = 0.95;
  await t.throwsAsync(tcpExchange(port, ''), { message: /ECONNRESET/ });
  applyTo(rig.proxy, { streamTables: { changed: [streamTable('tcp', [])] } });
  await t.throwsAsync(tcpExchange(port, ''), { message: /ECONNRESET/ });
  applyTo(rig.proxy, { streamTables: { removed: ['listener/shop/gw/tcp'] } });
  await t.throwsAsync(tcpExchange(port, ''), { message: /ECONNRESET/ });
  await eventually(async () => (await rig.logged()).length === 7);
  t.deepEqual(rig.log.map(({ failure }) => failure).filter((failure) => failure !== undefined), ['invalid-backend', 'no-route', 'config-missing']);
  t.is((await rig.metricLines('weft_failures_total')).length, 3);
  await rig.close();
  one.close();
  two.close();
});

test('an endpoint that refuses makes way for another and is avoided; none at all is a reset', async (t) => {
  const rig = await startStreamRig();
  const server = await echoServer('a');
  const dead = await closedPort();
  setBackends(rig.proxy, { a: [dead, server.port], b: [dead], c: [] });
  const route = (backend: string) => applyTo(rig.proxy, { streamTables: { changed: [streamTable('tcp', [{ backends: [streamBackend(backend)] }])] } });
  route('a');
  const { port } = await rig.listen([tcp]);
  for (let round = 0; round < 4; round++) t.is(await tcpExchange(port, 'x'), 'a\nxend');
  t.deepEqual(await rig.metricLines('weft_upstream_connections_failed'), ['weft_upstream_connections_failed_total 1']);
  t.deepEqual(await rig.metricLines('weft_upstream_ejections'), ['weft_upstream_ejections_total{reason="connect-failed"} 1']);
  route('b');
  await t.throwsAsync(tcpExchange(port, ''), { message: /ECONNRESET/ });
  route('c');
  await t.throwsAsync(tcpExchange(port, ''), { message: /ECONNRESET/ });
  await eventually(async () => (await rig.logged()).length === 6);
  t.deepEqual(rig.log.slice(-2).map(({ failure, reason }) => [failure, reason]), [['connect-failed', 'ECONNREFUSED'], ['no-endpoints', undefined]]);
  // Each endpoint is as idle as before.
  applyTo(rig.proxy, { endpoints: { changed: [{ kind: 'Endpoints', name: 'b', endpoints: endpointsOf([server.port]) }] } });
  route('b');
  t.is(await tcpExchange(port, 'x'), 'a\nxend');
  await rig.close();
  server.close();
});

test('a slow reader holds the sender back; nothing is lost', async (t) => {
  const rig = await startStreamRig();
  const size = 64 * 1024 * 1024;
  let sent = 0;
  const server = createServer((socket) => {
    socket.on('error', () => {});
    const chunk = Buffer.alloc(65_536, 7);
    const more = (): void => {
      while (sent < size) {
        sent += chunk.length;
        if (!socket.write(chunk)) return void socket.once('drain', more);
      }
      socket.end();
    };
    more();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  setBackends(rig.proxy, { a: [(server.address() as AddressInfo).port] });
  applyTo(rig.proxy, { streamTables: { changed: [streamTable('tcp', [{ backends: [streamBackend('a')] }])] } });
  const { port } = await rig.listen([tcp]);
  const client = connect({ port, host: '127.0.0.1' });
  await new Promise((resolve) => setTimeout(resolve, 300));
  t.true(sent < size / 2, `${sent} bytes left the server though nobody reads`);
  let got = 0;
  client.on('data', (bytes) => (got += bytes.length));
  await new Promise((resolve) => client.once('end', resolve));
  t.is(got, size);
  await rig.close();
  server.close();
});

test('a reset on either side is one on the other', async (t) => {
  const rig = await startStreamRig();
  const server = await echoServer('a');
  setBackends(rig.proxy, { a: [server.port] });
  applyTo(rig.proxy, { streamTables: { changed: [streamTable('tcp', [{ backends: [streamBackend('a')] }])] } });
  const { port } = await rig.listen([tcp]);
  const errorOf = (socket: Socket): Promise<string> => new Promise((resolve) => socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code!)));
  const first = connect({ port, host: '127.0.0.1' });
  await new Promise((resolve) => first.once('data', resolve));
  const reset = errorOf(first);
  server.sockets[0]!.resetAndDestroy();
  t.is(await reset, 'ECONNRESET');
  const second = connect({ port, host: '127.0.0.1' });
  await new Promise((resolve) => second.once('data', resolve));
  const upstream = errorOf(server.sockets[1]!);
  second.resetAndDestroy();
  t.is(await upstream, 'ECONNRESET');
  await eventually(async () => (await rig.logged()).length === 2);
  t.deepEqual(rig.log.map(({ failure }) => failure), ['upstream-reset', 'client-closed']);
  await rig.close();
  server.close();
});

test('a connection without a byte for too long is cut', async (t) => {
  const rig = await startStreamRig({ limits: { streamConnectionIdleMs: 200 } });
  const server = await echoServer('a');
  setBackends(rig.proxy, { a: [server.port] });
  applyTo(rig.proxy, { streamTables: { changed: [streamTable('tcp', [{ backends: [streamBackend('a')] }])] } });
  const { port } = await rig.listen([tcp]);
  const [busy, still] = [connect({ port, host: '127.0.0.1' }), connect({ port, host: '127.0.0.1' })];
  for (const socket of [busy, still]) socket.on('error', () => {}).resume();
  const talk = setInterval(() => busy.write('x'), 50);
  await new Promise((resolve) => still.once('close', resolve));
  t.false(busy.destroyed);
  clearInterval(talk);
  await new Promise((resolve) => busy.once('close', resolve));
  await eventually(async () => (await rig.logged()).length === 2);
  t.is(rig.log[0]!['failure'], 'stream-idle-timeout');
  // What a policy says comes first.
  applyTo(rig.proxy, { streamTables: { changed: [withTimeouts({ streamIdle: '0s' })] } });
  const waiting = connect({ port, host: '127.0.0.1' });
  await new Promise((resolve) => waiting.once('data', resolve));
  await new Promise((resolve) => setTimeout(resolve, 400));
  t.false(waiting.destroyed);
  waiting.destroy();
  await rig.close();
  server.close();
});

test('a connection as old as a policy allows is ended in order: each side gets what the other has sent, then its end', async (t) => {
  const rig = await startStreamRig();
  const server = await echoServer('a');
  setBackends(rig.proxy, { a: [server.port] });
  applyTo(rig.proxy, { streamTables: { changed: [withTimeouts({ maxConnectionDuration: '300ms' })] } });
  const { port } = await rig.listen([tcp]);
  const client = connect({ port, host: '127.0.0.1' });
  let got = '';
  client.on('data', (bytes) => (got += String(bytes)));
  const errors: Error[] = [];
  client.on('error', (error) => errors.push(error));
  const talk = setInterval(() => client.write('x'), 20);
  await new Promise((resolve) => client.once('end', resolve));
  clearInterval(talk);
  await eventually(() => client.destroyed && server.sockets[0]!.destroyed);
  t.deepEqual(errors, []);
  t.regex(got, /^a\nx{2,}$/);
  await eventually(async () => (await rig.logged()).length === 1);
  t.like(rig.log[0], { failure: 'max-connection-duration', bytesOut: got.length });
  t.is((await rig.metricLines('weft_failures_total{code="max-connection-duration"')).length, 1);
  t.deepEqual(await rig.metricLines('weft_client_connections_active'), ['weft_client_connections_active 0']);
  // A policy that comes later is for later connections.
  applyTo(rig.proxy, { streamTables: { changed: [withTimeouts({})] } });
  t.is(await tcpExchange(port, 'hello'), 'a\nhelloend');
  await rig.close();
  server.close();
});

test('what a slow reader has not taken by the end of a connection it gets in the time for that; then the connection is cut', async (t) => {
  const rig = await startStreamRig({ limits: { streamEndingMs: 400 } });
  const size = 16 * 1024 * 1024;
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    socket.write(Buffer.alloc(size, 7));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  setBackends(rig.proxy, { a: [(server.address() as AddressInfo).port] });
  applyTo(rig.proxy, { streamTables: { changed: [withTimeouts({ maxConnectionDuration: '200ms' })] } });
  const { port } = await rig.listen([tcp]);
  const [slow, deaf] = [connect({ port, host: '127.0.0.1' }), connect({ port, host: '127.0.0.1' })];
  for (const socket of [slow, deaf]) socket.on('error', () => {}).pause();
  // Their endpoints are told at once.
  await eventually(() => sockets.length === 2);
  await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('end', resolve).resume())));
  let got = 0;
  let end = '';
  slow.on('data', (bytes) => (got += bytes.length));
  slow.once('end', () => (end = 'end'));
  slow.resume();
  await new Promise((resolve) => slow.once('close', resolve));
  t.is(end, 'end');
  t.true(got > 0 && got < size, `${got} bytes`);
  await eventually(async () => (await rig.logged()).length === 2);
  t.deepEqual(rig.log.map(({ failure }) => failure), ['max-connection-duration', 'max-connection-duration']);
  t.deepEqual(await rig.metricLines('weft_client_connections_active'), ['weft_client_connections_active 0']);
  for (const socket of [deaf, ...sockets]) socket.destroy();
  await rig.close();
  server.close();
});

test('a policy says how long a connection to an endpoint may take, TLS among it', async (t) => {
  const rig = await startStreamRig();
  const sockets: Socket[] = [];
  const silent = await boundServer(createServer((socket) => void sockets.push(socket.on('error', () => {}).resume())), sockets);
  setBackends(rig.proxy, { a: [silent.port] });
  applyTo(rig.proxy, {
    backends: { changed: [{ ...backendNamed('a'), protocol: 'tcp', tls: { hostname: 'a.example' } }] },
    streamTables: { changed: [withTimeouts({ connect: '100ms' })] },
  });
  const { port } = await rig.listen([tcp]);
  const refused = t.throwsAsync(tcpExchange(port, ''), { message: /ECONNRESET/ });
  // It would be 5 seconds.
  await eventually(async () => (await rig.logged()).length === 1);
  await refused;
  t.is(rig.log[0]!['failure'], 'connect-timeout');
  await rig.close();
  silent.close();
});

test('drain: no new connections, those there go on as long as is allowed', async (t) => {
  const rig = await startStreamRig();
  const server = await echoServer('a');
  setBackends(rig.proxy, { a: [server.port] });
  applyTo(rig.proxy, { streamTables: { changed: [streamTable('tcp', [{ backends: [streamBackend('a')] }])] } });
  const { port } = await rig.listen([tcp]);
  const [short, long] = [connect({ port, host: '127.0.0.1' }), connect({ port, host: '127.0.0.1' })];
  await Promise.all([short, long].map((socket) => new Promise((resolve) => socket.once('data', resolve))));
  const began = performance.now();
  const drained = rig.proxy.drain(600);
  await t.throwsAsync(tcpExchange(port, ''), { message: /ECONNREFUSED/ });
  await new Promise((resolve) => setTimeout(resolve, 300));
  short.write('still here');
  t.is(await new Promise((resolve) => short.once('data', (bytes) => resolve(String(bytes)))), 'still here');
  short.end();
  const cut = new Promise((resolve) => long.once('error', (error: NodeJS.ErrnoException) => resolve(error.code)));
  t.is(await cut, 'ECONNRESET');
  await drained;
  t.true(performance.now() - began >= 550);
  await eventually(async () => (await rig.logged()).length === 2);
  t.deepEqual(rig.log.map(({ failure }) => failure), [undefined, 'draining']);
  server.close();
});

test('no more connections than the limit', async (t) => {
  const rig = await startStreamRig({ limits: { maxConnections: 2 } });
  const server = await echoServer('a');
  setBackends(rig.proxy, { a: [server.port] });
  applyTo(rig.proxy, { streamTables: { changed: [streamTable('tcp', [{ backends: [streamBackend('a')] }])] } });
  const { port } = await rig.listen([tcp]);
  const open = [connect({ port, host: '127.0.0.1' }), connect({ port, host: '127.0.0.1' })];
  await Promise.all(open.map((socket) => new Promise((resolve) => socket.once('data', resolve))));
  t.is(await tcpExchange(port, '').catch(() => ''), '');
  t.deepEqual(await rig.metricLines('weft_client_connections_refused'), ['weft_client_connections_refused_total 1']);
  for (const socket of open) socket.destroy();
  await eventually(() => tcpExchange(port, 'x').then((text) => text === 'a\nxend', () => false));
  await rig.close();
  server.close();
});

test('CONNECT to a Service with routes for what is not HTTP gets their backend', async (t) => {
  const rig = await startStreamRig();
  const [own, routed] = [await echoServer('own'), await echoServer('routed')];
  setBackends(rig.proxy, { 'shop/web:80': [own.port], routed: [routed.port] });
  applyTo(rig.proxy, { streamTables: { changed: [{ ...streamTable('x', [{ backends: [streamBackend('routed')] }]), name: 'tcp' }, { ...streamTable('x', [{ hostnames: ['web'], backends: [streamBackend('routed')] }]), name: 'tls' }] } });
  const service = { kind: 'Service', namespace: 'shop', name: 'web' };
  const outbound = await rig.proxy.listenOutbound({
    address: '127.0.0.1', port: 0,
    resolve: (host, port) => ({ kind: 'Destination', name: `${host}:${port}`, target: { kind: 'service', service, port: 80, routes: 'none', ...(port === 80 ? {} : port === 81 ? { protocol: 'tcp', streams: 'tcp' } : { protocol: 'tls', streams: 'tls' }) } }),
  });
  const tunnel = async (authority: string): Promise<string> => {
    const client = new RawClient(outbound.port).send(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    const text = await client.until((got) => /own|routed|x-weft-error/.test(got));
    client.close();
    return /own|routed|x-weft-error: \S+/.exec(text)![0];
  };
  t.deepEqual(await Promise.all(['web:80', 'web:81', 'web:82', 'other:82'].map((authority) => tunnel(authority))), ['own', 'routed', 'routed', 'x-weft-error: no-route']);
  await rig.close();
  own.close();
  routed.close();
});
