import type { ServerResponse } from 'node:http';
import test from 'ava';
import type { ClusterState } from '#crds';
import { fakeServer, json, watching, type FakeServer, type Seen } from '../../kube/fake.ts';
import { knownKinds } from '../kinds.ts';
import { openCluster, type KubeSource } from './source.ts';

/** A small API server: serves collections of some kinds, keeps the watches, and can tell of changes. */
class World {
  readonly served = new Map<string, { readonly plural: string; readonly kind: string; readonly objects: Map<string, object> }>();
  readonly watches: { readonly path: string; readonly selector: string | null; readonly response: ServerResponse }[] = [];
  readonly failing = new Set<string>();
  version = 100;

  constructor() {
    for (const [root, plural, kind] of [
      ['/api/v1', 'services', 'Service'],
      ['/api/v1', 'pods', 'Pod'],
      ['/api/v1', 'namespaces', 'Namespace'],
      ['/apis/discovery.k8s.io/v1', 'endpointslices', 'EndpointSlice'],
      ['/apis/gateway.networking.k8s.io/v1', 'gatewayclasses', 'GatewayClass'],
      ['/apis/gateway.networking.k8s.io/v1', 'gateways', 'Gateway'],
      ['/apis/gateway.networking.k8s.io/v1', 'httproutes', 'HTTPRoute'],
    ] as const) this.served.set(`${root}/${plural}`, { plural, kind, objects: new Map() });
    this.served.set('/api/v1/secrets', { plural: 'secrets', kind: 'Secret', objects: new Map() });
  }

