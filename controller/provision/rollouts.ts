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
  /** Why not one of its Pods serves: none can be made (a quota, an admission webhook), or none gets ready in time. Undefined where that is not so. */
  faultOf(gateway: string): ApplyFault | undefined;
  /** All Deployments are known, and there is none of this Gateway. */
  isGone(gateway: string): boolean;
}

interface Rollout {
  readonly gateway: string;
  readonly fault: ApplyFault | undefined;
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
    isGone: (gateway) => found.all() !== undefined && rolloutsOf(gateway).length === 0,
  };
}

function read(raw: RawObject): Rollout {
  const { namespace, name, annotations } = fieldsOf(raw['metadata']);
  const { conditions, availableReplicas } = fieldsOf(raw['status']);
  const told = (Array.isArray(conditions) ? conditions : []).map(fieldsOf);
  const refused = told.find(({ type, status }) => type === 'ReplicaFailure' && status === 'True');
  const isLate = told.some(({ type, reason }) => type === 'Progressing' && reason === 'ProgressDeadlineExceeded');
  const gateway = `${String(namespace)}/${String(fieldsOf(annotations)[gatewayAnnotation] ?? '')}`;
  // While some Pod serves, the Gateway does.
  const isServing = typeof availableReplicas === 'number' && availableReplicas > 0;
  if (isServing || (refused === undefined && !isLate)) return { gateway, fault: undefined };
  // What keeps them (no node has room, the image can't be pulled) stands in the Pods' own status and Events.
  const why = refused === undefined ? 'none of its Pods got ready in time; kubectl describe tells why' : String(refused['message'] ?? '');
  return { gateway, fault: { message: `Deployment ${String(namespace)}/${String(name)}: ${why}`, reason: 'NoResources' } };
}
