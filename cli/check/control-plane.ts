import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fieldsOf } from '#controller';
import { injectLabel } from '#injector';
import { ageText, some } from '../table.ts';
import type { Observer } from './observer.ts';
import { failed, ok, skipped, warning, type Check, type Outcome } from './types.ts';

/** A certificate that ends sooner than this is told. Milliseconds. */
const soonMs = 14 * 86_400_000;
/** The leader renews every two seconds; clocks of machines may differ by some. Milliseconds. */
const staleLeaseMs = 60_000;

export const certificateFault = (pem: string, now: number): string | undefined => {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) return 'there is no certificate in it';
  // While one is replaced by another, both are there; one that is valid is enough.
  const faults = blocks.map((block) => {
    let certificate: X509Certificate;
    try {
      certificate = new X509Certificate(block);
    } catch {
      return 'it is not a certificate';
    }
    if (Date.parse(certificate.validFrom) > now) return `it is valid from ${certificate.validFrom} on only`;
    return Date.parse(certificate.validTo) < now ? `it ended ${certificate.validTo}` : undefined;
  });
  return faults.includes(undefined) ? undefined : faults[0];
};

/** The end of the one that lasts longest. Milliseconds since 1970. */
export function endOf(pem: string): number {
  const ends = (pem.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? []).map((block) => Date.parse(new X509Certificate(block).validTo));
  return Math.max(...ends);
}

interface Component {
  readonly name: 'controller' | 'injector';
  readonly reason: string;
}

const components: readonly Component[] = [
  { name: 'controller', reason: 'nothing follows changes' },
  { name: 'injector', reason: 'Pods of labelled namespaces can not be made' },
];

function perComponent(make: (component: Component) => Check): readonly Check[] {
  return components.map(make);
}

const install = (observer: Observer): string => `helm upgrade --install weft charts/weft -n ${observer.controlPlane} --create-namespace`;

async function deploymentOf(observer: Observer, name: Component['name']): ReturnType<Observer['find']> {
  return observer.find(`/apis/apps/v1/namespaces/${observer.controlPlane}/deployments/weft-${name}`);
}

async function podsOf(observer: Observer, name: Component['name']): ReturnType<Observer['list']> {
  return observer.list(`/api/v1/namespaces/${observer.controlPlane}/pods`, { labelSelector: `app.kubernetes.io/name=weft,app.kubernetes.io/component=${name}` });
}

const readyChecks = perComponent(({ name, reason }) => ({
  id: `${name}-ready`,
  claim: `the ${name} is ready`,
  when: 'post',
  forPods: true,
  run: async (observer) => {
    const deployment = await deploymentOf(observer, name);
    if (deployment === undefined) return failed(`there is no Deployment weft-${name} in ${observer.controlPlane}`, install(observer));
    const wanted = Number(deployment.spec['replicas'] ?? 1);
    const available = Number(deployment.status['availableReplicas'] ?? 0);
    const counts = `${available} of ${wanted} replicas`;
    const remedy = `kubectl describe deployment weft-${name} -n ${observer.controlPlane}; kubectl logs -n ${observer.controlPlane} deployment/weft-${name}`;
    if (available === 0) return failed(`${counts}: ${reason}`, remedy);
    return available < wanted ? warning(counts, remedy) : ok(counts);
  },
}));

const replicaChecks = perComponent(({ name, reason }) => ({
  id: `${name}-replicas`,
  claim: `the ${name} has more than one replica`,
  when: 'post',
  run: async (observer) => {
    const deployment = await deploymentOf(observer, name);
    if (deployment === undefined) return skipped('it is not installed');
    const wanted = Number(deployment.spec['replicas'] ?? 1);
    return wanted > 1 ? ok(`${wanted}`) : warning(`while the one of its Pods moves to another node, ${reason}`, `helm upgrade with --set ${name}.replicas=2`);
  },
}));

const restartChecks = perComponent(({ name }) => ({
  id: `${name}-restarts`,
  claim: `the ${name} keeps running`,
  when: 'post',
  run: async (observer) => {
    const pods = await podsOf(observer, name);
    if (pods.length === 0) return skipped('it has no Pods');
    const unwell = pods.flatMap(({ metadata, status }) => {
      const statuses = (status['containerStatuses'] ?? []) as readonly { readonly restartCount?: number; readonly state?: { readonly waiting?: { readonly reason?: string } } }[];
      const restarts = Math.max(0, ...statuses.map(({ restartCount = 0 }) => restartCount));
      const waiting = statuses.map(({ state }) => state?.waiting?.reason).find((reason) => reason !== undefined && reason !== 'ContainerCreating');
      return restarts > 2 || waiting !== undefined ? [`${metadata.name} (${waiting ?? `${restarts} restarts`})`] : [];
    });
    return unwell.length === 0 ? ok(`${pods.length} Pods`) : warning(some(unwell), `kubectl logs -n ${observer.controlPlane} --previous ${unwell[0]?.split(' ')[0]}`);
  },
}));

