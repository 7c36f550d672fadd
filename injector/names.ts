/** What users and the sidecar see of the injector. */
export const prefix = 'weft-mesh.io/';
/** Label of a namespace (`enabled`) or a Pod (`enabled`, `disabled`). The Pod's own word counts. */
export const injectLabel = `${prefix}inject`;
/** Label of every Pod that has a sidecar. */
export const injectedLabel = `${prefix}injected`;

export const initContainer = 'weft-init';
export const proxyContainer = 'weft-proxy';

/** The only user whose TCP is left alone; no other container of the Pod may run as it. */
export const proxyUid = 1371;

/** Ports that the sidecar takes on the Pod's address. */
export const ports = { outbound: 15_001, inbound: 15_006, admin: 15_020 } as const;

export const tokenAudience = 'weft-mesh.io';
export const caConfigMap = 'weft-ca';

export const files = {
  token: '/var/run/secrets/weft-mesh.io/token',
  ca: '/var/run/config/weft-mesh.io/ca.crt',
  /** The last good snapshot; survives a restart of the container, not the Pod. */
  state: '/var/lib/weft',
} as const;

/** No Pod of these gets a sidecar, whatever its labels say. */
export const systemNamespaces: readonly string[] = ['kube-system', 'kube-public', 'kube-node-lease'];
