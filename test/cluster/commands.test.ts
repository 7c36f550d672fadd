import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import test from 'ava';
import { eventually, get, kubectl } from './cluster.ts';
import { appPod, applyAll, makeSpace, policy, route, soon, system, waitReady } from './rig.ts';
import { json, proxiesOf, weft } from './weft.ts';

/** The way that the README tells, with the example and the commands as they stand there. */

const odd = makeSpace('odd', 'outside');

const pods = ['productpage-v1', 'details-v1', 'reviews-v1', 'reviews-v2', 'reviews-v3', 'ratings-v1', 'ratings-v2'];

/** The commands of the README's quick start, as they stand there. */
function quickStart(): readonly string[] {
  const [, block = ''] = /## On a cluster\n```\n([\s\S]*?)```/.exec(readFileSync('README.md', 'utf8')) ?? [];
  return block.trim().split('\n');
}

function helm(...words: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync('helm', words, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`helm ${words.join(' ')}: ${stdout}${stderr}`);
  return stdout;
}

const printed: string[] = [];
/** Milliseconds that each took. */
const took: number[] = [];
/** Milliseconds from a Pod's creation until it was ready, of the slowest. */
let untilReady = 0;
/** Milliseconds from the start of the first replica of the controller until one led. */
let untilLed = 0;
/** The installation that was there before. */
let values = '';
/** What its removal left. */
let left: readonly string[] = [];

test.before(async () => {
  // One that an earlier run left may still be going; one that is somebody's is not ours to take.
  await eventually(() => {
    const found = kubectl(['get', 'namespace', 'shop', '--ignore-not-found', '-o', 'name']).trim();
    if (found !== '') throw new Error('there is a namespace shop, which this test would use');
    return true;
  }, 60_000);
  values = helm('get', 'values', 'weft', '-n', system, '-o', 'json');
  helm('uninstall', 'weft', '-n', system, '--wait');
  helm('uninstall', 'weft-crds', '--wait');
  left = remains();
  for (const command of quickStart()) {
    const started = performance.now();
    const { status, stdout, stderr } = spawnSync('bash', ['-c', command], { encoding: 'utf8' });
    took.push(performance.now() - started);
    if (status !== 0) throw new Error(`${command}: ${stdout}${stderr}`);
    printed.push(stdout);
  }
  waitReady('shop', ...pods);
  untilReady = Math.max(...pods.map((name) => {
    const { metadata, status } = get('pod', name, 'shop') as Pod;
    return Date.parse(status.conditions.find(({ type }) => type === 'Ready')!.lastTransitionTime) - Date.parse(metadata.creationTimestamp);
  }));
  const starts = kubectl(['get', 'pods', '-n', system, '-l', 'app.kubernetes.io/component=controller', '-o', 'jsonpath={.items[*].status.containerStatuses[0].state.running.startedAt}']).split(' ');
  const { spec } = get('lease', 'weft-controller', system) as { spec: { acquireTime: string } };
  untilLed = Date.parse(spec.acquireTime) - Math.min(...starts.map((time) => Date.parse(time)));
});

interface Pod {
  readonly metadata: { readonly creationTimestamp: string; readonly labels: Readonly<Record<string, string>> };
  readonly spec: { readonly initContainers?: readonly { readonly name: string }[] };
  readonly status: { readonly conditions: readonly { readonly type: string; readonly lastTransitionTime: string }[] };
}

/** Objects of Weft's that are there, but for the ConfigMaps of other namespaces and what belongs to Gateways. Pods may be on their way out. */
function remains(): readonly string[] {
  const kinds = (scoped: string): string => kubectl(['api-resources', '--verbs=list', scoped, '-o', 'name']).trim().split('\n').filter((kind) => !/^(events|pods|bindings|endpoints)\b|metrics|componentstatuses|endpointslices/.test(kind)).join(',');
  const cluster = kubectl(['get', kinds('--namespaced=false'), '-o', 'name', '--ignore-not-found']).split('\n').filter((name) => /weft/.test(name) && !name.startsWith('namespace/'));
  const own = kubectl(['get', kinds('--namespaced=true'), '-n', system, '-o', 'name', '--ignore-not-found']).split('\n').filter((name) => name !== '' && !/kube-root-ca|serviceaccount\/default/.test(name));
  return [...cluster, ...own].toSorted();
}

