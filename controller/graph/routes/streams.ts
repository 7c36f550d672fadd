import type { TCPRoute } from '#crds';
import type { ReferenceContext } from '../backends.ts';
import { buildBackends, type RuleResult } from './build.ts';

/** A rule of a TLSRoute, TCPRoute or UDPRoute. They have no matches and no filters: a route has one such rule. */
export function buildStreamRule(rule: TCPRoute['spec']['rules'][number], index: number, context: ReferenceContext): RuleResult {
  const { backends, faults, unresolved, warnings } = buildBackends(rule.backendRefs, ['spec', 'rules', index], context);
  return { built: { rule: { index, ...(rule.name === undefined ? {} : { name: rule.name }), matches: [], filters: [], backends } }, faults, unresolved, warnings };
}
