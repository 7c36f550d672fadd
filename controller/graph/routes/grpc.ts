import type { GRPCRouteRule } from '#crds';
import type { Fault } from '../../problems.ts';
import { renderFilters } from '../../render/filters.ts';
import { renderGrpcMatches } from '../../render/grpc-matches.ts';
import type { ReferenceContext } from '../backends.ts';
import { buildBackends, type RuleResult } from './build.ts';

/** A rule of a GRPCRoute. */
export function buildGrpcRule(rule: GRPCRouteRule, index: number, context: ReferenceContext): RuleResult {
  const path = ['spec', 'rules', index];
  const { matches, faults: matchFaults } = renderGrpcMatches(rule.matches ?? [], [...path, 'matches']);
  const filters = renderFilters(rule.filters ?? [], [...path, 'filters'], context);
  const backends = buildBackends(rule.backendRefs ?? [], path, context);
  const faults = [...matchFaults, ...filters.faults, ...backends.faults, ...ruleFaults(rule, path)];
  const [first] = faults;
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
    },
    faults,
    unresolved: [...filters.unresolved, ...backends.unresolved],
    warnings: backends.warnings,
  };
}

function ruleFaults(rule: GRPCRouteRule, path: Fault['path']): readonly Fault[] {
  if (rule.sessionPersistence === undefined) return [];
  return [{ reason: 'UnsupportedValue', path: [...path, 'sessionPersistence'], message: 'session persistence is not supported yet' }];
}
