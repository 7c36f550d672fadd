import type { Pace, Steps } from '#snapshot';
import { describeTarget, targetKey, targetKinds } from '../attach/targets.ts';
import { compareText } from '../attach/order.ts';
import type { Attachments, ConditionDraft, PathVerdict, PolicyTarget, PolicyVerdict, TargetVerdict } from '../types.ts';
import { acceptedCondition, aggregatedCondition, programmedCondition } from './conditions.ts';
import { tally, type Tally } from './tally.ts';

/** PolicyStatus of Gateway API allows this many. */
const maxAncestors = 16;

export interface AncestorStatus {
  readonly ancestorRef: { readonly group: string; readonly kind: string; readonly namespace?: string; readonly name: string; readonly sectionName?: string };
  readonly controllerName: string;
  readonly conditions: readonly ConditionDraft[];
}

/** The controller's `ObjectStatus`. */
export interface PolicyObjectStatus {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid?: string;
  readonly status: { readonly ancestors: readonly AncestorStatus[] };
}

export interface StatusOptions {
  readonly controllerName: string;
  /** Of the paths through the mesh some were left out; the messages then say so. */
  readonly partly?: boolean;
  readonly pace: Pace;
}

/**
 * The status of every policy (GEP-713, PolicyAncestorStatus): one entry per Gateway, Service or mesh on whose paths it stands, one
 * per target that refused it, and one per target that nothing passes on which it could act. `paths` are all paths, settled with `attachments`,
 * but for those through the mesh that `partly` tells of.
 */
export function* policyStatuses(attachments: Attachments, paths: Iterable<PathVerdict>, { controllerName, partly = false, pace }: StatusOptions): Steps<readonly PolicyObjectStatus[]> {
  const { byPolicy, told } = yield* tally(attachments, paths, pace);
  const statuses: PolicyObjectStatus[] = [];
  for (const [key, verdict] of attachments.verdicts) {
    if (pace.spend(itemsPerPolicy)) yield;
    const entries = entriesOf(verdict, { tallies: byPolicy.get(key) ?? new Map(), told: told.get(key) ?? new Set(), partly });
    const { apiVersion, kind, metadata } = verdict.policy;
    statuses.push({ apiVersion, kind, namespace: metadata.namespace, name: metadata.name, ...(metadata.uid === undefined ? {} : { uid: metadata.uid }), status: { ancestors: render(verdict, entries, controllerName) } });
  }
  return statuses;
}

/** What a policy counts, in items of a step. */
const itemsPerPolicy = 10;

interface Entry {
  readonly ancestor: PolicyTarget;
  readonly refused: readonly TargetVerdict[];
  readonly conditions: readonly ConditionDraft[];
}

interface Counted {
  /** By ancestor. */
  readonly tallies: ReadonlyMap<string, Tally>;
  /** Targets at which something of the policy acts, or is told as what doesn't. */
  readonly told: ReadonlySet<string>;
  readonly partly: boolean;
}

function entriesOf({ targets }: PolicyVerdict, { tallies, told, partly }: Counted): readonly Entry[] {
  const accepted = targets.filter(({ reason }) => reason === 'Accepted');
  const silent = accepted.filter(({ target }) => !told.has(targetKey(target)));
  const ancestors = new Map<string, PolicyTarget>();
  for (const { ancestor } of tallies.values()) ancestors.set(identity(ancestor), ancestor);
  for (const { target, reason } of targets) if (reason !== 'Accepted') ancestors.set(identity(target), target);
  for (const { target } of silent) if (!ancestors.has(identity(target))) ancestors.set(identity(target), target);
  return [...ancestors.values()].map((ancestor) => {
    const refused = targets.filter(({ target, reason }) => reason !== 'Accepted' && identity(target) === identity(ancestor));
    const here = tallies.get(targetKey(ancestor));
    const own = accepted.filter(({ target }) => identity(target) === identity(ancestor));
    const condition = acceptedCondition(refused, here === undefined && own.length > 0 ? own : accepted);
    return { ancestor, refused, conditions: refused.length > 0 ? [condition] : [condition, programmedCondition(here, partly && ancestor.kind !== 'Gateway' ? 'partly' : 'all')] };
  });
}

function render({ policy }: PolicyVerdict, entries: readonly Entry[], controllerName: string): readonly AncestorStatus[] {
  // What needs attention must not be among what is left out.
  const ordered = [...entries].sort((a, b) => urgency(a) - urgency(b) || compareText(targetKey(a.ancestor), targetKey(b.ancestor)));
  const rest = ordered.slice(maxAncestors).map(({ ancestor }) => describeTarget(ancestor));
  const generation = policy.metadata.generation === undefined ? {} : { observedGeneration: policy.metadata.generation };
  return ordered.slice(0, maxAncestors).map(({ ancestor, conditions }, index) => {
    const all = rest.length > 0 && index === maxAncestors - 1 ? [...conditions, aggregatedCondition(rest)] : conditions;
    return { ancestorRef: refOf(ancestor), controllerName, conditions: all.map((condition) => ({ ...condition, ...generation })) };
  });
}

function urgency({ refused, conditions }: Entry): number {
  if (refused.length > 0) return 0;
  return ['NoEffect', 'Overridden', 'PartiallyProgrammed', 'Programmed'].indexOf(conditions[1]?.reason ?? '') + 1;
}

/** The group counts: a reference with a wrong group names another thing. */
function identity(target: PolicyTarget): string {
  return `${target.group} ${targetKey(target)}`;
}

function refOf({ group, kind, namespace, name, section }: PolicyTarget): AncestorStatus['ancestorRef'] {
  const scoped = targetKinds.get(kind)?.clusterScoped === true || namespace === '' ? {} : { namespace };
  return { group, kind, ...scoped, name, ...(section === undefined ? {} : { sectionName: section }) };
}
