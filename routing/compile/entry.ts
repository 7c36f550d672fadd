import { hostnameMatches } from '#snapshot';
import { grpcPattern } from './grpc.ts';
import { planRule } from '../filters/plan.ts';
import { patternOf } from '../pattern.ts';
import type { Pattern } from '../pattern.ts';
import { queryValue } from '../request/query.ts';
import type { Candidate, Decision, Match, RequestView, Route, Rule } from '../types.ts';

/** A header or query condition; without a pattern the value must be equal. */
export interface Condition {
  readonly name: string;
  readonly value: string;
  readonly pattern: Pattern | undefined;
}

/** A candidate as the search wants it: its answer is made, its conditions are ready to test. */
export interface Entry {
  readonly decision: Decision & { readonly kind: 'rule' };
  readonly candidate: Candidate;
  /** Tested where the hostname that selects the entry is wider than the one that requests must match. */
  readonly host: string | undefined;
  readonly method: string | undefined;
  readonly headers: readonly Condition[];
  readonly query: readonly Condition[];
  /** The path's pattern; other paths are settled by where the entry stands in the tree. */
  readonly path: Pattern | undefined;
}

const anyHost = [{ match: '', written: '' }] as const;

/** The entries of one match, by hostname. */
export function entriesOf(route: Route, rule: Rule, match: Match): readonly Entry[] {
  const plan = planRule(rule, match);
  const headers = conditions(match.headers);
  const query = conditions(match.query);
  const path = match.grpc !== undefined ? grpcPattern(match.grpc) : match.path.type === 'RegularExpression' ? patternOf(match.path.value) : undefined;
  return (route.hostnames.length === 0 ? anyHost : route.hostnames).map((hostname) => {
    const candidate: Candidate = { route, rule, match, hostname: hostname.written, plan };
    const host = hostname.match === hostname.written ? undefined : hostname.match;
    return { decision: { kind: 'rule', candidate }, candidate, host, method: match.method, headers, query, path };
  });
}

const none: readonly Condition[] = [];

/** Of several entries with one name only the first counts (HTTPHeaderMatch.name, HTTPQueryParamMatch.name). */
function conditions(matches: Match['headers']): readonly Condition[] {
  if (matches.length === 0) return none;
  const result: Condition[] = [];
  for (const { name, type, value } of matches) {
    if (result.some((earlier) => earlier.name === name)) continue;
    result.push({ name, value, pattern: type === 'RegularExpression' ? patternOf(value) : undefined });
  }
  return result;
}

/** Everything about the entry but what its place in the index has settled: the cheapest tests first. */
export function satisfies(entry: Entry, request: RequestView): boolean {
  if (entry.method !== undefined && entry.method !== request.method) return false;
  const { headers, query } = entry;
  for (let index = 0; index < headers.length; index += 1) {
    const condition = headers[index]!;
    if (!meets(condition, request.header(condition.name))) return false;
  }
  if (query.length > 0) {
    if (request.query === undefined) return false;
    for (const condition of query) if (!meets(condition, queryValue(request.query, condition.name))) return false;
  }
  if (entry.host !== undefined && !hostnameMatches(entry.host, request.host)) return false;
  return entry.path === undefined || entry.path(request.path);
}

/** What is absent meets no condition, not even a pattern that matches the empty text. */
function meets(condition: Condition, actual: string | undefined): boolean {
  if (actual === undefined) return false;
  return condition.pattern === undefined ? condition.value === actual : condition.pattern(actual);
}
