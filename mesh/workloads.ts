import { isInjected, type Report } from '#controller';
import { objectKey, type ClusterState } from '#crds';

/** A Pod that gets a sidecar. */
export interface Workload {
  readonly namespace: string;
  readonly name: string;
  readonly podIP: string;
}

/** Gateways that have something to serve, as `{namespace}/{name}`. */
export function servedGateways({ translation }: Pick<Report, 'translation'>): ReadonlySet<string> {
  return new Set([...translation.snapshots.listeners].flatMap(([key, listeners]) => (listeners.length > 0 ? [key] : [])));
}

/** Pods that get a sidecar, by `{namespace}/{name}`: injected ones that have an address and are not over. */
export function injectedWorkloads(state: ClusterState): ReadonlyMap<string, Workload> {
  const workloads = new Map<string, Workload>();
  for (const pod of state.pods.values()) {
    const { podIP, phase } = pod.status;
    if (podIP === undefined || podIP === '' || phase === 'Succeeded' || phase === 'Failed' || !isInjected(state, pod)) continue;
    workloads.set(objectKey(pod), { namespace: pod.metadata.namespace, name: pod.metadata.name, podIP });
  }
  return workloads;
}
