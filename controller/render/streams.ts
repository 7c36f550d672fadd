import { compareHostnames, sortInSteps, type Pace, type Steps, type StreamRoute, type StreamTable } from '#snapshot';
import { compareText } from '../cluster.ts';
import { keyOf } from './reach.ts';
import { PolicyList, renderBackend, sameHostnames, sameItems } from './table.ts';
import type { TableRoute, TableWay } from './way.ts';

/** A table for connections or datagrams, with its policies each once. What did not change since it was last made is the same object again. */
export function renderStreamTable(routes: readonly TableRoute[], way: TableWay): StreamTable {
  const policies = new PolicyList();
  const rendered = routes.flatMap((route) => renderRoute(route, way, policies) ?? []);
  const tables = madeBefore.get(way.owner) ?? new Map<string, StreamTable>();
  const old = tables.get(way.name);
  // A backend with a policy is never the same object again, so what is the same has no policies.
  if (old !== undefined && sameItems(old.routes, rendered)) return old;
  const table: StreamTable = { kind: 'StreamTable', name: way.name, routes: rendered, ...(policies.all.length === 0 ? {} : { policies: policies.all }) };
  madeBefore.set(way.owner, tables.set(way.name, table));
  return table;
}

/** The tables that were last made for a listener or a Service, by name. */
const madeBefore = new WeakMap<object, Map<string, StreamTable>>();
const routeBefore = new WeakMap<TableRoute['rules'], StreamRoute>();

/** These routes have rules without matches: the first counts. */
function renderRoute(route: TableRoute, way: TableWay, policies: PolicyList): StreamRoute | undefined {
  const { ref, createdAt, hostnames, rules } = route;
  const first = rules[0];
  if (first === undefined) return undefined;
  const { index, name } = first.rule;
  const backends = first.rule.backends.map((backend) => renderBackend(backend, { route, rule: first }, way, policies));
  const old = routeBefore.get(rules);
  if (old !== undefined && sameHostnames(old.hostnames, hostnames) && sameItems(old.rule.backends, backends)) return old;
  const made: StreamRoute = { ref, createdAt, hostnames, rule: { index, ...(name === undefined ? {} : { name }), backends } };
  routeBefore.set(rules, made);
  return made;
}

/** A hostname of a route; empty for a route that has none, which takes whatever is left. */
export interface StreamClaim {
  readonly match: string;
  readonly written: string;
  readonly route: TableRoute;
}

/** By precedence: the most specific hostname as written, the oldest route, the first by name (GEP-2644). The first of a hostname gets all that it matches. */
export function claimsOf(routes: readonly TableRoute[], pace: Pace): Steps<readonly StreamClaim[]> {
  const claims = routes.flatMap((route) => (route.hostnames.length === 0 ? [{ match: '', written: '' }] : route.hostnames).map(({ match, written }) => ({ match, written, route })));
  return sortInSteps(claims, (a, b) => compareHostnames(a.written, b.written) || a.route.createdAt - b.route.createdAt || compareText(keyOf(a.route), keyOf(b.route)), pace);
}

/** Those that get connections or datagrams at all: for some hostname no other comes first. */
export function* reachedRoutes(routes: readonly TableRoute[], pace: Pace): Steps<readonly TableRoute[]> {
  if (routes.length < 2) return routes;
  const owners = new Map<string, TableRoute>();
  for (const { match, route } of yield* claimsOf(routes, pace)) if (!owners.has(match)) owners.set(match, route);
  const reached = new Set(owners.values());
  return routes.filter((route) => reached.has(route));
}
