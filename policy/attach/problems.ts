import type { AnyPolicy, Attached, Problem, TargetVerdict } from '../types.ts';
import { deadDefaults, idleAt } from '../settle/leaves.ts';
import type { Overlap } from './overlap.ts';
import { describeTarget, policyRef, type ResolvedTarget } from './targets.ts';

export function problem(policy: AnyPolicy, rest: Omit<Problem, 'object' | 'source'>): Problem {
  const source = policy.source === undefined ? {} : { source: policy.source };
  return { ...rest, object: { ...policyRef(policy), apiVersion: policy.apiVersion }, ...source };
}

/** `['spec', 'default', 'retryOn', 'codes']` for `retry.retryOn.codes`. */
export function stanzaPath(stanza: 'override' | 'default', field: string): readonly string[] {
  return ['spec', stanza, ...field.split('.').slice(1)];
}

export function duplicateTarget(policy: AnyPolicy, { target, path }: ResolvedTarget): Problem {
  return problem(policy, { severity: 'warning', path, reason: 'DuplicateTarget', message: `${describeTarget(target)} is named twice.` });
}

/** As in published samples: `group: gateway.networking.k8s.io/v1alpha2`. */
export function strayVersion(policy: AnyPolicy, { path, strayVersion: version, target }: ResolvedTarget): readonly Problem[] {
  if (version === undefined) return [];
  const message = `A group carries no version: ${target.group} is meant, /${version} is ignored.`;
  return [problem(policy, { severity: 'warning', path: [...path, 'group'], reason: 'VersionInGroup', message })];
}

export function refusedTarget(policy: AnyPolicy, { path }: ResolvedTarget, { reason, message }: TargetVerdict): readonly Problem[] {
  return reason === 'Accepted' ? [] : [problem(policy, { severity: 'error', path, reason, message })];
}

/** What an older policy on the same target takes from this one, where it leaves it something. */
export function olderWins(policy: AnyPolicy, { target }: ResolvedTarget, { fields, total }: Overlap): readonly Problem[] {
  if (total) return [];
  return fields.map(({ stanza, field, by }) => {
    const message = `${describeTarget(target)} gets ${field} from ${by}, which is older; this ${stanza} is not used there.`;
    return problem(policy, { severity: 'warning', path: stanzaPath(stanza, field), reason: 'OlderPolicyWins', message });
  });
}

/** Surprises that the policy alone shows, wherever it attaches. */
export function stanzaProblems(attached: Attached, targets: readonly TargetVerdict[]): readonly Problem[] {
  const { policy } = attached;
  const dead = deadDefaults(attached).map(({ field, message }) =>
    problem(policy, { severity: 'warning', path: stanzaPath('default', field), reason: 'DeadDefault', message }),
  );
  const accepted = targets.filter(({ reason }) => reason === 'Accepted');
  const idle = (['override', 'default'] as const).flatMap((stanza) =>
    attached[stanza].flatMap(({ field }) => {
      const [first] = accepted.flatMap(({ target }) => {
        const why = idleAt(target.kind, field);
        return why === undefined ? [] : [`${field} has no effect on ${describeTarget(target)}: ${why}`];
      });
      return first === undefined ? [] : [problem(policy, { severity: 'warning', path: stanzaPath(stanza, field), reason: 'NoEffectAtLevel', message: first })];
    }),
  );
  return [...dead, ...idle];
}