test.after.always(() => {
  kubectl(['delete', 'namespace', 'shop', '--wait=false']);
  odd.drop();
  // What the other files, and the conformance suite, have it installed with.
  if (values !== '') spawnSync('helm', ['upgrade', 'weft', 'charts/weft', '-n', system, '--wait', '-f', '-'], { input: values, encoding: 'utf8' });
});

test.serial('what an uninstallation leaves is what docs/cluster.md names', (t) => {
  const named = ['configmap/weft-ca', 'configmap/weft-refusals', 'secret/weft-ca', 'secret/weft-injector-certificate'];
  t.deepEqual(left.filter((name) => !named.includes(name)), []);
  const section = /## To remove it\n([\s\S]*?)\n## /.exec(readFileSync('docs/cluster.md', 'utf8'))?.[1] ?? '';
  for (const name of named) t.true(section.includes(`\`${name.split('/')[1]}\``), name);
});

test.serial('the quick start, one command straight after the other: no Pod is refused, each has its sidecar, and none waits long', (t) => {
  for (const [index, command] of quickStart().entries()) t.log(`${Math.round(took[index]!)} ms: ${command}`);
  t.log(`a Pod is ready at most ${untilReady} ms after it was made; the controller was led after ${untilLed} ms`);
  t.false(quickStart()[0]!.includes('--wait'));
  for (const name of pods) {
    const { metadata, spec } = get('pod', name, 'shop') as Pod;
    t.is(metadata.labels['weft-mesh.io/injected'], 'true', name);
    t.true(spec.initContainers?.some((container) => container.name === 'weft-proxy'), name);
  }
  // On a machine with nothing else to do they take 3 s and less than one. A Lease that was left costs 15 s, a certificate that a kubelet
  // has missed 60 to 90.
  t.true(untilReady < 20_000, `${untilReady} ms`);
  t.true(untilLed < 10_000, `${untilLed} ms`);
});

test.serial('the quick start is at most five commands, and ends with an answer that names the policy', (t) => {
  t.true(quickStart().length <= 5);
  t.regex(printed.at(-1) ?? '', /^GET .*\nforward\n/);
  t.regex(printed.at(-1) ?? '', /shop\/reviews-v1:9080 +70 %/);
  t.regex(printed.at(-1) ?? '', /retry\.maxRetries +3 +default of RetryPolicy shop\/reviews at Route/);
});

test.serial('the example serves through its Gateway, and the canary splits inside the mesh', async (t) => {
  const address = await eventually(() => (get('gateway', 'bookinfo', 'shop') as { status: { addresses?: { value: string }[] } }).status.addresses?.[0]?.value, 60_000);
  const page = async (headers: Record<string, string> = {}): Promise<string | null> => {
    const answer = await fetch(`http://${address}:8080/`, { headers });
    await answer.text();
    return answer.status === 200 ? answer.headers.get('x-reviews-version') : String(answer.status);
  };
  await soon(async () => (await page())?.startsWith('v') === true, 60_000);
  const seen = new Map<string | null, number>();
  for (let turn = 0; turn < 200; turn++) {
    const version = await page();
    seen.set(version, (seen.get(version) ?? 0) + 1);
  }
  t.deepEqual([...seen.keys()].toSorted(), ['v1', 'v2', 'v3']);
  t.true((seen.get('v1') ?? 0) > 110 && (seen.get('v1') ?? 0) < 170, `${seen.get('v1')} of 200`);
  for (let turn = 0; turn < 10; turn++) t.is(await page({ 'end-user': 'jason' }), 'v2');
});

