import { fieldsOf, gatewayLabel } from '#controller';
import { injectedLabel, injectLabel, proxyContainer, systemNamespaces } from '#injector';
import { parse } from 'yaml';
import type { AnyObject } from '../cluster/list.ts';
import type { Observer } from './observer.ts';
import { some } from '../table.ts';
import { failed, ok, skipped, warning, type Check, type Outcome } from './types.ts';

interface ContainerLike {
  readonly name: string;
  readonly image?: string;
}

const nameOf = ({ metadata }: AnyObject): string => `${metadata.namespace}/${metadata.name}`;
const proxyOf = ({ spec }: AnyObject): ContainerLike | undefined => ((spec['initContainers'] ?? []) as readonly ContainerLike[]).find(({ name }) => name === proxyContainer);

async function namespaces(observer: Observer): Promise<readonly AnyObject[]> {
  return observer.list('/api/v1/namespaces');
}

/** Those that have not ended. */
async function pods(observer: Observer): Promise<readonly AnyObject[]> {
  return (await observer.list('/api/v1/pods', { fieldSelector: 'status.phase!=Succeeded,status.phase!=Failed' })).filter(({ metadata }) => metadata.deletionTimestamp === undefined);
}

function outside(observer: Observer): ReadonlySet<string> {
  return new Set([...systemNamespaces, observer.controlPlane]);
}

/** The Pod's own word counts, then the namespace's; the same as the webhook decides. */
async function wantingSidecars(observer: Observer): Promise<readonly AnyObject[]> {
  const labelled = new Set((await namespaces(observer)).filter(({ metadata }) => metadata.labels[injectLabel] === 'enabled').map(({ metadata }) => metadata.name));
  return (await pods(observer)).filter(({ metadata, spec }) => {
    if (outside(observer).has(metadata.namespace) || spec['hostNetwork'] === true || metadata.labels[gatewayLabel] !== undefined) return false;
    if (metadata.annotations['kubernetes.io/config.mirror'] !== undefined) return false;
    const own = metadata.labels[injectLabel];
    return own === undefined ? labelled.has(metadata.namespace) : own === 'enabled';
  });
}

async function injectedPods(observer: Observer): Promise<readonly AnyObject[]> {
  return (await pods(observer)).filter(({ metadata }) => metadata.labels[injectedLabel] === 'true');
}

async function withoutOutcome(observer: Observer): Promise<Outcome> {
  const wanting = await wantingSidecars(observer);
  if (wanting.length === 0) return skipped('no Pod should have one');
  const without = wanting.filter((pod) => proxyOf(pod) === undefined);
  if (without.length === 0) return ok(`${wanting.length} Pods`);
  const spaces = [...new Set(without.map(({ metadata }) => metadata.namespace))];
  return failed(`${without.length} of ${wanting.length} have none: ${some(without.map(nameOf))}`, `they were made before the label was set: ${spaces.slice(0, 3).map((name) => `kubectl rollout restart deployment -n ${name}`).join('; ')}`);
}

async function unwellOutcome(observer: Observer): Promise<Outcome> {
  const injected = await injectedPods(observer);
  if (injected.length === 0) return skipped('there are none');
  const unwell = injected.flatMap((pod) => {
    const statuses = (pod.status['initContainerStatuses'] ?? []) as readonly { readonly name: string; readonly ready?: boolean; readonly restartCount?: number; readonly started?: boolean }[];
    const proxy = statuses.find(({ name }) => name === proxyContainer);
    if (proxy === undefined) return [];
    if ((proxy.restartCount ?? 0) > 2) return [`${nameOf(pod)} (${proxy.restartCount} restarts)`];
    return pod.status['phase'] === 'Running' && proxy.ready !== true ? [`${nameOf(pod)} (not ready)`] : [];
  });
  return unwell.length === 0 ? ok(`${injected.length} sidecars`) : warning(some(unwell), `kubectl logs ${unwell[0]?.split(' ')[0]?.replace(/^(.*)\/(.*)$/, '-n $1 $2')} -c ${proxyContainer} --previous`);
}

async function outdatedOutcome(observer: Observer): Promise<Outcome> {
  const map = await observer.find(`/api/v1/namespaces/${observer.controlPlane}/configmaps/weft-injection`);
  const image = fieldsOf(parse(String(fieldsOf(map?.raw['data'])['injection.yaml'] ?? '')))['proxyImage'];
  if (typeof image !== 'string') return skipped('the image of new sidecars is not known');
  const injected = await injectedPods(observer);
  if (injected.length === 0) return skipped('there are none');
  const old = injected.filter((pod) => proxyOf(pod)?.image !== image);
  return old.length === 0 ? ok(image) : warning(`${old.length} run another image than ${image}: ${some(old.map(nameOf))}`, 'kubectl rollout restart their Deployments');
}

