import { createServer, type AddressInfo } from 'node:net';
import test from 'ava';
import { createProxy, Metrics, type Proxy } from '#proxy';
import { applyTo, answering, bodyOf, closedPort, endpointsOf, fetchRaw, getRequest, listenerWith, ok, rawServer, RawClient, startRig, statusOf, tableOf } from './proxy-rig.ts';
import { socketIO } from './socket-io.ts';
import { eventually } from './streams-rig.ts';

const closing = 'Connection: close\r\n';

test('drain: a request in flight ends, idle connections close, new ones are refused', async (t) => {
  const server = await rawServer((socket) => setTimeout(() => socket.write(ok('late')), 300));
  const rig = await startRig({ backends: { a: [server.port] } });
  const { port } = rig.listener;
  const busy = new RawClient(port).send(getRequest());
  const idle = new RawClient(port);
  await new Promise((resolve) => setTimeout(resolve, 50));
  const started = performance.now();
  const drained = rig.proxy.drain(5000);
  const refused = new RawClient(port);
  await refused.all();
  t.is(refused.text, '');
  await idle.all();
  const text = await busy.all();
  t.true(text.endsWith('late') && text.includes('connection: close\r\n'), text);
  busy.socket.end();
  await drained;
  t.true(performance.now() - started < 2000);
  await server.close();
});

test('drain: a client that goes on asking is told to close, and nothing is lost', async (t) => {
  const server = await rawServer(answering(ok('hello')));
  const rig = await startRig({ backends: { a: [server.port] } });
  const client = new RawClient(rig.listener.port);
  client.send(getRequest());
  await client.until((text) => text.endsWith('hello'));
  const drained = rig.proxy.drain(1000);
  client.text = '';
  client.send(getRequest());
  t.true((await client.all()).startsWith('HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n'));
  client.close();
  await drained;
  await server.close();
});

test('drain: what takes longer than allowed is cut', async (t) => {
  const server = await rawServer(() => {});
  const rig = await startRig({ backends: { a: [server.port] } });
  const client = new RawClient(rig.listener.port).send(getRequest());
  await new Promise((resolve) => setTimeout(resolve, 30));
  const started = performance.now();
  await rig.proxy.drain(300);
  t.true(performance.now() - started < 1000);
  t.is(await client.all(), '');
  await server.close();
});

test('a listener can be closed and another opened while the proxy goes on', async (t) => {
  const server = await rawServer(answering(ok('hello')));
  const rig = await startRig({ backends: { a: [server.port] } });
  const section = { name: 'http', hostname: '', protocol: 'HTTP', routes: 'listener/shop/gw/http' } as const;
  const second = await rig.proxy.listen(listenerWith([section]));
  await rig.listener.close(100);
  t.is(bodyOf(await fetchRaw(second.port, getRequest('/', closing))), 'hello');
  second.update(listenerWith([{ ...section, hostname: 'other.example' }]));
  t.is(statusOf(await fetchRaw(second.port, getRequest('/', closing))), 404);
  await rig.close();
  await server.close();
});

test('updates take effect with the next request; one in flight ends on what it began with', async (t) => {
  const old = await rawServer((socket) => setTimeout(() => socket.write(ok('old')), 100));
  const next = await rawServer(answering(ok('new')));
  const rig = await startRig({ backends: { a: [old.port] } });
  const client = new RawClient(rig.listener.port).send(getRequest());
  await eventually(() => old.received.length === 1);
  applyTo(rig.proxy, { endpoints: { changed: [{ kind: 'Endpoints', name: 'a', endpoints: endpointsOf([next.port]) }] } });
  t.is(bodyOf(await fetchRaw(rig.listener.port, getRequest('/', closing))), 'new');
  t.true((await client.until((text) => text.endsWith('old'))).startsWith('HTTP/1.1 200'));
  client.text = '';
  client.send(getRequest());
  await client.until((text) => text.endsWith('new'));
  applyTo(rig.proxy, { routeTables: { changed: [tableOf([{ failure: { status: 500, reason: 'broken' } }])] } });
  t.is(statusOf(await fetchRaw(rig.listener.port, getRequest('/', closing))), 500);
  applyTo(rig.proxy, { routeTables: { removed: ['listener/shop/gw/http'] } });
  t.regex(await fetchRaw(rig.listener.port, getRequest('/', closing)), / 503 [^]*config-missing/);
  client.close();
  await rig.close();
  await old.close();
  await next.close();
});

test('an endpoint that left keeps no idle connection', async (t) => {
  const server = await rawServer(answering(ok('hello')));
  const rig = await startRig({ backends: { a: [server.port] } });
  await fetchRaw(rig.listener.port, getRequest('/', closing));
  const closed = new Promise<void>((resolve) => server.sockets[0]!.on('close', () => resolve()));
  applyTo(rig.proxy, { endpoints: { changed: [{ kind: 'Endpoints', name: 'a', endpoints: [] }] } });
  await closed;
  t.pass();
  await rig.close();
  await server.close();
});

