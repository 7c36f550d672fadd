import type { FieldPath, KubernetesObject } from '#crds';

/** A place in an object that somebody wrote. */
export interface WrittenPlace {
  readonly object: KubernetesObject;
  readonly path: FieldPath;
  /** What is wrong there, where that can be said better in its own words. */
  readonly message?: string;
}

export interface Source {
  /** The object under whose name the derived one acts, where it stands for just one. */
  readonly object?: KubernetesObject;
  /** What was written that a place of the derived object comes from; undefined where nothing was. */
  written(path: FieldPath): WrittenPlace | undefined;
}

const sources = new WeakMap<KubernetesObject, Source>();

/** Says that an object was made of others. It is in the state as all others are; names, problems and statuses are those of what was written. */
export function derive<T extends KubernetesObject>(object: T, source: Source): T {
  sources.set(object, source);
  return object;
}

/** Undefined for an object that somebody wrote. */
export function sourceOf(object: KubernetesObject): Source | undefined {
  return sources.get(object);
}

/** Whether the object is there to be told its status: the derived ones are not, but for those that add to one that somebody wrote. */
export function isWritten(object: KubernetesObject): boolean {
  const source = sources.get(object);
  return source === undefined || source.object?.kind === object.kind;
}
