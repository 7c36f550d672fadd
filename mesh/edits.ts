import { objectKey, type ClusterState, type KubernetesObject } from '#crds';
import type { Edit } from './types.ts';

/** What differs between two states, as users call it. */
export function compareStates(before: ClusterState, after: ClusterState): Omit<Edit, 'tookMs'> {
  const added: string[] = [];
  const changed: string[] = [];
  const removed: string[] = [];
  for (const map of Object.keys(after) as (keyof ClusterState)[]) {
    if (before[map] === after[map]) continue;
    const [old, current]: readonly ReadonlyMap<string, KubernetesObject>[] = [before[map], after[map]] as const;
    for (const [key, object] of current ?? []) {
      const known = old?.get(key);
      if (known === undefined) added.push(titleOf(object));
      else if (known !== object && contentOf(known) !== contentOf(object)) changed.push(titleOf(object));
    }
    for (const [key, object] of old ?? []) if (current?.has(key) !== true) removed.push(titleOf(object));
  }
  return { added, changed, removed };
}

function titleOf(object: KubernetesObject): string {
  return `${object.kind} ${objectKey(object)}`;
}

/** Where an object stands in its file is no part of it. */
function contentOf(object: KubernetesObject): string {
  return JSON.stringify({ ...object, source: undefined });
}
