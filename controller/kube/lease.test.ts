import test from 'ava';
import { fakeServer, json, type FakeServer } from './fake.ts';
import { takePart } from './lease.ts';

const times = { duration: 300, deadline: 200, retry: 30 };

interface Stored {
  version: number;
  labels: Readonly<Record<string, string>>;
  spec: { holderIdentity?: string; leaseTransitions?: number } | undefined;
  broken: boolean;
}

/** An API server that keeps one Lease, with optimistic locking. */
async function leases(): Promise<{ readonly server: FakeServer; readonly stored: Stored }> {
  const stored: Stored = { version: 0, labels: {}, spec: undefined, broken: false };
  const server = await fakeServer(({ method, body }, response) => {
    if (stored.broken) return json(response, {}, 503);
    const answer = (): void => json(response, { metadata: { resourceVersion: String(stored.version), labels: stored.labels }, spec: stored.spec });
    if (method === 'GET') return stored.spec === undefined ? json(response, {}, 404) : answer();
    const { metadata, spec } = JSON.parse(body);
    if (method === 'POST' ? stored.spec !== undefined : metadata.resourceVersion !== String(stored.version)) return json(response, {}, 409);
    stored.version += 1;
    stored.labels = metadata.labels ?? {};
    stored.spec = spec;
    answer();
  });
  return { server, stored };
}

function replica(server: FakeServer, identity: string): { leads: boolean; readonly stop: AbortController; done: Promise<void> } {
  const stop = new AbortController();
  const state = { leads: false, stop, done: Promise.resolve() };
  state.done = takePart({
    api: server.api,
    namespace: 'weft-system',
    name: 'weft',
    identity,
    monotonic: () => performance.now(),
    now: () => Date.now(),
    random: () => 0,
    elected: () => (state.leads = true),
    lost: () => (state.leads = false),
    failed: () => {},
    signal: stop.signal,
    times,
  });
  return state;
}

async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 400 && !condition(); turn++) await new Promise((resolve) => setTimeout(resolve, 5));
  if (!condition()) throw new Error('not reached');
}

test('one leads; when it gives the lease back another one leads at once', async (t) => {
  const { server, stored } = await leases();
  const a = replica(server, 'a');
  await until(() => a.leads);
  const b = replica(server, 'b');
  await new Promise((resolve) => setTimeout(resolve, 100));
  t.false(b.leads);
  a.stop.abort();
  await a.done;
  t.false(a.leads);
  await until(() => b.leads);
  t.is(stored.spec?.leaseTransitions, 1);
  b.stop.abort();
  await b.done;
  t.is(stored.spec?.holderIdentity, '');
  await server.close();
});

test('a lease that is there and nobody holds is taken at once, and keeps the labels of who made it', async (t) => {
  const { server, stored } = await leases();
  stored.version = 1;
  stored.spec = {};
  stored.labels = { 'app.kubernetes.io/managed-by': 'Helm' };
  const a = replica(server, 'a');
  const started = performance.now();
  await until(() => a.leads);
  t.true(performance.now() - started < times.duration);
  t.is(stored.spec?.holderIdentity, 'a');
  a.stop.abort();
  await a.done;
  t.is(stored.spec?.holderIdentity, '');
  t.deepEqual(stored.labels, { 'app.kubernetes.io/managed-by': 'Helm' });
  await server.close();
});

test('who can not renew resigns before another one can be elected', async (t) => {
  const { server, stored } = await leases();
  const a = replica(server, 'a');
  await until(() => a.leads);
  const since = performance.now();
  stored.broken = true;
  await until(() => !a.leads);
  t.true(performance.now() - since < times.duration);
  stored.broken = false;
  await until(() => a.leads);
  a.stop.abort();
  await a.done;
  await server.close();
});

test('a leader that vanished is followed after its time is over, as seen from here', async (t) => {
  const { server, stored } = await leases();
  stored.spec = { holderIdentity: 'gone', leaseTransitions: 4 };
  stored.version = 1;
  const since = performance.now();
  const b = replica(server, 'b');
  await until(() => b.leads);
  t.true(performance.now() - since >= times.duration);
  b.stop.abort();
  await b.done;
  await server.close();
});
