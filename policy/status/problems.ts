import { sortInSteps, type ObjectRef, type Pace, type Steps } from '#snapshot';
import { stanzaPath } from '../attach/problems.ts';
import { idleAt } from '../settle/leaves.ts';
import { policyRef, refKey } from '../attach/targets.ts';
import type { Attachments, Finding, PathVerdict, Problem, SettledPolicy } from '../types.ts';
import { compareText } from '../attach/order.ts';

/** Whether `attach` reports a finding already, from the policy alone. */
function isReported({ reason, field, origin: { level } }: Finding): boolean {
  if (reason !== 'NoEffectAtLevel') return reason === 'DeadDefault';
  return level === 'Route' || level === 'Rule' || (level !== 'Listener' && idleAt('Service', field) !== undefined);
}

/**
 * The warnings that only merged results show, each once per policy and field, however many paths have it. One about a field that
 * stands in a route is the route's.
 */
export function* pathProblems(attachments: Attachments, paths: Iterable<Pick<PathVerdict, 'settled'>>, pace: Pace): Steps<readonly Problem[]> {
  const groups = new Map<string, { readonly finding: Finding; readonly messages: Set<string> }>();
  const acting = new Set<string>();
  const seen = new Set<SettledPolicy>();
  for (const { settled } of paths) {
    if (pace.spend()) yield;
    if (seen.has(settled)) continue;
    seen.add(settled);
    for (const [field, origin] of Object.entries(settled.policy.origins)) acting.add(`${refKey(origin)} ${field}`);
    for (const finding of settled.findings) {
      if (isReported(finding)) continue;
      const key = `${refKey(finding.origin)} ${finding.field} ${finding.origin.stanza} ${finding.reason}`;
      const group = groups.get(key) ?? { finding, messages: new Set<string>() };
      group.messages.add(finding.message);
      groups.set(key, group);
    }
  }
  // What is not asked for on one path may be on another.
  const told = [...groups].filter(([, { finding }]) => finding.reason !== 'NoEffectAtLevel' || !acting.has(`${refKey(finding.origin)} ${finding.field}`));
  return (yield* sortInSteps(told, ([a], [b]) => compareText(a, b), pace)).map(([, { finding, messages }]) => problemOf(attachments, finding, [...messages].sort()));
}

function problemOf({ verdicts }: Attachments, { reason, field, origin }: Finding, messages: readonly string[]): Problem {
  const message = messages.length > 1 ? `${messages[0]} On other paths it is likewise, with other values (${messages.length - 1} more).` : messages[0]!;
  const policy = verdicts.get(refKey(origin))?.policy;
  if (policy === undefined || origin.stanza === 'route') {
    const route: ObjectRef = { kind: origin.kind, namespace: origin.namespace, name: origin.name };
    return { severity: 'warning', object: { ...route, apiVersion: 'gateway.networking.k8s.io/v1' }, path: ['spec', 'rules'], reason, message };
  }
  const source = policy.source === undefined ? {} : { source: policy.source };
  const path = origin.stanza === 'direct' ? ['spec'] : stanzaPath(origin.stanza, field);
  return { severity: 'warning', object: { ...policyRef(policy), apiVersion: policy.apiVersion }, path, reason, message, ...source };
}
