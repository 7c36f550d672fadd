import { randomUUID } from 'node:crypto';
import test from 'ava';
import { apply, eventually, kubectl, later, replicasOf } from './cluster.ts';
import { tryOn } from './tries.ts';

/** The webhook as the API server calls it. Most Pods here are only tried (`--dry-run=server`): admission is the same for them. */

const system = process.env['WEFT_NAMESPACE'] ?? 'weft-system';
const labelled = `weft-inject-${randomUUID().slice(0, 8)}`;
const plain = `weft-plain-${randomUUID().slice(0, 8)}`;

test.before(() => {
  for (const name of [labelled, plain]) kubectl(['create', 'namespace', name]);
  kubectl(['label', 'namespace', labelled, 'weft-mesh.io/inject=enabled']);
});

test.after.always(() => {
  for (const name of [labelled, plain]) kubectl(['delete', 'namespace', name, '--wait=false']);
});

interface PodLike {
  readonly metadata: { readonly labels?: Readonly<Record<string, string>> };
  readonly spec: { readonly initContainers?: readonly { readonly name: string; readonly resources?: object; readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[] }[] };
}

function manifest(more: { readonly labels?: object; readonly annotations?: object; readonly spec?: object } = {}): string {
  const { labels = {}, annotations = {}, spec = {} } = more;
  return JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { generateName: 'try-', labels, annotations }, spec: { containers: [{ name: 'web', image: 'web' }], ...spec } });
}

function attempt(namespace: string, text: string): PodLike {
  return JSON.parse(kubectl(['create', '-n', namespace, '--dry-run=server', '-o', 'json', '-f', '-'], text)) as PodLike;
}

const containersOf = (pod: PodLike): readonly string[] => (pod.spec.initContainers ?? []).map(({ name }) => name);

test('in a labelled namespace every Pod gets its sidecar, before its own init containers', (t) => {
  const pod = attempt(labelled, manifest({ spec: { initContainers: [{ name: 'migrate', image: 'web' }] } }));
  t.deepEqual(containersOf(pod), ['weft-init', 'weft-proxy', 'migrate']);
  t.is(pod.metadata.labels!['weft-mesh.io/injected'], 'true');
});

test('neither of our containers sees a token for the API server', (t) => {
  const pod = attempt(labelled, manifest());
  for (const { volumeMounts } of pod.spec.initContainers!) {
    t.false(volumeMounts.some(({ name }) => name.startsWith('kube-api-access')));
    t.is(volumeMounts.find(({ mountPath }) => mountPath === '/var/run/secrets/kubernetes.io/serviceaccount')?.name, 'weft-nothing');
  }
});

test('labels decide', (t) => {
  t.deepEqual(containersOf(attempt(plain, manifest())), []);
  t.deepEqual(containersOf(attempt(plain, manifest({ labels: { 'weft-mesh.io/inject': 'enabled' } }))), ['weft-init', 'weft-proxy']);
  t.deepEqual(containersOf(attempt(labelled, manifest({ labels: { 'weft-mesh.io/inject': 'disabled' } }))), []);
  t.deepEqual(containersOf(attempt('kube-system', manifest({ labels: { 'weft-mesh.io/inject': 'enabled' } }))), []);
});

test('what can have no sidecar is refused with a message for its author', (t) => {
  t.throws(() => attempt(labelled, manifest({ spec: { hostNetwork: true } })), { message: /denied the request: hostNetwork: a Pod on its node's network can't have a sidecar.*weft-mesh\.io\/inject=disabled/ });
  t.throws(() => attempt(labelled, manifest({ annotations: { 'weft-mesh.io/proxy-image': 'x' } })), { message: /denied the request: annotation "weft-mesh.io\/proxy-image" is unknown/ });
  t.throws(() => attempt(labelled, manifest({ annotations: { 'weft-mesh.io/exclude-outbound-ports': 'all' } })), { message: /denied the request: annotation weft-mesh.io\/exclude-outbound-ports/ });
  t.deepEqual(containersOf(attempt(labelled, manifest({ labels: { 'weft-mesh.io/inject': 'disabled' }, spec: { hostNetwork: true } }))), []);
});

test("what a Pod's annotations ask for its sidecar, it gets; an amount without sense is refused", (t) => {
  const amounts = { 'weft-mesh.io/cpu-request': '30m', 'weft-mesh.io/cpu-limit': '2', 'weft-mesh.io/memory-request': '70Mi', 'weft-mesh.io/memory-limit': '140Mi' };
  const pod = attempt(labelled, manifest({ annotations: amounts }));
  t.deepEqual(pod.spec.initContainers?.find(({ name }) => name === 'weft-proxy')?.resources, { requests: { cpu: '30m', memory: '70Mi' }, limits: { cpu: '2', memory: '140Mi' } });
  t.throws(() => attempt(labelled, manifest({ annotations: { 'weft-mesh.io/memory-limit': 'lots' } })), { message: /denied the request: annotation weft-mesh.io\/memory-limit: "lots" must be an amount such as/ });
  t.throws(() => attempt(labelled, manifest({ annotations: { 'weft-mesh.io/memory-request': '2Gi', 'weft-mesh.io/memory-limit': '1Gi' } })), { message: /would request 2Gi of memory and be limited to 1Gi/ });
  t.throws(() => attempt(labelled, manifest({ annotations: { 'weft-mesh.io/log-level': 'loud' } })), { message: /log-level: "loud" must be one of error, warn, info, debug/ });
});

