import test, { type ExecutionContext } from 'ava';
import { fakeServer, json, watching, type FakeServer, type Seen } from '../kube/fake.ts';
import { stateFrom, translateYaml } from '../testing.ts';
import type { Shortfall } from '../push/index.ts';
import { createProvisioner, type Provisioner } from './provisioner.ts';

const config = { image: 'i', pullPolicy: 'IfNotPresent', controller: 'c:1', logLevel: 'info', socketIO: 'public' as const, resources: {}, replicas: 1, workers: 1, isExternal: (address: string) => address.startsWith('198.51.100.') };
const manifests = (className = 'weft', more = ''): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: edge, namespace: shop, uid: u }
spec: { gatewayClassName: ${className}, listeners: [{ name: http, port: 80, protocol: HTTP }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: { name: other }
spec: { controllerName: example.com/other }
${more}`;
const ours = { metadata: { labels: { 'app.kubernetes.io/managed-by': 'weft-mesh.io' } } };
const service = `
---
apiVersion: v1
kind: Service
metadata: { name: edge-weft, namespace: shop, labels: { app.kubernetes.io/managed-by: weft-mesh.io }, annotations: { weft-mesh.io/gateway: edge } }
spec: { type: LoadBalancer, ports: [{ port: 80 }] }
`;

interface Rig {
  readonly server: FakeServer;
  readonly provisioner: Provisioner;
  readonly failures: string[];
  /** What was told of Gateways that lack something, in order. */
  readonly lacking: (readonly (readonly [string, Shortfall])[])[];
  want(yaml: string): void;
  requests(method: string): readonly string[];
}

interface Server {
  present?(path: string): object | undefined;
  /** The answer to a PATCH, where it is no success. */
  refusal?(seen: Seen): { readonly status: number; readonly message: string } | undefined;
  deployments?: readonly object[];
}

async function rigged(t: ExecutionContext, { present, refusal, deployments = [] }: Server, replicas = 1): Promise<Rig> {
  const server = await fakeServer((seen, response) => {
    const { method, path, query } = seen;
    if (path === '/apis/apps/v1/deployments') return query.has('watch') ? void watching(response) : json(response, { metadata: { resourceVersion: '1' }, items: deployments });
    const refused = method === 'PATCH' ? refusal?.(seen) : undefined;
    if (refused !== undefined) return json(response, { message: refused.message }, refused.status);
    if (method !== 'GET') return json(response, {});
    const found = present?.(path);
    json(response, found ?? { message: 'not found' }, found === undefined ? 404 : 200);
  });
  const end = new AbortController();
  const failures: string[] = [];
  const lacking: Rig['lacking'] = [];
  const provisioner = createProvisioner({
    api: server.api,
    config: { ...config, replicas },
    prepare: async () => undefined,
    now: () => performance.now(),
    random: () => 0,
    failed: (message) => void failures.push(message),
    lacking: (shortfalls) => void lacking.push([...shortfalls]),
    signal: end.signal,
  });
  t.teardown(async () => {
    end.abort();
    await server.close();
  });
  return {
    server,
    provisioner,
    failures,
    lacking,
    want: (yaml) => provisioner.want(stateFrom(yaml), translateYaml(yaml, { bind: 'any', gatewayAddresses: new Map() }).snapshots.listeners),
    requests: (method) => server.seen.filter((seen) => seen.method === method && seen.path.includes('/namespaces/')).map(({ path }) => path.slice(path.lastIndexOf('/namespaces'))),
  };
}

async function until(t: ExecutionContext, what: () => boolean): Promise<void> {
  for (let tries = 0; tries < 300 && !what(); tries++) await new Promise((resolve) => setTimeout(resolve, 10));
  t.true(what());
}

test('the leader applies four objects, once; before it leads, none', async (t) => {
  const rig = await rigged(t, {});
  rig.want(manifests('weft', service));
  await new Promise((resolve) => setTimeout(resolve, 30));
  t.is(rig.server.seen.length, 0);
  rig.provisioner.start();
  await until(t, () => rig.requests('PATCH').length === 4);
  t.deepEqual(rig.requests('PATCH'), ['serviceaccounts', 'services', 'deployments', 'poddisruptionbudgets'].map((collection) => `/namespaces/shop/${collection}/edge-weft`));
  t.is(rig.server.seen.find(({ method }) => method === 'PATCH')?.query.get('fieldManager'), 'weft');
  rig.want(manifests('weft', service));
  await new Promise((resolve) => setTimeout(resolve, 50));
  t.is(rig.requests('PATCH').length, 4);
});

test("somebody else's object of that name is left alone, and said to be in the way", async (t) => {
  const rig = await rigged(t, { present: (path) => (path.includes('/services/') ? { metadata: { labels: {} } } : undefined) });
  rig.provisioner.start();
  rig.want(manifests());
  await until(t, () => rig.failures.length > 0);
  t.regex(rig.failures[0] ?? '', /Service shop\/edge-weft exists and is not ours/);
  t.false(rig.requests('PATCH').some((path) => path.includes('/services/')));
  t.like(rig.lacking.at(-1)?.[0]?.[1], { reason: 'Invalid' });
});

test('a Gateway that goes to another class loses what it was given', async (t) => {
  const rig = await rigged(t, { present: () => ours });
  rig.provisioner.start();
  rig.want(manifests('other', service));
  await until(t, () => rig.requests('DELETE').length >= 4);
  t.is(rig.requests('PATCH').length, 0);
});

test('a Gateway whose class is not there keeps what it has', async (t) => {
  const rig = await rigged(t, {});
  rig.provisioner.start();
  rig.want(manifests('gone', service));
  await new Promise((resolve) => setTimeout(resolve, 50));
  t.deepEqual(rig.server.seen.filter(({ path }) => path.includes('/namespaces/')), []);
});

test('what the API server refuses is told, once, until it is given; a server in trouble is no news', async (t) => {
  const cases = [
    { status: 403, message: 'exceeded quota: few', told: 'NoResources' },
    { status: 422, message: 'spec.ports: Invalid value', told: 'Invalid' },
    { status: 503, message: 'busy', told: undefined },
  ] as const;
  for (const { status, message, told } of cases) {
    let refusing = true;
    const rig = await rigged(t, { present: () => ours, refusal: ({ path }) => (refusing && path.includes('/deployments/') ? { status, message } : undefined) });
    rig.provisioner.start();
    rig.want(manifests('weft', service));
    // Tried again after half a second.
    await until(t, () => rig.requests('PATCH').filter((path) => path.includes('/deployments/')).length >= 2);
    t.is(rig.failures.length, 1, String(status));
    const expected = told === undefined ? [] : [[['shop/edge', { reason: told, message: `Deployment shop/edge-weft: ${status} ${message}` }] as const]];
    t.deepEqual(rig.lacking, expected);
    refusing = false;
    if (told !== undefined) await until(t, () => rig.lacking.at(-1)?.length === 0);
  }
});

const deployment = (status: object, replicas = 1): object => ({ metadata: { namespace: 'shop', name: 'edge-weft', annotations: { 'weft-mesh.io/gateway': 'edge' } }, spec: { replicas }, status });
const failure = { type: 'ReplicaFailure', status: 'True', message: 'pods "edge-weft-1" is forbidden: exceeded quota' };

const late = { type: 'Progressing', status: 'False', reason: 'ProgressDeadlineExceeded', message: 'ReplicaSet "edge-weft-1" has timed out progressing.' };

test('a Deployment none of whose Pods gets ready is told', async (t) => {
  const rig = await rigged(t, { present: () => ours, deployments: [deployment({ conditions: [{ type: 'Available', status: 'False' }, late] })] });
  rig.provisioner.start();
  rig.want(manifests('weft', service));
  await until(t, () => rig.lacking.length > 0);
  t.deepEqual(rig.lacking[0], [['shop/edge', { reason: 'NoResources', message: 'Deployment shop/edge-weft: none of its Pods got ready in time; kubectl describe tells why' }]]);
});

test('a Deployment that is scaled to nothing is told once its last Pod has gone', async (t) => {
  const told = async (status: object): Promise<Rig['lacking']> => {
    const rig = await rigged(t, { present: () => ours, deployments: [deployment(status, 0)] });
    rig.provisioner.start();
    rig.want(manifests('weft', service));
    await until(t, () => rig.requests('PATCH').length >= 4);
    await new Promise((resolve) => setTimeout(resolve, 50));
    return rig.lacking;
  };
  const available = { type: 'Available', status: 'True', reason: 'MinimumReplicasAvailable' };
  t.deepEqual(await told({ conditions: [available] }), [[['shop/edge', { reason: 'NoResources', message: 'Deployment shop/edge-weft: it is scaled to 0 replicas' }]]]);
  t.deepEqual(await told({ conditions: [available], availableReplicas: 1 }), []);
});

test('what the API server refuses leaves the Pods that are there, and that is said', async (t) => {
  const refusal = ({ path }: Seen): { readonly status: number; readonly message: string } | undefined => (path.includes('/services/') ? { status: 422, message: 'spec.ports: Invalid value' } : undefined);
  const rig = await rigged(t, { present: () => ours, refusal, deployments: [deployment({ availableReplicas: 1 })] });
  rig.provisioner.start();
  rig.want(manifests('weft', service));
  await until(t, () => rig.lacking.at(-1)?.[0]?.[1].message.endsWith('; the Pods that are there go on') === true);
  t.deepEqual(rig.lacking.at(-1), [['shop/edge', { reason: 'Invalid', message: 'Service shop/edge-weft: 422 spec.ports: Invalid value; the Pods that are there go on' }]]);
});

test('a Deployment that can make no Pod is told; one that serves all the same is not', async (t) => {
  const starved = await rigged(t, { present: () => ours, deployments: [deployment({ conditions: [failure] })] });
  starved.provisioner.start();
  starved.want(manifests('weft', service));
  await until(t, () => starved.lacking.length > 0);
  t.deepEqual(starved.lacking[0], [['shop/edge', { reason: 'NoResources', message: 'Deployment shop/edge-weft: pods "edge-weft-1" is forbidden: exceeded quota' }]]);
  const serving = await rigged(t, { present: () => ours, deployments: [deployment({ conditions: [failure, late], availableReplicas: 1 })] });
  serving.provisioner.start();
  serving.want(manifests('weft', service));
  await until(t, () => serving.requests('PATCH').length >= 4);
  await new Promise((resolve) => setTimeout(resolve, 50));
  t.deepEqual(serving.lacking, []);
});

test('a new Gateway begins with the replicas of the installation, by a manager that never says it again', async (t) => {
  const scaling = ({ body, query }: Seen): boolean => query.get('fieldManager') === 'weft-initial' && body.includes('"spec":{"replicas":3}');
  const fresh = await rigged(t, {}, 3);
  fresh.provisioner.start();
  fresh.want(manifests('weft', service));
  await until(t, () => fresh.requests('PATCH').length === 5);
  t.is(fresh.server.seen.filter(scaling).length, 1);
  const known = await rigged(t, { present: () => ours }, 3);
  known.provisioner.start();
  known.want(manifests('weft', service));
  await until(t, () => known.requests('PATCH').length === 4);
  await new Promise((resolve) => setTimeout(resolve, 50));
  t.is(known.requests('PATCH').length, 4);
  t.false(known.server.seen.some(({ body }) => body.includes('replicas')));
});

const ingress = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: web, namespace: shop }
spec: { ingressClassName: weft, defaultBackend: { service: { name: web, port: { number: 80 } } } }
`;
const ingressService = `
---
apiVersion: v1
kind: Service
metadata: { name: weft-ingress-weft, namespace: weft-system, labels: { app.kubernetes.io/managed-by: weft-mesh.io }, annotations: { weft-mesh.io/gateway: weft-ingress } }
spec: { type: LoadBalancer, ports: [{ port: 80 }] }
`;

test('the first Ingress brings a Gateway that is no object, and so owns nothing; with the last one its objects go', async (t) => {
  const rig = await rigged(t, { present: () => ours });
  rig.provisioner.start();
  rig.want(ingress);
  await until(t, () => rig.requests('PATCH').length === 4);
  t.true(rig.requests('PATCH').every((path) => path.startsWith('/namespaces/weft-system/') && path.endsWith('/weft-ingress-weft')));
  t.true(rig.server.seen.filter(({ method }) => method === 'PATCH').every(({ body }) => !JSON.stringify(body).includes('ownerReferences')));
  t.deepEqual(rig.requests('DELETE'), []);
  rig.want(ingressService);
  await until(t, () => rig.requests('DELETE').length === 4);
  t.true(rig.requests('DELETE').every((path) => path.endsWith('/weft-ingress-weft')));
});
