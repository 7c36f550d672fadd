import type { KubernetesObject } from '#crds';
import { affected, type AffectedObject, type Attachments } from '#policy';
import type { ObjectRef, Pace, Steps } from '#snapshot';
import type { ConditionDraft, SettledPath } from '../types.ts';

/** Conditions that policies put on objects, by object, section and parent. */
export interface Affected {
  on(object: KubernetesObject, at?: { readonly section?: string; readonly parent?: ObjectRef }): readonly ConditionDraft[];
}

export function* affectedBy(attachments: Attachments, paths: Iterable<SettledPath>, pace: Pace): Steps<Affected> {
  const known = new Map<string, AffectedObject>();
  if (attachments.verdicts.size > 0) {
    for (const each of yield* affected(attachments, paths, pace)) known.set(keyOf(each.target, each.target.section, each.parent), each);
  }
  return {
    on: (object, at = {}) => {
      if (known.size === 0) return [];
      const { generation } = object.metadata;
      const conditions = known.get(keyOf({ kind: object.kind, ...object.metadata }, at.section, at.parent))?.conditions ?? [];
      return generation === undefined ? conditions : conditions.map((condition) => ({ ...condition, observedGeneration: generation }));
    },
  };
}

function keyOf({ kind, namespace, name }: ObjectRef, section = '', parent?: ObjectRef): string {
  return [kind, namespace, name, section, ...(parent === undefined ? [] : [parent.kind, parent.namespace, parent.name])].join(' ');
}