test('what weft inject printed goes through unchanged', (t) => {
  const pod = attempt(labelled, manifest());
  const again = attempt(labelled, JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { generateName: 'try-', labels: pod.metadata.labels }, spec: pod.spec }));
  t.deepEqual(containersOf(again), ['weft-init', 'weft-proxy']);
});

/** Reviews that the injector's replicas have answered, in all and within 50 ms. */
async function reviews(): Promise<{ readonly all: number; readonly soon: number }> {
  const texts = await Promise.all(replicasOf('injector', system).map(async ({ status }) => (await fetch(`http://${status.podIP}:15014/metrics`)).text()));
  const sum = (pattern: RegExp): number => texts.reduce((total, text) => total + [...text.matchAll(pattern)].reduce((part, [, value]) => part + Number(value), 0), 0);
  return { all: sum(/^weft_injector_review_seconds_count(?:\{[^}]*\})? (\d+)/gm), soon: sum(/^weft_injector_review_seconds_bucket\{[^}]*le="0\.05"[^}]*\} (\d+)/gm) };
}

test('99 of 100 reviews take less than 50 ms', async (t) => {
  const before = await reviews();
  // A list is created one object after the other.
  kubectl(['create', '-n', labelled, '--dry-run=server', '-o', 'name', '-f', '-'], Array.from({ length: 300 }, () => manifest()).join('\n---\n'));
  const after = await reviews();
  const [all, inTime] = [after.all - before.all, after.soon - before.soon];
  t.true(all >= 300, `${all} reviews`);
  t.log(`${inTime} of ${all} within 50 ms`);
  t.true(inTime >= all * 0.99, `${inTime} of ${all}`);
});

test('no Pod is refused while the injector is rolled out anew', async (t) => {
  const trying = tryOn(labelled, manifest());
  await later(1000);
  kubectl(['rollout', 'restart', '-n', system, 'deployment/weft-injector']);
  kubectl(['rollout', 'status', '-n', system, 'deployment/weft-injector', '--timeout=120s']);
  await later(5000);
  const { tries, faults } = await trying.stop();
  t.deepEqual(faults, []);
  t.true(tries > 20, `${tries} tries`);
});

test('no Pod is refused while certificates are rotated, several times', async (t) => {
  const deployment = JSON.parse(kubectl(['get', 'deployment', 'weft-injector', '-n', system, '-o', 'json'])) as { spec: { template: { spec: { containers: [{ args: string[] }] } } } };
  const args = deployment.spec.template.spec.containers[0].args;
  const setArgs = (value: readonly string[]): void => {
    kubectl(['patch', 'deployment', 'weft-injector', '-n', system, '--type=json', '-p', JSON.stringify([{ op: 'replace', path: '/spec/template/spec/containers/0/args', value }])]);
    kubectl(['rollout', 'status', '-n', system, 'deployment/weft-injector', '--timeout=120s']);
  };
  const bundle = (): string => kubectl(['get', 'mutatingwebhookconfiguration', 'weft-injector', '-o', 'jsonpath={.webhooks[0].clientConfig.caBundle}']);
  const trying = tryOn(labelled, manifest());
  try {
    // 36 seconds of life, renewed 12 before its end, both trusted for 5 before and after the change, a look each second.
    setArgs([...args.filter((arg) => !arg.startsWith('--certificate-')), '--certificate-lifetime-hours=0.01', '--certificate-overlap-seconds=5', '--look-seconds=1']);
    endOfLife(Date.now() + 20_000);
    const seen = new Set<string>();
    // Each rotation shows three bundles: old and new, new and old, new.
    await eventually(() => seen.add(bundle()).size >= 7, 180_000);
  } finally {
    setArgs(args);
  }
  const { tries, faults } = await trying.stop();
  t.deepEqual(faults, []);
  t.true(tries > 30, `${tries} tries`);
});

/** Makes the current certificate old, as far as the Secret says. */
function endOfLife(notAfter: number): void {
  const { data } = JSON.parse(kubectl(['get', 'secret', 'weft-injector-certificate', '-n', system, '-o', 'json'])) as { data: Record<string, string> };
  const ring = JSON.parse(Buffer.from(data['ring.json']!, 'base64').toString()) as { current: { notAfter: number } };
  ring.current.notAfter = notAfter;
  const patch = { data: { 'ring.json': Buffer.from(JSON.stringify(ring)).toString('base64') } };
  kubectl(['patch', 'secret', 'weft-injector-certificate', '-n', system, '--type=merge', '-p', JSON.stringify(patch)]);
}

test('a Pod redirects its TCP: the init container ends well', async (t) => {
  apply(JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'redirected', namespace: labelled }, spec: { terminationGracePeriodSeconds: 0, containers: [{ name: 'web', image: 'registry.k8s.io/gateway-api/conformance/echo-basic:v0.2.0', imagePullPolicy: 'IfNotPresent' }] } }));
  const line = await eventually(() => kubectl(['logs', '-n', labelled, 'redirected', '-c', 'weft-init']).trim() || undefined, 60_000);
  t.like(JSON.parse(line.split('\n')[0]!), { message: 'redirected', family: 'IPv4' });
});
