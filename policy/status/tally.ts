import type { Pace, PolicyLevel, Steps } from '#snapshot';
import { targetKey, targetKinds } from '../attach/targets.ts';
import type { Attachments, LostField, PathVerdict, PolicyTarget } from '../types.ts';
import { isIdle, stakesOf, type Stake } from './stakes.ts';

/** What a policy came to on the paths that lead through one ancestor. */
export interface Tally {
  readonly ancestor: PolicyTarget;
  paths: number;
  readonly won: Set<string>;
  /** By field, then by what won in its place: on how many paths. */
  readonly lost: Map<string, Map<string, number>>;
}

export interface Tallies {
  /** By `policyKey`, then by the ancestor's `targetKey`. */
  readonly byPolicy: ReadonlyMap<string, ReadonlyMap<string, Tally>>;
  /** By `policyKey`: the `targetKey`s at which a field of the policy acts, or is told as one that doesn't. */
  readonly told: ReadonlyMap<string, ReadonlySet<string>>;
}

/** Counts over all paths. Linear in paths × policies on a path. */
export function* tally(attachments: Attachments, paths: Iterable<PathVerdict>, pace: Pace): Steps<Tallies> {
  const byPolicy = new Map<string, Map<string, Tally>>();
  const conflicts = conflictedTargets(attachments);
  const places = new Places(attachments);
  /** With fields that don't act there. Whether they do elsewhere is known after the last path. */
  const waiting: { readonly policy: string; readonly path: PathVerdict; readonly stake: Stake }[] = [];
  const counted = (policy: string, path: PathVerdict, stake: Stake): void => {
    let tallies = byPolicy.get(policy);
    if (tallies === undefined) byPolicy.set(policy, (tallies = new Map()));
    count(path, stake, tallies);
  };
  for (const path of paths) {
    if (pace.spend(itemsPerPath)) yield;
    for (const [policy, stake] of stakesOf(path.settled)) {
      if (!attachments.verdicts.has(policy)) continue;
      places.mark(policy, path, stake);
      const told = relevant(stake, path, conflicts.get(policy));
      if (told.lost.some(isIdle)) waiting.push({ policy, path, stake: told });
      else counted(policy, path, told);
    }
  }
  for (const { policy, path, stake } of waiting) {
    if (pace.spend(itemsPerPath)) yield;
    counted(policy, path, { ...stake, lost: stake.lost.filter((loss) => !isIdle(loss) || places.isIdleEverywhere(policy, path, loss)) });
  }
  return { byPolicy, told: places.told };
}

/** At which of its targets which fields of a policy act. */
class Places {
  readonly #attachments: Attachments;
  /** Fields by `policyKey`, then by `targetKey`. */
  readonly #acting = new Map<string, Map<string, Set<string>>>();
  readonly #told = new Map<string, Set<string>>();

  constructor(attachments: Attachments) {
    this.#attachments = attachments;
  }

  get told(): Tallies['told'] {
    return this.#told;
  }

  mark(policy: string, path: PathVerdict, { won, lost, own }: Stake): void {
    // Mostly all fields stand at one level.
    let level: PolicyLevel | undefined;
    let acting: readonly Set<string>[] = [];
    const mark = (one: Pick<LostField, 'level' | 'field'>): void => {
      if (one.level !== level) acting = this.#acts(policy, path, (level = one.level));
      for (const fields of acting) fields.add(one.field);
    };
    for (const one of won) mark(one);
    for (const one of own) mark(one);
    for (const one of lost) if (!isIdle(one)) mark(one);
  }

  /** Whether the field acts on no path through the target by which it stands on this one. Then it is told of the target. */
  isIdleEverywhere(policy: string, path: PathVerdict, { level, field }: LostField): boolean {
    const acting = this.#acting.get(policy);
    const targets = this.#targets(policy, path, level);
    if (targets.some((key) => acting?.get(key)?.has(field) === true)) return false;
    for (const key of targets) this.#tell(policy, key);
    return true;
  }

