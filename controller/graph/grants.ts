import type { Cluster } from '../cluster.ts';

/** Who refers to whom across namespaces. */
export interface CrossReference {
  readonly from: { readonly group: string; readonly kind: string; readonly namespace: string };
  readonly to: { readonly group: string; readonly kind: string; readonly namespace: string; readonly name: string };
}

/**
 * Whether a ReferenceGrant in the target's namespace permits the reference; inside one namespace none is needed.
 * `from` and `to` of one grant are lists of alternatives, and each `to` without a name stands for all names (ReferenceGrantSpec).
 */
export function permitted(cluster: Cluster, { from, to }: CrossReference): boolean {
  if (from.namespace === to.namespace) return true;
  return cluster.grantsIn(to.namespace).some(
    ({ spec }) =>
      spec.from.some((each) => each.group === from.group && each.kind === from.kind && each.namespace === from.namespace) &&
      spec.to.some((each) => each.group === to.group && each.kind === to.kind && (each.name === undefined || each.name === '' || each.name === to.name)),
  );
}
