import { spawn } from 'node:child_process';
import test, { type ExecutionContext } from 'ava';
import { apply, kubectl, later } from './cluster.ts';
import { makeSpace, podIp, route, soon, waitReady } from './rig.ts';
import { loadPod } from './load/bed.ts';
import { applyNow, connect } from './load/changes.ts';
import { podsOf } from './load/cluster-faults.ts';
import { watch, type WatchOrder } from './load/prober.ts';
import { Remote } from './load/remote.ts';

/**
 * How long a change of a route takes until every proxy serves it: 200 Services, 400 HTTPRoutes that all belong to a Service and to a Gateway,
 * 18 sidecars and 2 gateways. Measured from the moment at which the request of `kubectl apply` is sent to the answer that the last of the
 * proxies gives, asked every `everyMs`.
 */

const changes = 200;
const services = 200;
const sidecars = 18;
const gateways = 2;
/** Services whose routes change, one after the other; each proxy has dialled them. */
const changed = 5;
const everyMs = 20;
const limitMs = 500;

const space = makeSpace('latency', 'in the mesh');
const api = connect();
/** One per proxy: milliseconds since 1970 when it serves the value. */
let probes: readonly ((change: Change) => Promise<number>)[] = [];

interface Change {
  readonly service: number;
  readonly value: string;
}

const numbers = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index);
const service = (index: number): string => `service-${index}`;

/** A redirect: the proxy answers by itself, so that what is measured is the proxy's knowledge. */
function routeOf(index: number, part: 'a' | 'b', mark: string): string {
  return route(space.name, `${service(index)}-${part}`, {
    parentRefs: [{ name: 'edge' }, { group: '', kind: 'Service', name: service(index) }],
    rules: [{ matches: [{ path: { value: `/${index}/${part}` } }], filters: [{ type: 'RequestRedirect', requestRedirect: { path: { type: 'ReplaceFullPath', replaceFullPath: `/${mark}` } } }] }],
  });
}

function serviceOf(index: number): string {
  return JSON.stringify({ apiVersion: 'v1', kind: 'Service', metadata: { namespace: space.name, name: service(index) }, spec: { selector: { backend: 'yes' }, ports: [{ name: 'http', port: 80, targetPort: 8080, appProtocol: 'http' }] } });
}

/** At most eight at a time. */
async function applyMany(manifests: readonly string[]): Promise<void> {
  const rest = manifests.values();
  await Promise.all(numbers(8).map(async () => {
    for (const manifest of rest) await applyNow(api, manifest);
  }));
}

test.before(async () => {
  apply(JSON.stringify({ apiVersion: 'gateway.networking.k8s.io/v1', kind: 'Gateway', metadata: { namespace: space.name, name: 'edge' }, spec: { gatewayClassName: 'weft', listeners: [{ name: 'http', port: 80, protocol: 'HTTP' }] } }));
  const names = numbers(sidecars).map((index) => `probe-${index}`);
  // Probes of the kubelet would be a load of their own.
  apply(names.map((name) => loadPod(space.name, name, { readinessProbe: null })).join('\n---\n'));
  kubectl(['label', 'pod', '-n', space.name, 'probe-0', 'probe-1', 'backend=yes']);
  await applyMany(numbers(services).map(serviceOf));
  await applyMany(numbers(services).flatMap((index) => [routeOf(index, 'a', 'first'), routeOf(index, 'b', 'first')]));
  kubectl(['scale', '-n', space.name, 'deployment/edge-weft', `--replicas=${gateways}`]);
  waitReady(space.name, ...names);
  kubectl(['rollout', 'status', '-n', space.name, 'deployment/edge-weft', '--timeout=120s']);
  const order = (host: string, { service: index, value }: Change): WatchOrder => ({ host, port: 80, path: `/${index}/a`, value, everyMs, timeoutMs: 20_000 });
  probes = [
    ...names.map((name) => {
      const remote = new Remote(`http://${podIp(space.name, name)}:8080`);
      return async (change: Change) => (await remote.watch(order(service(change.service), change))).at;
    }),
    ...podsOf(space.name, 'edge-weft').map(({ status }) => async (change: Change) => (await watch(order(status.podIP ?? '', change), Date.now)).at),
  ];
  for (const index of numbers(changed)) await soon(async () => (await Promise.all(probes.map((probe) => probe({ service: index, value: 'first' })))).length > 0, 60_000);
});

test.after.always(() => space.drop());

/** Milliseconds from `write` to each proxy. */
async function change(turn: number, write: (manifest: string) => Promise<void>): Promise<readonly number[]> {
  const [index, value] = [turn % changed, `turn-${turn}`];
  const seen = probes.map((probe) => probe({ service: index, value }));
  // All of them ask by now.
  await later(150);
  const started = Date.now();
  await write(routeOf(index, 'a', value));
  return (await Promise.all(seen)).map((at) => at - started);
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

function tell(t: ExecutionContext, what: string, all: readonly (readonly number[])[]): number {
  const last = all.map((times) => Math.max(...times)).toSorted((a, b) => a - b);
  const each = all.flat().toSorted((a, b) => a - b);
  t.log(`${what}: ${all.length} changes; until all ${probes.length} proxies: median ${quantile(last, 0.5)} ms, p99 ${quantile(last, 0.99)} ms, max ${last.at(-1)} ms; until one: median ${quantile(each, 0.5)} ms, p99 ${quantile(each, 0.99)} ms`);
  return quantile(last, 0.99);
}

test.serial('from the request of kubectl apply to all proxies', async (t) => {
  t.is(probes.length, sidecars + gateways);
  const all: (readonly number[])[] = [];
  for (const turn of numbers(changes)) {
    all.push(await change(turn, (manifest) => applyNow(api, manifest)));
    await later(100);
  }
  const p99 = tell(t, 'request sent', all);
  t.true(p99 < limitMs, `p99 is ${p99} ms`);
});

test.serial('with the start of the kubectl process', async (t) => {
  const all: (readonly number[])[] = [];
  for (const turn of numbers(20)) {
    all.push(await change(10_000 + turn, kubectlApply));
    await later(100);
  }
  tell(t, 'kubectl started', all);
  t.pass();
});

function kubectlApply(manifest: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('kubectl', ['apply', '--server-side', '--force-conflicts', '-f', '-'], { stdio: ['pipe', 'ignore', 'inherit'] });
    child.once('error', reject);
    child.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`kubectl apply: ${code}`))));
    child.stdin.end(manifest);
  });
}
