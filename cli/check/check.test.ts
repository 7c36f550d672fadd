import { X509Certificate } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import test from 'ava';
import { builtInKinds, groupOf } from '#crds';
import { Command } from 'commander';
import * as controller from '#controller';
import * as injector from '#injector';
import { register } from '../check.ts';
import { checks } from './run.ts';
import type { CheckResult } from './types.ts';

/** A function is asked each time. */
type Answers = Readonly<Record<string, object | number | (() => object | number)>>;

interface Ran {
  readonly results: ReadonlyMap<string, CheckResult>;
  readonly text: string;
  readonly status: number | undefined;
}

/** `weft check` against a server that answers GET by path: an object with 200, a number with that status, all else with 404. */
async function check(answers: Answers, ...words: string[]): Promise<Ran> {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://fake');
    const found = answers[`${request.method} ${pathname}`];
    const known = typeof found === 'function' ? (found as () => object | number)() : found;
    const [status, body] = typeof known === 'object' ? [request.method === 'POST' ? 201 : 200, known] : [known ?? 404, { message: 'no' }];
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    return await run(url, words);
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

async function run(url: string, words: readonly string[]): Promise<Ran> {
  const file = join(mkdtempSync(join(tmpdir(), 'weft-check-')), 'kubeconfig');
  writeFileSync(file, JSON.stringify({ clusters: [{ name: 'c', cluster: { server: url, 'insecure-skip-tls-verify': true } }], users: [{ name: 'u', user: { token: 't' } }], contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }], 'current-context': 'x' }));
  const started = performance.now();
  const run = async (more: readonly string[]): Promise<{ readonly out: string; readonly status: number | undefined }> => {
    let out = '';
    let status: number | undefined;
    const program = new Command('weft').exitOverride();
    register(program, { out: (text) => void (out += text), err: (text) => void (out += text), now: () => Date.parse('2026-01-01T00:00:00Z') + (performance.now() - started), random: () => 0, variables: { KUBECONFIG: file }, exitStatus: (code) => void (status = code), exit: () => undefined, onSignal: () => undefined });
    await program.parseAsync(['node', 'weft', 'check', ...words, ...more]);
    return { out, status };
  };
  const json = await run(['-o', 'json']);
  const text = await run([]);
  const { checks: results } = JSON.parse(json.out) as { readonly checks: readonly CheckResult[] };
  return { results: new Map(results.map((each) => [each.id, each])), text: text.out, status: json.status };
}

const list = (...items: readonly object[]): object => ({ metadata: { resourceVersion: '1' }, items });
const crd = (kind: string, group: string, versions: readonly string[], annotations: object): object => ({
  metadata: { name: `${kind.toLowerCase()}s.${group}`, annotations },
  spec: { group, names: { kind }, versions: versions.map((name) => ({ name, served: true })) },
  status: { conditions: [{ type: 'Established', status: 'True' }] },
});

const gatewayKinds = builtInKinds.definitions.filter(({ apiVersions }) => groupOf(apiVersions[0]).startsWith('gateway.networking'));

function gatewayCrds(bundle: string, channel = 'experimental'): readonly object[] {
  const annotations = { 'gateway.networking.k8s.io/bundle-version': bundle, 'gateway.networking.k8s.io/channel': channel };
  return gatewayKinds.map(({ kind, apiVersions }) => crd(kind, groupOf(apiVersions[0]), apiVersions.map((version) => version.split('/')[1]!), annotations));
}

const crdPath = 'GET /apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const server: Answers = {
  'GET /version': { gitVersion: 'v1.36.2' },
  'GET /api/v1/nodes': list({ metadata: { name: 'a', labels: { 'kubernetes.io/os': 'linux' } }, status: { nodeInfo: { kubeletVersion: 'v1.36.2' } } }),
  'GET /api/v1/namespaces': list(),
  'POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews': { status: { allowed: true } },
};

test('every check has an id of its own', (t) => {
  t.is(new Set(checks.map(({ id }) => id)).size, checks.length);
  t.true(checks.every(({ id }) => /^[a-z]+(-[a-z]+)*$/.test(id)));
});

test('before the installation: a cluster with all that is needed passes', async (t) => {
  const { results, status, text } = await check({ ...server, [crdPath]: list(...gatewayCrds('v1.7.0')) }, '--pre');
  t.deepEqual([...results.values()].filter(({ result }) => result === 'failed' || result === 'warning'), []);
  t.is(status, 0);
  t.regex(text, /✔ gateway-api-bundle/);
});

test('CRDs that are missing, too old, of two releases or of the standard channel are told', async (t) => {
  const outcome = async (...crds: readonly object[]): Promise<Ran> => check({ ...server, [crdPath]: list(...crds) }, '--pre');
  const none = await outcome();
  t.like(none.results.get('gateway-api-crds'), { result: 'failed', message: 'missing: GatewayClass, Gateway, HTTPRoute, ReferenceGrant' });
  t.is(none.status, 1);
  t.like((await outcome(...gatewayCrds('v1.0.0'))).results.get('gateway-api-bundle'), { result: 'failed' });
  const mixed = [...gatewayCrds('v1.7.0').slice(0, -1), ...gatewayCrds('v1.6.0').slice(-1)];
  t.like((await outcome(...mixed)).results.get('gateway-api-bundle'), { result: 'failed' });
  const standard = await outcome(...gatewayCrds('v1.7.0', 'standard'));
  t.like(standard.results.get('gateway-api-channel'), { result: 'warning' });
  t.is(standard.status, 0, 'warnings are no failure');
});

