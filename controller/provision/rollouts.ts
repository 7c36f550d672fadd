import { fieldsOf, type KubeApi } from '../kube/types.ts';
import { follow, type RawObject } from '../source/kube/index.ts';
import type { ApplyFault } from './apply.ts';
import { gatewayAnnotation, managedByLabel, manager } from './names.ts';

export interface RolloutsEnvironment {
  readonly api: KubeApi;
  now(): number;
  random(): number;
  failed(message: string): void;
  changed(): void;
  readonly signal: AbortSignal;
}

/** What became of the Deployments of Gateways, by `{namespace}/{name}` of the Gateway. */
export interface Rollouts {
  /** Why not one of its Pods serves: none is wanted, none can be made (a quota, an admission webhook), or none gets ready in time. Undefined where that is not so. */
  faultOf(gateway: string): ApplyFault | undefined;
  /** Whether one of its Pods serves. */
  isServing(gateway: string): boolean;
  /** All Deployments are known, and there is none of this Gateway. */
  isGone(gateway: string): boolean;
}

interface Rollout {
  readonly gateway: string;
  readonly fault: ApplyFault | undefined;
  readonly isServing: boolean;
}

/** Follows the Deployments that are ours, until the signal is aborted. */
export function followRollouts(env: RolloutsEnvironment): Rollouts {
  // Each Gateway is looked up with every change of any Deployment.
  let byGateway: ReadonlyMap<string, readonly Rollout[]> | undefined;
  const changed = (): void => {
    byGateway = undefined;
    env.changed();
  };
  const found = follow<Rollout>({ ...env, changed, path: '/apis/apps/v1/deployments', labelSelector: `${managedByLabel}=${manager}`, read });
  const rolloutsOf = (gateway: string): readonly Rollout[] => (byGateway ??= Map.groupBy(found.all()?.values() ?? [], (rollout) => rollout.gateway)).get(gateway) ?? [];
  return {
    faultOf: (gateway) => rolloutsOf(gateway).find(({ fault }) => fault !== undefined)?.fault,
    isServing: (gateway) => rolloutsOf(gateway).some(({ isServing }) => isServing),
    isGone: (gateway) => found.all() !== undefined && rolloutsOf(gateway).length === 0,
  };
}

function read(raw: RawObject): Rollout {
  const { namespace, name, annotations } = fieldsOf(raw['metadata']);
  const { availableReplicas } = fieldsOf(raw['status']);
  const gateway = `${String(namespace)}/${String(fieldsOf(annotations)[gatewayAnnotation] ?? '')}`;
  // While some Pod serves, the Gateway does.
  const isServing = typeof availableReplicas === 'number' && availableReplicas > 0;
  const why = isServing ? undefined : whyNone(raw);
  return { gateway, isServing, fault: why === undefined ? undefined : { message: `Deployment ${String(namespace)}/${String(name)}: ${why}`, reason: 'NoResources' } };
}

/** Why there is no Pod that serves, and soon will be none; undefined while one may come (Programmed: "assumed to be ready soon"). */
function whyNone(raw: RawObject): string | undefined {
  const { conditions } = fieldsOf(raw['status']);
  const told = (Array.isArray(conditions) ? conditions : []).map(fieldsOf);
  if (fieldsOf(raw['spec'])['replicas'] === 0) return 'it is scaled to 0 replicas';
  const refused = told.find(({ type, status }) => type === 'ReplicaFailure' && status === 'True');
  if (refused !== undefined) return String(refused['message'] ?? '');
  // What keeps them (no node has room, the image can't be pulled) stands in the Pods' own status and Events.
  return told.some(({ type, reason }) => type === 'Progressing' && reason === 'ProgressDeadlineExceeded') ? 'none of its Pods got ready in time; kubectl describe tells why' : undefined;
}
