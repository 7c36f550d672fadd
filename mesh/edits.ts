import { objectKey, type ClusterState, type KubernetesObject } from '#crds';
import { Pace, type Steps } from '#snapshot';
import type { Edit } from './types.ts';

/** What differs between two states, as users call it; giving way. */
export function* compareInSteps(before: ClusterState, after: ClusterState, pace = new Pace()): Steps<Omit<Edit, 'tookMs'>> {
  const added: string[] = [];
  const changed: string[] = [];
  const removed: string[] = [];
  for (const map of Object.keys(after) as (keyof ClusterState)[]) {
    if (before[map] === after[map]) continue;
    const [old, current]: readonly ReadonlyMap<string, KubernetesObject>[] = [before[map], after[map]] as const;
    for (const [key, object] of current ?? []) {
      const known = old?.get(key);
      if (pace.spend(known === object ? 1 : 5)) yield;
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
