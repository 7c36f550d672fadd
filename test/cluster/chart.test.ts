import { spawnSync } from 'node:child_process';
import test from 'ava';
import { makePair, type Pair } from '../../injector/certificate/make.ts';
import { apply, eventually, get, kubectl, later, replicasOf, type Replica } from './cluster.ts';
import { appPod, appService, applyAll, Client, makeSpace, podIp, route, soon, system, waitReady } from './rig.ts';
import { tryOn } from './tries.ts';

/** The chart as it is installed: its own test, its notes, and values that the other tests leave as they are. */

const shop = makeSpace('chart', 'in the mesh');

function helm(...words: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync('helm', words, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`helm ${words.join(' ')}: ${stdout}${stderr}`);
  return stdout;
}

/** Keeps all values but these. Forced, because other tests patch what the chart made. */
function upgrade(...values: readonly string[]): void {
  helm('upgrade', 'weft', 'charts/weft', '-n', system, '--reuse-values', '--wait', '--force-conflicts', ...values.flatMap((value) => ['--set', value]));
  for (const name of ['weft-controller', 'weft-injector']) kubectl(['rollout', 'status', '-n', system, `deployment/${name}`, '--timeout=120s']);
}

test.after.always(() => shop.drop());

test.serial('helm test runs weft check, with the rights of its own account alone', (t) => {
  t.regex(helm('test', 'weft', '-n', system, '--timeout', '90s'), /Phase: +Succeeded/);
  t.regex(kubectl(['logs', '-n', system, 'weft-check']), /✔ webhook-authority/);
});

test.serial('the notes name three commands, and they are right', async (t) => {
  const commands = helm('get', 'notes', 'weft', '-n', system).split('\n').filter((line) => line.startsWith('  ')).map((line) => line.trim());
  t.is(commands.length, 3);
  for (const command of commands) {
    // weft check finds fault with what another test or a rollout has not cleared away yet.
    await eventually(() => {
      const { status, stdout, stderr } = spawnSync('bash', ['-c', command.replaceAll('NAMESPACE', shop.name).replace(/^weft /, 'node cli/main.ts ')], { encoding: 'utf8' });
      if (status !== 0) throw new Error(`${command}: ${stdout}${stderr}`);
      return true;
    }, 60_000);
  }
});

test.serial('a Gateway begins with the replicas of the chart, one of which may be evicted at a time; several processes serve in each Pod', async (t) => {
  upgrade('gateways.replicas=2', 'gateways.workers=2');
  try {
    applyAll(JSON.stringify({ apiVersion: 'gateway.networking.k8s.io/v1', kind: 'Gateway', metadata: { namespace: shop.name, name: 'twice' }, spec: { gatewayClassName: 'weft', listeners: [{ name: 'http', protocol: 'HTTP', port: 80 }] } }));
    const deployment = await eventually(() => {
      const found = get('deployment', 'twice-weft', shop.name) as { spec: { replicas: number }; status: { readyReplicas?: number } };
      return found.status.readyReplicas === 2 && found;
    }, 60_000);
    t.is(deployment.spec.replicas, 2);
    await eventually(() => (get('poddisruptionbudget', 'twice-weft', shop.name) as { status: { disruptionsAllowed: number; expectedPods: number } }).status.disruptionsAllowed === 1);
    const pod = kubectl(['get', 'pods', '-n', shop.name, '-l', 'gateway.networking.k8s.io/gateway-name=twice', '-o', 'jsonpath={.items[0].metadata.name}']);
    const eviction = JSON.stringify({ apiVersion: 'policy/v1', kind: 'Eviction', metadata: { namespace: shop.name, name: pod } });
    kubectl(['create', '--raw', `/api/v1/namespaces/${shop.name}/pods/${pod}/eviction`, '-f', '-'], eviction);
    // Scaled by hand, it stays so when the controller applies the Deployment anew.
    kubectl(['scale', '-n', shop.name, 'deployment/twice-weft', '--replicas=1']);
    kubectl(['patch', 'gateway', 'twice', '-n', shop.name, '--type=merge', '-p', '{"spec":{"infrastructure":{"labels":{"team":"shop"}}}}']);
    await eventually(() => (get('deployment', 'twice-weft', shop.name) as { metadata: { labels: Record<string, string> } }).metadata.labels['team'] === 'shop');
    t.is((get('deployment', 'twice-weft', shop.name) as { spec: { replicas: number } }).spec.replicas, 1);
    t.deepEqual(await withoutOneWorker(), []);
  } finally {
    kubectl(['delete', 'gateway', 'twice', '-n', shop.name, '--ignore-not-found']);
    upgrade('gateways.replicas=1', 'gateways.workers=1');
  }
});

interface Workers {
  readonly workers: readonly { readonly worker: number; readonly pid?: number; readonly restarts: number; readonly ready: boolean }[];
}

