import type { HTTPRouteRuleFilter } from '#crds';
import type { Match } from '#snapshot';
import type { Fault } from '../../problems.ts';
import { renderFilters } from '../../render/filters.ts';
import type { ReferenceContext } from '../backends.ts';
import { buildBackends, type BuiltRule, type RuleBackend, type RuleResult } from './build.ts';
import { unheardIn } from './unheard.ts';

/** What the rules of HTTPRoutes and GRPCRoutes have in common. */
export interface RequestRule {
  readonly name?: string;
  readonly matches?: readonly { readonly headers?: readonly { readonly name: string }[] }[];
  readonly filters?: readonly HTTPRouteRuleFilter[];
  readonly backendRefs?: readonly RuleBackend[];
}

/** What a kind of route makes of its rule in its own way. */
export interface OwnParts {
  readonly index: number;
  readonly matches: { readonly matches: readonly Match[]; readonly faults: readonly Fault[] };
  readonly inline: BuiltRule['inline'];
  /** Beyond those of matches, filters and backends. */
  readonly faults: readonly Fault[];
}

/** A rule for requests; one with a fault answers every request that it matches with an error. */
export function buildRequestRule(rule: RequestRule, { index, matches, inline, faults: own }: OwnParts, context: ReferenceContext): RuleResult {
  const path = ['spec', 'rules', index];
  const filters = renderFilters(rule.filters ?? [], [...path, 'filters'], context);
  const backends = buildBackends(rule.backendRefs ?? [], path, context);
  const faults = [...matches.faults, ...filters.faults, ...backends.faults, ...own];
  const [first] = faults;
  return {
    built: {
      rule: {
        index,
        ...(rule.name === undefined ? {} : { name: rule.name }),
        matches: matches.matches,
        filters: filters.filters,
        backends: backends.backends,
        ...(first === undefined ? {} : { failure: { status: 500, reason: first.reason } }),
      },
      ...(inline === undefined ? {} : { inline }),
    },
    faults,
    unresolved: [...filters.unresolved, ...backends.unresolved],
    warnings: [...backends.warnings, ...unheardIn(rule, context.route.kind, path)],
  };
}
