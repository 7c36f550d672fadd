import type { Candidate, Filter, FilterPlan, Match, MirrorPlan, Rule, RulePlan, TargetRewrite, WeightedBackend } from '../types.ts';
import { planCors } from './cors.ts';
import { editsOf, noHeaderEdits, withFilter } from './headers.ts';
import type { HeaderDraft } from './headers.ts';
import { planMirror } from './mirror.ts';
import { planRedirect } from './redirect.ts';
import { targetRewrite } from './target.ts';

/** The filters in force for a request: the rule's, and the backend's where one is given. */
export function filtersFor(candidate: Candidate, backend?: WeightedBackend): FilterPlan {
  const { rule, backends } = candidate.plan;
  return backend === undefined ? rule : (backends[backend.index] ?? rule);
}

const noFilters: FilterPlan = {
  cors: undefined,
  redirect: undefined,
  request: undefined,
  response: undefined,
  target: undefined,
  host: undefined,
  mirrors: [],
};

const plainRule: RulePlan = { rule: noFilters, backends: [] };

/** The match gives the prefix that ReplacePrefixMatch replaces. */
export function planRule(rule: Rule, match: Match): RulePlan {
  const own = planFilters(rule.filters, [], match);
  if (rule.backends.every(({ filters }) => filters.length === 0)) return own === noFilters ? plainRule : { rule: own, backends: [] };
  const backends: FilterPlan[] = [];
  for (const { index, filters } of rule.backends) if (filters.length > 0) backends[index] = planFilters(rule.filters, filters, match);
  return { rule: own, backends };
}

interface Draft {
  cors: FilterPlan['cors'];
  redirect: FilterPlan['redirect'];
  request: HeaderDraft;
  target: TargetRewrite | undefined;
  host: string | undefined;
  readonly mirrors: MirrorPlan[];
}

/** A backend's filters follow the rule's; of two that can't both act (redirect, rewrite, CORS) the backend's holds. */
function planFilters(rule: readonly Filter[], backend: readonly Filter[], match: Match): FilterPlan {
  if (rule.length === 0 && backend.length === 0) return noFilters;
  const draft: Draft = { cors: undefined, redirect: undefined, request: noHeaderEdits, target: undefined, host: undefined, mirrors: [] };
  for (const filter of rule) apply(draft, filter, match);
  for (const filter of backend) apply(draft, filter, match);
  const { cors, redirect, target, mirrors } = draft;
  return { cors, redirect, request: editsOf(draft.request), response: planResponse(rule, backend), target, host: hostOf(draft), mirrors };
}

function apply(draft: Draft, filter: Filter, match: Match): void {
  switch (filter.type) {
    case 'RequestHeaderModifier':
      draft.request = withFilter(draft.request, filter);
      return;
    case 'URLRewrite':
      if (filter.path !== undefined) draft.target = targetRewrite(filter.path, match);
      if (filter.hostname !== undefined) draft.host = filter.hostname;
      return;
    case 'RequestRedirect':
      draft.redirect = planRedirect(filter, match);
      return;
    case 'CORS':
      draft.cors = planCors(filter);
      return;
    case 'RequestMirror':
      draft.mirrors.push(planMirror(filter, { request: editsOf(draft.request), rewrite: draft.target, host: hostOf(draft) }));
      return;
    case 'ResponseHeaderModifier':
      return;
  }
}

/** A URLRewrite's hostname is meant for the Host; a header filter that sets Host acts where there is no such rewrite. */
function hostOf(draft: Draft): string | undefined {
  return draft.host ?? draft.request.host;
}

/** A response comes the other way: through the backend's filters, then through the rule's. */
function planResponse(rule: readonly Filter[], backend: readonly Filter[]): FilterPlan['response'] {
  let draft = noHeaderEdits;
  for (const filter of [...backend, ...rule]) if (filter.type === 'ResponseHeaderModifier') draft = withFilter(draft, filter);
  return editsOf(draft);
}