test.serial('weft explain, by the name of a workload, says what the cluster does', (t) => {
  const answer = json('explain', '--from', 'shop/productpage', 'http://reviews:9080/');
  t.is(answer['outcome'], 'forward');
  t.deepEqual(answer['route'], { kind: 'HTTPRoute', namespace: 'shop', name: 'reviews' });
  t.deepEqual((answer['backends'] as { name: string; weight: number; endpoints: string[] }[]).map(({ name, weight, endpoints }) => [name, weight, endpoints.length]), [['reviews-v1', 70, 1], ['reviews-v2', 20, 1], ['reviews-v3', 10, 1]]);
  t.deepEqual(answer['notes'], ['shop/productpage is taken for Pod shop/productpage-v1']);
  const pod = get('pod', 'reviews-v1', 'shop') as { status: { podIP: string } };
  t.deepEqual((answer['backends'] as { endpoints: string[] }[])[0]?.endpoints, [`${pod.status.podIP}:9080`]);
  t.is(json('explain', '--gateway', 'shop/bookinfo', 'http://anything:8080/productpage')['outcome'], 'forward');
  const clusterIp = (get('service', 'reviews', 'shop') as { spec: { clusterIP: string } }).spec.clusterIP;
  t.deepEqual(json('explain', '--from', 'shop/productpage', `http://${clusterIp}:9080/`)['route'], answer['route']);
});

test.serial('a policy that was applied shows in weft explain and weft policy, with its origin', (t) => {
  const answer = json('explain', '--from', 'shop/productpage', 'http://reviews:9080/');
  t.like(answer['retry'], { maxRetries: 3 });
  t.deepEqual((answer['origins'] as Record<string, unknown>)['retry.maxRetries'], { kind: 'RetryPolicy', namespace: 'shop', name: 'reviews', stanza: 'default', level: 'Route' });
  const { out } = weft('policy', 'affects', 'RetryPolicy/shop/reviews');
  t.regex(out, /clients in shop → Service shop\/reviews:9080 → HTTPRoute\/shop\/reviews\/canary/);
  t.like(json('policy', '--from-namespace', 'shop', '--route', 'HTTPRoute/shop/reviews/canary')['retry'], { maxRetries: 3 });
});

test.serial('a policy for the whole mesh counts from the root namespace only', async (t) => {
  const target = { group: 'gateway.networking.x-k8s.io', kind: 'XMesh', name: 'weft' };
  // Longer than anything in this mesh takes, so that nobody else notices.
  applyAll(policy('TimeoutPolicy', system, 'end-to-end', { targetRef: target, default: { streamIdle: '299s' } }), policy('TimeoutPolicy', 'shop', 'usurper', { targetRef: target, default: { idle: '1s' } }));
  const { origins, timeouts } = json('policy', '--from-namespace', 'shop', '--route', 'HTTPRoute/shop/reviews/canary') as { origins: Record<string, { level: string }>; timeouts: object };
  kubectl(['delete', 'timeoutpolicy', '-n', system, 'end-to-end']);
  t.is(origins['timeouts.streamIdle']?.level, 'Mesh');
  t.false('idle' in timeouts);
  await eventually(() => (get('timeoutpolicy', 'usurper', 'shop') as { status?: { ancestors?: { conditions: { type: string; status: string }[] }[] } }).status?.ancestors?.[0]?.conditions.some(({ type, status }) => type === 'Accepted' && status === 'False'));
  kubectl(['delete', 'timeoutpolicy', '-n', 'shop', 'usurper']);
});

test.serial('weft analyze names what is wrong, and the field', async (t) => {
  applyAll(route(odd.name, 'lost', { parentRefs: [{ group: '', kind: 'Service', name: 'nobody' }], rules: [{ backendRefs: [{ name: 'nobody', port: 80 }] }] }));
  const { status, out } = weft('analyze');
  t.is(status, 1);
  t.regex(out, new RegExp(`error: HTTPRoute ${odd.name}/lost: .*nobody`));
});

test.serial('weft status: every sidecar and gateway is connected and current', async (t) => {
  const own = (): ReturnType<typeof proxiesOf> => proxiesOf('shop');
  await eventually(() => {
    const seen = own();
    if (seen.length === pods.length + 1 && seen.every(({ state }) => state === 'current')) return true;
    throw new Error(seen.map(({ id, state }) => `${id} ${state}`).join(', '));
  }, 60_000);
  t.deepEqual(own().filter(({ role }) => role === 'sidecar').map(({ id }) => id).toSorted(), pods.map((name) => `sidecar/shop/${name}`).toSorted());
  t.true(own().every(({ wanted, acknowledged }) => wanted === acknowledged));
  const { status, out } = weft('status', '-n', 'shop');
  t.is(status, 0, out);
  t.regex(out, /sidecar\/shop\/productpage-v1 +[0-9a-f]{8} +[0-9a-f]{8} +\d+ +current/);
});

