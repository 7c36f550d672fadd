import { createServer } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { AccessLog, createExposition, mergePages, Tracer } from '#proxy';
import type { Destination } from '#snapshot';
import { judgePage, type Line, type Span } from './accounts/judge.ts';
import { readPage, type Sample } from './accounts/page.ts';
import { StreamClient, streamServer } from './proxy-http2-rig.ts';
import { applyTo, answering, backendTo, closedPort, getRequest, ok, policyOf, RawClient, rawServer, startRig, tableOf, type RawServer, type Rig, type RigOptions } from './proxy-rig.ts';
import { boundServer, eventually, setBackends, startStreamRig, streamBackend, streamTable } from './streams-rig.ts';

/** What the access log, the page of metrics and the spans say of requests that do not simply come and go. */

interface Recorded {
  readonly rig: Rig;
  readonly client: RawClient;
  readonly spans: Span[];
  /** Once there are so many, which the page must agree with. */
  lines(count: number): Promise<readonly Line[]>;
  page(): Promise<readonly Sample[]>;
}

async function recorded(t: ExecutionContext, options: RigOptions): Promise<Recorded> {
  const lines: Line[] = [];
  const spans: Span[] = [];
  const write = async (bytes: Buffer): Promise<void> => void lines.push(...bytes.toString().trim().split('\n').map((line) => JSON.parse(line) as Line));
  const accessLog = new AccessLog({ sink: { write, close: async () => {} }, now: () => Date.now() });
  const tracer = new Tracer({ sink: { export: (span, end) => void spans.push({ span, end }), close: async () => {} }, sample: 1 });
  const rig = await startRig({ ...options, accessLog, tracer });
  const client = new RawClient(rig.listener.port);
  t.teardown(async () => {
    client.close();
    await rig.close();
  });
  const page = async (): Promise<readonly Sample[]> => readPage((await createExposition(rig.metrics)()).body);
  return {
    rig, client, spans, page,
    lines: async (count) => {
      await eventually(async () => {
        await accessLog.flush();
        await accessLog.flush();
        return lines.length >= count;
      });
      t.is(lines.length, count);
      t.deepEqual(judgePage(await page(), lines), []);
      return lines;
    },
  };
}

async function server(t: ExecutionContext, serve: Parameters<typeof rawServer>[0]): Promise<RawServer> {
  const made = await rawServer(serve);
  t.teardown(() => made.close());
  return made;
}

const byLabel = (page: readonly Sample[], name: string, label: string): object => Object.fromEntries(page.filter((sample) => sample.name === name).map(({ labels, value }) => [labels[label]!, value]));
const failuresOf = (page: readonly Sample[]): object => byLabel(page, 'weft_failures_total', 'code');
const retriesOf = (page: readonly Sample[]): object => byLabel(page, 'weft_retries_total', 'result');

test("an answer of the proxy's own to HEAD has no body to count", async (t) => {
  const { client, rig, lines } = await recorded(t, { rules: [{ backends: [] }] });
  t.true((await client.send('HEAD / HTTP/1.1\r\nHost: x\r\n\r\n').until((text) => text.includes('\r\n\r\n'))).endsWith('\r\n\r\n'));
  const streams = new StreamClient(`http://127.0.0.1:${rig.listener.port}`);
  t.is((await streams.fetch({ ':method': 'HEAD', ':path': '/' })).body, '');
  streams.close();
  t.deepEqual((await lines(2)).map(({ status, bytesOut }) => [status, bytesOut]), [[500, 0], [500, 0]]);
});