  put(path: string, object: Written): void {
    this.version += 1;
    const stamped = { ...object, metadata: { uid: object.metadata.name, ...object.metadata, resourceVersion: String(this.version) } };
    const { objects } = this.served.get(path)!;
    const type = objects.has(object.metadata.name) ? 'MODIFIED' : 'ADDED';
    objects.set(object.metadata.name, stamped);
    for (const watch of this.#of(path, object.metadata.name)) watch.response.write(`${JSON.stringify({ type, object: stamped })}\n`);
  }

  drop(path: string, name: string): void {
    const { objects } = this.served.get(path)!;
    const object = objects.get(name);
    objects.delete(name);
    for (const watch of this.#of(path, name)) watch.response.write(`${JSON.stringify({ type: 'DELETED', object })}\n`);
  }

  #of(path: string, name: string): World['watches'] {
    return this.watches.filter((watch) => watch.path === path && (watch.selector === null || watch.selector === `metadata.name=${name}`));
  }

  answer({ path, query }: Seen, response: ServerResponse): void {
    const flat = path.replace(/\/namespaces\/[^/]+\//, '/');
    const collection = this.served.get(flat);
    if (collection === undefined) {
      const resources = [...this.served].filter(([key]) => key.startsWith(`${path}/`)).map(([, { plural, kind }]) => ({ name: plural, kind, namespaced: !['Namespace', 'GatewayClass', 'ClusterTrustBundle'].includes(kind) }));
      return json(response, resources.length === 0 ? { message: 'not found' } : { resources }, resources.length === 0 ? 404 : 200);
    }
    if (this.failing.has(flat)) return json(response, { message: 'forbidden' }, 403);
    const selector = query.get('fieldSelector');
    if (query.get('watch') === 'true') return void this.watches.push({ path: flat, selector, response: watching(response) });
    const items = [...collection.objects].filter(([name]) => selector === null || selector === `metadata.name=${name}`).map(([, object]) => object);
    json(response, { metadata: { resourceVersion: String(this.version) }, items });
  }
}

interface Run {
  readonly world: World;
  readonly server: FakeServer;
  readonly source: KubeSource;
  readonly states: ClusterState[];
  until(condition: () => boolean): Promise<void>;
}

/** `speed`: how fast the clock goes. */
async function run(t: { teardown(undo: () => Promise<void>): void }, prepare: (world: World) => void = () => {}, speed = 1): Promise<Run> {
  const world = new World();
  prepare(world);
  const server = await fakeServer((seen, response) => world.answer(seen, response));
  const stop = new AbortController();
  const states: ClusterState[] = [];
  const source = openCluster({
    api: server.api,
    registry: knownKinds,
    changed: (state) => states.push(state),
    random: () => 0.5,
    now: () => performance.now() * speed,
    signal: stop.signal,
    limits: { absentMs: 30, backoff: { base: 10, max: 50 } },
  });
  t.teardown(async () => {
    stop.abort();
    await server.close();
  });
  const until = async (condition: () => boolean): Promise<void> => {
    for (let turn = 0; turn < 600 && !condition(); turn++) await new Promise((resolve) => setTimeout(resolve, 5));
    if (!condition()) throw new Error(`not reached: ${JSON.stringify(source.kinds())}`);
  };
  return { world, server, source, states, until };
}

const services = '/api/v1/services';
const routes = '/apis/gateway.networking.k8s.io/v1/httproutes';
const gateways = '/apis/gateway.networking.k8s.io/v1/gateways';

interface Written {
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly generation?: number };
  readonly [field: string]: unknown;
}

function service(name: string, port = 80): Written {
  return { metadata: { name, namespace: 'shop' }, spec: { ports: [{ port, protocol: 'TCP', targetPort: port }], clusterIP: '10.0.0.1' } };
}

function route(name: string, generation: number, path: string, status: object = {}): Written {
  const metadata = { name, namespace: 'shop', generation };
  return { metadata, spec: { parentRefs: [{ group: '', kind: 'Service', name: 'cart' }], rules: [{ matches: [{ path: { type: 'PathPrefix', value: path } }] }] }, status };
}

function gateway(secret: string, generation = 1): Written {
  const listener = { name: 'web', port: 443, protocol: 'HTTPS', tls: { mode: 'Terminate', certificateRefs: [{ group: '', kind: 'Secret', name: secret }] }, allowedRoutes: { namespaces: { from: 'Same' } } };
  return { metadata: { name: 'front', namespace: 'shop', generation }, spec: { gatewayClassName: 'weft', listeners: [listener] } };
}

test('the first state comes when every kind has been read; kinds that are not installed are absent', async (t) => {
  const { source, states, until, world } = await run(t, (each) => {
    each.put(services, service('cart'));
    each.failing.add('/api/v1/pods');
  });
  await until(() => source.kinds().some(({ kind, failure }) => kind === 'Pod' && failure !== undefined));
  t.is(source.state(), undefined);
  t.deepEqual(states, []);
  world.failing.clear();
  await until(() => states.length > 0);
  t.true(states[0]?.services.has('shop/cart'));
  t.is(source.kinds().find(({ kind }) => kind === 'TCPRoute')?.sync, 'absent');
  t.is(source.kinds().find(({ kind }) => kind === 'Pod')?.failure, undefined);
});

test('changes close together make one state, and leave the maps of other kinds as they are', async (t) => {
  const { world, states, until } = await run(t, (each) => each.put(services, service('cart')));
  await until(() => states.length === 1 && world.watches.length >= 7);
  for (let index = 0; index < 20; index++) world.put(services, service(`more${index}`));
  await until(() => states.at(-1)?.services.size === 21);
  t.true(states.length <= 3);
  t.is(states.at(-1)?.pods, states[0]?.pods);
  world.drop(services, 'cart');
  await until(() => states.at(-1)?.services.size === 20);
  t.pass();
});

test('an object that becomes unreadable goes on as it was, with a problem; one that always was is left out', async (t) => {
  const { world, states, source, until } = await run(t, (each) => each.put(routes, route('good', 1, '/a')));
  await until(() => states.length === 1 && world.watches.some(({ path }) => path === routes));
  const before = states[0]?.httpRoutes.get('shop/good');
  world.put(routes, { ...route('good', 2, '/b'), spec: { rules: 'none' } });
  world.put(routes, { ...route('bad', 1, '/b'), spec: { rules: 'none' } });
  await until(() => source.problems().length >= 2);
  t.is(source.state()?.httpRoutes.get('shop/good'), before);
  t.false(source.state()?.httpRoutes.has('shop/bad'));
  t.regex(source.problems().map(({ message }) => message).join('\n'), /last version that could be read goes on[\s\S]*it is ignored/);
  world.put(routes, route('good', 3, '/c'));
  await until(() => source.state()?.httpRoutes.get('shop/good') !== before);
  t.is(source.problems().length, 1);
});

test('by whom a status is that names no controller is read from its managed fields', async (t) => {
  const accepted = (fields: object): object => ({ 'k:{"type":"Accepted"}': { '.': {}, 'f:type': {}, ...fields } });
  const kinds = {
    Ingress: { path: '/apis/networking.k8s.io/v1/ingresses', ours: { 'f:loadBalancer': { 'f:ingress': {} } }, less: { 'f:loadBalancer': {} } },
    // What the next one did not change stays noted as ours.
    ListenerSet: { path: '/apis/gateway.networking.k8s.io/v1/listenersets', ours: { 'f:conditions': accepted({ 'f:message': {}, 'f:observedGeneration': {}, 'f:status': {} }) }, less: { 'f:conditions': { '.': {}, ...accepted({ 'f:observedGeneration': {}, 'f:status': {} }) }, 'f:listeners': {} } },
  };
  const managed = (manager: string, subresource: string | undefined, status: object): object => ({ manager, operation: 'Update', ...(subresource === undefined ? {} : { subresource }), fieldsType: 'FieldsV1', fieldsV1: { 'f:status': status } });
  const cases = ({ ours, less }: (typeof kinds)['Ingress' | 'ListenerSet']): Readonly<Record<string, readonly object[]>> => ({
    ours: [managed('kubectl', undefined, {}), managed('weft', 'status', ours)],
    taken: [managed('weft', 'status', less), managed('other', 'status', ours)],
    applied: [managed('weft', undefined, ours)],
    bare: [],
  });
  const { source, states, until } = await run(t, (each) => {
    for (const [kind, { path }] of Object.entries(kinds)) each.served.set(path, { plural: path.slice(path.lastIndexOf('/') + 1), kind, objects: new Map() });
    for (const [name, managedFields] of Object.entries(cases(kinds.Ingress))) each.put(kinds.Ingress.path, { metadata: { name, namespace: 'shop', managedFields } as Written['metadata'], spec: { ingressClassName: 'other' } });
    for (const [name, managedFields] of Object.entries(cases(kinds.ListenerSet))) each.put(kinds.ListenerSet.path, { metadata: { name, namespace: 'shop', generation: 3, managedFields } as Written['metadata'], spec: { parentRef: { name: 'edge' }, listeners: [{ name: 'a', port: 80, protocol: 'HTTP' }] } });
  });
  await until(() => states.length > 0);
  const found = (kind: string, apiVersion: string): readonly unknown[] => ['ours', 'taken', 'applied', 'bare'].map((name) => source.find({ apiVersion, kind, namespace: 'shop', name })?.statusIsOurs);
  t.deepEqual(found('Ingress', 'networking.k8s.io/v1'), [true, false, false, false]);
  t.deepEqual(found('ListenerSet', 'gateway.networking.k8s.io/v1'), [true, false, false, false]);
  t.is(source.find({ apiVersion: 'gateway.networking.k8s.io/v1', kind: 'ListenerSet', namespace: 'shop', name: 'ours' })?.generation, 3);
});

test('a status that is written changes no state, but is known', async (t) => {
  const { world, states, source, until } = await run(t, (each) => each.put(routes, route('good', 1, '/a')));
  await until(() => states.length === 1 && world.watches.some(({ path }) => path === routes));
  world.put(routes, route('good', 1, '/a', { parents: [] }));
  const ref = { apiVersion: 'gateway.networking.k8s.io/v1', kind: 'HTTPRoute', namespace: 'shop', name: 'good' };
  await until(() => source.find(ref)?.status['parents'] !== undefined);
  await new Promise((resolve) => setTimeout(resolve, 40));
  t.is(states.length, 1);
  t.is(source.find(ref)?.resourceVersion, String(world.version));
});

test('only the Secrets that Gateways name are read, each by its name, and no longer than they are named', async (t) => {
  const { world, server, states, until } = await run(t, (each) => {
    each.put('/api/v1/secrets', { metadata: { name: 'one', namespace: 'shop' }, type: 'kubernetes.io/tls', data: {} });
    each.put('/api/v1/secrets', { metadata: { name: 'two', namespace: 'shop' }, type: 'kubernetes.io/tls', data: {} });
    each.put(gateways, gateway('one'));
  });
  await until(() => states.length === 1 && world.watches.some(({ path }) => path === gateways));
  t.deepEqual([...(states[0]?.secrets.keys() ?? [])], ['shop/one']);
  world.put(gateways, gateway('two', 2));
  await until(() => states.at(-1)?.secrets.has('shop/two') === true);
  t.deepEqual([...(states.at(-1)?.secrets.keys() ?? [])], ['shop/two']);
  t.is(states.length, 2);
  world.drop(gateways, 'front');
  await until(() => states.at(-1)?.secrets.size === 0);
  const asked = server.seen.filter(({ path }) => path.includes('secrets'));
  t.true(asked.every(({ path, query }) => path === '/api/v1/namespaces/shop/secrets' && /^metadata\.name=(one|two)$/.test(query.get('fieldSelector') ?? '')));
});

test('Secrets that can not be read, one after the other, do not hold back what else changes', async (t) => {
  const { world, states, until } = await run(t, (each) => each.put(services, service('cart')), 20);
  await until(() => states.length === 1 && world.watches.some(({ path }) => path === gateways) && world.watches.some(({ path }) => path === services));
  world.failing.add('/api/v1/secrets');
  // Each one is waited for for 50 ms of this clock.
  let turn = 0;
  for (world.put(services, service('other')); turn < 80 && states.length === 1; turn++) {
    world.put(gateways, gateway(`s${turn}`, turn + 1));
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  t.true(states.at(-1)!.services.has('shop/other'));
  t.true(turn < 80);
});

test('authorities of backends are read by name: ConfigMaps of the policy\'s namespace, and ClusterTrustBundles where there is that kind', async (t) => {
  const policies = '/apis/gateway.networking.k8s.io/v1/backendtlspolicies';
  const bundles = '/apis/certificates.k8s.io/v1beta1/clustertrustbundles';
  const policy = (refs: readonly object[], generation: number): Written => ({
    metadata: { name: 'cart', namespace: 'shop', generation },
    spec: { targetRefs: [{ group: '', kind: 'Service', name: 'cart' }], validation: { hostname: 'cart.example.com', caCertificateRefs: refs } },
  });
  const map = { group: '', kind: 'ConfigMap', name: 'ca' };
  const bundle = { group: 'certificates.k8s.io', kind: 'ClusterTrustBundle', name: 'example.com:all:1' };
  const { world, server, states, until } = await run(t, (each) => {
    each.served.set('/api/v1/configmaps', { plural: 'configmaps', kind: 'ConfigMap', objects: new Map() });
    each.served.set(policies, { plural: 'backendtlspolicies', kind: 'BackendTLSPolicy', objects: new Map() });
    each.put('/api/v1/configmaps', { metadata: { name: 'other', namespace: 'shop' }, data: {} });
    each.put(gateways, gateway('one'));
    each.put(policies, policy([map, bundle], 1));
  });
  await until(() => states.length === 1 && world.watches.some(({ path }) => path.endsWith('configmaps')));
  t.deepEqual([states[0]?.configMaps.size, states[0]?.clusterTrustBundles.size], [0, 0], 'neither is there');
  world.put('/api/v1/configmaps', { metadata: { name: 'ca', namespace: 'shop' }, data: { 'ca.crt': 'x' } });
  await until(() => states.at(-1)?.configMaps.get('shop/ca')?.data['ca.crt'] === 'x');
  world.put('/api/v1/configmaps', { metadata: { name: 'ca', namespace: 'shop' }, data: { 'ca.crt': '' } });
  await until(() => states.at(-1)?.configMaps.get('shop/ca')?.data['ca.crt'] === '');
  world.served.set(bundles, { plural: 'clustertrustbundles', kind: 'ClusterTrustBundle', objects: new Map() });
  world.put(bundles, { metadata: { name: 'example.com:all:1' }, spec: { signerName: 'example.com/all', trustBundle: 'y' } });
  await until(() => states.at(-1)?.clusterTrustBundles.get('example.com:all:1')?.spec.trustBundle === 'y');
  const asked = server.seen.filter(({ path }) => path.includes('configmaps') || path.includes('clustertrustbundles'));
  t.deepEqual([...new Set(asked.map(({ path, query }) => `${path}?${query.get('fieldSelector')}`))].sort(), [
    '/api/v1/namespaces/shop/configmaps?metadata.name=ca',
    `${bundles}?metadata.name=example.com:all:1`,
  ]);
  world.put(policies, policy([map], 2));
  await until(() => states.at(-1)?.clusterTrustBundles.size === 0);
});

test('a kind that is installed later is found', async (t) => {
  const { world, source, states, until } = await run(t, (each) => void each.served.delete(routes));
  await until(() => states.length === 1);
  t.is(source.kinds().find(({ kind }) => kind === 'HTTPRoute')?.sync, 'absent');
  world.served.set(routes, { plural: 'httproutes', kind: 'HTTPRoute', objects: new Map() });
  world.put(routes, route('late', 1, '/a'));
  await until(() => states.at(-1)?.httpRoutes.size === 1);
  t.pass();
});
