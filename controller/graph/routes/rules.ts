import type { HTTPRouteRule } from '#crds';
import { parseDuration, type ObjectRef, type RetryFields, type TimeoutFields } from '#snapshot';
import type { Fault } from '../../problems.ts';
import { renderMatches } from '../../render/matches.ts';
import type { ReferenceContext } from '../backends.ts';
import type { BuiltRule, RuleResult } from './build.ts';
import { buildRequestRule } from './request-rule.ts';
import { inlineSession } from './session.ts';

/** A rule of an HTTPRoute. */
export function buildHttpRule(rule: HTTPRouteRule, index: number, context: ReferenceContext): RuleResult {
  const path = ['spec', 'rules', index];
  const matches = renderMatches(rule.matches, [...path, 'matches']);
  return buildRequestRule(rule, { index, matches, inline: inlineFields(rule, index, context.route), faults: ruleFaults(rule, path) }, context);
}

/** What can't be carried out in a rule beyond its matches and filters. */
function ruleFaults(rule: HTTPRouteRule, path: Fault['path']): readonly Fault[] {
  const faults: Fault[] = [];
  const filters = [...(rule.filters ?? []), ...(rule.backendRefs ?? []).flatMap((ref) => ref.filters ?? [])];
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

function inlineFields(rule: HTTPRouteRule, index: number, ref: ObjectRef): BuiltRule['inline'] {
  const { retry, timeouts } = rule;
  const session = inlineSession(rule, index, ref);
  if (retry === undefined && timeouts === undefined) return session;
  return { ref, ...(retry === undefined ? {} : { retry: retryFields(retry) }), ...(timeouts === undefined ? {} : { timeouts: timeoutFields(timeouts) }), ...session };
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
