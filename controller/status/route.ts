import type { KubernetesObject } from '#crds';
import type { RouteAttachments } from '../graph/routes/attachments.ts';
import { Memo } from '../memo.ts';
import { controllerName } from '../names.ts';
import { condition, yes } from '../problems.ts';
import type { ConditionDraft, ObjectStatus } from '../types.ts';
import type { Affected } from './affected.ts';
import { statusOf } from './conditions.ts';

/** Undefined for a route none of whose parents is ours. */
export function routeStatus(route: RouteAttachments, affected: Affected): ObjectStatus | undefined {
  const { attachments } = route;
  if (attachments.length === 0) return undefined;
  const ofPolicies = attachments.map(({ route: object, parentRef }) => affected.on(object, { parent: { kind: parentRef.kind, namespace: parentRef.namespace ?? object.metadata.namespace, name: parentRef.name } }));
  // Of most routes no policy says anything: while they stay as they are, so does their status.
  return ofPolicies.every(({ length }) => length === 0) ? plain.get(route, [], () => statusWith(route, [])) : statusWith(route, ofPolicies);
}

const plain = new Memo<RouteAttachments, ObjectStatus>();

function statusWith({ route, attachments }: RouteAttachments, ofPolicies: readonly (readonly ConditionDraft[])[]): ObjectStatus {
  return parentsStatus(
    route,
    attachments.map(({ parentRef, accepted, built }, index) => ({
      parentRef,
      conditions: [
        condition('Accepted', accepted, route),
        condition('ResolvedRefs', built.resolved, route),
        // Only for routes that are accepted (RouteConditionPartiallyInvalid).
        ...(built.partiallyInvalid === undefined || accepted.status === 'False' ? [] : [condition('PartiallyInvalid', yes('UnsupportedValue', built.partiallyInvalid), route)]),
        ...(ofPolicies[index] ?? []),
      ],
    })),
  );
}

function parentsStatus(route: KubernetesObject, parents: readonly { readonly parentRef: unknown; readonly conditions: readonly ConditionDraft[] }[]): ObjectStatus {
  return statusOf(route, { parents: parents.map(({ parentRef, conditions }) => ({ parentRef, controllerName, conditions })) });
}
