import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { knownKinds } from '#controller';
import { defaultInjection, readInjectionConfig } from '#injector';
import { parse, parseAllDocuments } from 'yaml';
import { generated } from '../charts/generate.ts';
import { roles, type Rule } from '../charts/source/rbac.ts';

/** What is generated, and the charts as Helm renders them. With UPDATE_GOLDEN=1 the rendered copies are written anew. */

test('values, their schema, roles and reference pages are what the generator writes', (t) => {
  for (const [path, text] of generated()) t.is(readFileSync(path, 'utf8'), text, path);
});

const rules: readonly (Rule & { readonly role: string; readonly where: 'cluster' | 'own' })[] = roles.flatMap(({ name, cluster, own }) => [
  ...cluster.map((rule) => ({ ...rule, role: name, where: 'cluster' as const })),
  ...own.map((rule) => ({ ...rule, role: name, where: 'own' as const })),
]);

test('RBAC: no wildcard, no escalation, no writing of what is not ours', (t) => {
  const writes = new Set(['create', 'update', 'patch', 'delete', 'deletecollection']);
  const known = new Set(['get', 'list', 'watch', ...writes]);
  for (const { apiGroup, resources, verbs, names, role, where } of rules) {
    const title = `${role}: ${resources.join(', ')}`;
    t.false([apiGroup, ...resources, ...verbs].includes('*'), title);
    t.deepEqual(verbs.filter((verb) => !known.has(verb)), [], title);
    t.false(apiGroup === 'rbac.authorization.k8s.io', title);
    t.false(resources.some((resource) => resource.startsWith('pods/')), title);
    // Secrets are written in the control plane's own namespace, read elsewhere; read and changed there by name only.
    if (!resources.includes('secrets')) continue;
    if (where === 'cluster') t.deepEqual(verbs.filter((verb) => writes.has(verb)), [], title);
    else t.true(names !== undefined || verbs.every((verb) => verb === 'create'), title);
  }
});

test('RBAC: every kind that the controller follows may be listed and watched', (t) => {
  const all = rules.filter(({ role, where }) => role === 'weft-controller' && where === 'cluster');
  for (const { kind, apiVersions } of knownKinds.definitions) {
    const [group = ''] = /^(.+)\/[^/]+$/.exec(apiVersions[0])?.slice(1) ?? [];
    const word = kind.toLowerCase();
    const plural = /(s|sh)$/.test(word) ? `${word}es` : word.endsWith('y') && !word.endsWith('ay') ? `${word.slice(0, -1)}ies` : `${word}s`;
    for (const verb of ['list', 'watch']) t.true(all.some(({ apiGroup, resources, verbs }) => apiGroup === group && resources.includes(plural) && verbs.includes(verb)), `${verb} ${plural} of ${group}`);
  }
});

test('RBAC: whose status is written may be read again, as is done where somebody else has written meanwhile', (t) => {
  const all = rules.filter(({ role, where }) => role === 'weft-controller' && where === 'cluster');
  const may = (verb: string, group: string, resource: string): boolean => all.some(({ apiGroup, resources, verbs }) => apiGroup === group && resources.includes(resource) && verbs.includes(verb));
  const written = all.flatMap(({ apiGroup, resources, verbs }) => (verbs.includes('patch') ? resources.filter((resource) => resource.endsWith('/status')).map((resource) => [apiGroup, resource.replace('/status', '')] as const) : []));
  t.true(written.length > 10);
  for (const [group, resource] of written) t.true(may('get', group, resource), `get ${resource} of ${group}`);
});

