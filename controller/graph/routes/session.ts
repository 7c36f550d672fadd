import type { GRPCRouteRule, HTTPRouteRule } from '#crds';
import { sessionOf } from '#policy';
import type { ObjectRef } from '#snapshot';
import type { BuiltRule } from './build.ts';

/** `sessionPersistence` of a rule (GEP-1619). The rule's name, where it has one, keeps a generated cookie's name when rules move. */
export function inlineSession(rule: Pick<HTTPRouteRule | GRPCRouteRule, 'name' | 'sessionPersistence'>, index: number, ref: ObjectRef): BuiltRule['inline'] {
  if (rule.sessionPersistence === undefined) return undefined;
  return { ref, session: sessionOf(rule.sessionPersistence, `${ref.kind}/${ref.namespace}/${ref.name}/${rule.name ?? index}`) };
}
