import type { Pace, Steps } from '#snapshot';
import type { Graph } from '../graph/graph.ts';
import { findRoute } from '../graph/routes/route.ts';
import { problem } from '../problems.ts';
import { meshRoute } from '../render/mesh.ts';
import { keyOf, matchClaims, type MatchPlace } from '../render/reach.ts';
import { claimsOf } from '../render/streams.ts';
import type { TableRoute } from '../render/way.ts';
import type { Problem } from '../types.ts';

/**
 * Matches that no request can reach, because an equal match stands before them (HTTPRouteRule.matches, ties) on every listener and
 * Service port that the route is attached to.
 */
export function* shadowedMatches(graph: Graph, pace: Pace): Steps<readonly Problem[]> {
  const found = new Map<string, Finding>();
  const streams: (readonly TableRoute[])[] = [];
  for (const table of yield* tablesOf(graph, pace)) {
    const parts: { readonly stream: TableRoute[]; readonly request: TableRoute[] } = { stream: [], request: [] };
    for (const route of table) {
      parts[isStreamRoute(route) ? 'stream' : 'request'].push(route);
      if (pace.spend()) yield;
    }
    if (parts.stream.length > 0) streams.push(parts.stream);
    yield* inspect(parts.request, found, pace);
  }
  return [...(yield* shadowedRoutes(graph, streams, pace)), ...(yield* shadowedRules(graph, found, pace))];
}

function* tablesOf({ tables, mesh }: Graph, pace: Pace): Steps<readonly (readonly TableRoute[])[]> {
  const found = tables.map(({ routes }) => routes);
  for (const { producer, consumer } of mesh.routes.values()) {
    for (const group of [producer, ...consumer.values()]) {
      const routes: TableRoute[] = [];
      for (const attachment of group) {
        routes.push(meshRoute(attachment));
        if (pace.spend()) yield;
      }
      found.push(routes);
    }
  }
  return found;
}

function isStreamRoute({ ref }: TableRoute): boolean {
  return ref.kind === 'TLSRoute' || ref.kind === 'TCPRoute' || ref.kind === 'UDPRoute';
}

/** Routes for connections or datagrams that get none, because others come first for each of their hostnames, wherever they are attached. */
function* shadowedRoutes(graph: Graph, tables: readonly (readonly TableRoute[])[], pace: Pace): Steps<readonly Problem[]> {
  const found = new Map<string, { readonly route: TableRoute; readonly hiddenBy: TableRoute | undefined; readonly reachable: boolean }>();
  for (const routes of tables) {
    const owners = new Map<string, TableRoute>();
    for (const { match, route } of yield* claimsOf(routes, pace)) {
      if (pace.spend()) yield;
      const owner = owners.get(match) ?? route;
      owners.set(match, owner);
      const old = found.get(keyOf(route));
      found.set(keyOf(route), { route, hiddenBy: old?.hiddenBy ?? (owner === route ? undefined : owner), reachable: old?.reachable === true || owner === route });
    }
  }
  const problems: Problem[] = [];
  for (const { route, hiddenBy, reachable } of found.values()) {
    if (pace.spend()) yield;
    if (reachable || hiddenBy === undefined) continue;
    const object = findRoute(graph.cluster.state, route.ref.kind, `${route.ref.namespace}/${route.ref.name}`);
    const { kind, namespace, name } = hiddenBy.ref;
    if (object !== undefined) problems.push(problem('warning', object, { reason: 'ShadowedRoute', path: ['spec'], message: `nothing gets here: ${kind} ${namespace}/${name} comes first and takes everything` }));
  }
  return problems;
}

function* shadowedRules(graph: Graph, found: ReadonlyMap<string, Finding>, pace: Pace): Steps<readonly Problem[]> {
  const problems: Problem[] = [];
  for (const { route, rule, match, hiddenBy, reachable } of found.values()) {
    if (pace.spend()) yield;
    if (reachable || hiddenBy === undefined) continue;
    const object = findRoute(graph.cluster.state, route.ref.kind, `${route.ref.namespace}/${route.ref.name}`);
    if (object === undefined) continue;
    const where = hiddenBy.route.ref === route.ref ? `rule ${hiddenBy.rule.rule.index}` : `rule ${hiddenBy.rule.rule.index} of ${hiddenBy.route.ref.kind} ${hiddenBy.route.ref.namespace}/${hiddenBy.route.ref.name}`;
    const message = `no request gets here: ${where} has the same match and comes first`;
    problems.push(problem('warning', object, { reason: 'ShadowedMatch', path: ['spec', 'rules', rule, 'matches', match], message }));
  }
  return problems;
}

interface Finding {
  readonly route: TableRoute;
  readonly rule: number;
  readonly match: number;
  readonly hiddenBy: MatchPlace | undefined;
  readonly reachable: boolean;
}

function* inspect(routes: readonly TableRoute[], found: Map<string, Finding>, pace: Pace): Steps<void> {
  for (const { route, rule, match, hiddenBy, reachable } of yield* matchClaims(routes, pace)) {
    if (pace.spend()) yield;
    const { index } = rule.rule;
    const id = `${keyOf(route)} ${index} ${match.index}`;
    const old = found.get(id);
    found.set(id, { route, rule: index, match: match.index, hiddenBy: old?.hiddenBy ?? hiddenBy, reachable: old?.reachable === true || reachable });
  }
}
