import type { ClusterTrustBundle, ConfigMap, EndpointSlice, Ingress, IngressClass, Namespace, Pod, Secret, Service, ServiceImport } from './core/types.ts';
import type * as api from './generated/types/index.ts';
import { objectKey, type KubernetesObject } from './object.ts';
import { groupOf } from './registry.ts';

/** What tells an object from every other one. */
export type ObjectName = Pick<KubernetesObject, 'apiVersion' | 'kind' | 'metadata'>;

/** Every object that the control plane knows, immutable. Maps are keyed by `objectKey`. */
export interface ClusterState {
  readonly gatewayClasses: ReadonlyMap<string, api.GatewayClass>;
  readonly gateways: ReadonlyMap<string, api.Gateway>;
  readonly listenerSets: ReadonlyMap<string, api.ListenerSet>;
  readonly httpRoutes: ReadonlyMap<string, api.HTTPRoute>;
  readonly grpcRoutes: ReadonlyMap<string, api.GRPCRoute>;
  readonly tlsRoutes: ReadonlyMap<string, api.TLSRoute>;
  readonly tcpRoutes: ReadonlyMap<string, api.TCPRoute>;
  readonly udpRoutes: ReadonlyMap<string, api.UDPRoute>;
  readonly referenceGrants: ReadonlyMap<string, api.ReferenceGrant>;
  readonly backendTLSPolicies: ReadonlyMap<string, api.BackendTLSPolicy>;
  readonly meshes: ReadonlyMap<string, api.XMesh>;
  readonly backendTrafficPolicies: ReadonlyMap<string, api.XBackendTrafficPolicy>;
  readonly backends: ReadonlyMap<string, api.XBackend>;
  readonly services: ReadonlyMap<string, Service>;
  readonly endpointSlices: ReadonlyMap<string, EndpointSlice>;
  readonly pods: ReadonlyMap<string, Pod>;
  readonly namespaces: ReadonlyMap<string, Namespace>;
  readonly secrets: ReadonlyMap<string, Secret>;
  readonly configMaps: ReadonlyMap<string, ConfigMap>;
  readonly clusterTrustBundles: ReadonlyMap<string, ClusterTrustBundle>;
  readonly ingresses: ReadonlyMap<string, Ingress>;
  readonly ingressClasses: ReadonlyMap<string, IngressClass>;
  readonly serviceImports: ReadonlyMap<string, ServiceImport>;
  /** Objects of kinds that the caller added, by `{kind}/{namespace}/{name}`. */
  readonly policies: ReadonlyMap<string, KubernetesObject>;
}

/** Which map holds a built-in kind, by `{group}/{kind}`. */
const mapOf: ReadonlyMap<string, Exclude<keyof ClusterState, 'policies'>> = new Map([
  ['gateway.networking.k8s.io/GatewayClass', 'gatewayClasses'],
  ['gateway.networking.k8s.io/Gateway', 'gateways'],
  ['gateway.networking.k8s.io/ListenerSet', 'listenerSets'],
  ['gateway.networking.k8s.io/HTTPRoute', 'httpRoutes'],
  ['gateway.networking.k8s.io/GRPCRoute', 'grpcRoutes'],
  ['gateway.networking.k8s.io/TLSRoute', 'tlsRoutes'],
  ['gateway.networking.k8s.io/TCPRoute', 'tcpRoutes'],
  ['gateway.networking.k8s.io/UDPRoute', 'udpRoutes'],
  ['gateway.networking.k8s.io/ReferenceGrant', 'referenceGrants'],
  ['gateway.networking.k8s.io/BackendTLSPolicy', 'backendTLSPolicies'],
  ['gateway.networking.x-k8s.io/XMesh', 'meshes'],
  ['gateway.networking.x-k8s.io/XBackendTrafficPolicy', 'backendTrafficPolicies'],
  ['gateway.networking.x-k8s.io/XBackend', 'backends'],
  ['/Service', 'services'],
  ['discovery.k8s.io/EndpointSlice', 'endpointSlices'],
  ['/Pod', 'pods'],
  ['/Namespace', 'namespaces'],
  ['/Secret', 'secrets'],
  ['/ConfigMap', 'configMaps'],
  ['certificates.k8s.io/ClusterTrustBundle', 'clusterTrustBundles'],
  ['networking.k8s.io/Ingress', 'ingresses'],
  ['networking.k8s.io/IngressClass', 'ingressClasses'],
  ['multicluster.x-k8s.io/ServiceImport', 'serviceImports'],
] as const);

export function emptyState(): ClusterState {
  const maps = [...mapOf.values(), 'policies' as const].map((name) => [name, new Map()] as const);
  return Object.fromEntries(maps) as unknown as ClusterState;
}

/** The state that holds just these objects; of two with one name the later one counts. */
export function stateOf(objects: Iterable<KubernetesObject>): ClusterState {
  const state = emptyState();
  for (const object of objects) {
    const { map, key } = placeOf(object);
    // The maps are new and nobody else has them yet.
    (state[map] as Map<string, KubernetesObject>).set(key, object);
  }
  return state;
}

/** Adds the object or puts it in the place of its predecessor. All other maps are shared with `state`. */
export function applyObject(state: ClusterState, object: KubernetesObject): ClusterState {
  const { map, key } = placeOf(object);
  if (state[map].get(key) === object) return state;
  return { ...state, [map]: new Map<string, KubernetesObject>(state[map]).set(key, object) };
}

/** `state` itself where it has no such object. */
export function removeObject(state: ClusterState, object: ObjectName): ClusterState {
  const { map, key } = placeOf(object);
  if (!state[map].has(key)) return state;
  const rest = new Map<string, KubernetesObject>(state[map]);
  rest.delete(key);
  return { ...state, [map]: rest };
}

/** Removes, then adds or replaces. Each map is copied once, however many of its objects change; the others are shared with `state`. */
export function applyChanges(state: ClusterState, applied: Iterable<KubernetesObject>, removed: Iterable<ObjectName> = []): ClusterState {
  const copies = new Map<keyof ClusterState, Map<string, KubernetesObject>>();
  const copyOf = (map: keyof ClusterState): Map<string, KubernetesObject> => {
    const copy = copies.get(map) ?? new Map<string, KubernetesObject>(state[map]);
    copies.set(map, copy);
    return copy;
  };
  for (const { map, key } of [...removed].map(placeOf)) if (state[map].has(key)) copyOf(map).delete(key);
  for (const object of applied) {
    const { map, key } = placeOf(object);
    if ((copies.get(map) ?? state[map]).get(key) !== object) copyOf(map).set(key, object);
  }
  return copies.size === 0 ? state : { ...state, ...Object.fromEntries(copies) };
}

function placeOf(object: ObjectName): { readonly map: keyof ClusterState; readonly key: string } {
  const map = mapOf.get(`${groupOf(object.apiVersion)}/${object.kind}`);
  const { namespace, name } = object.metadata;
  return map === undefined ? { map: 'policies', key: `${object.kind}/${namespace}/${name}` } : { map, key: objectKey(object) };
}
