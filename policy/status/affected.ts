import { sortInSteps, type ObjectRef, type Pace, type PolicyLevel, type Steps } from '#snapshot';
import { compareText } from '../attach/order.ts';
import { targetKey } from '../attach/targets.ts';
import type { Attachments, ConditionDraft, PathVerdict, PolicyTarget } from '../types.ts';
import { policyGroup } from '../schema/kinds.ts';
import { clipped } from './conditions.ts';
import { stakesOf } from './stakes.ts';

/** A targeted object that has conditions, and what to add to them. The `observedGeneration` is the object's, so the writer's to add. */
export interface AffectedObject {
  /** With a section: the conditions of that listener. A route's rules have none of their own: the route's stand for them. */
  readonly target: PolicyTarget;
  /** Routes have their conditions per parent: a Gateway, a ListenerSet, or a Service. */
  readonly parent?: ObjectRef;
  readonly conditions: readonly ConditionDraft[];
}

/** Services and namespaces have no conditions that are ours to write. */
const levelsWithConditions: ReadonlySet<PolicyLevel> = new Set(['GatewayClass', 'Mesh', 'Gateway', 'Listener', 'ListenerSet', 'Route', 'Rule']);

/**
 * GEP-713, target object status: `policy.weft-mesh.io/RetryPolicyAffected` and `…/TimeoutPolicyAffected` on each object that a policy
 * targets and on one path at least decides something for. An object that is not in the result has the conditions no more.
 */
export function* affected(attachments: Attachments, paths: Iterable<PathVerdict>, pace: Pace): Steps<readonly AffectedObject[]> {
  const objects = new Map<string, { readonly target: PolicyTarget; readonly parent?: ObjectRef; readonly policies: Map<string, ObjectRef> }>();
  for (const { via, path, settled } of paths) {
    if (pace.spend(itemsPerPath)) yield;
    for (const [key, { won }] of stakesOf(settled)) {
      const policy = attachments.verdicts.get(key)?.policy;
      if (policy === undefined) continue;
      for (const level of new Set(won.map((field) => field.level))) {
        const step = levelsWithConditions.has(level) ? path.steps.find((each) => each.level === level) : undefined;
        if (step === undefined) continue;
        const { section, ...whole } = step.target;
        const isRoute = level === 'Route' || level === 'Rule';
        const parent = isRoute ? (via.kind === 'gateway' ? (via.listenerSet ?? via.gateway) : via.service) : undefined;
        const target = isRoute || section === undefined ? whole : step.target;
        const id = `${targetKey(target)} ${parent === undefined ? '' : `${parent.kind}/${parent.namespace}/${parent.name}`}`;
        const object = objects.get(id) ?? { target, ...(parent === undefined ? {} : { parent }), policies: new Map<string, ObjectRef>() };
        object.policies.set(key, { kind: policy.kind, namespace: policy.metadata.namespace, name: policy.metadata.name });
        objects.set(id, object);
      }
    }
  }
  const found: AffectedObject[] = [];
  for (const [, { policies, ...object }] of yield* sortInSteps([...objects], ([a], [b]) => compareText(a, b), pace)) {
    found.push({ ...object, conditions: conditionsOf(policies) });
    if (pace.spend(itemsPerPath)) yield;
  }
  return found;
}

/** What a path counts, in items of a step. */
const itemsPerPath = 5;

function conditionsOf(policies: ReadonlyMap<string, ObjectRef>): readonly ConditionDraft[] {
  const byKind = Map.groupBy(policies.values(), ({ kind }) => kind);
  return [...byKind].sort(([a], [b]) => compareText(a, b)).map(([kind, refs]) => {
    const names = refs.map(({ namespace, name }) => `${namespace}/${name}`).sort();
    return { type: `${policyGroup}/${kind}Affected`, status: 'True', reason: 'PolicyAffected', message: clipped(`Affected by ${kind} ${names.join(', ')}.`) };
  });
}
