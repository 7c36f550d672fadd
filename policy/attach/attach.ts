import { Pace, runSteps, sortInSteps, type Steps } from '#snapshot';
import { flatten } from '../settle/leaves.ts';
import { trafficLeaves } from '../traffic/leaves.ts';
import type { AnyPolicy, Attached, Attachments, Lookup, Problem, PolicyVerdict, TargetVerdict } from '../types.ts';
import { agedOf, compareAges, compareText } from './order.ts';
import { overlapText, Standing, type Overlap } from './overlap.ts';
import { duplicateTarget, olderWins, refusedTarget, stanzaProblems, strayVersion } from './problems.ts';
import { describeTarget, listed, policyKey, refKey, targetKey, targetsOf, type ResolvedTarget } from './targets.ts';

/**
 * Puts every policy where it attaches (policy.md, GEP-713): refuses what its author may not touch, orders the policies of each
 * target, and finds those that lose everything to an older one. The order of `policies` does not matter. Never throws for what
 * a user wrote: that is in `problems` and `verdicts`. Where nothing changed since `previous`, that is the result: what was settled
 * with it need not be settled again.
 */
export function attach(policies: Iterable<AnyPolicy>, lookup: Lookup, previous?: Attachments): Attachments {
  return runSteps(attachInSteps(policies, lookup, { pace: new Pace(), previous }));
}

/** `attach`, giving way. */
export function* attachInSteps(policies: Iterable<AnyPolicy>, lookup: Lookup, { pace, previous }: { readonly pace: Pace; readonly previous?: Attachments | undefined }): Steps<Attachments> {
  const byTarget = new Map<string, Standing>();
  const verdicts: [string, PolicyVerdict][] = [];
  const problems: Problem[] = [];
  for (const { policy } of yield* sortInSteps(Array.from(policies, agedOf), compareAges, pace)) {
    if (pace.spend(itemsPerPolicy)) yield;
    const attached = leavesOf(policy);
    const { distinct, repeated } = distinctTargets(policy);
    const targets = distinct.flatMap((resolved) => place(attached, resolved, { byTarget, problems, lookup }) ?? []);
    problems.push(...repeated.map((resolved) => duplicateTarget(policy, resolved)), ...stanzaProblems(attached, targets));
    verdicts.push([policyKey(policy), { policy, targets }]);
  }
  const next: Attachments = {
    byTarget: new Map([...byTarget].map(([key, { all }]) => [key, all])),
    verdicts: new Map(yield* sortInSteps(verdicts, ([a], [b]) => compareText(a, b), pace)),
    problems: yield* sortInSteps(problems, (a, b) => compareText(refKey(a.object), refKey(b.object)), pace),
  };
  return previous !== undefined && sameVerdicts(previous, next) ? previous : next;
}

/** What a policy counts, in items of a step. */
const itemsPerPolicy = 5;

function leavesOf(policy: AnyPolicy): Attached {
  if (policy.kind === 'XBackendTrafficPolicy') return { policy, override: [], default: [], direct: trafficLeaves(policy) };
  return { policy, override: flatten(policy.kind, policy.spec.override), default: flatten(policy.kind, policy.spec.default), direct: [] };
}

/** Same policy objects, same verdicts: then the rest is the same. */
function sameVerdicts(previous: Attachments, next: Attachments): boolean {
  if (previous.verdicts.size !== next.verdicts.size) return false;
  for (const [key, { policy, targets }] of next.verdicts) {
    const old = previous.verdicts.get(key);
    if (old?.policy !== policy || old.targets.length !== targets.length) return false;
    if (targets.some(({ reason, message }, index) => old.targets[index]?.reason !== reason || old.targets[index].message !== message)) return false;
  }
  return true;
}

interface Placing {
  readonly byTarget: Map<string, Standing>;
  readonly problems: Problem[];
  readonly lookup: Lookup;
}

/** Undefined for a target that is another controller's. Older policies must have been placed before. */
function place(attached: Attached, resolved: ResolvedTarget, { byTarget, problems, lookup }: Placing): TargetVerdict | undefined {
  const { policy } = attached;
  const refused = resolved.refusal ?? missing(resolved, lookup);
  if (refused === 'foreign') return undefined;
  problems.push(...strayVersion(policy, resolved));
  if (refused !== undefined) {
    const verdict = { target: resolved.target, ...refused };
    problems.push(...refusedTarget(policy, resolved, verdict));
    return verdict;
  }
  const key = targetKey(resolved.target);
  const standing = byTarget.get(key) ?? new Standing();
  byTarget.set(key, standing);
  if (policy.kind === 'XBackendTrafficPolicy' && standing.direct !== undefined) {
    const verdict = directConflict(resolved, standing.direct);
    problems.push(...refusedTarget(policy, resolved, verdict));
    return verdict;
  }
  const overlapping = standing.add(attached);
  const verdict = acceptance(resolved, overlapping);
  problems.push(...refusedTarget(policy, resolved, verdict), ...olderWins(policy, resolved, overlapping));
  return verdict;
}

function distinctTargets(policy: AnyPolicy): { readonly distinct: readonly ResolvedTarget[]; readonly repeated: readonly ResolvedTarget[] } {
  const distinct = new Map<string, ResolvedTarget>();
  const repeated: ResolvedTarget[] = [];
  for (const resolved of targetsOf(policy)) {
    // The group too: of two references, one with a wrong group, both deserve their verdict.
    const key = `${resolved.target.group} ${targetKey(resolved.target)}`;
    if (distinct.has(key)) repeated.push(resolved);
    else distinct.set(key, resolved);
  }
  return { distinct: [...distinct.values()], repeated };
}

function missing({ target }: ResolvedTarget, lookup: Lookup): Pick<TargetVerdict, 'reason' | 'message'> | 'foreign' | undefined {
  const { section: _, ...whole } = target;
  const found = lookup(target);
  switch (found) {
    case 'found':
      return undefined;
    case 'foreign':
      return 'foreign';
    case 'no-target':
      return { reason: 'TargetNotFound', message: `There is no ${describeTarget(whole)}.` };
    default:
      return { reason: 'TargetNotFound', message: `There is no ${describeTarget(target)}; it has ${found.sections.length === 0 ? 'none with a name' : listed(found.sections)}.` };
  }
}

/** Direct policies do not merge (GEP-713, merge strategy None): of two on one target the older one is in force, as a whole. */
function directConflict({ target }: ResolvedTarget, older: string): TargetVerdict {
  return { target, reason: 'Conflicted', message: `${older} is on ${describeTarget(target)} already and is older; two policies of this kind do not merge.` };
}

function acceptance({ target }: ResolvedTarget, { total, fields }: Overlap): TargetVerdict {
  if (!total) return { target, reason: 'Accepted', message: `Attached to ${describeTarget(target)}.` };
  return { target, reason: 'Conflicted', message: `Older policies on ${describeTarget(target)} set every field that this one sets: ${fields.map(overlapText).join(', ')}.` };
}
