import type { HTTPRouteRuleFilter } from '#crds';
import type { PolicyPath } from '#policy';
import type { Rule, WeightedBackend } from '#snapshot';
import type { Cluster } from '../../cluster.ts';
import { Memo } from '../../memo.ts';
import { refOf, verdictOf, withPath, yes, type Fault, type Verdict } from '../../problems.ts';
import { renderFilters } from '../../render/filters.ts';
import { resolveBackend, type BackendReference, type ReferenceContext } from '../backends.ts';
import { buildGrpcRule } from './grpc.ts';
import { backendTlsIndex } from '../tls/backend-policies.ts';
import { isRequestRoute, type AnyRoute } from './route.ts';
import { buildHttpRule } from './rules.ts';
import { buildStreamRule } from './streams.ts';

/** A route's rules as they are for all parents of one sort, before policies. */
export interface BuiltRoute {
  readonly route: AnyRoute;
  readonly rules: readonly BuiltRule[];
  /** Whether the route itself is fit to be accepted; the parent has its say besides. */
  readonly accepted: Verdict;
  /** The message of `PartiallyInvalid`, where some rules are valid and some are not. */
  readonly partiallyInvalid?: string;
  readonly resolved: Verdict;
  /** Reasons why rules can't be carried out. */
  readonly invalid: readonly Fault[];
  /** References that did not resolve. */
  readonly unresolved: readonly Fault[];
  readonly warnings: readonly Fault[];
}

export interface BuiltRule {
  /** Of a route for connections or datagrams: without matches and filters. */
  readonly rule: Rule;
  /** What the rule says itself of retries, timeouts and sessions, in the policies' vocabulary. */
  readonly inline?: NonNullable<PolicyPath['inline']>;
}

const known = { gateway: new Memo<AnyRoute, BuiltRoute>(), mesh: new Memo<AnyRoute, BuiltRoute>() };

/** The rules of a route; the same object again while neither the route nor what it refers to has changed. */
export function buildRoute(route: AnyRoute, via: ReferenceContext['via'], cluster: Cluster): BuiltRoute {
  return known[via].get(route, inputsOf(route, via, cluster), () => build(route, { cluster, via, route: refOf(route) }));
}

/** What the rules of all kinds have in common. */
interface AnyRule {
  readonly filters?: readonly HTTPRouteRuleFilter[];
  readonly backendRefs?: readonly RuleBackend[];
}

/** Everything outside the route that `build` looks at. */
function inputsOf(route: AnyRoute, via: ReferenceContext['via'], cluster: Cluster): readonly unknown[] {
  const inputs: unknown[] = via === 'gateway' ? [cluster.state.referenceGrants, backendTlsIndex(cluster)] : [];
  const note = (ref: { readonly kind: string; readonly namespace?: string; readonly name: string }): unknown =>
    inputs.push(cluster.backend({ kind: ref.kind, namespace: ref.namespace ?? route.metadata.namespace, name: ref.name }));
  const noteMirrors = (filters: readonly Pick<HTTPRouteRuleFilter, 'requestMirror'>[] | undefined): void => {
    for (const filter of filters ?? []) if (filter.requestMirror !== undefined) note(filter.requestMirror.backendRef);
  };
  for (const rule of (route.spec.rules ?? []) as readonly AnyRule[]) {
    noteMirrors(rule.filters);
    for (const ref of rule.backendRefs ?? []) {
      note(ref);
      noteMirrors(ref.filters);
    }
  }
  return inputs;
}

function build(route: AnyRoute, context: ReferenceContext): BuiltRoute {
  const rules = buildRules(route, context);
  const invalid = rules.filter(({ faults }) => faults.length > 0);
  const ruleFaults = rules.flatMap(({ faults }) => faults);
  const unresolved = rules.flatMap((rule) => rule.unresolved);
  const allInvalid = invalid.length === rules.length && rules.length > 0;
  return {
    route,
    rules: rules.filter(({ built }) => built.rule.matches.length > 0 || !isRequestRoute(route)).map(({ built }) => built),
    accepted: allInvalid ? verdictOf(ruleFaults, accepted) : accepted,
    ...(invalid.length > 0 && !allInvalid ? { partiallyInvalid: droppedMessage(ruleFaults) } : {}),
    resolved: verdictOf(unresolved, yes('ResolvedRefs', 'All references are resolved')),
    invalid: ruleFaults,
    unresolved,
    warnings: rules.flatMap((rule) => rule.warnings),
  };
}

function buildRules(route: AnyRoute, context: ReferenceContext): readonly RuleResult[] {
  switch (route.kind) {
    case 'HTTPRoute':
      return route.spec.rules.map((rule, index) => buildHttpRule(rule, index, context));
    case 'GRPCRoute':
      return (route.spec.rules ?? []).map((rule, index) => buildGrpcRule(rule, index, context));
    default:
      return route.spec.rules.map((rule, index) => buildStreamRule(rule, index, context));
  }
}

const accepted = yes('Accepted', 'Accepted');

/** The prefix is the spec's (RouteConditionPartiallyInvalid); requests that match a dropped rule get a 500. */
function droppedMessage(faults: readonly Fault[]): string {
  return `Dropped Rule: ${faults.map((fault) => withPath(fault)).join('; ')}`;
}

export interface RuleResult {
  readonly built: BuiltRule;
  readonly faults: readonly Fault[];
  readonly unresolved: readonly Fault[];
  readonly warnings: readonly Fault[];
}

/** A backendRef of any kind of route. */
export interface RuleBackend extends BackendReference {
  readonly weight: number;
  readonly filters?: readonly HTTPRouteRuleFilter[];
}

export interface BuiltBackends {
  readonly backends: readonly WeightedBackend[];
  readonly faults: readonly Fault[];
  readonly unresolved: readonly Fault[];
  readonly warnings: readonly Fault[];
}

/** `path`: that of the rule. */
export function buildBackends(refs: readonly RuleBackend[], path: Fault['path'], context: ReferenceContext): BuiltBackends {
  const all = refs.map((ref, index) => {
    const at = [...path, 'backendRefs', index];
    const { target, fault } = resolveBackend(ref, at, context);
    const filters = renderFilters(ref.filters ?? [], [...at, 'filters'], context);
    const backend: WeightedBackend = { index, target, weight: ref.weight, filters: filters.filters };
    return { backend, faults: filters.faults, unresolved: [...(fault === undefined ? [] : [fault]), ...filters.unresolved] };
  });
  return {
    backends: all.map(({ backend }) => backend),
    faults: all.flatMap(({ faults }) => faults),
    unresolved: all.flatMap(({ unresolved }) => unresolved),
    warnings: weightWarnings(refs, path, context),
  };
}

function weightWarnings(refs: readonly RuleBackend[], path: Fault['path'], { route }: ReferenceContext): readonly Fault[] {
  if (refs.length === 0 || refs.some((ref) => ref.weight > 0)) return [];
  const what = { HTTPRoute: 'each request that matches gets a 500', GRPCRoute: 'each request that matches is unavailable', UDPRoute: 'every datagram is dropped' }[route.kind] ?? 'every connection is refused';
  return [{ reason: 'AllWeightsZero', path: [...path, 'backendRefs'], message: `every backendRef has weight 0: no backend gets ${route.kind.endsWith('PRoute') && route.kind !== 'HTTPRoute' ? 'anything' : 'requests'}, and ${what}` }];
}