/** Kills one of the two processes of the Gateway's only Pod while it is asked all the time. What failed twice in a row, on connections of their own. */
async function withoutOneWorker(): Promise<readonly string[]> {
  const pods = (): readonly { metadata: { name: string; deletionTimestamp?: string }; status: { podIP: string } }[] => (JSON.parse(kubectl(['get', 'pods', '-n', shop.name, '-l', 'gateway.networking.k8s.io/gateway-name=twice', '-o', 'json'])) as { items: ReturnType<typeof pods> }).items;
  kubectl(['rollout', 'status', '-n', shop.name, 'deployment/twice-weft', '--timeout=60s']);
  await eventually(() => pods().length === 1, 60_000);
  const [{ metadata, status } = { metadata: { name: '' }, status: { podIP: '' } }] = pods();
  const { podIP } = status;
  const workers = async (): Promise<Workers['workers']> => ((await (await fetch(`http://${podIP}:15020/config`)).json()) as Workers).workers;
  const failed: string[] = [];
  let asked = 0;
  let going = true;
  const once = (): Promise<string> =>
    fetch(`http://${podIP}/`, { headers: { connection: 'close' }, signal: AbortSignal.timeout(5000) }).then((answer) => (answer.status === 404 ? '' : String(answer.status)), String);
  const lane = async (): Promise<void> => {
    while (going) {
      const fault = (await once()) === '' ? '' : await once();
      asked += 1;
      if (fault !== '') failed.push(fault);
    }
  };
  await soon(async () => (await once()) === '' && (await workers()).every(({ ready }) => ready), 30_000);
  const lanes = [lane(), lane(), lane()];
  const victim = (await workers()).find(({ worker }) => worker === 1)!;
  kubectl(['exec', '-n', shop.name, metadata.name, '--', '/usr/bin/node', '-e', `process.kill(${victim.pid}, 'SIGKILL')`]);
  await soon(async () => (await workers()).every(({ worker, restarts, ready }) => ready && restarts === (worker === 1 ? 1 : 0)), 30_000);
  going = false;
  await Promise.all(lanes);
  return asked < 100 ? [...failed, `only ${asked} requests`] : failed;
}

test.serial('traces of gateways and sidecars go to the collector of the chart; both sides of a call are measured', async (t) => {
  upgrade(`proxy.tracing.endpoint=http://collector.${shop.name}:80`);
  try {
    applyAll(
      ...['collector', 'web', 'client'].map((name) => appPod(shop.name, name)),
      ...['collector', 'web'].map((name) => appService(shop.name, name, { app: name })),
      JSON.stringify({ apiVersion: 'gateway.networking.k8s.io/v1', kind: 'Gateway', metadata: { namespace: shop.name, name: 'traced' }, spec: { gatewayClassName: 'weft', listeners: [{ name: 'http', protocol: 'HTTP', port: 80 }] } }),
      route(shop.name, 'web', { parentRefs: [{ name: 'traced' }, { group: '', kind: 'Service', name: 'web' }], rules: [{ backendRefs: [{ name: 'web', port: 80 }] }] }),
    );
    waitReady(shop.name, 'collector', 'web', 'client');
    kubectl(['rollout', 'status', '-n', shop.name, 'deployment/traced-weft', '--timeout=90s']);
    const gateway = JSON.parse(kubectl(['get', 'pods', '-n', shop.name, '-l', 'gateway.networking.k8s.io/gateway-name=traced', '-o', 'json'])).items[0].status.podIP as string;
    const client = new Client(shop.name, 'client');
    await soon(async () => (await client.call('http://web/')).status === 200 && (await client.call(`http://${gateway}/`)).status === 200, 30_000);
    const exported = async (address: string): Promise<number> => Number(/^weft_spans_exported_total (\d+)/m.exec(await metricsOf(address))?.[1] ?? 0);
    for (const address of [podIp(shop.name, 'client'), podIp(shop.name, 'web'), gateway]) await soon(async () => (await exported(address)) > 0, 30_000);
    t.regex(await metricsOf(podIp(shop.name, 'client')), /^weft_requests_total\{[^}]*backend="[^"]*\/web:80"/m);
    t.regex(await metricsOf(podIp(shop.name, 'web')), /^weft_requests_total\{[^}]*source="inbound/m);
  } finally {
    upgrade('proxy.tracing.endpoint=');
  }
});

async function metricsOf(address: string): Promise<string> {
  return (await fetch(`http://${address}:15020/metrics`)).text();
}

/** Of cert-manager, what Helm needs to know of its kinds. This test does what it would: the Secret, and the caBundle. */
const certificateKind = JSON.stringify({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'certificates.cert-manager.io' },
  spec: {
    group: 'cert-manager.io',
    names: { kind: 'Certificate', plural: 'certificates' },
    scope: 'Namespaced',
    versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } } }],
  },
});

function issue({ certificate, key }: Pair): void {
  apply(JSON.stringify({ apiVersion: 'v1', kind: 'Secret', metadata: { namespace: system, name: 'weft-injector-tls' }, type: 'kubernetes.io/tls', stringData: { 'tls.crt': certificate, 'tls.key': key } }));
}

