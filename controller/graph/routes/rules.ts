import type { HTTPRoute, HTTPRouteRule, HTTPRouteRuleFilter } from '#crds';
import type { PolicyPath } from '#policy';
import { parseDuration, type ObjectRef, type RetryFields, type Rule, type TimeoutFields, type WeightedBackend } from '#snapshot';
import type { Cluster } from '../../cluster.ts';
import { Memo } from '../../memo.ts';
import { refOf, verdictOf, withPath, yes, type Fault, type Verdict } from '../../problems.ts';
import { renderFilters } from '../../render/filters.ts';
import { renderMatches } from '../../render/matches.ts';
import { resolveBackend, type ReferenceContext } from '../backends.ts';

/** A route's rules as they are for all parents of one sort, before policies. */
export interface BuiltRoute {
  readonly route: HTTPRoute;
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
  readonly rule: Rule;
  /** The rule's own `retry` and `timeouts` in the policies' vocabulary. */
  readonly inline?: NonNullable<PolicyPath['inline']>;
}

const known = { gateway: new Memo<HTTPRoute, BuiltRoute>(), mesh: new Memo<HTTPRoute, BuiltRoute>() };

/** The rules of a route; the same object again while neither the route nor what it refers to has changed. */
export function buildRoute(route: HTTPRoute, via: ReferenceContext['via'], cluster: Cluster): BuiltRoute {
  return known[via].get(route, inputsOf(route, via, cluster), () => build(route, { cluster, via, route: refOf(route) }));
}

/** Everything outside the route that `build` looks at. */
function inputsOf(route: HTTPRoute, via: ReferenceContext['via'], cluster: Cluster): readonly unknown[] {
  const inputs: unknown[] = via === 'gateway' ? [cluster.state.referenceGrants, cluster.state.backendTLSPolicies] : [];
  const note = (ref: { readonly namespace?: string; readonly name: string }): unknown =>
    inputs.push(cluster.service(ref.namespace ?? route.metadata.namespace, ref.name));
  const noteMirrors = (filters: readonly HTTPRouteRuleFilter[] | undefined): void => {
    for (const filter of filters ?? []) if (filter.requestMirror !== undefined) note(filter.requestMirror.backendRef);
  };
  for (const rule of route.spec.rules) {
    noteMirrors(rule.filters);
    for (const ref of rule.backendRefs ?? []) {
      note(ref);
      noteMirrors(ref.filters);
    }
  }
  return inputs;
}

function build(route: HTTPRoute, context: ReferenceContext): BuiltRoute {
  const rules = route.spec.rules.map((rule, index) => buildRule(rule, index, context));
  const invalid = rules.filter(({ faults }) => faults.length > 0);
  const ruleFaults = rules.flatMap(({ faults }) => faults);
  const unresolved = rules.flatMap((rule) => rule.unresolved);
  const allInvalid = invalid.length === rules.length && rules.length > 0;
  return {
    route,
    rules: rules.filter(({ built }) => built.rule.matches.length > 0).map(({ built }) => built),
    accepted: allInvalid ? verdictOf(ruleFaults, accepted) : accepted,
    ...(invalid.length > 0 && !allInvalid ? { partiallyInvalid: droppedMessage(ruleFaults) } : {}),
    resolved: verdictOf(unresolved, yes('ResolvedRefs', 'All references are resolved')),
    invalid: ruleFaults,
    unresolved,
    warnings: rules.flatMap((rule) => rule.warnings),
  };
}

const accepted = yes('Accepted', 'Accepted');

/** The prefix is the spec's (RouteConditionPartiallyInvalid); requests that match a dropped rule get a 500. */
function droppedMessage(faults: readonly Fault[]): string {
  return `Dropped Rule: ${faults.map((fault) => withPath(fault)).join('; ')}`;
}

interface RuleResult {
  readonly built: BuiltRule;
  readonly faults: readonly Fault[];
  readonly unresolved: readonly Fault[];
  readonly warnings: readonly Fault[];
}

