import { bareRoot, sortInSteps, type Match, type Pace, type Steps } from '#snapshot';
import { compareText } from '../cluster.ts';
import type { BuiltRule } from '../graph/routes/build.ts';
import { createSlot } from '../memo.ts';
import type { TableRoute } from './way.ts';

/** A match of a table for requests. */
export interface MatchPlace {
  readonly route: TableRoute;
  readonly rule: BuiltRule;
  readonly match: Match;
}

export interface MatchClaim extends MatchPlace {
  /** The first of the equal matches that stand before it; where the route has several hostnames, at one of them. */
  readonly hiddenBy?: MatchPlace;
  /** Whether for one hostname at least none stands before it. */
  readonly reachable: boolean;
}

/**
 * All matches of a table for requests by the ties of HTTPRouteRule.matches and GRPCRouteRule.matches: the oldest route, the first by name, the
 * first rule, the first match. Of equal ones with the same hostname the first gets every request. What several others take together is not seen.
 */
export function* matchClaims(routes: readonly TableRoute[], pace: Pace): Steps<readonly MatchClaim[]> {
  const owners = new Map<string, MatchPlace>();
  const claims: MatchClaim[] = [];
  for (const route of yield* sortInSteps(routes, (a, b) => a.createdAt - b.createdAt || compareText(keyOf(a), keyOf(b)), pace)) {
    const hostnames = route.hostnames.length === 0 ? [''] : route.hostnames.map(({ match, written }) => `${match} ${written}`);
    for (const rule of route.rules) {
      for (const match of rule.rule.matches) {
        if (pace.spend()) yield;
        const place = { route, rule, match };
        const rivals = hostnames.map((hostname) => claim(owners, `${hostname}\n${contentOf(match)}`, place));
        const hiddenBy = rivals.find((rival) => rival !== undefined);
        claims.push({ ...place, ...(hiddenBy === undefined ? {} : { hiddenBy }), reachable: rivals.includes(undefined) });
      }
    }
  }
  return claims;
}

/** The routes with those of their rules that a request can reach; a route that has none left is left out. */
export function* reachedRules(routes: readonly TableRoute[], pace: Pace): Steps<readonly TableRoute[]> {
  if (routes.length === 1 && routes[0]?.rules.length === 1) return routes;
  const reached = new Set<BuiltRule>();
  for (const { rule, reachable } of yield* matchClaims(routes, pace)) {
    if (pace.spend()) yield;
    if (reachable) reached.add(rule);
  }
  const found: TableRoute[] = [];
  for (const route of routes) {
    if (pace.spend()) yield;
    const rules = route.rules.filter((rule) => reached.has(rule));
    if (rules.length > 0) found.push(rules.length === route.rules.length ? route : { ...route, rules });
  }
  return found;
}

/** What routes of one age are ordered by: the name, and a kind for two of one name. */
export function keyOf({ ref }: TableRoute): string {
  return `${ref.namespace}/${ref.name} ${ref.kind}`;
}

/** The earlier holder of the key, if there is one. */
function claim(owners: Map<string, MatchPlace>, key: string, place: MatchPlace): MatchPlace | undefined {
  const owner = owners.get(key);
  if (owner === undefined) owners.set(key, place);
  return owner;
}

const contents = createSlot<Match, string>();

/** Equal for matches that the same requests meet. The order of headers and parameters does not matter. */
function contentOf(match: Match): string {
  const known = contents.find(match);
  if (known !== undefined) return known;
  const sorted = (conditions: Match['headers']): readonly string[] => conditions.map(({ name, type, value }) => `${name} ${type} ${value}`).sort();
  const { path, grpc } = match;
  // A prefix's last slash has no meaning (HTTPPathMatch).
  const value = path.type === 'PathPrefix' ? bareRoot(path.value) : path.value;
  const content = JSON.stringify([grpc, path.type, value, match.method, sorted(match.headers), sorted(match.query)]);
  contents.keep(match, content);
  return content;
}
