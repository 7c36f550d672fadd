import { controllerName, experimentalGroup, gatewayClassName, gatewayGroup, meshName } from '#controller';
import { policyKinds } from '#policy';
import type { AnyObject } from '../cluster/list.ts';
import type { Observer } from './observer.ts';
import { some } from '../table.ts';
import { failed, ok, skipped, warning, type Check, type Outcome } from './types.ts';

interface ConditionLike {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
  readonly observedGeneration?: number;
}

const conditionsOf = (status: Readonly<Record<string, unknown>>): readonly ConditionLike[] => (status['conditions'] ?? []) as readonly ConditionLike[];
const find = (conditions: readonly ConditionLike[], type: string): ConditionLike | undefined => conditions.find((each) => each.type === type);
const nameOf = ({ metadata }: AnyObject): string => (metadata.namespace === '' ? metadata.name : `${metadata.namespace}/${metadata.name}`);

/** A status is written within moments; one that lags longer is told. Milliseconds. */
const graceMs = 10_000;

function acceptedCheck(id: string, kind: string, path: string, absent: (observer: Observer) => Promise<Outcome>): Check {
  return {
    id,
    claim: `${kind} is accepted`,
    when: 'post',
    run: async (observer) => {
      const object = await observer.find(path);
      if (object === undefined) return absent(observer);
      if (object.spec['controllerName'] !== controllerName) return failed(`its controllerName is ${String(object.spec['controllerName'])}, not ${controllerName}`, `kubectl delete ${path.split('/').at(-2)} ${object.metadata.name}, then helm upgrade --install weft charts/weft -n ${observer.controlPlane}`);
      const accepted = find(conditionsOf(object.status), 'Accepted');
      if (accepted?.status === 'True' && accepted.observedGeneration === object.metadata.generation) return ok(accepted.reason ?? 'Accepted');
      return failed(accepted === undefined ? 'the controller has written no status' : `${accepted.status}: ${accepted.reason}: ${accepted.message}`, `kubectl logs -n ${observer.controlPlane} deployment/weft-controller`);
    },
  };
}

async function gatewaysOf(observer: Observer): Promise<readonly AnyObject[]> {
  const classes = await observer.list(`/apis/${gatewayGroup}/v1/gatewayclasses`);
  const ours = new Set(classes.filter(({ spec }) => spec['controllerName'] === controllerName).map(({ metadata }) => metadata.name));
  return (await observer.list(`/apis/${gatewayGroup}/v1/gateways`)).filter(({ spec }) => ours.has(String(spec['gatewayClassName'])));
}

async function gatewaysOutcome(observer: Observer): Promise<Outcome> {
  const gateways = await gatewaysOf(observer);
  if (gateways.length === 0) return skipped('there are none');
  const bad = gateways.flatMap((gateway) => {
    const programmed = find(conditionsOf(gateway.status), 'Programmed');
    return programmed?.status === 'True' ? [] : [`${nameOf(gateway)} (${programmed?.reason ?? 'no status'}${programmed?.message === undefined ? '' : `: ${programmed.message}`})`];
  });
  return bad.length === 0 ? ok(`${gateways.length} Gateways`) : failed(some(bad, 3), "weft analyze; kubectl describe gateway -n …");
}

async function addressesOutcome(observer: Observer): Promise<Outcome> {
  const gateways = await gatewaysOf(observer);
  if (gateways.length === 0) return skipped('there are none');
  const without = gateways.filter(({ status }) => ((status['addresses'] ?? []) as readonly unknown[]).length === 0).map(nameOf);
  return without.length === 0 ? ok(`${gateways.length} Gateways`) : warning(`none yet: ${some(without)}`, 'see that the cluster gives addresses to Services of type LoadBalancer');
}

interface ParentLike {
  readonly controllerName?: string;
  readonly conditions?: readonly ConditionLike[];
}

