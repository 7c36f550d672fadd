import { randomUUID } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { dialController, type ControllerAddress } from '#proxy';
import type { ProxyNode } from '#snapshot';
import { apply, eventually, get, kubectl, later, lineToServer, startController, type RunningController } from './cluster.ts';
import { bareProxy, tokenFor, written } from './proxy.ts';

/** The controller against a real API server: what it writes, what it survives, and whom it tells what. */

const namespace = `weft-test-${randomUUID().slice(0, 8)}`;
const system = `weft-system-${randomUUID().slice(0, 8)}`;
const running: RunningController[] = [];

function start(identity: string, args: readonly string[] = []): RunningController {
  const controller = startController(identity, ['--namespace', system, ...args]);
  running.push(controller);
  return controller;
}

function route(name: string, path = '/'): string {
  return `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: ${name}, namespace: ${namespace} }
spec:
  parentRefs: [{ name: front }, { group: "", kind: Service, name: cart }]
  rules: [{ matches: [{ path: { value: ${path} } }], backendRefs: [{ name: cart, port: 80 }] }]
---`;
}

const world = `
apiVersion: v1
kind: Namespace
metadata: { name: ${system} }
---
apiVersion: v1
kind: Namespace
metadata: { name: ${namespace}, labels: { weft-mesh.io/inject: enabled } }
---
apiVersion: v1
kind: Service
metadata: { name: cart, namespace: ${namespace} }
spec: { selector: { app: cart }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: front, namespace: ${namespace} }
spec:
  gatewayClassName: weft
  listeners:
    - { name: web, port: 80, protocol: HTTP }
    - { name: tls, port: 443, protocol: HTTPS, tls: { certificateRefs: [{ name: front-cert }] } }
---
${route('cart')}
apiVersion: v1
kind: Pod
metadata: { name: client, namespace: ${namespace} }
spec: { nodeName: no-such-node, containers: [{ name: app, image: none }] }
---
apiVersion: v1
kind: Pod
metadata: { name: front-1, namespace: ${namespace}, labels: { gateway.networking.k8s.io/gateway-name: front } }
spec: { nodeName: no-such-node, containers: [{ name: app, image: none }] }
`;

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly observedGeneration: number;
  readonly lastTransitionTime: string;
}

function condition(conditions: readonly Condition[] | undefined, type: string): Condition | undefined {
  return conditions?.find((each) => each.type === type);
}

const gatewayCondition = (type: string): Condition | undefined => condition(get('gateway', 'front', namespace).status?.conditions, type);
const parentsOf = (name: string): readonly { readonly controllerName: string; readonly conditions: readonly Condition[] }[] => get('httproute', name, namespace).status?.parents ?? [];

const gatewayClass = `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: { name: weft }
spec: { controllerName: weft-mesh.io/controller }
`;

test.before(() => {
  // The chart's own, where it is installed.
  if (!kubectl(['get', 'gatewayclass', '-o', 'name']).includes('/weft')) apply(gatewayClass);
  apply(world);
});

test.after.always(async () => {
  for (const { child } of running) if (child.exitCode === null) child.kill('SIGKILL');
  kubectl(['delete', 'namespace', namespace, system, '--wait=false']);
  kubectl(['delete', 'pod', '--all', '-n', namespace, '--force', '--grace-period=0']);
});

let controller: RunningController;

test('statuses are written, each object once, and then left alone', async (t) => {
  controller = start('one');
  await controller.streamPort();
  const programmed = await eventually(() => gatewayCondition('Programmed'));
  // Whether it has an address already is the installed controller's doing, if there is one.
  t.is(programmed.observedGeneration, 1);
  t.true(['AddressNotAssigned', 'Programmed'].includes(programmed.reason), programmed.reason);
  const parents = await eventually(() => parentsOf('cart').length === 2 && parentsOf('cart'));
  t.true(parents.every(({ conditions }) => condition(conditions, 'Accepted')?.status === 'True'));
  t.is(condition(get('gatewayclass', 'weft').status.conditions, 'Accepted')?.status, 'True');
  const before = get('httproute', 'cart', namespace).metadata.resourceVersion;
  kubectl(['label', 'namespace', namespace, 'touched=yes']);
  await later(1500);
  t.is(get('httproute', 'cart', namespace).metadata.resourceVersion, before);
  // The installed control plane thinks that it is its own, and takes its turns.
  await eventually(() => get('configmap', 'weft-ca', namespace).data['ca.crt'] === get('configmap', 'weft-ca', system).data['ca.crt']);
});

