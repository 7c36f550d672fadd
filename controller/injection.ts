import type { ClusterState, Pod } from '#crds';

export const injectLabel = 'weft-mesh.io/inject';

/** Whether a Pod gets a sidecar: its namespace or itself is labelled `enabled`; `disabled` on the Pod has the last word. */
export function isInjected(state: ClusterState, pod: Pod): boolean {
  const own = pod.metadata.labels?.[injectLabel];
  if (own === 'enabled' || own === 'disabled') return own === 'enabled';
  return state.namespaces.get(pod.metadata.namespace)?.metadata.labels?.[injectLabel] === 'enabled';
}
