import { bareRoot, hostnameMatches, type RouteHostname } from '#snapshot';
import { checkPattern, patternOf } from '../pattern.ts';
import { reachablePath } from '../request/path.ts';
import { callOf, isGrpc } from '../request/grpc.ts';
import { queryValue } from '../request/query.ts';
import type { Match, RequestView, Route } from '../types.ts';

/**
 * Matching as Gateway API's text has it (httproute_types.go), one function per paragraph, each saying in words why a request
 * does not match. Slow and plain on purpose: the compiled table is tested against it, and `explain` speaks with it.
 */

/** HTTPRouteSpec.hostnames: the route's hostnames that the host falls under. */
export function matchingHostnames(route: Route, request: RequestView): readonly RouteHostname[] {
  const hostnames = route.hostnames.length === 0 ? [{ match: '', written: '' }] : route.hostnames;
  return hostnames.filter(({ match }) => hostnameMatches(match, request.host));
}

export function hostMismatch(route: Route, request: RequestView): string {
  const names = route.hostnames.map(({ match }) => match);
  return names.length === 1 ? `host ${request.host} does not match ${names[0]}` : `host ${request.host} matches none of ${names.join(', ')}`;
}

/** HTTPRouteMatch: its conditions are ANDed. Returns one sentence for each that is not met. */
export function mismatches(match: Match, request: RequestView): readonly string[] {
  const where = match.grpc === undefined ? [pathMismatch(match, request), methodMismatch(match, request)] : grpcMismatches(match.grpc, request);
  return [...where, ...headerMismatches(match, request), ...queryMismatches(match, request)].filter(
    (reason) => reason !== undefined,
  );
}

/** PathMatchType. */
function pathMismatch({ path: { type, value } }: Match, request: RequestView): string | undefined {
  const path = shown(request.path);
  switch (type) {
    case 'Exact':
      return request.path === reachablePath(value) ? undefined : `path ${path} is not ${shown(value)}`;
    case 'PathPrefix':
      return isUnder(request.path, value) ? undefined : `path ${path} is not under prefix ${shown(value)}`;
    case 'RegularExpression':
      return patternOf(value)(request.path) ? undefined : `path ${path} does not match ${patternText(value)}`;
  }
}

/** "Element by element": the path's first elements are the prefix's; a trailing slash of the prefix is ignored. */
function isUnder(path: string, prefix: string): boolean {
  const normal = reachablePath(prefix);
  if (normal === undefined) return false;
  const wanted = elements(bareRoot(normal));
  const given = elements(path);
  return wanted.every((element, index) => element === given[index]);
}

/** Of `/a/b`: a, b; of the empty text: none. */
function elements(path: string): readonly string[] {
  return path.split('/').slice(1);
}

/** HTTPRouteMatch.method. */
function methodMismatch({ method }: Match, request: RequestView): string | undefined {
  return method === undefined || method === request.method ? undefined : `method ${request.method}, not ${method}`;
}

/** GRPCRouteMatch.method; without one, every gRPC request (GRPCRouteRule.matches). */
function grpcMismatches(grpc: NonNullable<Match['grpc']>, request: RequestView): readonly (string | undefined)[] {
  const contentType = request.header('content-type');
  if (!isGrpc(contentType)) return [contentType === undefined ? 'not gRPC: there is no content-type' : `not gRPC: content-type is ${quoted(contentType)}`];
  const { type, service, method } = grpc;
  if (service === undefined && method === undefined) return [];
  // A service alone asks nothing of what comes behind it.
  if (type === 'Exact' && service !== undefined && method === undefined) return [nameMismatch('service', { type, value: service }, elements(request.path)[0] ?? '')];
  const call = callOf(request.path);
  if (call === undefined) return [`path ${shown(request.path)} is not /service/method`];
  return [
    service === undefined ? undefined : nameMismatch('service', { type, value: service }, call.service),
    method === undefined ? undefined : nameMismatch('method', { type, value: method }, call.method),
  ];
}

/** GRPCMethodMatch. */
function nameMismatch(what: string, { type, value }: { readonly type: 'Exact' | 'RegularExpression'; readonly value: string }, actual: string): string | undefined {
  if (type === 'Exact') return actual === value ? undefined : `${what} is ${quoted(actual)}, not ${quoted(value)}`;
  return patternOf(value)(actual) ? undefined : `${what} is ${quoted(actual)}, which does not match ${patternText(value)}`;
}

/** HTTPHeaderMatch. */
function headerMismatches({ headers }: Match, request: RequestView): readonly (string | undefined)[] {
  return firstOfEachName(headers).map((condition) => valueMismatch(`header ${condition.name}`, condition, request.header(condition.name)));
}

/** HTTPQueryParamMatch. */
function queryMismatches({ query }: Match, request: RequestView): readonly (string | undefined)[] {
  return firstOfEachName(query).map((condition) => {
    const actual = request.query === undefined ? undefined : queryValue(request.query, condition.name);
    return valueMismatch(`query parameter ${condition.name}`, condition, actual);
  });
}

/** "Only the first entry with an equivalent name MUST be considered." */
export function firstOfEachName(conditions: Match['headers']): Match['headers'] {
  return conditions.filter(({ name }, index) => conditions.findIndex((other) => other.name === name) === index);
}

function valueMismatch(what: string, { type, value }: Match['headers'][number], actual: string | undefined): string | undefined {
  const is = actual === undefined ? `${what} is absent` : `${what} is ${quoted(actual)}`;
  if (type === 'Exact') return actual === value ? undefined : `${is}, not ${quoted(value)}`;
  if (actual !== undefined && patternOf(value)(actual)) return undefined;
  return `${is}, which does not match ${patternText(value)}`;
}

function patternText(pattern: string): string {
  const problem = checkPattern(pattern);
  return problem === undefined ? `the pattern ${quoted(pattern)}` : `the pattern ${quoted(pattern)}, which is not valid: ${problem}`;
}

const longestShown = 100;

/** Requests are what anybody sends, and reasons are for people to read. */
function shown(text: string): string {
  return text.length > longestShown ? `${text.slice(0, longestShown)}…` : text;
}

function quoted(text: string): string {
  return JSON.stringify(shown(text));
}
