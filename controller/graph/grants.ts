import type { ReferenceGrant } from '#crds';
import type { Cluster } from '../cluster.ts';
import { memoByMap } from '../memo.ts';

/** Who refers to whom across namespaces. */
export interface CrossReference {
  readonly from: { readonly group: string; readonly kind: string; readonly namespace: string };
  readonly to: { readonly group: string; readonly kind: string; readonly namespace: string; readonly name: string };
}

/**
 * Whether a ReferenceGrant in the target's namespace permits the reference; inside one namespace none is needed.
 * `from` and `to` of one grant are lists of alternatives, and each `to` without a name stands for all names (ReferenceGrantSpec).
 */
export function permitted({ state }: Cluster, { from, to }: CrossReference): boolean {
  if (from.namespace === to.namespace) return true;
  const granted = grantsBySender(state.referenceGrants).get(senderKey(to.namespace, from));
  return granted !== undefined && (granted.has(targetKey(to)) || granted.has(targetKey({ ...to, name: '' })));
}

/** By the namespace that is referred to and who refers: to what. There may be a grant for each of thousands of senders. */
const grantsBySender = memoByMap((grants: ReadonlyMap<string, ReferenceGrant>): ReadonlyMap<string, ReadonlySet<string>> => {
  const found = new Map<string, Set<string>>();
  for (const { metadata, spec } of grants.values()) {
    for (const from of spec.from) {
      const key = senderKey(metadata.namespace, from);
      const targets = found.get(key) ?? new Set();
      found.set(key, targets);
      for (const to of spec.to) targets.add(targetKey(to));
    }
  }
  return found;
});

function senderKey(namespace: string, from: CrossReference['from']): string {
  return `${namespace} ${from.group} ${from.kind} ${from.namespace}`;
}

function targetKey({ group, kind, name = '' }: { readonly group: string; readonly kind: string; readonly name?: string }): string {
  return `${group} ${kind} ${name}`;
}
