import { bareRoot, compareHostnames } from '#snapshot';
import { reachablePath } from '../request/path.ts';
import type { Match, ObjectRef, Route, Rule } from '../types.ts';
import { firstOfEachName } from './match.ts';

/** A match that fits a request, on the hostname under which it does. */
export interface Contender {
  readonly route: Route;
  readonly rule: Rule;
  readonly match: Match;
  /** As written. */
  readonly hostname: string;
}

/** One rule of precedence. */
interface Criterion {
  /** Negative where `a` comes first. */
  readonly compare: (a: Contender, b: Contender) => number;
  /** What the winner has over the other. */
  readonly reason: (winner: Contender, other: Contender) => string;
}

/** In the order of the specification; a later one counts only where all before it are equal. */
const criteria: readonly Criterion[] = [
  // HTTPRouteSpec.hostnames: most characters in a matching hostname without wildcard, then in any matching hostname; by the
  // hostname that the route was written with (feature GatewayRouteHostnameIntersectionPrecedence).
  {
    compare: (a, b) => compareHostnames(a.hostname, b.hostname),
    reason: (winner) => `${ruleOf(winner)} has a more specific hostname (${winner.hostname})`,
  },
  // Matches of GRPCRoutes and of HTTPRoutes are never merged (GRPCRouteRule.matches); a table has both only for different hosts.
  {
    compare: (a, b) => Number(b.match.grpc !== undefined) - Number(a.match.grpc !== undefined),
    reason: (winner) => `${ruleOf(winner)} is for gRPC`,
  },
  // GRPCRouteRule.matches: most characters in a matching service, then in a matching method. Where patterns stand is left to
  // implementations: behind every name.
  ...(['service', 'method'] as const).flatMap((part): readonly Criterion[] => [
    {
      compare: (a, b) => nameRank(b.match, part) - nameRank(a.match, part),
      reason: (winner) => `${ruleOf(winner)} has ${nameRank(winner.match, part) === 2 ? 'a name' : 'a regular expression'} for the ${part}`,
    },
    {
      compare: (a, b) => (b.match.grpc?.[part]?.length ?? 0) - (a.match.grpc?.[part]?.length ?? 0),
      reason: (winner) => `${ruleOf(winner)} has a longer ${winner.match.grpc?.type === 'Exact' ? 'name' : 'pattern'} for the ${part}`,
    },
  ]),
  // HTTPRouteRule.matches, "exact" path, then prefix. Where patterns stand is left to implementations: between the two.
  {
    compare: (a, b) => pathRank(b.match) - pathRank(a.match),
    reason: (winner) => `${ruleOf(winner)} has ${winner.match.path.type === 'Exact' ? 'an exact path' : 'a regular expression for the path'}`,
  },
  // … with the largest number of characters.
  {
    compare: (a, b) => pathLength(b.match) - pathLength(a.match),
    reason: (winner) => `${ruleOf(winner)} has a longer path ${winner.match.path.type === 'PathPrefix' ? 'prefix' : 'pattern'}`,
  },
  // … method match.
  {
    compare: (a, b) => Number(b.match.method !== undefined) - Number(a.match.method !== undefined),
    reason: (winner) => `${ruleOf(winner)} matches the method too`,
  },
  // … largest number of header matches.
  {
    compare: (a, b) => firstOfEachName(b.match.headers).length - firstOfEachName(a.match.headers).length,
    reason: (winner) => `${ruleOf(winner)} matches more headers`,
  },
  // … largest number of query param matches.
  {
    compare: (a, b) => firstOfEachName(b.match.query).length - firstOfEachName(a.match.query).length,
    reason: (winner) => `${ruleOf(winner)} matches more query parameters`,
  },
  // "If ties still exist across multiple Routes": the oldest.
  { compare: (a, b) => a.route.createdAt - b.route.createdAt, reason: (winner) => `${nameOf(winner.route.ref)} is older` },
  // … then the first in alphabetical order by `{namespace}/{name}`.
  {
    compare: (a, b) => compareText(keyOf(a.route.ref), keyOf(b.route.ref)) || compareText(a.route.ref.kind, b.route.ref.kind),
    reason: (winner) => `${nameOf(winner.route.ref)} comes first by name`,
  },
  // "If ties still exist within an HTTPRoute": the first rule in list order, and in it the first match.
  { compare: (a, b) => a.rule.index - b.rule.index, reason: (winner) => `rule ${winner.rule.index} comes first in the route` },
  { compare: (a, b) => a.match.index - b.match.index, reason: (winner) => `match ${winner.match.index} comes first in the rule` },
];

/** Negative where `a` takes precedence over `b`; 0 only for one match with itself. */
export function comparePrecedence(a: Contender, b: Contender): number {
  for (const { compare } of criteria) {
    const difference = compare(a, b);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Why the winner takes precedence, undefined where it does not. */
export function precedenceReason(winner: Contender, other: Contender): string | undefined {
  for (const { compare, reason } of criteria) {
    const difference = compare(winner, other);
    if (difference !== 0) return difference < 0 ? reason(winner, other) : undefined;
  }
  return undefined;
}

function nameRank({ grpc }: Match, part: 'service' | 'method'): number {
  if (grpc?.[part] === undefined) return 0;
  return grpc.type === 'Exact' ? 2 : 1;
}

function pathRank({ path, grpc }: Match): number {
  if (grpc !== undefined) return 0;
  return ['PathPrefix', 'RegularExpression', 'Exact'].indexOf(path.type);
}

/** A prefix's trailing slash is ignored here too, for `/foo` and `/foo/` are the same prefix. */
function pathLength({ path, grpc }: Match): number {
  if (path.type === 'Exact' || grpc !== undefined) return 0;
  return path.type === 'PathPrefix' ? bareRoot(reachablePath(path.value) ?? path.value).length : path.value.length;
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function keyOf(ref: ObjectRef): string {
  return `${ref.namespace}/${ref.name}`;
}

function nameOf(ref: ObjectRef): string {
  return `${ref.kind} ${keyOf(ref)}`;
}

function ruleOf({ route, rule }: Contender): string {
  return `${nameOf(route.ref)} rule ${rule.index}`;
}
