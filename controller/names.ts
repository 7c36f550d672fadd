/** What users and other programs see of the controller. */
export const controllerName = 'weft-mesh.io/controller';
export const gatewayClassName = 'weft';
export const meshName = 'weft';
/** Under which name the API server notes what fields are ours. */
export const fieldManager = 'weft';
/** Policies for GatewayClass and XMesh are taken from this namespace only. */
export const rootNamespace = 'weft-system';

/** The IngressClass, and the Gateway that all Ingresses of it share. */
export const ingressClassName = 'weft';
export const ingressGateway = { namespace: rootNamespace, name: 'weft-ingress' } as const;

/** On an Ingress, `true`: on port 80 its hosts that have a certificate are sent to HTTPS. Ingress itself has no word for it. */
export const redirectAnnotation = 'weft-mesh.io/https-redirect';

export const gatewayGroup = 'gateway.networking.k8s.io';
/** Services of the cluster set (KEP-1645). */
export const importGroup = 'multicluster.x-k8s.io';
export const importKind = 'ServiceImport';

export const experimentalGroup = 'gateway.networking.x-k8s.io';

/**
 * What a listener of a ListenerSet is called among all listeners of its Gateway: names of listeners have no slash, so it is the name of
 * no other.
 */
export function listenerSectionName({ namespace, name }: { readonly namespace: string; readonly name: string }, listener: string): string {
  return `${namespace}/${name}/${listener}`;
}
