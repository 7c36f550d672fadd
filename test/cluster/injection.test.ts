import test from 'ava';
import { apply, eventually, get, kubectl } from './cluster.ts';
import { appContainer, appPod, appService, applyAll, Client, image, makeSpace, podIp, waitReady } from './rig.ts';

/** Pods with a sidecar beside them, as users make them. */

const inside = makeSpace('in', 'in the mesh');
const outside = makeSpace('out', 'outside');

test.before(() => {
  applyAll(
    appService(inside.name, 'web', { app: 'web' }),
    appPod(inside.name, 'web-v1', { container: { livenessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 }, startupProbe: { exec: { command: ['/usr/bin/node', '-e', '0'] }, timeoutSeconds: 5 } } }),
    appPod(inside.name, 'client'),
    appPod(inside.name, 'optout', { labels: { 'weft-mesh.io/inject': 'disabled' } }),
    appService(inside.name, 'optout', { app: 'optout' }),
    appPod(outside.name, 'stranger'),
    appService(outside.name, 'stranger', { app: 'stranger' }),
    appPod(outside.name, 'optin', { labels: { 'weft-mesh.io/inject': 'enabled' } }),
  );
  waitReady(inside.name, 'web-v1', 'client', 'optout');
  waitReady(outside.name, 'stranger', 'optin');
});

test.after.always(() => {
  for (const space of [inside, outside]) space.drop();
});

const proxyOf = (namespace: string, name: string): { readonly securityContext: Record<string, unknown>; readonly restartPolicy: string } | undefined =>
  (get('pod', name, namespace) as { spec: { initContainers?: { name: string; securityContext: Record<string, unknown>; restartPolicy: string }[] } }).spec.initContainers?.find(({ name: container }) => container === 'weft-proxy');

test('a Pod of a labelled namespace runs with a native sidecar without any right; labels opt in and out', (t) => {
  const proxy = proxyOf(inside.name, 'web-v1');
  t.like(proxy, { restartPolicy: 'Always' });
  t.like(proxy?.securityContext, { runAsNonRoot: true, allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } });
  t.is(proxyOf(inside.name, 'optout'), undefined);
  t.is(proxyOf(outside.name, 'stranger'), undefined);
  t.not(proxyOf(outside.name, 'optin'), undefined);
});

test('a sidecar without work takes less than 60 MB, and its image holds no shell', async (t) => {
  const within = (...command: readonly string[]): string => kubectl(['exec', '-n', outside.name, 'optin', '-c', 'weft-proxy', '--', ...command]);
  const resident = (): number => Number(/^VmRSS:\s+(\d+) kB/m.exec(within('/usr/bin/node', '-e', "process.stdout.write(require('node:fs').readFileSync('/proc/1/status'))"))?.[1]) / 1024;
  // It gives back what only its start needed a few seconds after that.
  const idle = await eventually(() => (resident() < 60 ? resident() : undefined), 30_000);
  t.log(`${idle.toFixed(1)} MiB`);
  for (const shell of ['/bin/sh', '/bin/bash', '/usr/bin/sh', 'busybox']) t.throws(() => within(shell, '-c', 'true'), { message: /no such file|not found/ }, shell);
});

test('an application that does not say how it ends goes on serving for a moment when its Pod ends', (t) => {
  const ending = (namespace: string, name: string): unknown => (get('pod', name, namespace) as { spec: { containers: { lifecycle?: object }[] } }).spec.containers[0]!.lifecycle;
  // Half of its grace, which is shorter than usual.
  t.like(ending(inside.name, 'web-v1'), { preStop: { sleep: { seconds: 1 } } });
  t.is(ending(inside.name, 'optout'), undefined);
});

test("the kubelet's probes work unchanged: HTTP, TCP and exec", (t) => {
  const { status } = get('pod', 'web-v1', inside.name) as { status: { containerStatuses: { ready: boolean; restartCount: number; started: boolean }[] } };
  t.like(status.containerStatuses[0], { ready: true, started: true, restartCount: 0 });
});

test('calls go by way of the sidecar, which the access log shows', async (t) => {
  const client = new Client(inside.name, 'client');
  const echo = await client.echo('http://web/hello?x=1');
  t.like(echo, { pod: 'web-v1', path: '/hello?x=1' });
  const lines = await eventually(() => {
    const text = kubectl(['logs', '-n', inside.name, 'client', '-c', 'weft-proxy']).split('\n').filter((line) => line.includes('/hello'));
    return text.length > 0 && text;
  });
  t.like(JSON.parse(lines[0]!), { method: 'GET', path: '/hello?x=1', status: 200, backend: `${inside.name}/web:80` });
});

test('a Pod without a sidecar talks to one with, and the other way round; a Pod address is left alone', async (t) => {
  const [stranger, client, optout] = [new Client(outside.name, 'stranger'), new Client(inside.name, 'client'), new Client(inside.name, 'optout')];
  t.like(await stranger.echo(`http://web.${inside.name}/`), { pod: 'web-v1' });
  t.like(await optout.echo('http://web/'), { pod: 'web-v1' });
  t.like(await client.echo(`http://stranger.${outside.name}/`), { pod: 'stranger' });
  t.like(await client.echo(`http://${podIp(inside.name, 'web-v1')}:8080/`), { pod: 'web-v1' });
  t.like(await client.echo(`http://${podIp(outside.name, 'stranger')}:8080/`), { pod: 'stranger' });
});

