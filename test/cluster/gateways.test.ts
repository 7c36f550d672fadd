import { randomUUID } from 'node:crypto';
import { Agent, request } from 'node:http';
import test from 'ava';
import type { Echo } from './app/main.ts';
import { eventually, get, kubectl } from './cluster.ts';
import { appPod, appService, applyAll, Client, conditionsOf, makeSpace, policy, route, soon, waitCondition, waitReady } from './rig.ts';

/** Gateways as the controller makes them, and what comes in through them. */

const shop = makeSpace('gw', 'in the mesh');
const gatewayClass = 'weft';

function gateway(name: string, more: object = {}): string {
  return JSON.stringify({ apiVersion: 'gateway.networking.k8s.io/v1', kind: 'Gateway', metadata: { namespace: shop.name, name }, spec: { gatewayClassName: gatewayClass, listeners: [{ name: 'http', protocol: 'HTTP', port: 80 }], ...more } });
}

test.before(() => {
  applyAll(
    gateway('edge', { infrastructure: { labels: { team: 'shop' }, annotations: { 'example.com/note': 'hello' } } }),
    appPod(shop.name, 'reviews-v1'),
    appPod(shop.name, 'reviews-v2'),
    appPod(shop.name, 'client'),
    appService(shop.name, 'reviews', { app: 'reviews', version: 'v1' }),
    ...['v1', 'v2'].map((version) => appService(shop.name, `reviews-${version}`, { app: 'reviews', version })),
    route(shop.name, 'reviews', {
      parentRefs: [{ name: 'edge' }, { group: '', kind: 'Service', name: 'reviews' }],
      rules: [{ name: 'canary', matches: [{ path: { type: 'PathPrefix', value: '/reviews' } }], backendRefs: [{ name: 'reviews-v1', port: 80, weight: 70 }, { name: 'reviews-v2', port: 80, weight: 30 }] }],
    }),
  );
  waitReady(shop.name, 'reviews-v1', 'reviews-v2', 'client');
});

test.after.always(() => shop.drop());

interface Answer {
  readonly status: number;
  readonly body: string;
  /** Milliseconds. */
  readonly took: number;
}

const agent = new Agent({ keepAlive: true });

function ask(address: string, path: string): Promise<Answer> {
  const started = performance.now();
  return new Promise((resolve) => {
    const done = (status: number, body: string): void => resolve({ status, body, took: performance.now() - started });
    const sent = request({ host: address, path, agent, timeout: 10_000, headers: { host: 'shop.example' } }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
      response.on('end', () => done(response.statusCode ?? 0, body));
      response.on('error', (error) => done(0, error.message));
    });
    sent.on('error', (error) => done(0, error.message));
    sent.on('timeout', () => sent.destroy(new Error('timeout')));
    sent.end();
  });
}

interface GatewayObject {
  readonly status: { readonly addresses?: readonly { readonly value: string }[] };
}

async function addressOf(name: string): Promise<string> {
  await waitCondition('gateway', shop.name, name, 'Programmed=True/Programmed');
  return eventually(() => (get('gateway', name, shop.name) as GatewayObject).status.addresses?.[0]?.value, 30_000);
}

const share = (versions: readonly string[], of: string): number => versions.filter((version) => version === of).length / versions.length;

test.serial('a Gateway gets proxies, a Service with an address, and says so in its status', async (t) => {
  const address = await addressOf('edge');
  t.deepEqual(conditionsOf('gateway', shop.name, 'edge').filter((each) => /^(Accepted|Programmed)=/.test(each)), ['Accepted=True/Accepted', 'Programmed=True/Programmed']);
  await soon(async () => (await ask(address, '/reviews')).status === 200, 60_000);
  const service = get('service', `edge-${gatewayClass}`, shop.name) as { metadata: { labels: Record<string, string>; annotations: Record<string, string> }; status: { loadBalancer: { ingress: { ip: string }[] } } };
  t.is(service.status.loadBalancer.ingress[0]?.ip, address);
  t.like(service.metadata.labels, { team: 'shop', 'gateway.networking.k8s.io/gateway-name': 'edge' });
  t.like(service.metadata.annotations, { 'example.com/note': 'hello' });
  const pods = JSON.parse(kubectl(['get', 'pods', '-n', shop.name, '-l', 'gateway.networking.k8s.io/gateway-name=edge', '-o', 'json'])) as { items: { metadata: { labels: Record<string, string> } }[] };
  t.true(pods.items.length > 0);
  t.is(pods.items[0]?.metadata.labels['team'], 'shop');
  t.not(kubectl(['get', 'poddisruptionbudget', '-n', shop.name, '-o', 'name']).trim(), '');
});

