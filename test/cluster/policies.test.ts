import { randomUUID } from 'node:crypto';
import test from 'ava';
import { kubectl } from './cluster.ts';
import { appPod, appService, applyAll, Client, makeSpace, policy, route, soon, waitCondition, waitReady } from './rig.ts';

/** RetryPolicy and TimeoutPolicy at each level of the mesh's hierarchy, measured at the application. */

const shop = makeSpace('policy', 'in the mesh');
const buyer = makeSpace('policy-buyer', 'in the mesh');
const services = ['service', 'port', 'route', 'rule', 'merge', 'timeout', 'chain', 'inline'] as const;

test.before(async () => {
  applyAll(
    appPod(shop.name, 'web-v1'),
    appPod(shop.name, 'client'),
    appPod(buyer.name, 'client'),
    ...services.map((name) => appService(shop.name, name, { app: 'web' })),
    ...services.map((name) => route(shop.name, name, { parentRefs: [{ group: '', kind: 'Service', name }], rules: [{ name: 'first', backendRefs: [{ name, port: 80 }] }] })),
  );
  waitReady(shop.name, 'web-v1', 'client');
  waitReady(buyer.name, 'client');
  // A Pod is ready some time before its Service's endpoints say so.
  await soon(async () => (await own().call('http://service/')).status === 200, 60_000);
});

test.after.always(() => {
  for (const space of [shop, buyer]) space.drop();
});

type Level = 'Mesh' | 'Namespace' | 'Service' | 'HTTPRoute';

function target(kind: Level, name: string, sectionName?: string): object {
  const group = kind === 'HTTPRoute' ? 'gateway.networking.k8s.io' : '';
  return { group, kind, name, ...(sectionName === undefined ? {} : { sectionName }) };
}

const retries = (maxRetries: number): object => ({ maxRetries, retryOn: { codes: [503] }, backoff: { base: '5ms' } });

/** How often the application was asked for one request that it always answers with 503. */
async function attempts(client: Client, service: string): Promise<number> {
  const key = randomUUID();
  const host = `${service}.${shop.name}`;
  await client.call(`http://${host}/?status=503&key=${key}`);
  const { body } = await client.call(`http://${host}/-/count?key=${key}`);
  return Number(body);
}

const own = (): Client => new Client(shop.name, 'client');

test('without a policy nothing is tried again', async (t) => {
  t.is(await attempts(own(), 'service'), 1);
});

test('a RetryPolicy for a Service, with its status; taken back when it goes', async (t) => {
  applyAll(policy('RetryPolicy', shop.name, 'service', { targetRef: target('Service', 'service'), default: retries(3) }));
  await waitCondition('retrypolicy', shop.name, 'service', 'Accepted=True/Accepted');
  await soon(async () => (await attempts(own(), 'service')) === 4);
  const key = randomUUID();
  const { status, body } = await own().call(`http://service/?status=503&times=2&key=${key}`);
  t.is(status, 200);
  t.is((JSON.parse(body) as { count: number }).count, 3);
  kubectl(['delete', 'retrypolicy', '-n', shop.name, 'service']);
  await soon(async () => (await attempts(own(), 'service')) === 1);
});

test('for one port of a Service, a route, and a rule of a route', async (t) => {
  applyAll(
    policy('RetryPolicy', shop.name, 'port', { targetRef: target('Service', 'port', 'http'), default: retries(2) }),
    policy('RetryPolicy', shop.name, 'route', { targetRef: target('HTTPRoute', 'route'), default: retries(3) }),
    policy('RetryPolicy', shop.name, 'rule', { targetRef: target('HTTPRoute', 'rule', 'first'), default: retries(4) }),
  );
  for (const [service, times] of [['port', 3], ['route', 4], ['rule', 5]] as const) await soon(async () => (await attempts(own(), service)) === times);
  t.pass();
});

test('default yields to what is nearer, override binds it, field by field', async (t) => {
  applyAll(
    policy('RetryPolicy', shop.name, 'merge-service', { targetRef: target('Service', 'merge'), default: { maxRetries: 1 } }),
    policy('RetryPolicy', shop.name, 'merge-route', { targetRef: target('HTTPRoute', 'merge'), default: retries(3) }),
  );
  // The Service is nearer; what it leaves open is the route's.
  await soon(async () => (await attempts(own(), 'merge')) === 2);
  applyAll(policy('RetryPolicy', shop.name, 'merge-namespace', { targetRef: target('Namespace', shop.name), override: { maxRetries: 2 }, default: { retryOn: { codes: [503] } } }));
  await soon(async () => (await attempts(own(), 'merge')) === 3);
  kubectl(['delete', 'retrypolicy', '-n', shop.name, 'merge-namespace']);
  await soon(async () => (await attempts(own(), 'merge')) === 2);
  t.pass();
});

test("a Namespace's policy holds for what its own clients call", async (t) => {
  const client = new Client(buyer.name, 'client');
  t.is(await attempts(client, 'chain'), 1);
  applyAll(policy('RetryPolicy', buyer.name, 'all', { targetRef: target('Namespace', buyer.name), default: retries(2) }));
  await waitCondition('retrypolicy', buyer.name, 'all', 'Accepted=True/Accepted');
  await soon(async () => (await attempts(client, 'chain')) === 3);
  t.is(await attempts(own(), 'chain'), 1);
});

test('a TimeoutPolicy ends a request in time; a route has its own word; what is 0s is without end', async (t) => {
  const slow = async (delay: number): Promise<number> => (await own().call(`http://timeout/?delay=${delay}`)).status;
  t.is(await slow(700), 200);
  applyAll(policy('TimeoutPolicy', shop.name, 'timeout', { targetRef: target('Service', 'timeout'), default: { request: '300ms' } }));
  await waitCondition('timeoutpolicy', shop.name, 'timeout', 'Accepted=True/Accepted');
  await soon(async () => (await slow(700)) === 504);
  t.is(await slow(0), 200);
  applyAll(policy('TimeoutPolicy', shop.name, 'timeout', { targetRef: target('Service', 'timeout'), override: { request: '0s' } }));
  await soon(async () => (await slow(700)) === 200);
});

test("a route's own timeouts and retries count as its policy", async (t) => {
  applyAll(route(shop.name, 'inline', { parentRefs: [{ group: '', kind: 'Service', name: 'inline' }], rules: [{ name: 'first', timeouts: { request: '400ms' }, retry: { attempts: 2, codes: [503], backoff: '5ms' }, backendRefs: [{ name: 'inline', port: 80 }] }] }));
  await soon(async () => (await attempts(own(), 'inline')) === 3);
  t.is((await own().call('http://inline/?delay=900')).status, 504);
});

test('a policy that can not hold says so in its status, and does nothing', async (t) => {
  applyAll(policy('RetryPolicy', shop.name, 'lost', { targetRef: target('Service', 'no-such-service'), default: retries(3) }));
  await waitCondition('retrypolicy', shop.name, 'lost', 'Accepted=False/TargetNotFound');
  t.pass();
});
