import type { Origin, PolicyLevel } from '#snapshot';
import { refKey } from '../attach/targets.ts';
import type { LostField, SettledPolicy } from '../types.ts';

/** A leaf that a policy decides. */
export interface WonField {
  readonly field: string;
  readonly value: unknown;
  readonly stanza: Origin['stanza'];
  readonly level: PolicyLevel;
}

/** What a policy has to do with one effective policy. */
export interface Stake {
  readonly won: readonly WonField[];
  /** To others; a default under the policy's own override is no loss. */
  readonly lost: readonly LostField[];
}

const memo = new WeakMap<SettledPolicy, ReadonlyMap<string, Stake>>();

/** By `refKey`: every policy that stands on the path (and the route, where it has fields of its own). */
export function stakesOf(settled: SettledPolicy): ReadonlyMap<string, Stake> {
  let stakes = memo.get(settled);
  if (stakes === undefined) memo.set(settled, (stakes = collect(settled)));
  return stakes;
}

function collect({ policy, lost }: SettledPolicy): ReadonlyMap<string, Stake> {
  const stakes = new Map<string, { won: WonField[]; lost: LostField[] }>();
  const stakeOf = (key: string) => {
    let stake = stakes.get(key);
    if (stake === undefined) stakes.set(key, (stake = { won: [], lost: [] }));
    return stake;
  };
  for (const [field, origin] of Object.entries(policy.origins)) {
    const { stanza, level } = origin;
    stakeOf(refKey(origin)).won.push({ field, value: valueAt(policy, field), stanza, level });
  }
  for (const field of lost) {
    const key = refKey(field);
    if (!field.to.startsWith(`${key} (`)) stakeOf(key).lost.push(field);
  }
  return stakes;
}

function valueAt(root: unknown, field: string): unknown {
  return field.split('.').reduce<unknown>((value, step) => (value as Readonly<Record<string, unknown>> | undefined)?.[step], root);
}
