/** Where in a manifest an object or a field begins; 1-based. Absent for objects from a cluster. */
export interface SourcePosition {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

export interface ObjectMeta {
  readonly name: string;
  /** Empty for cluster-scoped objects; `default` where a manifest of a namespaced kind names none. */
  readonly namespace: string;
  readonly uid?: string;
  readonly generation?: number;
  readonly resourceVersion?: string;
  /** RFC 3339. */
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** What every parsed object has. `source` and `positionOf` are ours, not Kubernetes'. */
export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
  readonly source?: SourcePosition;
}

/** `metav1.Condition`. */
export interface Condition {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration?: number;
  readonly lastTransitionTime: string;
}

/** `{namespace}/{name}`; the bare name for cluster-scoped objects. */
export function objectKey(object: { readonly metadata: { readonly namespace: string; readonly name: string } }): string {
  const { namespace, name } = object.metadata;
  return namespace === '' ? name : `${namespace}/${name}`;
}
