import { isInjected, type Report } from '#controller';
import { objectKey, type ClusterState, type Pod } from '#crds';
import { normalAddress } from '#snapshot';
import type { MeshProblem } from './problems.ts';

/** A Pod that gets a sidecar. */
export interface Workload {
  readonly namespace: string;
  readonly name: string;
  /** As `normalAddress` has it. */
  readonly podIP: string;
}

/** Gateways that have something to serve, as `{namespace}/{name}`. */
export function servedGateways({ translation }: Pick<Report, 'translation'>): ReadonlySet<string> {
  return new Set([...translation.snapshots.listeners].flatMap(([key, listeners]) => (listeners.length > 0 ? [key] : [])));
}

/** Pods that get a sidecar, by `{namespace}/{name}`: injected ones that have an address, of their own, and are not over. */
export function injectedWorkloads(state: ClusterState): ReadonlyMap<string, Workload> {
  const workloads = [...placesOf(state)].flatMap(([podIP, [pod]]) => (podIP === '' || pod === undefined ? [] : [[objectKey(pod), { namespace: pod.metadata.namespace, name: pod.metadata.name, podIP }] as const]));
  return new Map(workloads);
}

/** Pods that should have a sidecar and can't have one here. */
export function workloadProblems(state: ClusterState): readonly MeshProblem[] {
  return [...placesOf(state)].flatMap(([podIP, pods]) =>
    podIP === ''
      ? pods.map((pod) => about(pod, { severity: 'warning', reason: 'NoPodIP', message: 'has no sidecar here, as it has no status.podIP; give it one, such as 127.0.1.1' }))
      : pods.slice(1).map((pod) => about(pod, { severity: 'error', reason: 'AddressTaken', message: `has no sidecar, as ${podIP} is the status.podIP of Pod ${objectKey(pods[0]!)}, too; give it an address of its own` })),
  );
}

const places = new WeakMap<ClusterState, ReadonlyMap<string, readonly Pod[]>>();

function placesOf(state: ClusterState): ReadonlyMap<string, readonly Pod[]> {
  const known = places.get(state) ?? findPlaces(state);
  places.set(state, known);
  return known;
}

/** Injected Pods that are not over, by their address, in their order; those without one by the empty text. */
function findPlaces(state: ClusterState): ReadonlyMap<string, readonly Pod[]> {
  const found = new Map<string, Pod[]>();
  for (const pod of state.pods.values()) {
    const { phase } = pod.status;
    const podIP = normalAddress(pod.status.podIP ?? '');
    if (phase === 'Succeeded' || phase === 'Failed' || !isInjected(state, pod)) continue;
    const there = found.get(podIP);
    if (there === undefined) found.set(podIP, [pod]);
    else there.push(pod);
  }
  return found;
}

function about(pod: Pod, problem: Pick<MeshProblem, 'severity' | 'reason' | 'message'>): MeshProblem {
  return { ...problem, ...(pod.source === undefined ? {} : { source: pod.source }), subject: `Pod ${objectKey(pod)}` };
}
