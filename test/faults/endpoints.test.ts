import { createServer as createHttp2Server, type ServerHttp2Stream } from 'node:http2';
import { createServer, type Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { addresses, yaml } from '../component/mesh-rig.ts';
import { createMesh, type Mesh } from '../../index.ts';
import { endpointProcess, failed, figures, load, namespace, overMs, retryPolicy, service, sleep, timeoutPolicy, total, type Outcome, type Place, type Protocol } from './rig.ts';

/**
 * Endpoints that die, stand still, swallow or reset while requests go on: with a RetryPolicy no idempotent request fails, whether they speak
 * HTTP/1.1 or HTTP/2.
 */

const at = addresses(96);
const port = 18_090;
const options = { total, lanes: 16, overMs };
/** Between two faults. */
const pauseMs = overMs / 6;
/** What a team that wants this writes: retries on every failure, an attempt has half a second. */
const retries = 'maxRetries: 4, perTryTimeout: 500ms, retryOn: { conditions: [connect-failure, reset, refused-stream, timeout, gateway-error] }, backoff: { base: 5ms, max: 50ms }, budget: { percent: 20 }';

interface ShopOptions {
  readonly endpoints: readonly number[];
  readonly protocol: Protocol;
  readonly policy?: string;
}

interface Shop {
  readonly place: Place;
  readonly mesh: Mesh;
  readonly apply: (endpoints: readonly number[]) => Promise<void>;
}

async function shop(t: ExecutionContext, base: number, { endpoints, protocol, policy = retries }: ShopOptions): Promise<Shop> {
  const text = (pods: readonly number[]): string =>
    yaml.join(namespace, yaml.gateway('g', [18_080], at(base)), yaml.route('r', '{ name: g }', { web: 1 }), service('web', port, protocol), ...pods.map((each) => yaml.pod(`p${each}`, 'web', at(each))), retryPolicy(policy), timeoutPolicy('connect: 250ms'));
  const started = await createMesh({ manifests: text(endpoints), loopback: at(base) });
  t.teardown(() => started.close());
  t.deepEqual(started.problems().filter(({ severity }) => severity === 'error'), []);
  return { mesh: started, place: { address: at(base), port: started.gateway('shop/g')!.port(18_080) }, apply: (pods) => started.apply(text(pods)) };
}

async function judge(t: ExecutionContext, what: string, { mesh }: Shop, outcomes: readonly Outcome[]): Promise<void> {
  t.log(`${what}: ${figures(outcomes)}; ${await sum(mesh, /^weft_retries_total{result="made"/)} retries, endpoints were set aside ${await sum(mesh, /^weft_upstream_ejections_total/)} times`);
  if (failed(outcomes).length > 0) t.log((await mesh.metrics()).body.split('\n').filter((line) => /^weft_(failures|retries|responses|internal|requests_total|upstream_(resets|conn))/.test(line)).join('\n'));
  t.deepEqual(failed(outcomes), []);
  t.is(outcomes.length, total);
}

/** Of the lines of all proxies. */
async function sum(mesh: Mesh, line: RegExp): Promise<number> {
  const { body } = await mesh.metrics();
  return body.split('\n').filter((each) => line.test(each)).reduce((all, each) => all + Number(each.slice(each.lastIndexOf(' '))), 0);
}

/** Accepts connections and treats them badly. */
async function badEndpoint(t: ExecutionContext, address: string, treat: (socket: Socket) => void): Promise<void> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    treat(socket);
  });
  await new Promise<void>((resolve) => server.listen(port, address, resolve));
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
}

/** Of an answer, so much that it could be one. */
const cutHead: Readonly<Record<Protocol, Buffer>> = {
  http1: Buffer.from('HTTP/1.1 200 OK\r\nContent-Len'),
  // SETTINGS, and a HEADERS frame of which most is missing.
  http2: Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 100, 1, 4, 0, 0, 0, 1, 0x88]),
};

/** Answers nothing but 503, at once. */
async function failingEndpoint(t: ExecutionContext, address: string, protocol: Protocol, attempt: () => void): Promise<void> {
  if (protocol === 'http1') {
    await badEndpoint(t, address, (socket) => {
      socket.on('data', () => {
        attempt();
        socket.write('HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n');
      });
    });
    return;
  }
  const server = createHttp2Server();
  server.on('session', (session) => t.teardown(() => session.destroy()));
  server.on('stream', (stream: ServerHttp2Stream) => {
    attempt();
    stream.on('error', () => {});
    stream.respond({ ':status': 503 }, { endStream: true });
  });
  await new Promise<void>((resolve) => server.listen(port, address, resolve));
  t.teardown(() => void server.close());
}