test.serial('one HTTPRoute serves both directions: the same canary from outside and from inside', async (t) => {
  const address = await addressOf('edge');
  const fromOutside: string[] = [];
  for (let turn = 0; turn < 300; turn++) {
    const { status, body } = await ask(address, '/reviews/1');
    fromOutside.push(status === 200 ? (JSON.parse(body) as Echo).version : String(status));
  }
  const inside = await new Client(shop.name, 'client').calls({ url: 'http://reviews/reviews/1', count: 300 });
  const fromInside = inside.map(({ status, body }) => (status === 200 ? (JSON.parse(body) as Echo).version : String(status)));
  for (const versions of [fromOutside, fromInside]) {
    t.deepEqual([...new Set(versions)].toSorted(), ['v1', 'v2']);
    t.true(share(versions, 'v2') > 0.2 && share(versions, 'v2') < 0.4, `v2 got ${share(versions, 'v2')}`);
  }
  t.is((await ask(address, '/else')).status, 404);
  t.is((await new Client(shop.name, 'client').call('http://reviews/else')).status, 404);
  for (const parent of ['edge', 'reviews']) t.true(conditionsOf('httproute', shop.name, 'reviews', parent).includes('Accepted=True/Accepted'));
});

const retries = (maxRetries: number): object => ({ maxRetries, retryOn: { codes: [503] }, backoff: { base: '5ms' } });
const target = (kind: 'Gateway' | 'HTTPRoute' | 'Service' | 'Namespace', name: string, sectionName?: string): object => ({
  group: kind === 'Gateway' || kind === 'HTTPRoute' ? 'gateway.networking.k8s.io' : '',
  kind,
  name,
  ...(sectionName === undefined ? {} : { sectionName }),
});

/** How often the applications were asked for one request that they always answer with 503. */
async function attempts(address: string): Promise<number> {
  const key = randomUUID();
  await ask(address, `/reviews?status=503&key=${key}`);
  const counts = await Promise.all(['reviews-v1', 'reviews-v2'].map((pod) => new Client(shop.name, 'client').call(`http://${podAddress(pod)}:8080/-/count?key=${key}`)));
  return counts.reduce((sum, { body }) => sum + Number(body), 0);
}

function podAddress(name: string): string {
  return (get('pod', name, shop.name) as { status: { podIP: string } }).status.podIP;
}