test('a change is followed, times stay where nothing turned, and what others wrote stays', async (t) => {
  const { lastTransitionTime } = condition(parentsOf('cart')[0]?.conditions, 'Accepted')!;
  const foreign = { controllerName: 'example.com/other', parentRef: { name: 'front' }, conditions: [{ type: 'Accepted', status: 'Unknown', reason: 'Pending', message: '', lastTransitionTime }] };
  const patch = [{ op: 'add', path: '/status/parents/0', value: foreign }];
  kubectl(['patch', 'httproute', 'cart', '-n', namespace, '--subresource=status', '--type=json', '-p', JSON.stringify(patch)]);
  await later(1100);
  apply(route('cart', '/new'));
  await eventually(() => condition(parentsOf('cart').at(-1)?.conditions, 'Accepted')?.observedGeneration === 2);
  const parents = parentsOf('cart');
  t.deepEqual(parents.map(({ controllerName }) => controllerName), ['example.com/other', 'weft-mesh.io/controller', 'weft-mesh.io/controller']);
  t.is(condition(parents[1]?.conditions, 'Accepted')?.lastTransitionTime, lastTransitionTime);
  t.is(condition(parents[0]?.conditions, 'Accepted')?.status, 'Unknown');
  // A route that leaves us: ours is taken back, the other one stays.
  kubectl(['patch', 'httproute', 'cart', '-n', namespace, '--type=merge', '-p', '{"spec":{"parentRefs":[{"name":"elsewhere"}]}}']);
  await eventually(() => parentsOf('cart').length === 1 && parentsOf('cart')[0]?.controllerName === 'example.com/other');
  apply(route('cart'));
  await eventually(() => parentsOf('cart').length === 3);
});

test('a Secret that a Gateway names is read when it comes, changes and goes', async (t) => {
  const resolved = (): string | undefined => condition(get('gateway', 'front', namespace).status.listeners[1].conditions, 'ResolvedRefs')?.reason;
  t.is(resolved(), 'InvalidCertificateRef');
  const { certificate, key } = await selfSigned();
  const folder = mkdtempSync(join(tmpdir(), 'weft-secret-'));
  writeFileSync(join(folder, 'crt'), certificate);
  writeFileSync(join(folder, 'key'), key);
  kubectl(['create', 'secret', 'tls', 'front-cert', '-n', namespace, `--cert=${join(folder, 'crt')}`, `--key=${join(folder, 'key')}`]);
  await eventually(() => resolved() === 'ResolvedRefs', 3000);
  kubectl(['delete', 'secret', 'front-cert', '-n', namespace]);
  await eventually(() => resolved() === 'InvalidCertificateRef', 3000);
  kubectl(['create', 'secret', 'tls', 'front-cert', '-n', namespace, `--cert=${join(folder, 'crt')}`, `--key=${join(folder, 'key')}`]);
  await eventually(() => resolved() === 'ResolvedRefs', 3000);
});