test('every rule of the chart is in the table of docs/reference/rbac.md, and no other', (t) => {
  const page = readFileSync('docs/reference/rbac.md', 'utf8');
  const rows = page.split('\n').filter((line) => /^\| (cluster|control plane's)/.test(line));
  const inChart = roles.flatMap(({ component }) => {
    const text = readFileSync(`charts/weft/templates/rbac-${component}.yaml`, 'utf8').replaceAll(/\{\{-? \/\*[\s\S]*?\*\/ -?\}\}\n?/g, '').replaceAll(/^.*\{\{- include.*$/gm, '').replaceAll(/\{\{.*?\}\}/g, 'x');
    return parseAllDocuments(text).flatMap((document) => {
      const { kind, rules: found } = document.toJS() as { kind: string; rules?: { apiGroups: string[]; resources: string[]; resourceNames?: string[]; verbs: string[] }[] };
      const where = kind === 'ClusterRole' ? 'cluster' : "control plane's namespace";
      return (found ?? []).map(({ apiGroups, resources, resourceNames, verbs }) => `| ${where} | ${apiGroups.join() || 'core'} | ${resources.join(', ')}${resourceNames === undefined ? '' : ` (named ${resourceNames.join(', ')})`} | ${verbs.join(', ')} |`);
    });
  });
  t.is(rows.length, inChart.length);
  for (const [index, rule] of inChart.entries()) t.true(rows[index]!.startsWith(rule), `${rows[index]}\n${rule}`);
});

/** HELM, else the one on the PATH. */
const helm = process.env['HELM'] ?? (spawnSync('helm', ['version'], { encoding: 'utf8' }).status === 0 ? 'helm' : undefined);
// Without Helm these say that they did not run, and do not pass.
const withHelm = helm === undefined ? test.skip : test;

function render(values: readonly string[] = [], apis: readonly string[] = []): string {
  return execFileSync(helm!, ['template', 'weft', 'charts/weft', '--namespace', 'weft-system', ...values.flatMap((value) => ['--set', value]), ...apis.flatMap((api) => ['--api-versions', api])], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

function refusal(values: readonly string[]): string {
  try {
    render(values);
    return 'rendered';
  } catch (error) {
    return (error as { stderr: string }).stderr;
  }
}

const all = ['monitoring.coreos.com/v1', 'gateway.networking.x-k8s.io/v1alpha1/XMesh'];

const cases: readonly { readonly name: string; readonly values: readonly string[]; readonly apis: readonly string[] }[] = [
  { name: 'defaults', values: [], apis: [] },
  { name: 'all-apis', values: ['networkPolicy.apiServerCidrs={10.0.0.1/32}', 'networkPolicy.metricsNamespaces={monitoring}', 'images.pullSecrets={registry}', 'controller.nodeSelector.pool=infra', 'controller.tolerations[0].key=infra', 'controller.tolerations[0].operator=Exists', 'podMonitor.labels.release=prometheus', 'gateways.workers=4', 'proxy.socketIO=raw', 'gateways.resources.limits.memory=1Gi'], apis: all },
  { name: 'cert-manager', values: ['injector.certificate.source=cert-manager', 'injector.certificate.issuerName=cluster-ca', 'networkPolicy.enabled=false', 'injector.failurePolicy=Ignore'], apis: all },
];

for (const { name, values, apis } of cases) {
  withHelm(`rendered: ${name}`, (t) => {
    const file = join('test/golden-charts', `${name}.yaml`);
    const rendered = render(values, apis);
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, rendered);
    t.is(rendered, readFileSync(file, 'utf8'));
  });
}

withHelm('an upgrade with --reuse-values brings the values of an older chart, which lack the newer ones', (t) => {
  const newer = ['controller.nodeSelector', 'controller.tolerations', 'injector.nodeSelector', 'injector.tolerations', 'gateways.workers'];
  t.is(render(newer.map((value) => `${value}=null`)), render());
});

withHelm('lint finds nothing', (t) => {
  for (const chart of ['charts/weft', 'charts/weft-crds']) t.notThrows(() => execFileSync(helm!, ['lint', '--strict', chart], { stdio: 'pipe' }));
});

withHelm('a value that means nothing is refused', (t) => {
  for (const value of ['injector.replica=3', 'proxy.image=x', 'injector.failurePolicy=Sometimes', 'controller.replicas=0', 'gateways.workers=0', 'gateways.workers=65', 'proxy.socketIO=fast', 'images.registry=ghcr.io/x/', 'gateways.externalAddresses={192.0.2.1}', 'networkPolicy.apiServerCidrs={all}', 'controller.tolerations[0].effect=Never', 'proxy.resources.limits.memory=lots']) {
    t.regex(refusal([value]), /values don't meet the specifications of the schema/, value);
  }
  t.regex(refusal(['injector.certificate.source=cert-manager']), /issuerName must name an issuer/);
});

test('the golden copies: what they must hold whoever renders them', (t) => {
  for (const file of readdirSync('test/golden-charts')) {
    const objects = parseAllDocuments(readFileSync(join('test/golden-charts', file), 'utf8')).map((document) => document.toJS() as Rendered).filter((object) => object !== null);
    const config = objects.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === 'weft-injection');
    t.deepEqual(readInjectionConfig(parse(config!.data!['injection.yaml']!)), { ok: true, value: { ...defaultInjection, ...(file === 'all-apis.yaml' ? { socketIO: 'raw', pullSecrets: ['registry'] } : {}) } }, file);
    const webhooks = objects.find(({ kind }) => kind === 'MutatingWebhookConfiguration')!.webhooks!;
    for (const { namespaceSelector, timeoutSeconds } of webhooks) {
      const excluded = namespaceSelector.matchExpressions.find(({ key }) => key === 'kubernetes.io/metadata.name')!;
      t.is(excluded.operator, 'NotIn');
      t.true(excluded.values.includes('kube-system') && excluded.values.includes('weft-system'));
      t.true(timeoutSeconds <= 5);
    }
    for (const { kind, spec } of objects.filter((object) => object.kind === 'Deployment')) {
      const pod = spec!.template.spec;
      t.true(pod.securityContext.runAsNonRoot, kind);
      for (const { securityContext } of pod.containers) t.like(securityContext, { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } });
    }
  }
  t.true(existsSync('test/golden-charts/defaults.yaml'));
});

interface Rendered {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly data?: Readonly<Record<string, string>>;
  readonly webhooks?: readonly { readonly timeoutSeconds: number; readonly namespaceSelector: { readonly matchExpressions: readonly { readonly key: string; readonly operator: string; readonly values: readonly string[] }[] } }[];
  readonly spec?: { readonly template: { readonly spec: { readonly securityContext: { readonly runAsNonRoot: boolean }; readonly containers: readonly { readonly securityContext: object }[] } } };
}
