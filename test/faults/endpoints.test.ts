import { createServer, type Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { addresses, yaml } from '../component/mesh-rig.ts';
import { createMesh, type Mesh } from '../../index.ts';
import { endpointProcess, failed, figures, load, namespace, retryPolicy, sleep, timeoutPolicy, type Outcome, type Place } from './rig.ts';

/**
 * Endpoints that die, stand still, swallow or reset while requests go on: with a RetryPolicy no idempotent request fails. 4,000 requests
 * each here.
 */

const at = addresses(96);
const total = 4000;
const overMs = 9000;
const port = 18_090;
const options = { total, lanes: 8, overMs };
/** What a team that wants this writes: retries on every failure, an attempt has half a second. */
const retries = 'maxRetries: 4, perTryTimeout: 500ms, retryOn: { conditions: [connect-failure, reset, refused-stream, timeout, gateway-error] }, backoff: { base: 5ms, max: 50ms }, budget: { percent: 50, minPerSecond: 200 }';

interface Shop {
  readonly place: Place;
  readonly mesh: Mesh;
  readonly apply: (endpoints: readonly number[]) => Promise<void>;
}

async function shop(t: ExecutionContext, base: number, endpoints: readonly number[], policy = retries): Promise<Shop> {
  const text = (pods: readonly number[]): string =>
    yaml.join(namespace, yaml.gateway('g', [18_080], at(base)), yaml.route('r', '{ name: g }', { web: 1 }), yaml.service('web', 'web', port), ...pods.map((each) => yaml.pod(`p${each}`, 'web', at(each))), retryPolicy(policy), timeoutPolicy('connect: 250ms'));
  const started = await createMesh({ manifests: text(endpoints), loopback: at(base) });
  t.teardown(() => started.close());
  t.deepEqual(started.problems().filter(({ severity }) => severity === 'error'), []);
  return { mesh: started, place: { address: at(base), port: started.gateway('shop/g')!.port(18_080) }, apply: (pods) => started.apply(text(pods)) };
}

function judge(t: ExecutionContext, what: string, outcomes: readonly Outcome[]): void {
  t.log(`${what}: ${figures(outcomes)}`);
  t.deepEqual(failed(outcomes), []);
  t.is(outcomes.length, total);
}

test.serial('an endpoint is killed and started again, twice', async (t) => {
  t.timeout(60_000);
  const { place } = await shop(t, 1, [2, 3, 4]);
  let victim = await endpointProcess(t, { address: at(2), port });
  for (const each of [3, 4]) await endpointProcess(t, { address: at(each), port });
  const running = load(place, options);
  for (let round = 0; round < 2; round++) {
    await sleep(1500);
    victim.kill('SIGKILL');
    await sleep(1500);
    victim = await endpointProcess(t, { address: at(2), port });
  }
  judge(t, 'killed', await running);
});

test.serial('an endpoint is stopped and goes on, twice', async (t) => {
  t.timeout(60_000);
  const { place } = await shop(t, 11, [12, 13, 14]);
  const victim = await endpointProcess(t, { address: at(12), port });
  for (const each of [13, 14]) await endpointProcess(t, { address: at(each), port });
  const running = load(place, options);
  for (let round = 0; round < 2; round++) {
    await sleep(1500);
    victim.kill('SIGSTOP');
    await sleep(1200);
    victim.kill('SIGCONT');
  }
  judge(t, 'stopped', await running);
});

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

test.serial('an endpoint swallows requests, one resets connections, one cuts its answers', async (t) => {
  t.timeout(60_000);
  const { place } = await shop(t, 21, [22, 23, 24, 25, 26]);
  await badEndpoint(t, at(22), (socket) => socket.resume());
  await badEndpoint(t, at(23), (socket) => void socket.once('data', () => socket.resetAndDestroy()));
  await badEndpoint(t, at(24), (socket) => void socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Len')));
  for (const each of [25, 26]) await endpointProcess(t, { address: at(each), port });
  judge(t, 'black hole, resets and cut heads in three of five', await load(place, { ...options, lanes: 24 }));
});

test.serial('endpoints come and go ten times a second', async (t) => {
  t.timeout(60_000);
  const { place, apply } = await shop(t, 31, [32, 33, 34]);
  for (const each of [32, 33, 34]) await endpointProcess(t, { address: at(each), port });
  const running = load(place, options);
  let done = false;
  const ended = running.then(() => (done = true));
  let changes = 0;
  while (!done) {
    await apply(changes++ % 2 === 0 ? [32, 33] : [32, 33, 34]);
    await sleep(95);
  }
  await ended;
  t.true(changes > 20, `${changes} changes`);
  judge(t, `${changes} changes of endpoints`, await running);
});

test.serial('a backend that always fails gets at most 1.2 times the load and the reserve', async (t) => {
  t.timeout(60_000);
  const minPerSecond = 10;
  const { place } = await shop(t, 41, [42, 43], `maxRetries: 5, retryOn: { codes: [503] }, backoff: { base: 1ms, max: 5ms }, budget: { percent: 20, interval: 1s, minPerSecond: ${minPerSecond} }`);
  let attempts = 0;
  for (const each of [42, 43]) {
    await badEndpoint(t, at(each), (socket) => {
      socket.on('data', () => {
        attempts++;
        socket.write('HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n');
      });
    });
  }
  const start = performance.now();
  const outcomes = await load(place, { ...options, overMs: 4000 });
  const seconds = (performance.now() - start) / 1000;
  const allowed = 1.2 * total + minPerSecond * (Math.ceil(seconds) + 1);
  t.log(`${total} requests in ${seconds.toFixed(1)} s to a backend that always fails: ${attempts} attempts, ${(attempts / total).toFixed(3)} × the load; ${allowed.toFixed(0)} allowed`);
  t.true(attempts <= allowed);
  t.true(attempts > total, 'there were retries at all');
  t.deepEqual([...new Set(outcomes.map(({ status }) => status))], [503]);
});