const webhooks = (): readonly { readonly clientConfig: { readonly caBundle?: string } }[] => (get('mutatingwebhookconfiguration', 'weft-injector') as { webhooks: ReturnType<typeof webhooks> }).webhooks;

function trust(...authorities: readonly string[]): void {
  const value = Buffer.from(authorities.join('')).toString('base64');
  kubectl(['patch', 'mutatingwebhookconfiguration', 'weft-injector', '--type=json', '-p', JSON.stringify(webhooks().map((_, index) => ({ op: 'add', path: `/webhooks/${index}/clientConfig/caBundle`, value })))]);
}

test.serial('with certificates of cert-manager: the injector serves what the Secret holds, and what it holds next, without a Pod refused', async (t) => {
  const names = [`weft-injector.${system}.svc`];
  const [first, second] = await Promise.all([makePair({ names, lifetimeMs: 3_600_000, now: Date.now() }), makePair({ names, lifetimeMs: 7_200_000, now: Date.now() })]);
  const own = Buffer.from(webhooks()[0]!.clientConfig.caBundle ?? '', 'base64').toString();
  const manifest = JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { generateName: 'try-' }, spec: { containers: [{ name: 'web', image: 'web' }] } });
  apply(certificateKind);
  kubectl(['wait', '--for=condition=Established', 'crd/certificates.cert-manager.io', '--timeout=30s']);
  let trying: ReturnType<typeof tryOn> | undefined;
  try {
    issue(first);
    trust(own, first.authority);
    upgrade('injector.certificate.source=cert-manager', 'injector.certificate.issuerName=cluster-ca');
    const { spec } = get('certificate.cert-manager.io', 'weft-injector', system) as { spec: { secretName: string; dnsNames: readonly string[]; issuerRef: object } };
    t.is(spec.secretName, 'weft-injector-tls');
    t.true(spec.dnsNames.includes(names[0]!));
    t.deepEqual(spec.issuerRef, { kind: 'Issuer', name: 'cluster-ca' });
    t.like((get('mutatingwebhookconfiguration', 'weft-injector') as { metadata: { annotations: object } }).metadata.annotations, { 'cert-manager.io/inject-ca-from': `${system}/weft-injector` });
    // Ours is trusted no more: what answers is the one of the Secret.
    trust(first.authority);
    // While the source changes, old Pods write the authority that they serve and cert-manager writes its own: Pods may be refused then.
    await eventually(() => kubectl(['create', '-n', shop.name, '--dry-run=server', '-o', 'name', '-f', '-'], manifest) !== '');
    trying = tryOn(shop.name, manifest);
    trust(first.authority, second.authority);
    await later(1000);
    issue(second);
    // Two waits, each with its own message. The kubelet's: it brings a Secret's change into a Pod within a minute or two (a sync every 60 to
    // 90 s), and when the Pod itself changes; so each look changes the Pods. A Pod of before the change of source may go meanwhile.
    await eventually(() => {
      kubectl(['annotate', '--overwrite', 'pod', '-n', system, '-l', 'app.kubernetes.io/component=injector', `example.com/touched=${Date.now()}`]);
      return none('the kubelet has not brought the Secret into', replicasOf('injector', system).filter(({ metadata }) => fileOf(metadata.name) !== second.certificate));
    }, 180_000);
    // Ours: a replica looks at its files every 5 s.
    await eventually(() => none('the file is there, and another certificate is served, in', replicasOf('injector', system).filter(({ status }) => !serves(status.podIP, second.authority))), 20_000);
    await later(4000);
    const { tries, faults } = await trying.stop();
    t.true(tries > 5, `${tries} tries`);
    t.deepEqual(faults, []);
  } finally {
    await trying?.stop();
    upgrade('injector.certificate.source=self', 'injector.certificate.issuerName=');
    kubectl(['delete', 'crd', 'certificates.cert-manager.io']);
    kubectl(['delete', 'secret', 'weft-injector-tls', '-n', system, '--ignore-not-found']);
  }
  await eventually(() => webhooks().every(({ clientConfig }) => Buffer.from(clientConfig.caBundle ?? '', 'base64').toString() === own));
  await eventually(() => kubectl(['create', '-n', shop.name, '--dry-run=server', '-o', 'name', '-f', '-'], manifest) !== '');

  function serves(address: string, authority: string): boolean {
    return spawnSync(process.execPath, ['-e', probe, address, names[0]!, authority], { timeout: 5000 }).status === 0;
  }
});

/** The certificate as the replica's file system has it. */
function fileOf(pod: string): string {
  return kubectl(['exec', '-n', system, pod, '--', '/usr/bin/node', '-p', "require('node:fs').readFileSync('/etc/weft-certificate/tls.crt', 'utf8')"]).replace(/\n$/, '');
}

function none(what: string, pods: readonly Replica[]): true {
  if (pods.length > 0) throw new Error(`${what} ${pods.map(({ metadata }) => metadata.name).join(', ')}`);
  return true;
}

const probe = "const [address, servername, ca] = process.argv.slice(1); require('node:tls').connect({ host: address, port: 15017, servername, ca }, () => process.exit(0)).on('error', () => process.exit(1));";
