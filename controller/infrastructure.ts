import { gatewayGroup } from './names.ts';

/** Prefixes of labels and annotations that only we set, as they say what a Pod is, and of those that would loosen how it is confined. */
const reserved = ['weft-mesh.io/', `${gatewayGroup}/`, 'container.apparmor.security.beta.kubernetes.io/', 'container.seccomp.security.alpha.kubernetes.io/', 'seccomp.security.alpha.kubernetes.io/'];

/** Whether a key of `spec.infrastructure` labels or annotations has no effect. */
export function isReserved(key: string): boolean {
  return reserved.some((prefix) => key.startsWith(prefix));
}
