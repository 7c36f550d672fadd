import type { AnyPolicy } from '../types.ts';

/**
 * Older first: by `creationTimestamp`, then `{namespace}/{name}` (GEP-713, conflict resolution). An object without a timestamp comes
 * from a manifest, so it is younger than every object of a cluster.
 */
export function byAge(a: AnyPolicy, b: AnyPolicy): number {
  return compareAges(agedOf(a), agedOf(b));
}

/** A policy with what it is compared by, so that a time is read once, not for every comparison. */
export interface Aged {
  readonly policy: AnyPolicy;
  readonly createdAt: number;
  readonly name: string;
}

export function agedOf(policy: AnyPolicy): Aged {
  return { policy, createdAt: createdAt(policy), name: nameOf(policy) };
}

export function compareAges(a: Aged, b: Aged): number {
  if (a.createdAt !== b.createdAt) return a.createdAt < b.createdAt ? -1 : 1;
  return compareText(a.name, b.name) || compareText(a.policy.kind, b.policy.kind);
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
