import type { ClusterState, Gateway, GatewayListener } from '#crds';
import { byAge, clusterOf } from '../../cluster.ts';
import { ourIngresses } from '../../graph/ingress/classes.ts';
import { certificatesOf as certificatesOfIngress } from '../../graph/ingress/gateway.ts';
import { isTrustBundle } from '../../graph/tls/authorities.ts';
import { admits, parentKey } from '../../graph/listeners/listener-sets.ts';
import { Memo } from '../../memo.ts';
import { controllerName, gatewayClassName } from '../../names.ts';

/** An object that is read only because another one names it. */
export interface Reference {
  readonly apiVersion: string;
  readonly kind: 'Secret' | 'ConfigMap' | 'ClusterTrustBundle';
  /** Empty for a ClusterTrustBundle. */
  readonly namespace: string;
  readonly name: string;
}

/** Whoever may write Gateways could else make the controller watch without end. */
const maxReferences = 2000;

/**
 * The Secrets, ConfigMaps and ClusterTrustBundles that Gateways of ours, the ListenerSets that they let in and Ingresses of ours refer to (certificates of
 * listeners, authorities for the certificates of clients, the Gateway's own certificate as a client of backends), then those with the
 * authorities of backends (BackendTLSPolicies, oldest first), where there is anything of ours at all. Whether they may be referred to
 * (ReferenceGrant) is for translation to say; what it refuses leaves the controller nowhere.
 */
export function referencesOf(state: ClusterState): ReadonlyMap<string, Reference> {
  const { gatewayClasses, listenerSets, namespaces, ingresses, ingressClasses, backendTLSPolicies } = state;
  return known.get(state.gateways, [gatewayClasses, listenerSets, namespaces, ingresses, ingressClasses, backendTLSPolicies], () => allReferences(state));
}

const known = new Memo<ClusterState['gateways'], ReadonlyMap<string, Reference>>();

function allReferences(state: ClusterState): ReadonlyMap<string, Reference> {
  const found = new Map<string, Reference>();
  const ours = new Map([...state.gateways].filter(([, gateway]) => isOurs(gateway, state)));
  const cluster = clusterOf(state);
  const add = (refs: readonly Named[], home: string): void => {
    for (const { group, kind, name, namespace = home } of refs) {
      if (found.size >= maxReferences) return;
      if (group === '' && (kind === 'Secret' || kind === 'ConfigMap')) found.set(`${kind}/${namespace}/${name}`, { apiVersion: 'v1', kind, namespace, name });
      if (isTrustBundle({ group, kind })) found.set(`ClusterTrustBundle/${name}`, { apiVersion: 'certificates.k8s.io/v1beta1', kind: 'ClusterTrustBundle', namespace: '', name });
    }
  };
  for (const { metadata, spec } of ours.values()) {
    const { frontend, backend } = spec.tls ?? {};
    const client = backend?.clientCertificateRef;
    const validations = frontend === undefined ? [] : [frontend.default.validation, ...(frontend.perPort ?? []).map(({ tls }) => tls.validation)];
    add([...certificatesOf(spec.listeners), ...(client === undefined ? [] : [client]), ...validations.flatMap((validation) => validation?.caCertificateRefs ?? [])], metadata.namespace);
  }
  for (const set of state.listenerSets.values()) {
    const gateway = ours.get(parentKey(set));
    if (gateway !== undefined && admits(gateway, set, cluster)) add(certificatesOf(set.spec.listeners), set.metadata.namespace);
  }
  const ingresses = ourIngresses(state);
  for (const ingress of ingresses) add(certificatesOfIngress(ingress).map(({ secret }) => ({ group: '', kind: 'Secret', name: secret })), ingress.metadata.namespace);
  if (ours.size === 0 && ingresses.length === 0) return found;
  for (const { metadata, spec } of [...state.backendTLSPolicies.values()].sort(byAge)) add(spec.validation.caCertificateRefs ?? [], metadata.namespace);
  return found;
}

interface Named {
  readonly group: string;
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
}

function isOurs({ spec }: Gateway, state: ClusterState): boolean {
  const owner = state.gatewayClasses.get(spec.gatewayClassName);
  return owner === undefined ? spec.gatewayClassName === gatewayClassName : owner.spec.controllerName === controllerName;
}

function certificatesOf(listeners: readonly GatewayListener[]): readonly Named[] {
  return listeners.flatMap(({ tls }) => tls?.certificateRefs ?? []);
}