function buildRule(rule: HTTPRouteRule, index: number, context: ReferenceContext): RuleResult {
  const path = ['spec', 'rules', index];
  const { matches, faults: matchFaults } = renderMatches(rule.matches, [...path, 'matches']);
  const filters = renderFilters(rule.filters ?? [], [...path, 'filters'], context);
  const backends = buildBackends(rule, path, context);
  const faults = [...matchFaults, ...filters.faults, ...backends.faults, ...ruleFaults(rule, path)];
  const [first] = faults;
  const inline = inlineFields(rule, context.route);
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
    warnings: weightWarnings(rule, path),
  };
}

function buildBackends(rule: HTTPRouteRule, path: Fault['path'], context: ReferenceContext): {
  readonly backends: readonly WeightedBackend[];
  readonly faults: readonly Fault[];
  readonly unresolved: readonly Fault[];
} {
  const all = (rule.backendRefs ?? []).map((ref, index) => {
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
  };
}

/** What can't be carried out in a rule beyond its matches and filters. */
function ruleFaults(rule: HTTPRouteRule, path: Fault['path']): readonly Fault[] {
  const faults: Fault[] = [];
  const filters = [...(rule.filters ?? []), ...(rule.backendRefs ?? []).flatMap((ref) => ref.filters ?? [])];
  if (rule.sessionPersistence !== undefined) {
    faults.push({ reason: 'UnsupportedValue', path: [...path, 'sessionPersistence'], message: 'session persistence is not supported yet' });
  }
  if (rule.filters?.some((filter) => filter.type === 'RequestRedirect') === true && (rule.backendRefs ?? []).length > 0) {
    faults.push({ reason: 'IncompatibleFilters', path: [...path, 'filters'], message: 'a rule with RequestRedirect can not have backendRefs' });
  }
  const replacesPrefix = filters.some((filter) => (filter.requestRedirect?.path ?? filter.urlRewrite?.path)?.type === 'ReplacePrefixMatch');
  if (replacesPrefix && (rule.matches.length !== 1 || rule.matches[0]?.path.type !== 'PathPrefix')) {
    faults.push({ reason: 'UnsupportedValue', path: [...path, 'filters'], message: 'ReplacePrefixMatch needs exactly one match, of type PathPrefix, in the rule' });
  }
  const { request, backendRequest } = rule.timeouts ?? {};
  const [whole, attempt] = [parseDuration(request ?? '0s') ?? 0, parseDuration(backendRequest ?? '0s') ?? 0];
  if (whole > 0 && attempt > whole) {
    const message = `backendRequest ${backendRequest} is longer than request ${request}`;
    faults.push({ reason: 'UnsupportedValue', path: [...path, 'timeouts', 'backendRequest'], message });
  }
  return faults;
}

function inlineFields({ retry, timeouts }: HTTPRouteRule, ref: ObjectRef): BuiltRule['inline'] {
  if (retry === undefined && timeouts === undefined) return undefined;
  return { ref, ...(retry === undefined ? {} : { retry: retryFields(retry) }), ...(timeouts === undefined ? {} : { timeouts: timeoutFields(timeouts) }) };
}

function retryFields({ attempts, codes, backoff }: NonNullable<HTTPRouteRule['retry']>): RetryFields {
  return {
    maxRetries: attempts,
    ...(codes === undefined ? {} : { retryOn: { codes } }),
    ...(backoff === undefined ? {} : { backoff: { base: backoff } }),
  };
}

function timeoutFields({ request, backendRequest }: NonNullable<HTTPRouteRule['timeouts']>): TimeoutFields {
  return { ...(request === undefined ? {} : { request }), ...(backendRequest === undefined ? {} : { backendRequest }) };
}

function weightWarnings(rule: HTTPRouteRule, path: Fault['path']): readonly Fault[] {
  const refs = rule.backendRefs ?? [];
  if (refs.length === 0 || refs.some((ref) => ref.weight > 0)) return [];
  return [{ reason: 'AllWeightsZero', path: [...path, 'backendRefs'], message: 'every backendRef has weight 0: no backend gets requests, and each request that matches gets a 500' }];
}
