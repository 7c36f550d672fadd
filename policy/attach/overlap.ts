import type { Attached } from '../types.ts';
import { policyKey } from './targets.ts';

/** What a policy says on a target that an older one already says there, in the same stanza. */
export interface Overlap {
  readonly fields: readonly OverlappingField[];
  /** Nothing is left that only this policy says. */
  readonly total: boolean;
}

export interface OverlappingField {
  readonly stanza: 'override' | 'default';
  readonly field: string;
  /** `policyKey` of the older policy. */
  readonly by: string;
}

/** The older policy wins field by field, so only where every field is lost is there nothing to merge: a conflict. */
export function overlap(attached: Attached, older: readonly Attached[]): Overlap {
  const fields: OverlappingField[] = [];
  for (const stanza of ['override', 'default'] as const) {
    for (const { field } of attached[stanza]) {
      const winner = older.find((other) => other[stanza].some((leaf) => leaf.field === field));
      if (winner !== undefined) fields.push({ stanza, field, by: policyKey(winner.policy) });
    }
  }
  return { fields, total: fields.length > 0 && fields.length === attached.override.length + attached.default.length };
}

/** `default retry.maxRetries by RetryPolicy/shop/old`. */
export function overlapText({ stanza, field, by }: OverlappingField): string {
  return `${stanza} ${field} by ${by}`;
}
