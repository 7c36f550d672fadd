import type { GRPCRouteRule } from '#crds';
import { renderFilters } from '../../render/filters.ts';
import { renderGrpcMatches } from '../../render/grpc-matches.ts';
import type { ReferenceContext } from '../backends.ts';
import { inlineSession } from './session.ts';
import { buildBackends, type RuleResult } from './build.ts';

/** A rule of a GRPCRoute. */
export function buildGrpcRule(rule: GRPCRouteRule, index: number, context: ReferenceContext): RuleResult {
  const path = ['spec', 'rules', index];
  const { matches, faults: matchFaults } = renderGrpcMatches(rule.matches ?? [], [...path, 'matches']);
  const filters = renderFilters(rule.filters ?? [], [...path, 'filters'], context);
  const backends = buildBackends(rule.backendRefs ?? [], path, context);
  const faults = [...matchFaults, ...filters.faults, ...backends.faults];
  const [first] = faults;
  const inline = inlineSession(rule, index, context.route);
  return {
    built: {
      rule: {
        index,
        ...(rule.name === undefined ? {} : { name: rule.name }),
        matches,
        filters: filters.filters,
        backends: backends.backends,
        ...(first === undefined ? {} : { failure: { status: 500, reason: first.reason } }),
      },
      ...(inline === undefined ? {} : { inline }),
    },
    faults,
    unresolved: [...filters.unresolved, ...backends.unresolved],
    warnings: backends.warnings,
  };
}
