import type { HTTPRouteRuleFilter } from '#crds';
import type { Fault } from '../../problems.ts';
import type { RequestRule } from './request-rule.ts';

/** What stands in a rule and does not act, or leaves requests with an error, as the specification has it: to be told, since it is seldom meant. */
export function unheardIn(rule: RequestRule, kind: string, path: Fault['path']): readonly Fault[] {
  const backends = rule.backendRefs ?? [];
  return [
    ...(backends.length > 0 || rule.filters?.some(({ type }) => type === 'RequestRedirect') === true ? [] : [withoutBackends(kind, path)]),
    ...(rule.matches ?? []).flatMap(({ headers }, index) => repeated(headers, 'matched', [...path, 'matches', index, 'headers'])),
    ...filtersIn(rule.filters ?? [], [...path, 'filters']),
    ...backends.flatMap(({ filters = [] }, index) => filtersIn(filters, [...path, 'backendRefs', index, 'filters'])),
  ];
}

/** HTTPRouteRule.backendRefs, GRPCRouteRule.backendRefs: unspecified. */
function withoutBackends(kind: string, path: Fault['path']): Fault {
  const message = kind === 'GRPCRoute' ? 'the rule has no backendRefs: each call that matches is unavailable' : 'the rule has neither backendRefs nor a redirect: each request that matches gets a 500';
  return { reason: 'NoBackends', path, message };
}

function filtersIn(filters: readonly HTTPRouteRuleFilter[], path: Fault['path']): readonly Fault[] {
  return filters.flatMap(({ requestHeaderModifier, responseHeaderModifier }, index) =>
    Object.entries({ requestHeaderModifier, responseHeaderModifier }).flatMap(([field, changes]) => [
      ...repeated(changes?.set, 'set', [...path, index, field, 'set']),
      ...repeated(changes?.add, 'added', [...path, index, field, 'add']),
    ]),
  );
}

/** Names that differ only in case are one name (HTTPHeader.name, HTTPHeaderMatch.name), which the keys of lists in a CRD can't see. */
function repeated(headers: readonly { readonly name: string }[] | undefined, verb: string, path: Fault['path']): readonly Fault[] {
  const first = new Map<string, string>();
  return (headers ?? []).flatMap(({ name }, index): readonly Fault[] => {
    const earlier = first.get(name.toLowerCase());
    if (earlier === undefined) first.set(name.toLowerCase(), name);
    return earlier === undefined ? [] : [{ reason: 'RepeatedHeader', path: [...path, index], message: `header ${name} is ${verb} once more, after ${earlier}: the first counts, this one has no effect` }];
  });
}
