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

/** The policies of one target, older ones first, and who of them set which field first. */
export class Standing {
  readonly all: Attached[] = [];
  /** `policyKey` by stanza and field. */
  readonly #owners = new Map<string, string>();
  /** `policyKey`. */
  #direct: string | undefined;
  #conflicted = 0;

  /** The direct policy that stands here; there is one at most. */
  get direct(): string | undefined {
    return this.#direct;
  }

  /** Takes in a policy that is younger than all before, and says what of it the older ones have taken. */
  add(attached: Attached): Overlap {
    const key = policyKey(attached.policy);
    const fields: OverlappingField[] = [];
    for (const stanza of ['override', 'default'] as const) {
      for (const { field } of attached[stanza]) {
        const by = this.#owners.get(`${stanza} ${field}`);
        if (by === undefined) this.#owners.set(`${stanza} ${field}`, key);
        else fields.push({ stanza, field, by });
      }
    }
    // The older policy wins field by field, so only where every field is lost is there nothing to merge: a conflict.
    const total = fields.length > 0 && fields.length === attached.override.length + attached.default.length;
    if (attached.policy.kind === 'XBackendTrafficPolicy') this.#direct = key;
    if (total) this.#conflicted += 1;
    if (this.#conflicted <= maxConflicted || !total) this.all.push(attached);
    return { fields, total };
  }
}

/** Of those that decide nothing so many are kept for whoever asks what lost. Each costs something on every path. */
const maxConflicted = 16;

/** `default retry.maxRetries by RetryPolicy/shop/old`. */
export function overlapText({ stanza, field, by }: OverlappingField): string {
  return `${stanza} ${field} by ${by}`;
}
