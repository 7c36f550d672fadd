import test from 'ava';
import type { ProxyNode } from '#snapshot';
import { eventually, get, kubectl, replicasOf } from './cluster.ts';
import { bareProxy, tokenFor, written } from './proxy.ts';
import { applyAll, makeSpace, system } from './rig.ts';

/** What the control plane keeps right, and what it says where it can't. */

const shop = makeSpace('upkeep', 'outside');
const fresh = makeSpace('upkeep-new', 'outside');
const name = 'edge-weft';

test.after.always(() => {
  for (const space of [shop, fresh]) space.drop();
});

function gateway(named: string, more: object = {}): string {
  return JSON.stringify({ apiVersion: 'gateway.networking.k8s.io/v1', kind: 'Gateway', metadata: { namespace: shop.name, name: named }, spec: { gatewayClassName: 'weft', listeners: [{ name: 'http', protocol: 'HTTP', port: 80 }], ...more } });
}

function quota(hard: object): string {
  return JSON.stringify({ apiVersion: 'v1', kind: 'ResourceQuota', metadata: { namespace: shop.name, name: 'few' }, spec: { hard } });
}

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
}

function programmed(named: string): Condition | undefined {
  const { status } = get('gateway', named, shop.name) as { status?: { conditions?: readonly Condition[] } };
  return status?.conditions?.find(({ type }) => type === 'Programmed');
}

const isProgrammed = (named: string) => (): boolean => programmed(named)?.status === 'True';

test.serial('what a quota keeps from a Gateway stands in its status, and goes when it is given', async (t) => {
  applyAll(quota({ 'count/deployments.apps': '0' }));
  await eventually(() => (get('resourcequota', 'few', shop.name) as { status?: { used?: object } }).status?.used);
  applyAll(gateway('edge'));
  const refused = await eventually(() => programmed('edge')?.reason === 'NoResources' && programmed('edge'));
  t.regex(refused.message, /^Deployment .*edge-weft: 403 .*exceeded quota: few/);
  t.is(refused.status, 'False');
  applyAll(quota({ pods: '0' }));
  const starved = await eventually(() => programmed('edge')?.message.includes('pods "edge-weft-') === true && programmed('edge'), 60_000);
  t.like(starved, { status: 'False', reason: 'NoResources' });
  kubectl(['delete', 'resourcequota', 'few', '-n', shop.name]);
  // The cluster tries to make a Pod again when it likes; a rollout does not wait for that.
  kubectl(['rollout', 'restart', '-n', shop.name, `deployment/${name}`]);
  await eventually(isProgrammed('edge'), 60_000);
  t.pass();
});

test.serial("an object of somebody else in a Gateway's place stays, and the Gateway says so", async (t) => {
  kubectl(['create', 'service', 'clusterip', 'taken-weft', '-n', shop.name, '--tcp=80:80']);
  applyAll(gateway('taken'));
  const refused = await eventually(() => programmed('taken')?.reason === 'Invalid' && programmed('taken'));
  t.regex(refused.message, /taken-weft exists and is not ours/);
  kubectl(['delete', 'service', 'taken-weft', '-n', shop.name]);
  await eventually(isProgrammed('taken'), 60_000);
  kubectl(['delete', 'gateway', 'taken', '-n', shop.name]);
});

test.serial('a deleted Deployment or Service of a Gateway comes back at once', async (t) => {
  for (const kind of ['deployment', 'service']) {
    const { uid } = (get(kind, name, shop.name) as { metadata: { uid: string } }).metadata;
    kubectl(['delete', kind, name, '-n', shop.name]);
    const started = performance.now();
    await eventually(() => (get(kind, name, shop.name) as { metadata: { uid: string } }).metadata.uid !== uid, 10_000);
    t.log(`${kind}: ${Math.round(performance.now() - started)} ms`);
  }
  await eventually(isProgrammed('edge'), 60_000);
  t.pass();
});

test.serial('an autoscaler owns the number of replicas', async (t) => {
  const replicas = (): number => (get('deployment', name, shop.name) as { spec: { replicas: number } }).spec.replicas;
  t.is(replicas(), 1);
  applyAll(JSON.stringify({ apiVersion: 'autoscaling/v2', kind: 'HorizontalPodAutoscaler', metadata: { namespace: shop.name, name: 'edge' }, spec: { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name }, minReplicas: 3, maxReplicas: 5 } }));
  await eventually(() => replicas() === 3, 60_000);
  // A change of the Gateway applies its Deployment anew.
  applyAll(gateway('edge', { infrastructure: { labels: { team: 'shop' } } }));
  await eventually(() => (get('deployment', name, shop.name) as { metadata: { labels: Record<string, string> } }).metadata.labels['team'] === 'shop');
  t.is(replicas(), 3);
});