interface Checked {
  readonly checks: readonly { readonly id: string; readonly result: string; readonly message: string }[];
}

test.serial('weft check passes on this cluster, before and after; a Pod without its sidecar is found', async (t) => {
  const before = weft('check', '--pre');
  t.is(before.status, 0, before.out);
  const checks = new Map((json('check') as unknown as Checked).checks.map((each) => [each.id, each]));
  const mustHold = ['gateway-api-crds', 'policy-crds', 'controller-ready', 'controller-leader', 'webhook', 'webhook-authority', 'webhook-answers', 'authority-published', 'gatewayclass', 'mesh', 'controllers-asked'];
  t.deepEqual(mustHold.map((id) => [id, checks.get(id)?.result]), mustHold.map((id) => [id, 'ok']));
  // Made before the label is set.
  applyAll(appPod(odd.name, 'early'));
  waitReady(odd.name, 'early');
  kubectl(['label', 'namespace', odd.name, 'weft-mesh.io/inject=enabled']);
  const { status, out } = weft('check');
  t.is(status, 1);
  t.regex(out, new RegExp(`✘ pods-have-sidecars.*\\n.*${odd.name}/early`));
  await eventually(() => kubectl(['get', 'events', '-n', odd.name, '--field-selector', 'involvedObject.name=early,reason=NoSidecar', '-o', 'name']).trim() !== '', 20_000);
  t.regex(weft('explain', '--from', `${odd.name}/early`, 'http://reviews.shop:9080/').out, /has no sidecar, though it should/);
  kubectl(['label', 'namespace', odd.name, 'weft-mesh.io/inject-']);
});

test.serial('weft check --pre finds a CRD that is missing, of another release, or of the wrong channel', (t) => {
  // One that no object here is of; Gateway API's own admission policy lets no CRD go back to another channel, so it is made anew.
  const name = 'udproutes.gateway.networking.k8s.io';
  const { apiVersion, kind, metadata, spec } = get('crd', name) as { apiVersion: string; kind: string; metadata: { annotations: Record<string, string>; labels?: object }; spec: object };
  const make = (more: Record<string, string>): void => {
    kubectl(['delete', 'crd', name, '--ignore-not-found', '--timeout=30s']);
    kubectl(['create', '-f', '-'], JSON.stringify({ apiVersion, kind, metadata: { name, annotations: { ...metadata.annotations, ...more }, labels: metadata.labels ?? {} }, spec }));
    kubectl(['wait', '--for=condition=Established', `crd/${name}`, '--timeout=30s']);
  };
  try {
    kubectl(['delete', 'crd', name]);
    const missing = weft('check', '--pre');
    t.regex(missing.out, /! gateway-api-crds.*\n.*not installed, so not to be used: UDPRoute/);
    t.is(missing.status, 0);
    make({ 'gateway.networking.k8s.io/channel': 'standard' });
    const mixed = weft('check', '--pre');
    t.regex(mixed.out, /! gateway-api-channel.*\n.*of several channels: experimental, standard/);
    t.is(mixed.status, 0);
    make({ 'gateway.networking.k8s.io/bundle-version': 'v1.6.0' });
    const old = weft('check', '--pre');
    t.regex(old.out, /✘ gateway-api-bundle.*\n.*they come from different releases: .*v1\.6\.0 \(UDPRoute\)/);
    t.is(old.status, 1);
  } finally {
    make({});
  }
});

test.serial('weft inject prints what the webhook would make, and such a Pod is left as it is', (t) => {
  const { stdout, status } = spawnSync(process.execPath, ['cli/main.ts', 'inject', '-n', 'shop', '-f', '-'], { encoding: 'utf8', input: appPod('shop', 'printed') });
  t.is(status, 0);
  const made = JSON.parse(kubectl(['create', '--dry-run=server', '-o', 'json', '-f', '-'], stdout)) as { spec: { initContainers: { name: string }[] } };
  t.deepEqual(made.spec.initContainers.map(({ name }) => name), ['weft-init', 'weft-proxy']);
});