async function routesOutcome(observer: Observer): Promise<Outcome> {
  const routes = await observer.list(`/apis/${gatewayGroup}/v1/httproutes`);
  const ours = routes.flatMap((route) => ((route.status['parents'] ?? []) as readonly ParentLike[]).filter((parent) => parent.controllerName === controllerName).map((parent) => ({ route, conditions: parent.conditions ?? [] })));
  if (ours.length === 0) return skipped('there are none');
  const faults = ours.flatMap(({ route, conditions }) => {
    const fault = ['Accepted', 'ResolvedRefs'].map((type) => find(conditions, type)).find((condition) => condition?.status === 'False');
    return fault === undefined ? [] : [`${nameOf(route)} (${fault.reason})`];
  });
  const bad = [...new Set(faults)];
  return bad.length === 0 ? ok(`${routes.length} HTTPRoutes`) : warning(some(bad), 'weft analyze');
}

async function policiesOutcome(observer: Observer): Promise<Outcome> {
  const all = (await Promise.all(policyKinds.map(async ({ kind, apiVersions }) => (await observer.list(`/apis/${apiVersions[0]}/${kind.toLowerCase().replace(/y$/, 'ies')}`)).map((policy) => ({ kind, policy }))))).flat();
  if (all.length === 0) return skipped('there are none');
  const bad = all.flatMap(({ kind, policy }) => {
    const ancestors = (policy.status['ancestors'] ?? []) as readonly ParentLike[];
    const fault = ancestors.flatMap(({ conditions = [] }) => conditions).find(({ type, status }) => type === 'Accepted' && status === 'False');
    return fault === undefined ? [] : [`${kind} ${nameOf(policy)} (${fault.reason})`];
  });
  return bad.length === 0 ? ok(`${all.length} policies`) : warning(some(bad), 'weft analyze');
}

/** Whether the controller keeps up: every Gateway and route has a status for what is written now. */
async function currentOutcome(observer: Observer): Promise<Outcome> {
  const routes = (await observer.list(`/apis/${gatewayGroup}/v1/httproutes`)).filter(({ status }) => ((status['parents'] ?? []) as readonly ParentLike[]).some((parent) => parent.controllerName === controllerName));
  const objects = [...(await gatewaysOf(observer)), ...routes];
  if (objects.length === 0) return skipped('there are none');
  const late = objects.filter((object) => {
    const parents = ((object.status['parents'] ?? []) as readonly ParentLike[]).filter((parent) => parent.controllerName === controllerName).flatMap(({ conditions = [] }) => conditions);
    const seen = [...conditionsOf(object.status), ...parents].map(({ observedGeneration = 0 }) => observedGeneration);
    const age = observer.now() - Date.parse(object.metadata.creationTimestamp ?? '');
    return age > graceMs && Math.max(0, ...seen) < (object.metadata.generation ?? 0);
  });
  return late.length === 0 ? ok(`${objects.length} objects`) : warning(`older than the object: ${some(late.map(nameOf))}`, `ask again; then kubectl logs -n ${observer.controlPlane} deployment/weft-controller`);
}

export const objectChecks: readonly Check[] = [
  acceptedCheck('gatewayclass', `GatewayClass ${gatewayClassName}`, `/apis/${gatewayGroup}/v1/gatewayclasses/${gatewayClassName}`, (observer) =>
    Promise.resolve(failed('it is not there: no Gateway can be of it', `helm upgrade --install weft charts/weft -n ${observer.controlPlane}`)),
  ),
  acceptedCheck('mesh', `XMesh ${meshName}`, `/apis/${experimentalGroup}/v1alpha1/xmeshes/${meshName}`, async (observer) => {
    const served = await observer.find(`/apis/${experimentalGroup}/v1alpha1`);
    const kinds = (served?.raw['resources'] ?? []) as readonly { readonly kind: string }[];
    if (!kinds.some(({ kind }) => kind === 'XMesh')) return skipped('the cluster has no XMesh, which is in the experimental channel; the mesh needs none');
    return warning('it is not there: features of the mesh are told nowhere', `helm upgrade --install weft charts/weft -n ${observer.controlPlane}`);
  }),
  { id: 'gateways-programmed', claim: 'every Gateway of ours is programmed', when: 'post', run: gatewaysOutcome },
  { id: 'gateways-addressed', claim: 'every Gateway of ours has an address', when: 'post', run: addressesOutcome },
  { id: 'routes-accepted', claim: 'no HTTPRoute is refused, in whole or in part', when: 'post', run: routesOutcome },
  { id: 'policies-accepted', claim: 'no policy is refused', when: 'post', run: policiesOutcome },
  { id: 'status-current', claim: 'statuses are of what is written now', when: 'post', run: currentOutcome },
];
