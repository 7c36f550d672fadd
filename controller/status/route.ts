import type { KubernetesObject } from '#crds';
import type { RouteAttachments } from '../graph/routes/attachments.ts';
import { controllerName } from '../names.ts';
import { condition, yes } from '../problems.ts';
import type { ConditionDraft, ObjectStatus } from '../types.ts';
import type { Affected } from './affected.ts';
import { statusOf } from './conditions.ts';

/** Undefined for a route none of whose parents is ours. */
export function routeStatus({ route, attachments }: RouteAttachments, affected: Affected): ObjectStatus | undefined {
  if (attachments.length === 0) return undefined;
  return parentsStatus(
    route,
    attachments.map(({ parentRef, accepted, built }) => ({
      parentRef,
      conditions: [
        condition('Accepted', accepted, route),
        condition('ResolvedRefs', built.resolved, route),
        // Only for routes that are accepted (RouteConditionPartiallyInvalid).
        ...(built.partiallyInvalid === undefined || accepted.status === 'False' ? [] : [condition('PartiallyInvalid', yes('UnsupportedValue', built.partiallyInvalid), route)]),
        ...affected.on(route, { parent: { kind: parentRef.kind, namespace: parentRef.namespace ?? route.metadata.namespace, name: parentRef.name } }),
      ],
    })),
  );
}

function parentsStatus(route: KubernetesObject, parents: readonly { readonly parentRef: unknown; readonly conditions: readonly ConditionDraft[] }[]): ObjectStatus {
  return statusOf(route, { parents: parents.map(({ parentRef, conditions }) => ({ parentRef, controllerName, conditions })) });
}
