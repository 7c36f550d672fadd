import type { Pace, PolicyLevel, Steps } from '#snapshot';
import { targetKey, targetKinds } from '../attach/targets.ts';
import type { Attachments, LostField, PathVerdict, PolicyTarget } from '../types.ts';
import { stakesOf, type Stake } from './stakes.ts';

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
  /** `targetKey` of every target through which a path leads. */
  readonly passed: ReadonlySet<string>;
}

/** Counts over all paths. Linear in paths × policies on a path. */
export function* tally(attachments: Attachments, paths: Iterable<PathVerdict>, pace: Pace): Steps<Tallies> {
  const byPolicy = new Map<string, Map<string, Tally>>();
  const passed = new Set<string>();
  const conflicts = conflictedTargets(attachments);
  for (const path of paths) {
    if (pace.spend(itemsPerPath)) yield;
    for (const { target } of path.path.steps) {
      const key = targetKey(target);
      if (attachments.byTarget.has(key)) passed.add(key);
    }
    for (const [policy, stake] of stakesOf(path.settled)) {
      if (!attachments.verdicts.has(policy)) continue;
      let tallies = byPolicy.get(policy);
      if (tallies === undefined) byPolicy.set(policy, (tallies = new Map()));
      count(path, relevant(stake, path, conflicts.get(policy)), tallies);
    }
  }
  return { byPolicy, passed };
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
 * Losses that status speaks of: not those at a target that has a verdict of its own (`Conflicted`), and not those of a namespace's
 * clients' fields at its routes and Services, where nobody expects them to act.
 */
function relevant(stake: Stake, { path }: PathVerdict, conflicted: ReadonlySet<string> | undefined): Stake {
  const atConflict = ({ level }: LostField): boolean =>
    conflicted !== undefined && path.steps.some((step) => step.level === level && conflicted.has(targetKey(step.target)));
  return { won: stake.won, lost: stake.lost.filter((field) => !atConflict(field) && !(field.level === 'Namespace' && field.to.startsWith('nothing: '))) };
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
