import type { ClusterState } from '#crds';
import { controllerName, gatewayClassName } from '../../names.ts';

/** An object that is read only because another one names it. */
export interface Reference {
  readonly kind: 'Secret' | 'ConfigMap';
  readonly namespace: string;
  readonly name: string;
}

/** Whoever may write Gateways could else make the controller watch without end. */
const maxReferences = 2000;

/**
 * The Secrets and ConfigMaps that Gateways of ours refer to: certificates of listeners, and authorities for the certificates of clients.
 * Whether a Gateway may refer to them (ReferenceGrant) is for translation to say; what it refuses leaves the controller nowhere.
 */
export function referencesOf(state: ClusterState): ReadonlyMap<string, Reference> {
  const found = new Map<string, Reference>();
  for (const { metadata, spec } of state.gateways.values()) {
    const owner = state.gatewayClasses.get(spec.gatewayClassName);
    if (owner === undefined ? spec.gatewayClassName !== gatewayClassName : owner.spec.controllerName !== controllerName) continue;
    const refs = [
      ...spec.listeners.flatMap(({ tls }) => tls?.certificateRefs ?? []),
      ...(spec.tls?.frontend === undefined ? [] : [spec.tls.frontend.default.validation, ...(spec.tls.frontend.perPort ?? []).map(({ tls }) => tls.validation)]).flatMap(
        (validation) => validation?.caCertificateRefs ?? [],
      ),
    ];
    for (const { group, kind, name, namespace = metadata.namespace } of refs) {
      if (found.size >= maxReferences) return found;
      if (group === '' && (kind === 'Secret' || kind === 'ConfigMap')) found.set(`${kind}/${namespace}/${name}`, { kind, namespace, name });
    }
  }
  return found;
}