async function securityOutcome(observer: Observer): Promise<Outcome> {
  const labelled = (await namespaces(observer)).filter(({ metadata }) => metadata.labels[injectLabel] === 'enabled');
  if (labelled.length === 0) return skipped('no namespace is labelled for injection');
  // The init container needs NET_ADMIN, which PodSecurity allows in `privileged` only.
  const strict = labelled.filter(({ metadata }) => ['baseline', 'restricted'].includes(metadata.labels['pod-security.kubernetes.io/enforce'] ?? 'privileged'));
  return strict.length === 0
    ? ok(`${labelled.length} namespaces`)
    : failed(`${some(strict.map(({ metadata }) => metadata.name))} enforce a standard that forbids NET_ADMIN: Pods are refused`, 'kubectl label namespace NAME --overwrite pod-security.kubernetes.io/enforce=privileged');
}

async function labelOutcome(observer: Observer): Promise<Outcome> {
  const odd = [...(await namespaces(observer)).map((each) => ['namespace', each] as const), ...(await pods(observer)).map((each) => ['Pod', each] as const)].flatMap(([kind, { metadata }]) => {
    const word = metadata.labels[injectLabel];
    return word === undefined || word === 'enabled' || word === 'disabled' ? [] : [`${kind} ${metadata.namespace === '' ? '' : `${metadata.namespace}/`}${metadata.name} (${word})`];
  });
  return odd.length === 0 ? ok('enabled, disabled or none') : warning(`neither enabled nor disabled, so without effect: ${some(odd)}`, `write ${injectLabel}=enabled`);
}

async function systemOutcome(observer: Observer): Promise<Outcome> {
  const labelled = (await namespaces(observer)).filter(({ metadata }) => outside(observer).has(metadata.name) && metadata.labels[injectLabel] === 'enabled').map(({ metadata }) => metadata.name);
  return labelled.length === 0 ? ok('none') : warning(`${labelled.join(', ')}: their Pods get no sidecar all the same`, `kubectl label namespace ${labelled[0]} ${injectLabel}-`);
}

/** What other meshes mark their namespaces with. */
const otherMeshes: readonly ((metadata: AnyObject['metadata']) => boolean)[] = [
  ({ labels }) => labels['istio-injection'] === 'enabled' || labels['istio.io/rev'] !== undefined || labels['istio.io/dataplane-mode'] !== undefined,
  ({ annotations }) => annotations['linkerd.io/inject'] === 'enabled',
  ({ labels }) => labels['kuma.io/sidecar-injection'] === 'enabled',
];

async function otherMeshOutcome(observer: Observer): Promise<Outcome> {
  const both = (await namespaces(observer)).filter(({ metadata }) => metadata.labels[injectLabel] === 'enabled' && otherMeshes.some((marks) => marks(metadata))).map(({ metadata }) => metadata.name);
  return both.length === 0 ? ok('none') : warning(`${some(both)} get the sidecar of another mesh too; only one can take over the traffic of a Pod`, 'choose one of them for each namespace');
}

async function clientsOutcome(observer: Observer): Promise<Outcome> {
  const labelled = (await namespaces(observer)).filter(({ metadata }) => metadata.labels[injectLabel] === 'enabled');
  return labelled.length > 0 ? ok(some(labelled.map(({ metadata }) => metadata.name))) : warning('none is: only Pods with a label of their own get a sidecar', `kubectl label namespace NAME ${injectLabel}=enabled`);
}

export const injectionChecks: readonly Check[] = [
  { id: 'namespaces-labelled', claim: 'a namespace is labelled for injection', when: 'post', run: clientsOutcome },
  { id: 'injection-labels', claim: `labels ${injectLabel} are spelled right`, when: 'post', run: labelOutcome },
  { id: 'injection-system', claim: 'none of the namespaces that are left out is labelled for injection', when: 'post', run: systemOutcome },
  { id: 'injection-other-mesh', claim: 'no namespace is in two meshes', when: 'always', run: otherMeshOutcome },
  { id: 'injection-security', claim: "labelled namespaces let the sidecar's init container run", when: 'always', run: securityOutcome },
  { id: 'pods-have-sidecars', claim: 'every Pod that should have a sidecar has one', when: 'post', run: withoutOutcome },
  { id: 'sidecars-well', claim: 'sidecars are ready and keep running', when: 'post', run: unwellOutcome },
  { id: 'sidecars-image', claim: 'sidecars run the image that new ones get', when: 'post', run: outdatedOutcome },
];