test.serial('RetryPolicy and TimeoutPolicy at Gateway, listener, namespace, route and Service: defaults yield, overrides bind', async (t) => {
  const address = await addressOf('edge');
  t.is(await attempts(address), 1);
  applyAll(policy('RetryPolicy', shop.name, 'gateway', { targetRef: target('Gateway', 'edge'), default: retries(1) }));
  await waitCondition('retrypolicy', shop.name, 'gateway', 'Accepted=True/Accepted');
  await soon(async () => (await attempts(address)) === 2);
  applyAll(policy('RetryPolicy', shop.name, 'listener', { targetRef: target('Gateway', 'edge', 'http'), default: { maxRetries: 2 } }));
  await soon(async () => (await attempts(address)) === 3);
  applyAll(policy('RetryPolicy', shop.name, 'route', { targetRef: target('HTTPRoute', 'reviews'), default: { maxRetries: 3 } }));
  await soon(async () => (await attempts(address)) === 4);
  for (const version of ['v1', 'v2']) applyAll(policy('RetryPolicy', shop.name, `service-${version}`, { targetRef: target('Service', `reviews-${version}`), default: { maxRetries: 4 } }));
  await soon(async () => (await attempts(address)) === 5);
  applyAll(policy('RetryPolicy', shop.name, 'gateway', { targetRef: target('Gateway', 'edge'), override: { maxRetries: 0 }, default: retries(1) }));
  await soon(async () => (await attempts(address)) === 1);
  kubectl(['delete', 'retrypolicy', '-n', shop.name, '--all']);
  await soon(async () => (await attempts(address)) === 1);

  const slow = async (): Promise<number> => (await ask(address, '/reviews?delay=700')).status;
  t.is(await slow(), 200);
  applyAll(policy('TimeoutPolicy', shop.name, 'namespace', { targetRef: target('Namespace', shop.name), default: { request: '300ms' } }));
  await soon(async () => (await slow()) === 504);
  applyAll(policy('TimeoutPolicy', shop.name, 'gateway', { targetRef: target('Gateway', 'edge'), default: { request: '5s' } }));
  await soon(async () => (await slow()) === 200);
  applyAll(policy('TimeoutPolicy', shop.name, 'namespace', { targetRef: target('Namespace', shop.name), override: { request: '300ms' } }));
  await soon(async () => (await slow()) === 504);
  kubectl(['delete', 'timeoutpolicy', '-n', shop.name, '--all']);
  await soon(async () => (await slow()) === 200);
});

test.serial('what a user scales stays scaled, whatever else changes; a rolling restart fails no request', async (t) => {
  const address = await addressOf('edge');
  const deployment = `deployment/edge-${gatewayClass}`;
  kubectl(['scale', '-n', shop.name, deployment, '--replicas=2']);
  kubectl(['label', 'gateway', '-n', shop.name, 'edge', 'touched=yes']);
  applyAll(gateway('edge', { listeners: [{ name: 'http', protocol: 'HTTP', port: 80 }, { name: 'more', protocol: 'HTTP', port: 8080 }] }));
  await eventually(() => (get('deployment', `edge-${gatewayClass}`, shop.name) as { status: { readyReplicas?: number } }).status.readyReplicas === 2, 60_000);
  await soon(async () => (await ask(address, '/reviews')).status === 200);
  const replicas = (): number => (get('deployment', `edge-${gatewayClass}`, shop.name) as { spec: { replicas: number } }).spec.replicas;
  t.is(replicas(), 2);

  const statuses: Answer[] = [];
  let going = true;
  const lane = (async () => {
    while (going) statuses.push(await ask(address, '/reviews'));
  })();
  kubectl(['rollout', 'restart', '-n', shop.name, deployment]);
  await eventually(() => {
    const { metadata, spec, status } = get('deployment', `edge-${gatewayClass}`, shop.name) as { metadata: { generation: number }; spec: { replicas: number }; status: { observedGeneration: number; updatedReplicas?: number; replicas: number; availableReplicas?: number } };
    return status.observedGeneration === metadata.generation && status.updatedReplicas === spec.replicas && status.replicas === spec.replicas && status.availableReplicas === spec.replicas;
  }, 120_000);
  going = false;
  await lane;
  t.deepEqual(statuses.filter(({ status }) => status !== 200).map(({ status, body }) => `${status} ${body}`), []);
  t.true(statuses.length > 50, `${statuses.length} requests`);
  t.is(replicas(), 2);
});

test.serial('what belongs to a Gateway goes with it', async (t) => {
  applyAll(gateway('brief'));
  await eventually(() => get('deployment', `brief-${gatewayClass}`, shop.name) as object, 20_000);
  kubectl(['delete', 'gateway', '-n', shop.name, 'brief']);
  await eventually(() => !kubectl(['get', 'deployment,service', '-n', shop.name, '-o', 'name']).includes('brief'), 60_000);
  t.pass();
});
