import { objectKey, type ClusterState, type Pod, type Service } from '#crds';
import type { ObjectRef } from '#snapshot';
import { serviceName } from './graph/imports/expand.ts';
import { memoByMap } from './memo.ts';
import { importKind, rootNamespace } from './names.ts';

/** Lookups in a ClusterState. Made once per map, so that a change of one kind leaves the others' lookups alone. */
export interface Cluster {
  readonly state: ClusterState;
  service(namespace: string, name: string): Service | undefined;
  /** A Service, or what a ServiceImport is derived as; undefined for a reference of another kind. */
  backend(ref: ObjectRef): Service | undefined;
  /** Labels of a namespace, `kubernetes.io/metadata.name` included also where nobody wrote the Namespace down. */
  namespaceLabels(name: string): Readonly<Record<string, string>>;
}

export function clusterOf(state: ClusterState): Cluster {
  return {
    state,
    service: (namespace, name) => state.services.get(`${namespace}/${name}`),
    backend: ({ kind, namespace, name }) => (kind === 'Service' || kind === importKind ? state.services.get(`${namespace}/${serviceName(kind, name)}`) : undefined),
    namespaceLabels: (name) => ({ ...state.namespaces.get(name)?.metadata.labels, 'kubernetes.io/metadata.name': name }),
  };
}

/**
 * Namespaces that exist or that an object lives in, sorted: those that may have clients. The root namespace counts only where there
 * is more in it than policies.
 */
export function namespacesOf(state: Pick<ClusterState, 'namespaces' | 'policies' | 'pods' | 'services' | 'httpRoutes' | 'grpcRoutes' | 'gateways'>): readonly string[] {
  const names = new Set(state.namespaces.keys());
  for (const { metadata } of state.policies.values()) if (metadata.namespace !== rootNamespace) names.add(metadata.namespace);
  for (const map of [state.pods, state.services, state.httpRoutes, state.grpcRoutes, state.gateways]) {
    for (const object of map.values()) names.add(object.metadata.namespace);
  }
  return [...names].sort();
}

export const servicesByName = memoByMap((services: ReadonlyMap<string, Service>) =>
  [...services].sort(([a], [b]) => compareText(a, b)).map(([, service]) => service),
);

/** By `{namespace} {label}={value}`: what a selector picks is among those of any one of its labels. */
export const podsByLabel = memoByMap((pods: ReadonlyMap<string, Pod>) => {
  const groups = new Map<string, Pod[]>();
  for (const pod of pods.values()) {
    for (const [label, value] of Object.entries(pod.metadata.labels ?? {})) {
      const key = labelKey(pod.metadata.namespace, label, value);
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [pod]);
      else group.push(pod);
    }
  }
  return groups;
});

export function labelKey(namespace: string, label: string, value: string): string {
  return `${namespace} ${label}=${value}`;
}

/** By code unit, so the same everywhere. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Age first (older wins), then `{namespace}/{name}`; objects of manifests have no age. */
export function byAge(
  a: { readonly metadata: { readonly namespace: string; readonly name: string; readonly creationTimestamp?: string } },
  b: { readonly metadata: { readonly namespace: string; readonly name: string; readonly creationTimestamp?: string } },
): number {
  const older = createdAt(a) - createdAt(b);
  if (older !== 0) return older;
  return compareText(objectKey(a), objectKey(b));
}

/** In the order of `byAge`, whose times are read once each: to read them for every comparison takes most of the time. */
export function sortedByAge<T extends Parameters<typeof byAge>[0]>(objects: Iterable<T>): T[] {
  const keyed = Array.from(objects, (each) => ({ each, at: createdAt(each), key: objectKey(each) }));
  return keyed.sort((a, b) => a.at - b.at || compareText(a.key, b.key)).map(({ each }) => each);
}

/** Milliseconds since 1970; 0 where unknown. */
export function createdAt(object: { readonly metadata: { readonly creationTimestamp?: string } }): number {
  const time = Date.parse(object.metadata.creationTimestamp ?? '');
  return Number.isNaN(time) ? 0 : time;
}