for (const [base, protocol] of [[0, 'http1'], [100, 'http2']] as const) {
  test.serial(`an endpoint is killed and started again, twice (${protocol})`, async (t) => {
    t.timeout(60_000 + 4 * overMs);
    const started = await shop(t, base + 1, { endpoints: [base + 2, base + 3, base + 4], protocol });
    let victim = await endpointProcess(t, { address: at(base + 2), port }, protocol);
    for (const each of [3, 4]) await endpointProcess(t, { address: at(base + each), port }, protocol);
    const running = load(started.place, options);
    for (let round = 0; round < 2; round++) {
      await sleep(pauseMs);
      victim.kill('SIGKILL');
      await sleep(pauseMs);
      victim = await endpointProcess(t, { address: at(base + 2), port }, protocol);
    }
    await judge(t, `killed (${protocol})`, started, await running);
  });

  test.serial(`an endpoint is stopped and goes on, twice (${protocol})`, async (t) => {
    t.timeout(60_000 + 4 * overMs);
    const started = await shop(t, base + 11, { endpoints: [12, 13, 14].map((each) => base + each), protocol });
    const victim = await endpointProcess(t, { address: at(base + 12), port }, protocol);
    for (const each of [13, 14]) await endpointProcess(t, { address: at(base + each), port }, protocol);
    const running = load(started.place, options);
    for (let round = 0; round < 2; round++) {
      await sleep(pauseMs);
      victim.kill('SIGSTOP');
      await sleep(1200);
      victim.kill('SIGCONT');
    }
    await judge(t, `stopped (${protocol})`, started, await running);
  });

  test.serial(`an endpoint swallows requests, one resets connections, one cuts its answers (${protocol})`, async (t) => {
    t.timeout(60_000 + 4 * overMs);
    const started = await shop(t, base + 21, { endpoints: [22, 23, 24, 25, 26].map((each) => base + each), protocol });
    await badEndpoint(t, at(base + 22), (socket) => socket.resume());
    await badEndpoint(t, at(base + 23), (socket) => void socket.once('data', () => socket.resetAndDestroy()));
    await badEndpoint(t, at(base + 24), (socket) => void socket.once('data', () => socket.end(cutHead[protocol])));
    for (const each of [25, 26]) await endpointProcess(t, { address: at(base + each), port }, protocol);
    await judge(t, `black hole, resets and cut heads in three of five (${protocol})`, started, await load(started.place, { ...options, lanes: 24 }));
    // They are found out, and then asked again ever more rarely.
    t.true((await sum(started.mesh, /^weft_retries_total{result="made"/)) < total / 50);
    t.is(await sum(started.mesh, /^weft_upstream_endpoints_aside/), 3);
  });

  test.serial(`endpoints come and go ten times a second (${protocol})`, async (t) => {
    t.timeout(60_000 + 4 * overMs);
    const started = await shop(t, base + 31, { endpoints: [32, 33, 34].map((each) => base + each), protocol });
    for (const each of [32, 33, 34]) await endpointProcess(t, { address: at(base + each), port }, protocol);
    const running = load(started.place, options);
    let done = false;
    const ended = running.then(() => (done = true));
    let changes = 0;
    while (!done) {
      await started.apply((changes++ % 2 === 0 ? [32, 33] : [32, 33, 34]).map((each) => base + each));
      await sleep(95);
    }
    await ended;
    t.true(changes > 20, `${changes} changes`);
    await judge(t, `${changes} changes of endpoints (${protocol})`, started, await running);
  });

  test.serial(`a backend that always fails gets at most 1.2 times the load and the reserve (${protocol})`, async (t) => {
    t.timeout(60_000 + 4 * overMs);
    const minPerSecond = 10;
    const started = await shop(t, base + 41, { endpoints: [42, 43].map((each) => base + each), protocol, policy: `maxRetries: 5, retryOn: { codes: [503] }, backoff: { base: 1ms, max: 5ms }, budget: { percent: 20, interval: 1s, minPerSecond: ${minPerSecond} }` });
    let attempts = 0;
    for (const each of [42, 43]) {
      await failingEndpoint(t, at(base + each), protocol, () => attempts++);
    }
    const start = performance.now();
    const outcomes = await load(started.place, { ...options, overMs: overMs / 2 });
    const seconds = (performance.now() - start) / 1000;
    // In each interval the percentage or the least rate, whichever is more; intervals do not begin with the load.
    const allowed = total + Math.max(0.2 * total, minPerSecond * seconds) + 2 * minPerSecond;
    t.log(`${total} requests in ${seconds.toFixed(1)} s to a backend that always fails: ${attempts} attempts, ${(attempts / total).toFixed(3)} × the load; ${allowed.toFixed(0)} allowed`);
    t.true(attempts <= allowed);
    t.true(attempts > total, 'there were retries at all');
    t.deepEqual([...new Set(outcomes.map(({ status }) => status))], [503]);
  });
}
