import type { AnyPolicy } from '../types.ts';

/**
 * Older first: by `creationTimestamp`, then `{namespace}/{name}` (GEP-713, conflict resolution). An object without a timestamp comes
 * from a manifest, so it is younger than every object of a cluster.
 */
export function byAge(a: AnyPolicy, b: AnyPolicy): number {
  const [left, right] = [createdAt(a), createdAt(b)];
  if (left !== right) return left < right ? -1 : 1;
  return compareText(nameOf(a), nameOf(b)) || compareText(a.kind, b.kind);
}

/** By code unit, so the same everywhere. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function createdAt(policy: AnyPolicy): number {
  const parsed = Date.parse(policy.metadata.creationTimestamp ?? '');
  return Number.isNaN(parsed) ? Infinity : parsed;
}

function nameOf(policy: AnyPolicy): string {
  return `${policy.metadata.namespace}/${policy.metadata.name}`;
}