test('a proxy gets what its own Pod may see, and needs a token for this audience of a Pod that exists', async (t) => {
  const address = await addressOf(controller);
  const claims: ProxyNode = { id: 'gateway/x/front/liar', role: 'gateway', namespace, name: 'front' };
  const sidecar = bareProxy({ address, token: tokenFor(namespace, 'client'), node: claims });
  t.teardown(() => sidecar.close());
  sidecar.subscriber.want('Destination', `cart.${namespace}:80`);
  sidecar.subscriber.want('Listener', '*');
  sidecar.subscriber.want('Certificate', `${namespace}/front-cert`);
  await eventually(() => sidecar.subscriber.live('Destination', `cart.${namespace}:80`) !== undefined);
  // It says that it is a gateway; its token says otherwise.
  await eventually(() => sidecar.subscriber.answered('Certificate', `${namespace}/front-cert`) === 'absent');
  t.false(sidecar.got.some(({ kind }) => kind === 'Listener' || kind === 'Certificate'));

  const gateway = bareProxy({ address, token: tokenFor(namespace, 'front-1'), node: claims });
  t.teardown(() => gateway.close());
  gateway.subscriber.want('Destination', `cart.${namespace}:80`);
  await eventually(() => gateway.subscriber.answered('Destination', `cart.${namespace}:80`) === 'absent');

  const dial = (token: string): Promise<unknown> => dialController({ ...address, tokenFile: written(token) }, { now: () => performance.now() });
  await t.throwsAsync(dial(tokenFor(namespace, 'client', 'other-audience')), { message: /refuses/ });
  await t.throwsAsync(dial(kubectl(['create', 'token', 'default', '-n', namespace, '--audience=weft-mesh.io']).trim()), { message: /not bound to a Pod/ });
  await t.throwsAsync(dial('nonsense'), { message: /not valid/ });
  const gone = tokenFor(namespace, 'client');
  kubectl(['delete', 'pod', 'client', '-n', namespace, '--force', '--grace-period=0']);
  await eventually(() => !kubectl(['get', 'pods', '-n', namespace]).includes('client'));
  await t.throwsAsync(dial(gone), { message: /refuses/ });
});

test('with the API server away it goes on, and catches up when that is back', async (t) => {
  await controller.end('SIGTERM');
  const line = await lineToServer();
  t.teardown(() => line.close());
  controller = start('two', ['--kubeconfig', line.kubeconfig]);
  await controller.streamPort();
  await eventually(() => controller.lines.some(({ message }) => message === 'leads'), 20_000);
  const health = `http://127.0.0.1:${await controller.healthPort()}`;
  line.cut();
  kubectl(['delete', 'httproute', 'cart', '-n', namespace]);
  apply(route('while-away'));
  await later(12_000);
  t.is((await fetch(`${health}/readyz`)).status, 200);
  await eventually(() => controller.lines.some(({ message }) => message === 'no longer leads'), 5000);
  await line.mend();
  await eventually(() => parentsOf('while-away').length === 2, 40_000);
  const metrics = await (await fetch(`${health}/metrics`)).text();
  t.regex(metrics, /weft_controller_source_objects\{kind="HTTPRoute"\} \d+/);
  t.is(await controller.end('SIGTERM'), 0);
});

test('another replica takes over from a leader that ends at once, and from one that was killed after its lease', async (t) => {
  const [a, b] = [start('a'), start('b')];
  await Promise.all([a.streamPort(), b.streamPort()]);
  const leads = ({ lines }: RunningController): boolean => lines.findLast(({ message }) => / leads$|^leads$/.test(message))?.message === 'leads';
  const first = await eventually(() => [a, b].find(leads), 20_000);
  const second = first === a ? b : a;
  t.false(leads(second));
  t.is(await first.end('SIGTERM'), 0);
  await eventually(() => leads(second), 5000);
  const third = start('c');
  await third.streamPort();
  await second.end('SIGKILL');
  apply(route('after-kill'));
  await eventually(() => leads(third), 25_000);
  await eventually(() => parentsOf('after-kill').length === 2);
  t.is(await third.end('SIGTERM'), 0);
});

async function addressOf(each: RunningController): Promise<ControllerAddress> {
  const ca = await eventually(() => get('configmap', 'weft-ca', system).data['ca.crt'] as string);
  return { host: '127.0.0.1', port: await each.streamPort(), serverName: `weft-controller.${system}.svc`, authorityFile: written(ca), tokenFile: '' };
}

async function selfSigned(): Promise<{ readonly certificate: string; readonly key: string }> {
  const { createAuthority } = await import('../../controller/serve/index.ts');
  const { bundle, key } = await createAuthority(Date.now());
  return { certificate: bundle, key };
}
