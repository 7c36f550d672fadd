import test, { type ExecutionContext } from 'ava';
import { fakeServer, json, type FakeServer } from '../kube/fake.ts';
import { stateFrom, translateYaml } from '../testing.ts';
import { createProvisioner, type Provisioner } from './provisioner.ts';

const config = { image: 'i', pullPolicy: 'IfNotPresent', controller: 'c:1', logLevel: 'info', resources: {}, isExternal: (address: string) => address.startsWith('198.51.100.') };
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
  want(yaml: string): void;
  requests(method: string): readonly string[];
}

async function rigged(t: ExecutionContext, present: (path: string) => object | undefined): Promise<Rig> {
  const server = await fakeServer(({ method, path }, response) => {
    const found = present(path);
    if (method === 'GET') json(response, found ?? { message: 'not found' }, found === undefined ? 404 : 200);
    else json(response, {});
  });
  const end = new AbortController();
  const failures: string[] = [];
  const provisioner = createProvisioner({ api: server.api, config, prepare: async () => undefined, now: () => performance.now(), random: () => 0, failed: (message) => void failures.push(message), signal: end.signal });
  t.teardown(async () => {
    end.abort();
    await server.close();
  });
  return {
    server,
    provisioner,
    failures,
    want: (yaml) => provisioner.want(stateFrom(yaml), translateYaml(yaml, { bind: 'any', gatewayAddresses: new Map() }).snapshots.listeners),
    requests: (method) => server.seen.filter((seen) => seen.method === method).map(({ path }) => path.slice(path.lastIndexOf('/namespaces'))),
  };
}

async function until(t: ExecutionContext, what: () => boolean): Promise<void> {
  for (let tries = 0; tries < 300 && !what(); tries++) await new Promise((resolve) => setTimeout(resolve, 10));
  t.true(what());
}

test('the leader applies four objects, once; before it leads, none', async (t) => {
  const rig = await rigged(t, () => undefined);
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
  const rig = await rigged(t, (path) => (path.includes('/services/') ? { metadata: { labels: {} } } : undefined));
  rig.provisioner.start();
  rig.want(manifests());
  await until(t, () => rig.failures.length > 0);
  t.regex(rig.failures[0] ?? '', /Service shop\/edge-weft exists and is not ours/);
  t.false(rig.requests('PATCH').some((path) => path.includes('/services/')));
});

test('a Gateway that goes to another class loses what it was given', async (t) => {
  const rig = await rigged(t, () => ({ metadata: { labels: { 'app.kubernetes.io/managed-by': 'weft-mesh.io' } } }));
  rig.provisioner.start();
  rig.want(manifests('other', service));
  await until(t, () => rig.requests('DELETE').length >= 4);
  t.is(rig.requests('PATCH').length, 0);
});

test('a Gateway whose class is not there keeps what it has', async (t) => {
  const rig = await rigged(t, () => undefined);
  rig.provisioner.start();
  rig.want(manifests('gone', service));
  await new Promise((resolve) => setTimeout(resolve, 50));
  t.is(rig.server.seen.length, 0);
});
