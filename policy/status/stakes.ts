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
  /** To others. */
  readonly lost: readonly LostField[];
  /** To the policy itself, to its override or at another of its targets, which is no loss. */
  readonly own: readonly LostField[];
}

const memo = new WeakMap<SettledPolicy, ReadonlyMap<string, Stake>>();

/** By `refKey`: every policy that stands on the path (and the route, where it has fields of its own). */
export function stakesOf(settled: SettledPolicy): ReadonlyMap<string, Stake> {
  let stakes = memo.get(settled);
  if (stakes === undefined) memo.set(settled, (stakes = collect(settled)));
  return stakes;
}

function collect({ policy, lost }: SettledPolicy): ReadonlyMap<string, Stake> {
  const stakes = new Map<string, { won: WonField[]; lost: LostField[]; own: LostField[] }>();
  const stakeOf = (key: string) => {
    let stake = stakes.get(key);
    if (stake === undefined) stakes.set(key, (stake = { won: [], lost: [], own: [] }));
    return stake;
  };
  for (const [field, origin] of Object.entries(policy.origins)) {
    const { stanza, level } = origin;
    stakeOf(refKey(origin)).won.push({ field, value: valueAt(policy, field), stanza, level });
  }
  for (const field of lost) {
    const key = refKey(field);
    const stake = stakeOf(key);
    (field.to.startsWith(`${key} (`) ? stake.own : stake.lost).push(field);
  }
  return stakes;
}

/** Whether a field lost to nobody: what goes along the path does not ask for it. */
export function isIdle({ to }: Pick<LostField, 'to'>): boolean {
  return to.startsWith('nothing: ');
}

function valueAt(root: unknown, field: string): unknown {
  return field.split('.').reduce<unknown>((value, step) => (value as Readonly<Record<string, unknown>> | undefined)?.[step], root);
}