test('no more connections than the limit', async (t) => {
  const server = await rawServer(answering(ok('hello')));
  const rig = await startRig({ backends: { a: [server.port] }, limits: { maxConnections: 2 } });
  const held = [new RawClient(rig.listener.port), new RawClient(rig.listener.port)];
  for (const client of held) await client.send(getRequest()).until((text) => text.endsWith('hello'));
  t.is(await new RawClient(rig.listener.port).send(getRequest()).all(), '');
  held[0]!.close();
  await new Promise((resolve) => setTimeout(resolve, 50));
  t.is(bodyOf(await fetchRaw(rig.listener.port, getRequest('/', closing))), 'hello');
  held[1]!.close();
  await rig.close();
  await server.close();
});

test('counts: requests, connections, and nothing in flight at the end', async (t) => {
  const server = await rawServer(answering(ok('hello')));
  const rig = await startRig({ backends: { a: [server.port] } });
  const client = new RawClient(rig.listener.port);
  client.send(getRequest().repeat(5));
  await client.until((text) => text.split('hello').length === 6);
  client.close();
  await fetchRaw(rig.listener.port, 'nonsense\r\n\r\n');
  await new Promise((resolve) => setTimeout(resolve, 30));
  const { metrics } = rig;
  const series = metrics.series({ source: 'shop/gw/http', routeKind: 'HTTPRoute', routeNamespace: 'shop', routeName: 'route', rule: '0', backend: 'a' });
  t.is(metrics.requests(series), 5);
  t.true((metrics.quantile(series, 0.5) ?? 0) > 0);
  await rig.close();
  await server.close();
});

const section = { name: 'http', hostname: '', protocol: 'HTTP', routes: 'listener/shop/gw/http' } as const;

function plainProxy(metrics = new Metrics()): Proxy {
  return createProxy({ now: () => performance.now(), wallClock: () => Date.now(), random: Math.random, metrics, io: socketIO });
}

test('a port that is being bound when the proxy ends is not left open', async (t) => {
  const proxy = plainProxy();
  const port = await closedPort();
  const listening = t.throwsAsync(proxy.listen({ ...listenerWith([section]), port }));
  await proxy.close();
  const client = new RawClient(port);
  await client.all();
  t.is(client.error, 'ECONNREFUSED');
  await listening;
});

test('closing again while connections that were accepted elsewhere are drained hurries that', async (t) => {
  const server = await rawServer(() => {});
  const proxy = plainProxy();
  const intake = proxy.intake({ source: 'mesh/shop', resolve: (host, port) => ({ kind: 'Destination', name: `${host}:${port}`, target: { kind: 'passthrough' } }) });
  const accepting = createServer({ allowHalfOpen: true }, (socket) => intake.serve(socket.pause(), { host: '127.0.0.1', port: server.port }));
  await new Promise<void>((resolve) => accepting.listen(0, '127.0.0.1', resolve));
  const client = new RawClient((accepting.address() as AddressInfo).port).send(getRequest());
  await eventually(() => server.received.length === 1);
  const drained = proxy.drain(20_000);
  await proxy.close();
  t.is(await Promise.race([drained.then(() => 'ended'), new Promise((resolve) => setTimeout(resolve, 3000, 'still waiting'))]), 'ended');
  await client.all();
  accepting.close();
  await server.close();
});

test('connections to places outside of the mesh end with the proxy', async (t) => {
  const server = await rawServer(answering(ok('hello')));
  const proxy = plainProxy();
  const { port } = await proxy.listenOutbound({ address: '127.0.0.1', port: 0, resolve: (host, at) => ({ kind: 'Destination', name: `${host}:${at}`, target: { kind: 'passthrough' } }) });
  const client = new RawClient(port).send(`GET http://127.0.0.1:${server.port}/ HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\n\r\n`);
  await client.until((text) => text.endsWith('hello'));
  t.false(server.sockets[0]!.destroyed, 'kept for the next request');
  client.close();
  await proxy.close();
  await eventually(() => server.sockets[0]!.destroyed);
  await server.close();
});

test('listeners that come and go leave no series behind, those that can not be bound neither', async (t) => {
  const metrics = new Metrics({ maxSeries: 10 });
  const proxy = plainProxy(metrics);
  const listener = (index: number) => ({ ...listenerWith([section]), name: `shop/gw/${index}` });
  const taken = await rawServer(() => {});
  for (let index = 0; index < 20; index++) {
    const bound = await proxy.listen(listener(index));
    // Becomes one of another kind, and so has clients of before.
    bound.update({ ...listener(index), sections: [{ ...section, protocol: 'HTTPS', certificates: [] }] });
    await bound.close(0);
    await t.throwsAsync(proxy.listen({ ...listener(100 + index), port: taken.port }));
  }
  const labels = { source: 'new', routeKind: '', routeNamespace: '', routeName: '', rule: '', backend: '' };
  t.deepEqual(metrics.labels[metrics.series(labels)], labels);
  await proxy.close();
  await taken.close();
});