const versionChecks = perComponent(({ name }) => ({
  id: `${name}-version`,
  claim: `the ${name} is of the same version as this command`,
  when: 'post',
  run: async (observer) => {
    const deployment = await deploymentOf(observer, name);
    const version = deployment?.metadata.labels['app.kubernetes.io/version'];
    const own = await ownVersion();
    if (version === undefined || own === undefined) return skipped('the version is not known');
    return version === own ? ok(version) : warning(`it is ${version}, this command ${own}: what they say may differ`, `use weft ${version}, or ${install(observer)}`);
  },
}));

/** Undefined in a bundle, which has no package.json of ours beside it. */
async function ownVersion(): Promise<string | undefined> {
  try {
    const version = (JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8')) as { readonly version?: unknown }).version;
    return typeof version === 'string' ? version : undefined;
  } catch {
    return undefined;
  }
}

function endpointCheck(name: Component['name'], who: string): Check {
  return {
    id: `${name}-service`,
    claim: `${who} reach the ${name} by its Service`,
    when: 'post',
    forPods: true,
    run: async (observer) => {
      const slices = await observer.list(`/apis/discovery.k8s.io/v1/namespaces/${observer.controlPlane}/endpointslices`, { labelSelector: `kubernetes.io/service-name=weft-${name}` });
      const ready = slices.flatMap(({ raw }) => ((raw['endpoints'] ?? []) as readonly { readonly conditions?: { readonly ready?: boolean } }[]).filter(({ conditions }) => conditions?.ready !== false));
      return ready.length > 0 ? ok(`${ready.length} endpoints`) : failed(`Service weft-${name} has no ready endpoint`, `kubectl get endpointslices -n ${observer.controlPlane} -l kubernetes.io/service-name=weft-${name}`);
    },
  };
}

async function leaderOutcome(observer: Observer): Promise<Outcome> {
  const lease = await observer.find(`/apis/coordination.k8s.io/v1/namespaces/${observer.controlPlane}/leases/weft-controller`);
  const holder = lease?.spec['holderIdentity'];
  const remedy = `kubectl logs -n ${observer.controlPlane} deployment/weft-controller | grep -i lease`;
  if (typeof holder !== 'string' || holder === '') return failed('nobody leads: no status is written', remedy);
  const renewed = observer.now() - Date.parse(String(lease?.spec['renewTime']));
  if (!(renewed < staleLeaseMs)) return failed(`${holder} has not renewed its lease for ${ageText(renewed)}`, remedy);
  const pods = await podsOf(observer, 'controller');
  return pods.some(({ metadata }) => metadata.name === holder) ? ok(holder) : warning(`${holder} leads, which is none of the controller's Pods here`, 'end a controller that runs elsewhere');
}

async function bundleOf(observer: Observer, namespace: string): Promise<string | undefined> {
  const map = await observer.find(`/api/v1/namespaces/${namespace}/configmaps/weft-ca`);
  const bundle = fieldsOf(map?.raw['data'])['ca.crt'];
  return typeof bundle === 'string' ? bundle : undefined;
}

async function authorityOutcome(observer: Observer): Promise<Outcome> {
  const bundle = await bundleOf(observer, observer.controlPlane);
  const remedy = `kubectl logs -n ${observer.controlPlane} deployment/weft-controller`;
  if (bundle === undefined) return failed(`there is no ConfigMap weft-ca in ${observer.controlPlane}`, remedy);
  const fault = certificateFault(bundle, observer.now());
  if (fault !== undefined) return failed(fault, `kubectl delete secret weft-ca -n ${observer.controlPlane}, then kubectl rollout restart deployment weft-controller -n ${observer.controlPlane}`);
  const left = endOf(bundle) - observer.now();
  return left < soonMs ? warning(`it ends in ${ageText(left)}`, `kubectl annotate secret weft-ca -n ${observer.controlPlane} weft-mesh.io/replace-after=24h`) : ok(`valid for ${ageText(left)}`);
}

async function publishedOutcome(observer: Observer): Promise<Outcome> {
  const bundle = await bundleOf(observer, observer.controlPlane);
  if (bundle === undefined) return skipped('there is none');
  const namespaces = (await observer.list('/api/v1/namespaces')).filter(({ metadata }) => metadata.labels[injectLabel] === 'enabled' && metadata.deletionTimestamp === undefined).map(({ metadata }) => metadata.name);
  if (namespaces.length === 0) return skipped('no namespace is labelled for injection');
  const without = (await Promise.all(namespaces.map(async (name) => ((await bundleOf(observer, name)) === bundle ? [] : [name])))).flat();
  return without.length === 0 ? ok(`${namespaces.length} namespaces`) : failed(`not, or another one, in ${some(without)}: proxies there do not trust the controller`, `kubectl logs -n ${observer.controlPlane} deployment/weft-controller | grep weft-ca`);
}

export const controlPlaneChecks: readonly Check[] = [
  ...readyChecks,
  ...replicaChecks,
  ...restartChecks,
  ...versionChecks,
  endpointCheck('controller', 'proxies'),
  endpointCheck('injector', 'API servers'),
  { id: 'controller-leader', claim: 'one replica of the controller leads', when: 'post', forPods: true, run: leaderOutcome },
  { id: 'authority', claim: "the authority of the controller's certificates is valid", when: 'post', forPods: true, run: authorityOutcome },
  { id: 'authority-published', claim: 'it is known in every namespace that is labelled for injection', when: 'post', run: publishedOutcome },
];