  #acts(policy: string, path: PathVerdict, level: PolicyLevel): readonly Set<string>[] {
    let acting = this.#acting.get(policy);
    if (acting === undefined) this.#acting.set(policy, (acting = new Map()));
    const found: Set<string>[] = [];
    for (const key of this.#targets(policy, path, level)) {
      let fields = acting.get(key);
      if (fields === undefined) {
        acting.set(key, (fields = new Set()));
        this.#tell(policy, key);
      }
      found.push(fields);
    }
    return found;
  }

  #tell(policy: string, target: string): void {
    const told = this.#told.get(policy) ?? new Set<string>();
    this.#told.set(policy, told.add(target));
  }

  /** Of several steps at one level, as of namespaces and Services in the mesh, all at which the policy is attached. */
  #targets(policy: string, { path }: PathVerdict, level: PolicyLevel): readonly string[] {
    const { byTarget, verdicts } = this.#attachments;
    const object = verdicts.get(policy)?.policy;
    const found: string[] = [];
    for (const step of path.steps) {
      if (step.level !== level) continue;
      const key = targetKey(step.target);
      if (byTarget.get(key)?.some((attached) => attached.policy === object) === true) found.push(key);
    }
    return found;
  }
}

/** What a path counts, in items of a step. */
const itemsPerPath = 5;

function count(path: PathVerdict, { won, lost }: Stake, tallies: Map<string, Tally>): void {
  const touched = new Set<Tally>();
  const tallyAt = (level: PolicyLevel): Tally => {
    const ancestor = ancestorOf(path, level);
    const key = targetKey(ancestor);
    let found = tallies.get(key);
    if (found === undefined) tallies.set(key, (found = { ancestor, paths: 0, won: new Set(), lost: new Map() }));
    touched.add(found);
    return found;
  };
  for (const { field, level } of won) tallyAt(level).won.add(field);
  for (const { field, level, to } of lost) {
    const byWinner = tallyAt(level).lost;
    const winners = byWinner.get(field) ?? new Map<string, number>();
    winners.set(to, (winners.get(to) ?? 0) + 1);
    byWinner.set(field, winners);
  }
  for (const each of touched) each.paths += 1;
}

/**
 * Losses that status speaks of: not those at a target that has a verdict of its own (`Conflicted`), and not what a namespace's fields would be
 * on paths where nobody expects them to act.
 */
function relevant(stake: Stake, { path }: PathVerdict, conflicted: ReadonlySet<string> | undefined): Stake {
  const atConflict = ({ level }: LostField): boolean =>
    conflicted !== undefined && path.steps.some((step) => step.level === level && conflicted.has(targetKey(step.target)));
  return { ...stake, lost: stake.lost.filter((field) => !atConflict(field) && !(field.level === 'Namespace' && isIdle(field))) };
}

function conflictedTargets({ verdicts }: Attachments): ReadonlyMap<string, ReadonlySet<string>> {
  const found = new Map<string, ReadonlySet<string>>();
  for (const [key, { targets }] of verdicts) {
    const conflicted = targets.filter(({ reason }) => reason === 'Conflicted').map(({ target }) => targetKey(target));
    if (conflicted.length > 0) found.set(key, new Set(conflicted));
  }
  return found;
}

/**
 * The object under whose name status tells what became of a policy: the Gateway; in the mesh the Service, or the mesh itself for a
 * policy that concerns all Services (policy.md, Status).
 */
function ancestorOf({ via, path }: PathVerdict, level: PolicyLevel): PolicyTarget {
  if (via.kind === 'mesh' && (level === 'Mesh' || level === 'Namespace')) {
    const mesh = path.steps.find((step) => step.level === 'Mesh');
    if (mesh !== undefined) return mesh.target;
  }
  const { kind, namespace, name } = via.kind === 'gateway' ? via.gateway : via.service;
  return { group: targetKinds.get(kind)?.group ?? '', kind, namespace, name };
}