test.serial('what somebody sets on the objects of a Gateway stays; what is ours is put back', async (t) => {
  type Deployment = { metadata: { labels: Record<string, string> }; spec: { template: { spec: { tolerations?: object[]; affinity?: object; containers: { image: string; resources: { limits: object } }[] } } } };
  const deployment = (): Deployment => get('deployment', name, shop.name) as Deployment;
  const { image } = deployment().spec.template.spec.containers[0]!;
  const tolerations = [{ key: 'edge', operator: 'Exists' }];
  const affinity = { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'Exists' }] }] } } };
  const container = { name: 'gateway', image: 'example.com/other:1', resources: { limits: { cpu: '2' } } };
  kubectl(['patch', 'deployment', name, '-n', shop.name, '-p', JSON.stringify({ spec: { template: { spec: { tolerations, affinity, containers: [container] } } } })]);
  kubectl(['patch', 'service', name, '-n', shop.name, '-p', '{"spec":{"externalTrafficPolicy":"Local"}}']);
  applyAll(gateway('edge', { infrastructure: { labels: { team: 'edge' } } }));
  await eventually(() => deployment().metadata.labels['team'] === 'edge');
  const { spec } = deployment().spec.template;
  t.deepEqual(spec.tolerations, tolerations);
  t.deepEqual(spec.affinity, affinity);
  t.like(spec.containers[0], { image, resources: { limits: { cpu: '2' } } });
  t.is((get('service', name, shop.name) as { spec: { externalTrafficPolicy: string } }).spec.externalTrafficPolicy, 'Local');
});

const bundle = (namespace: string): string | undefined => (get('configmap', 'weft-ca', namespace) as { data?: Record<string, string> }).data?.['ca.crt'];

test.serial('the certificate of the authority is there as soon as a namespace is, and mended when it is spoilt or deleted', async (t) => {
  const right = bundle(system);
  t.regex(right ?? '', /BEGIN CERTIFICATE/);
  const isRight = (): boolean => bundle(fresh.name) === right;
  const measured = async (what: string): Promise<void> => {
    const started = performance.now();
    await eventually(isRight, 3000);
    t.log(`${what}: ${Math.round(performance.now() - started)} ms`);
  };
  kubectl(['label', 'namespace', fresh.name, 'weft-mesh.io/inject=enabled']);
  await measured('a namespace that is labelled');
  kubectl(['patch', 'configmap', 'weft-ca', '-n', fresh.name, '--type=merge', '-p', '{"data":{"ca.crt":"spoilt"}}']);
  await measured('spoilt');
  kubectl(['delete', 'configmap', 'weft-ca', '-n', fresh.name]);
  await measured('deleted');
  t.pass();
});

test.serial('what a proxy of another replica refuses is told by the one that leads', async (t) => {
  const holder = (): string => (get('lease', 'weft-controller', system) as { spec: { holderIdentity: string } }).spec.holderIdentity;
  const other = replicasOf('controller', system).find(({ metadata }) => metadata.name !== holder());
  if (other === undefined) throw new Error('only one replica of the controller');
  // A gateway in the eyes of the controller, and no Pod that could serve anything.
  applyAll(JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { namespace: shop.name, name: 'picky', labels: { 'gateway.networking.k8s.io/gateway-name': 'edge' } }, spec: { nodeName: 'no-such-node', containers: [{ name: 'app', image: 'none' }] } }));
  const address = { host: other.status.podIP, port: 15_010, serverName: `weft-controller.${system}.svc`, authorityFile: written(bundle(system)!), tokenFile: '' };
  const node: ProxyNode = { id: 'gateway/x', role: 'gateway', namespace: shop.name, name: 'edge' };
  const proxy = bareProxy({ address, token: tokenFor(shop.name, 'picky'), node, check: ({ kind }) => (kind === 'Listener' ? 'this one is not to my taste' : undefined) });
  t.teardown(() => proxy.close());
  proxy.subscriber.want('Listener', '*');
  const listener = (): Condition | undefined => (get('gateway', 'edge', shop.name) as { status: { listeners: { conditions: Condition[] }[] } }).status.listeners[0]?.conditions.find(({ type }) => type === 'Programmed');
  const started = performance.now();
  await eventually(() => listener()?.status === 'False');
  t.log(`told after ${Math.round(performance.now() - started)} ms`);
  t.regex(listener()?.message ?? '', /not to my taste/);
  proxy.close();
  await eventually(() => listener()?.status === 'True');
});