test('a protocol in which the server speaks first is not kept waiting', async (t) => {
  const client = new Client(inside.name, 'client');
  for (const host of ['web', podIp(inside.name, 'web-v1'), `stranger.${outside.name}`]) {
    const { first, took, second } = await client.tcp({ host, port: 9090, send: 'hello' });
    t.regex(first, /^220 /, host);
    t.is(second, 'you said hello', host);
    t.true(took < 1000, `${host}: ${took} ms`);
  }
});

test('the API server is reached through the sidecar', async (t) => {
  const answer = await new Client(inside.name, 'client').call('https://kubernetes.default/version');
  t.true([200, 401, 403].includes(answer.status), `${answer.status} ${answer.body}`);
});

function job(name: string, command: readonly string[], spec: object = {}): string {
  return JSON.stringify({
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { namespace: inside.name, name },
    spec: { backoffLimit: 1, template: { spec: { restartPolicy: 'Never', terminationGracePeriodSeconds: 2, containers: [{ name: 'app', image, imagePullPolicy: 'Never', args: command }], ...spec } } },
  });
}

test('a Job completes, though its sidecar would run for ever', (t) => {
  apply(job('once', ['fetch', `http://web.${inside.name}/from-a-job`]));
  kubectl(['wait', '-n', inside.name, '--for=condition=Complete', '--timeout=60s', 'job/once']);
  const log = kubectl(['logs', '-n', inside.name, 'job/once', '-c', 'app']);
  t.regex(log, /^200 .*from-a-job/);
});

test('init containers have the network, by way of the sidecar', (t) => {
  const init = { name: 'migrate', image, imagePullPolicy: 'Never', args: ['fetch', `http://web.${inside.name}/from-init`] };
  apply(job('migrated', ['fetch', `http://web.${inside.name}/after-init`], { initContainers: [init] }));
  kubectl(['wait', '-n', inside.name, '--for=condition=Complete', '--timeout=60s', 'job/migrated']);
  t.regex(kubectl(['logs', '-n', inside.name, 'job/migrated', '-c', 'migrate']), /^200 .*from-init/);
});

test('annotations: excluded ports go past the sidecar; an unknown one, or one without sense, is refused with its name', async (t) => {
  apply(appPod(inside.name, 'excluding', { annotations: { 'weft-mesh.io/exclude-outbound-ports': '80', 'weft-mesh.io/log-level': 'debug' } }));
  waitReady(inside.name, 'excluding');
  t.like(await new Client(inside.name, 'excluding').echo('http://web/past-it'), { pod: 'web-v1' });
  t.notRegex(kubectl(['logs', '-n', inside.name, 'excluding', '-c', 'weft-proxy']), /past-it/);
  const refused = (annotations: Readonly<Record<string, string>>): string => t.throws(() => apply(appPod(inside.name, 'refused', { annotations })))!.message;
  t.regex(refused({ 'weft-mesh.io/image': 'x' }), /annotation "weft-mesh.io\/image" is unknown/);
  t.regex(refused({ 'weft-mesh.io/exclude-inbound-ports': '99999' }), /exclude-inbound-ports: "99999" must be a port/);
});

test('a workload under a Deployment is rolled without a failed request', async (t) => {
  const labels = { app: 'rolled' };
  const template = { metadata: { labels }, spec: { terminationGracePeriodSeconds: 10, containers: [appContainer('v1', { lifecycle: { preStop: { sleep: { seconds: 2 } } } })] } };
  applyAll(
    JSON.stringify({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { namespace: inside.name, name: 'rolled' }, spec: { replicas: 2, selector: { matchLabels: labels }, template } }),
    appService(inside.name, 'rolled', labels),
  );
  kubectl(['rollout', 'status', '-n', inside.name, 'deployment/rolled', '--timeout=90s']);
  const client = new Client(inside.name, 'client');
  const statuses: number[] = [];
  let going = true;
  const lane = (async () => {
    while (going) for (const { status } of await client.calls({ url: 'http://rolled/', count: 20 })) statuses.push(status);
  })();
  kubectl(['rollout', 'restart', '-n', inside.name, 'deployment/rolled']);
  await rolled('rolled');
  going = false;
  await lane;
  t.true(statuses.length > 50, `${statuses.length} requests`);
  t.deepEqual(statuses.filter((status) => status !== 200), []);
});

/** kubectl's own wait would keep this process from sending. */
async function rolled(name: string): Promise<void> {
  await eventually(() => {
    const { metadata, spec, status } = get('deployment', name, inside.name) as { metadata: { generation: number }; spec: { replicas: number }; status: { observedGeneration: number; updatedReplicas?: number; replicas: number; availableReplicas?: number } };
    return status.observedGeneration === metadata.generation && status.updatedReplicas === spec.replicas && status.replicas === spec.replicas && status.availableReplicas === spec.replicas;
  }, 90_000);
}