test('what the caller may not do is a failure, what he may not see is not', async (t) => {
  const { results, status } = await check({ ...server, [crdPath]: list(...gatewayCrds('v1.7.0')), 'GET /api/v1/nodes': 403, 'POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews': { status: { allowed: false } } }, '--pre');
  t.like(results.get('node-versions'), { result: 'skipped' });
  t.like(results.get('may-install-crds'), { result: 'failed' });
  t.is(status, 1);
});

test('a server that gives no answer is the one failure; everything else is skipped', async (t) => {
  const { results, status } = await run('http://127.0.0.1:9', []);
  t.deepEqual([...results.values()].filter(({ result }) => result !== 'skipped').map(({ id, result }) => [id, result]), [['api-server', 'failed']]);
  t.is(status, 1);
});

const own = (path: string): string => `GET /apis/${path.replace('/', '/v1/namespaces/weft-system/')}`;
/** Any certificate that is valid for long. */
const authority = rootCertificates.find((pem) => Date.parse(new X509Certificate(pem).validTo) > Date.parse('2030-01-01T00:00:00Z'))!;
const readyServer: Answers = {
  ...server,
  [own('apps/deployments/weft-controller')]: { metadata: { name: 'weft-controller' }, spec: { replicas: 1 }, status: { availableReplicas: 1 } },
  [own('apps/deployments/weft-injector')]: { metadata: { name: 'weft-injector' }, spec: { replicas: 1 }, status: { availableReplicas: 1 } },
  [own('discovery.k8s.io/endpointslices')]: list({ metadata: { name: 'a' }, endpoints: [{ conditions: { ready: true } }] }),
  [own('coordination.k8s.io/leases/weft-controller')]: { metadata: { name: 'weft-controller' }, spec: { holderIdentity: 'one', renewTime: '2026-01-01T00:00:00Z' } },
  'GET /api/v1/namespaces/weft-system/pods': list({ metadata: { namespace: 'weft-system', name: 'one' } }),
  'GET /api/v1/namespaces/weft-system/configmaps/weft-ca': { metadata: { name: 'weft-ca' }, data: { 'ca.crt': authority } },
  'GET /apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/weft-injector': {
    metadata: { name: 'weft-injector' },
    webhooks: ['namespace', 'pod'].map((name) => ({ name: `${name}.injector.weft-mesh.io`, clientConfig: { caBundle: Buffer.from(authority).toString('base64') } })),
  },
};

test('--ready looks at what new Pods need alone', async (t) => {
  const { results, status } = await check(readyServer, '--ready');
  t.deepEqual([...results].map(([id, { result }]) => `${id} ${result}`), ['api-server ok', 'controller-ready ok', 'injector-ready ok', 'controller-service ok', 'injector-service ok', 'controller-leader ok', 'authority ok', 'webhook ok', 'webhook-authority ok', 'webhook-connects skipped']);
  t.is(status, 0);
  // What may not be seen is no yes.
  const blind = await check({ ...readyServer, [own('discovery.k8s.io/endpointslices')]: 403 }, '--ready');
  t.like(blind.results.get('injector-service'), { result: 'failed' });
  t.is(blind.status, 1);
});

test('--wait tries again until all is well, or its time is over', async (t) => {
  let asked = 0;
  const path = own('apps/deployments/weft-injector');
  const later = await check({ ...readyServer, [path]: () => ((asked += 1) > 2 ? (readyServer[path] as object) : 404) }, '--ready', '--wait', '30s');
  t.is(later.status, 0);
  t.is(asked, 4, 'twice in vain, then once for each of the two calls');
  const started = performance.now();
  const never = await check({ ...readyServer, [path]: 404 }, '--ready', '--wait', '1s');
  t.is(never.status, 1);
  t.true(performance.now() - started > 2000);
  t.regex(never.text, /✘ injector-ready.*\n.*there is no Deployment weft-injector in weft-system\n.*→ helm/);
});

const pod = (name: string, labels: object, initContainers: readonly object[] = []): object => ({ metadata: { namespace: 'shop', name, labels }, spec: { initContainers, containers: [{ name: 'app' }] }, status: { phase: 'Running' } });

test('Pods without the sidecar that they should have are found, and those that should have none are left alone', async (t) => {
  const { results, text } = await check({
    ...server,
    'GET /api/v1/namespaces': list({ metadata: { name: 'shop', labels: { 'weft-mesh.io/inject': 'enabled', 'pod-security.kubernetes.io/enforce': 'baseline' } } }, { metadata: { name: 'odd', labels: { 'weft-mesh.io/inject': 'true' } } }),
    'GET /api/v1/pods': list(pod('with', { 'weft-mesh.io/injected': 'true' }, [{ name: 'weft-proxy', image: 'x' }]), pod('without', {}), pod('out', { 'weft-mesh.io/inject': 'disabled' })),
  });
  t.like(results.get('pods-have-sidecars'), { result: 'failed', message: '1 of 2 have none: shop/without' });
  t.like(results.get('injection-security'), { result: 'failed' });
  t.like(results.get('injection-labels'), { result: 'warning', message: 'neither enabled nor disabled, so without effect: namespace odd (true)' });
  t.regex(text, /→ .*kubectl rollout restart deployment -n shop/);
});

test('controller and injector, which may not import each other, mean the same label and container', (t) => {
  t.is(controller.sidecarContainer, injector.proxyContainer);
  t.is(controller.injectLabel, injector.injectLabel);
});
