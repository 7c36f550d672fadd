import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:http2';
import test from 'ava';
import { AccessLog } from '#proxy';
import { peerServer } from './http2-rig.ts';
import { answering, applyTo, backendNamed, behind, endpointsOf, fetchRaw, getRequest, ok, RawClient, startRig, statusOf, type Rig } from './proxy-rig.ts';
import { eventually, setBackends, startStreamRig, streamBackend, streamTable } from './streams-rig.ts';

/** Routes that lead back to the proxy: one request must not become as many as there are connections. */

const most = 64;
const close = 'Connection: close\r\n';

function leadTo(rig: Rig, port: number, protocol: 'http1' | 'http2' = 'http1'): void {
  applyTo(rig.proxy, { backends: { changed: [backendNamed('a', protocol)] }, endpoints: { changed: [{ kind: 'Endpoints', name: 'a', endpoints: endpointsOf([port]) }] } });
}

for (const protocol of ['http1', 'http2'] as const) {
  test(`a route that leads back to its own Gateway ends: over ${protocol}`, async (t) => {
    const lines: string[] = [];
    const accessLog = new AccessLog({ sink: { write: async (bytes) => void lines.push(...bytes.toString().trim().split('\n')), close: async () => {} }, now: () => Date.now() });
    const rig = await startRig({ backends: { a: [] }, accessLog });
    t.teardown(() => rig.close());
    const { port } = rig.listener;
    leadTo(rig, port, protocol);
    const answer = await fetchRaw(port, getRequest('/', close));
    t.is(statusOf(answer), 508);
    await accessLog.flush();
    await accessLog.flush();
    t.is(lines.length, most + 1);
    t.is(lines.filter((line) => line.includes('"loop-detected"')).length, 1);
  });
}

test('two Gateways that send to each other end', async (t) => {
  const [one, other] = [await startRig({ backends: { a: [] } }), await startRig({ backends: { a: [] } })];
  t.teardown(() => Promise.all([one.close(), other.close()]));
  leadTo(one, other.listener.port);
  leadTo(other, one.listener.port, 'http2');
  t.is(statusOf(await fetchRaw(one.listener.port, getRequest('/', close))), 508);
});

const hopsSeen = (text: string): readonly string[] => [...text.matchAll(/^(x.weft.hops): (.*)\r$/gim)].map(([, name, value]) => `${name} ${value}`);

test('each proxy counts itself; what no proxy has written counts for nothing', async (t) => {
  const { client, server } = await behind(t, answering(ok('a')));
  const cases: readonly (readonly [string, string])[] = [
    ['', '1'], ['x-weft-hops: 1', '2'], ['X-Weft-Hops: 63', '64'], ['x-weft-hops: 08', '9'], ['x-weft-hops: -1', '1'], ['x-weft-hops: x', '1'],
    ['x-weft-hops: 99999', '1'], ['x-weft-hops:', '1'], ['x_weft_hops: 70', '1'], ['Connection: x-weft-hops\r\nx-weft-hops: 5', '6'],
  ];
  for (const [index, [line]] of cases.entries()) {
    client.send(getRequest('/', line === '' ? '' : `${line}\r\n`));
    await client.until((text) => text.split('HTTP/1.1 200').length === index + 2);
  }
  t.deepEqual(hopsSeen(server.received.join('')), cases.map(([, hops]) => `x-weft-hops ${hops}`));
});

test('who has passed too many is answered 508 and goes no further', async (t) => {
  const { rig, server } = await behind(t, answering(ok('a')));
  for (const hops of [64, 65, 999]) {
    const answer = await fetchRaw(rig.listener.port, getRequest('/', `${close}x-weft-hops: ${hops}\r\n`));
    t.regex(answer, /^HTTP\/1\.1 508 [^]*x-weft-error: loop-detected\r\n/);
  }
  t.is(server.received.join(''), '');
});

test('an endpoint of HTTP/2 gets the count as well, for heads that repeat too; no client gets it', async (t) => {
  const server = await peerServer((stream) => {
    stream.respond({ ':status': 200, 'x-weft-hops': '3' }, { endStream: true });
  });
  const rig = await startRig({ backends: { a: [server.port] }, protocol: 'http2' });
  t.teardown(() => Promise.all([rig.close(), server.close()]));
  const client = new RawClient(rig.listener.port);
  for (const lines of ['', '', 'x-weft-hops: 4\r\n', 'x-weft-hops: 4\r\n']) client.send(getRequest('/', lines));
  const text = await client.until((got) => got.split('HTTP/1.1 200').length === 5);
  client.close();
  t.deepEqual(server.requests.map((headers) => headers['x-weft-hops']), ['1', '1', '5', '5']);
  t.false(text.includes('hops'));
});

test('a call of gRPC that goes round gets a status that is not tried again', async (t) => {
  const rig = await startRig({ backends: { a: [] } });
  const session = connect(`http://127.0.0.1:${rig.listener.port}`);
  t.teardown(() => {
    session.destroy();
    return rig.close();
  });
  const stream = session.request({ ':method': 'POST', ':path': '/a.B/C', 'content-type': 'application/grpc', te: 'trailers', 'x-weft-hops': '64' });
  stream.end();
  const [head] = (await once(stream, 'response')) as [Record<string, string>];
  t.like(head, { 'grpc-status': '9', 'x-weft-error': 'loop-detected' });
});

const section = (protocol: 'TCP' | 'UDP') => ({ name: protocol.toLowerCase(), hostname: '', protocol, routes: `listener/shop/gw/${protocol.toLowerCase()}` }) as const;

test('TCP that would come in again at the same port is reset, be it by one endpoint of several', async (t) => {
  const rig = await startStreamRig();
  t.teardown(() => rig.close());
  const { port } = await rig.listen([section('TCP')]);
  applyTo(rig.proxy, { streamTables: { changed: [streamTable('tcp', [{ backends: [streamBackend('a')] }])] } });
  setBackends(rig.proxy, { a: [port, 1] });
  for (let count = 0; count < 4; count++) {
    const client = new RawClient(port);
    await client.all();
    t.is(client.error, 'ECONNRESET');
  }
  t.deepEqual(await rig.metricLines('weft_client_connections_accepted_total '), ['weft_client_connections_accepted_total 4']);
  t.deepEqual(await rig.metricLines('weft_upstream_connections_opened_total '), ['weft_upstream_connections_opened_total 0']);
  const logged = await rig.logged();
  t.deepEqual(logged.map(({ failure }) => failure), Array.from({ length: 4 }, () => 'loop-detected'));
  t.deepEqual(rig.faults, []);
});

test('UDP that would come in again at the same port is dropped', async (t) => {
  const rig = await startStreamRig();
  t.teardown(() => rig.close());
  const { port } = await rig.listen([section('UDP')], { transport: 'udp', name: 'shop/gw/1/udp' });
  applyTo(rig.proxy, { streamTables: { changed: [streamTable('udp', [{ kind: 'UDPRoute', backends: [streamBackend('a')] }])] } });
  setBackends(rig.proxy, { a: [port] }, 'udp');
  const client = createSocket('udp4');
  t.teardown(() => client.close());
  client.send('a', port, '127.0.0.1');
  await eventually(async () => (await rig.metricLines('weft_udp_datagrams_dropped_total ')).join('').endsWith(' 1'));
  t.true((await rig.metricLines('weft_')).some((line) => line.includes('"loop-detected"') && line.endsWith(' 1')));
  t.deepEqual(await rig.logged(), []);
});
