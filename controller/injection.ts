import type { ClusterState, Pod } from '#crds';

/** `enabled` on a namespace or a Pod; `disabled` on a Pod opts out. The Pod's own word counts. */
export const injectLabel = 'weft-mesh.io/inject';

/** The injector's name for it. */
export const sidecarContainer = 'weft-proxy';

/** Whether the Pod gets a sidecar. One on the host's network has no traffic of its own to take over. */
export function isInjected({ namespaces }: Pick<ClusterState, 'namespaces'>, { metadata, spec }: Pod): boolean {
  if (spec.hostNetwork) return false;
  const word = metadata.labels?.[injectLabel] ?? namespaces.get(metadata.namespace)?.metadata.labels?.[injectLabel];
  return word === 'enabled';
}

/** Whether all that comes for it comes through a sidecar: it has one, and no ports are left out. */
export function isBehindSidecar({ metadata, spec }: Pod): boolean {
  return spec.initContainers.some(({ name }) => name === sidecarContainer) && metadata.annotations?.['weft-mesh.io/exclude-inbound-ports'] === undefined;
}
