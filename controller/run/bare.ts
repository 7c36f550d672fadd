import type { ClusterState, Pod } from '#crds';
import { gatewayGroup } from '../names.ts';
import { isInjected, sidecarContainer } from '../injection.ts';
import { pause } from '../kube/backoff.ts';
import { reasonOf, type KubeApi } from '../kube/types.ts';

/** What the webhook leaves out, whatever their labels say. */
const systemNamespaces: ReadonlySet<string> = new Set(['kube-system', 'kube-public', 'kube-node-lease']);

/** Pods that should have a sidecar and have none: made before the label was set, or while the webhook let them through. */
export function barePods(state: ClusterState, controlPlane: string): readonly Pod[] {
  return [...state.pods.values()].filter((pod) => {
    const { metadata, spec, status } = pod;
    if (metadata.deletionTimestamp !== undefined || status.phase === 'Succeeded' || status.phase === 'Failed') return false;
    if (systemNamespaces.has(metadata.namespace) || metadata.namespace === controlPlane) return false;
    // A static Pod of the node is the kubelet's own.
    if (metadata.annotations?.['kubernetes.io/config.mirror'] !== undefined || metadata.labels?.[`${gatewayGroup}/gateway-name`] !== undefined) return false;
    return isInjected(state, pod) && !spec.initContainers.some(({ name }) => name === sidecarContainer);
  });
}

export interface BareEnvironment {
  readonly api: KubeApi;
  /** The control plane's. */
  readonly namespace: string;
  /** Who reports. */
  readonly identity: string;
  state(): ClusterState | undefined;
  /** Milliseconds since 1970. */
  now(): number;
  failed(message: string): void;
  readonly signal: AbortSignal;
}

const checkMs = 2000;
/** The API server forgets an Event after an hour; one for a Pod that is still without is written again then. Milliseconds. */
const againMs = 3_600_000;
/** Events of one look; a namespace with thousands of such Pods takes some more looks. */
const atOnce = 50;

/** An Event on each such Pod, until the signal is aborted. The leader's job. */
export async function reportBarePods(env: BareEnvironment): Promise<void> {
  /** By uid: when it is due again. */
  const due = new Map<string, number>();
  let seen: ClusterState | undefined;
  let open: readonly Pod[] = [];
  while (!env.signal.aborted) {
    const state = env.state();
    if (state !== undefined && (state.pods !== seen?.pods || state.namespaces !== seen.namespaces)) {
      open = barePods(state, env.namespace);
      const uids = new Set(open.map(({ metadata }) => metadata.uid));
      for (const uid of due.keys()) if (!uids.has(uid)) due.delete(uid);
    }
    seen = state;
    const now = env.now();
    for (const pod of open.filter(({ metadata }) => (due.get(metadata.uid ?? '') ?? 0) <= now).slice(0, atOnce)) {
      if (env.signal.aborted) return;
      due.set(pod.metadata.uid ?? '', now + againMs);
      const fault = await write(env, pod);
      if (fault !== undefined && !env.signal.aborted) env.failed(`Event for Pod ${pod.metadata.namespace}/${pod.metadata.name}: ${fault}`);
    }
    await pause(checkMs, env.signal);
  }
}

async function write({ api, identity, now, signal }: BareEnvironment, { metadata }: Pod): Promise<string | undefined> {
  const { namespace, name, uid = '' } = metadata;
  const time = new Date(now()).toISOString().replace(/\.\d+Z$/, 'Z');
  const body = {
    apiVersion: 'v1',
    kind: 'Event',
    // The same name from every leader, so that the Pod has one.
    metadata: { namespace, name: `${name.slice(0, 200)}.weft-${uid.slice(0, 8)}` },
    involvedObject: { apiVersion: 'v1', kind: 'Pod', namespace, name, uid },
    type: 'Warning',
    reason: 'NoSidecar',
    message: 'The Pod should have a sidecar and has none: it was made before the label weft-mesh.io/inject was set, or while the injector was away. Its traffic is outside the mesh until it is made anew',
    source: { component: 'weft-controller', host: identity },
    firstTimestamp: time,
    lastTimestamp: time,
    count: 1,
  };
  try {
    const answer = await api.send({ method: 'POST', path: `/api/v1/namespaces/${namespace}/events`, body, signal });
    return answer.status === 201 || answer.status === 409 ? undefined : `${answer.status} ${reasonOf(answer.body)}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