test('a failure is counted wherever the log has it: of the request, and of each attempt', async (t) => {
  const refused = await recorded(t, { backends: { a: [await closedPort()] }, policies: [policyOf({ retry: { maxRetries: 1, retryOn: { conditions: ['connect-failure'] }, backoff: { base: '1ms' } } })] });
  await refused.client.send(getRequest()).until((text) => text.includes('connect-failed'));
  t.like((await refused.lines(1))[0], { failure: 'connect-failed', attempts: 2 });
  t.deepEqual(failuresOf(await refused.page()), { 'connect-failed': 3 });

  const cutting = await server(t, (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\npart'));
  const cut = await recorded(t, { backends: { a: [cutting.port] } });
  await cut.client.send(getRequest()).all();
  t.like((await cut.lines(1))[0], { failure: 'upstream-reset', status: 200 });
  t.deepEqual(failuresOf(await cut.page()), { 'upstream-reset': 2 });

  const hanging = await server(t, (socket) => void socket.write('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\npart'));
  const left = await recorded(t, { backends: { a: [hanging.port] } });
  await left.client.send(getRequest()).until((text) => text.endsWith('part'));
  left.client.socket.resetAndDestroy();
  t.like((await left.lines(1))[0], { failure: 'client-closed', status: 200 });
  t.deepEqual(failuresOf(await left.page()), { 'client-closed': 1 });

  const switching = await server(t, (socket, text) => {
    if (text.includes('websocket')) socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n');
    else socket.resetAndDestroy();
  });
  const tunnel = await recorded(t, { backends: { a: [switching.port] } });
  await tunnel.client.send(getRequest('/', 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: abc\r\nSec-WebSocket-Version: 13\r\n')).until((text) => text.includes('101'));
  await tunnel.client.send('x').all();
  t.like((await tunnel.lines(1))[0], { failure: 'upstream-reset', status: 101 });
  t.deepEqual(failuresOf(await tunnel.page()), { 'upstream-reset': 1 });
});

test('what the proxy cuts because its own time is over has not lost its client', async (t) => {
  const silent = await server(t, (socket, text) => {
    if (text.includes('websocket')) socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n');
  });
  const { client, rig, lines } = await recorded(t, { backends: { a: [silent.port] } });
  const tunnel = new RawClient(rig.listener.port);
  await tunnel.send(getRequest('/tunnel', 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: abc\r\nSec-WebSocket-Version: 13\r\n')).until((text) => text.includes('101'));
  client.send(getRequest('/lines'));
  const streams = new StreamClient(`http://127.0.0.1:${rig.listener.port}`);
  streams.open({ ':path': '/stream' });
  await eventually(() => silent.received.length === 3);
  await rig.listener.close(0);
  t.deepEqual((await lines(3)).map(({ path, status, failure }) => [path, status, failure]).toSorted(), [['/lines', 0, 'draining'], ['/stream', 0, 'draining'], ['/tunnel', 101, 'draining']]);
  tunnel.close();
  streams.close();
});

test('an attempt that was decided on, and never made, is none', async (t) => {
  const busy = await server(t, answering('HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n'));
  const { client, lines, page } = await recorded(t, { backends: { a: [busy.port] }, random: () => 0.99, policies: [policyOf({ retry: { maxRetries: 1, retryOn: { codes: [503] }, backoff: { base: '20s', max: '20s' } } })] });
  client.send(getRequest());
  await eventually(async () => (await page()).find(({ name }) => name === 'weft_upstream_connections_idle')?.value === 1);
  client.socket.resetAndDestroy();
  t.like((await lines(1))[0], { failure: 'client-closed', failedAttempts: [{ why: 503 }] });
  t.deepEqual(retriesOf(await page()), {});
});

test('what is sent again because its connection was no longer good is another attempt, though no policy asked for it', async (t) => {
  const leaving = await server(t, (socket, _text, connection) => {
    if (leaving.received[connection]!.split('\r\n\r\n').length > 2) socket.resetAndDestroy();
    else socket.write(ok('here'));
  });
  const { client, lines, page } = await recorded(t, { backends: { a: [leaving.port] } });
  for (const count of [1, 2]) await client.send(getRequest()).until((text) => text.split('here').length === count + 1);
  t.deepEqual((await lines(2)).map(({ attempts }) => attempts), [undefined, 2]);
  t.deepEqual(retriesOf(await page()), { resent: 1 });
});

test("an attempt's span says how that attempt ended", async (t) => {
  let requests = 0;
  const answers = [(): string => 'HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n', undefined, (): string => ok('well')];
  const flaky = await server(t, (socket) => {
    const answer = answers[requests++];
    if (answer === undefined) socket.resetAndDestroy();
    else socket.write(answer());
  });
  const { client, lines, spans } = await recorded(t, { backends: { a: [flaky.port] }, policies: [policyOf({ retry: { maxRetries: 3, retryOn: { codes: [503], conditions: ['reset'] }, backoff: { base: '1ms' } } })] });
  await client.send(getRequest()).until((text) => text.endsWith('well'));
  await lines(1);
  t.deepEqual(spans.map(({ end: { kind, status, failure } }) => [kind, status, failure]), [['client', 503, undefined], ['client', 0, 'upstream-reset'], ['client', 200, undefined], ['server', 200, undefined]]);
  t.true(spans.slice(0, 3).every(({ span }) => span.parentId === spans[3]!.span.spanId));
});

test('a call whose client takes nothing ends without a status, in the log as for the client', async (t) => {
  const origin = await streamServer((stream) => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
    stream.write('x'.repeat(1000));
  });
  const { rig, lines } = await recorded(t, { backends: { a: [origin.port] }, protocol: 'http2', policies: [policyOf({ timeouts: { streamIdle: '1s' } })] });
  const client = new StreamClient(`http://127.0.0.1:${rig.listener.port}`, { settings: { initialWindowSize: 10 } });
  const stream = client.open({ ':method': 'POST', ':path': '/', 'content-type': 'application/grpc' });
  const trailers: unknown[] = [];
  stream.on('trailers', (fields) => trailers.push(fields));
  await new Promise((resolve) => stream.once('close', resolve));
  const [line] = await lines(1);
  t.deepEqual([line!.failure, line!.grpcStatus, trailers], ['stream-idle-timeout', undefined, []]);
  client.close();
  await origin.close();
});

test('a tunnel to a Service is the route\'s and the backend\'s that it leads to', async (t) => {
  const endpoint = await boundServer(createServer((socket) => void socket.end('bye')), []);
  const rig = await startStreamRig();
  t.teardown(async () => {
    await rig.close();
    endpoint.close();
  });
  setBackends(rig.proxy, { 'shop/a:80': [endpoint.port] });
  applyTo(rig.proxy, { streamTables: { changed: [streamTable('tcp', [{ backends: [streamBackend('shop/a:80')] }]), streamTable('none', [])] } });
  const service = { kind: 'Service', namespace: 'shop', name: 'a' };
  const resolve = (host: string): Destination => ({
    kind: 'Destination', name: host,
    target: host === 'outside' ? { kind: 'passthrough' } : { kind: 'service', service, port: 80, routes: 'none', ...(host === 'plain' ? {} : { streams: `listener/shop/gw/${host}` }) },
  });
  const { port } = await rig.proxy.listenOutbound({ address: '127.0.0.1', port: 0, resolve });
  const seen: unknown[] = [];
  for (const [index, host] of ['plain', 'tcp', 'none'].entries()) {
    const client = new RawClient(port);
    await client.send(`CONNECT ${host}:80 HTTP/1.1\r\nHost: ${host}:80\r\n\r\n`).until((text) => text.includes('\r\n\r\n'));
    client.socket.end();
    await eventually(async () => (await rig.logged()).length === index + 1);
    const { source, route, backend, failure } = rig.log[index]!;
    seen.push([host, source, route, backend, failure]);
    client.close();
  }
  t.deepEqual(seen, [
    ['plain', 'mesh', undefined, 'shop/a:80', undefined],
    ['tcp', 'shop/gw/tcp', 'TCPRoute/shop/tcp-0', 'shop/a:80', undefined],
    ['none', 'shop/gw/none', undefined, undefined, 'no-route'],
  ]);
  t.deepEqual(judgePage(readPage((await createExposition(rig.metrics)()).body), rig.log as unknown as readonly Line[]), []);
});

test('pages of several processes are one page, whose numbers are told apart', async (t) => {
  const answers = await server(t, answering(ok('here')));
  const pages: string[] = [];
  for (const requests of [1, 2]) {
    const { client, rig } = await recorded(t, { backends: { a: [answers.port] } });
    for (let count = 1; count <= requests; count++) await client.send(getRequest()).until((text) => text.split('here').length === count + 1);
    pages.push((await createExposition(rig.metrics)()).body);
  }
  const merged = readPage(mergePages(pages.map((text, index) => ({ worker: String(index), text }))));
  t.is(merged.length, pages.reduce((all, page) => all + readPage(page).length, 0));
  t.deepEqual(byLabel(merged, 'weft_requests_total', 'worker'), { 0: 1, 1: 2 });
});

const afterWeeks = 14 * 24 * 3_600_000;

test('a rule without requests is counted on from where it was, however often its table changes; one that is gone is not', async (t) => {
  const answers = await server(t, answering(ok('here')));
  const rules = [{ name: 'one' }, { matches: [{ index: 0, path: { type: 'Exact', value: '/other' } as const, headers: [], query: [] }], name: 'other', backends: [backendTo('a')] }];
  const { client, rig } = await recorded(t, { backends: { a: [answers.port] }, rules });
  let now = 0;
  const exposition = createExposition(rig.metrics, () => now);
  const counted = async (): Promise<object> => byLabel(readPage((await exposition()).body), 'weft_requests_total', 'rule');
  for (const [index, path] of ['/', '/other'].entries()) await client.send(getRequest(path)).until((text) => text.split('here').length === index + 2);
  for (const change of [rules, rules.toReversed(), rules]) {
    applyTo(rig.proxy, { routeTables: { changed: [tableOf(change)] } });
    await exposition();
    now += afterWeeks;
    t.deepEqual(await counted(), { one: 1, other: 1 });
  }
  await client.send(getRequest('/other')).until((text) => text.split('here').length === 4);
  t.deepEqual(await counted(), { one: 1, other: 2 });
  applyTo(rig.proxy, { routeTables: { changed: [tableOf(rules.slice(1))] } });
  await exposition();
  now += afterWeeks;
  t.deepEqual(await counted(), { other: 2 });
  applyTo(rig.proxy, { routeTables: { changed: [tableOf([{ ...rules[1], backends: [backendTo('b')] }])] } });
  await exposition();
  now += afterWeeks;
  t.deepEqual(await counted(), {});
});

test('so is a route of connections', async (t) => {
  const endpoint = await boundServer(createServer((socket) => void socket.end('bye')), []);
  const rig = await startStreamRig();
  t.teardown(async () => {
    await rig.close();
    endpoint.close();
  });
  setBackends(rig.proxy, { a: [endpoint.port] });
  const change = (...names: readonly string[]): unknown => applyTo(rig.proxy, { streamTables: { changed: [streamTable('tcp', names.map((name) => ({ backends: [streamBackend(name)] })))] } });
  change('a');
  const { port } = await rig.listen([{ name: 'tcp', hostname: '', protocol: 'TCP', routes: 'listener/shop/gw/tcp' }]);
  const client = new RawClient(port);
  t.is(await client.all(), 'bye');
  client.close();
  let now = 0;
  const exposition = createExposition(rig.metrics, () => now);
  const counted = async (): Promise<object> => byLabel(readPage((await exposition()).body), 'weft_streams_total', 'backend');
  await eventually(async () => (await rig.logged()).length === 1);
  for (const names of [['a'], ['a', 'b']]) {
    change(...names);
    await exposition();
    now += afterWeeks;
    t.true('a' in (await counted()));
  }
  change('b');
  await exposition();
  now += afterWeeks;
  t.deepEqual(await counted(), {});
});
