import type { Decision, RequestNeeds, RequestView, Route, RouteTable } from '../types.ts';
import { entriesOf } from './entry.ts';
import type { Entry } from './entry.ts';
import { append } from './selection.ts';
import { buildTier, search } from './tier.ts';
import type { Tier } from './tier.ts';

/** A route table made ready for `decide`. Never changes; a new table takes its place as a whole. */
export interface CompiledTable {
  readonly table: RouteTable;
  readonly needs: RequestNeeds;
  /** By hostname as written. */
  readonly exactHosts: ReadonlyMap<string, Tier>;
  /** By what follows the `*`: `.example.com`. */
  readonly wildcardHosts: ReadonlyMap<string, Tier>;
  readonly anyHost: Tier | undefined;
}

const noRoute: Decision = Object.freeze({ kind: 'no-route' });

const compiledTables = new WeakMap<RouteTable, CompiledTable>();
/** Routes, or entries, that one step of a compilation takes. */
const stepLength = 100;

/**
 * Compiles a table. Costs a few microseconds a route; a table that was compiled before is taken over, and so are a route object and a regular
 * expression. Never throws: what can't be matched matches nothing.
 */
export function compile(table: RouteTable): CompiledTable {
  const known = compiledTables.get(table);
  if (known !== undefined) return known;
  const steps = compileInSteps(table);
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

/** The same in steps, for who has others to serve meanwhile; `compile` then has the result at hand. */
export function* compileInSteps(table: RouteTable): Generator<undefined, CompiledTable> {
  const byHostname = new Map<string, Entry[]>();
  let taken = 0;
  for (const route of byPrecedence(table.routes)) {
    for (const entry of entriesOf(route)) append(byHostname, entry.candidate.hostname, entry);
    if (++taken % stepLength === 0) yield;
  }
  const exactHosts = new Map<string, Tier>();
  const wildcardHosts = new Map<string, Tier>();
  let anyHost: Tier | undefined;
  taken = 0;
  for (const [hostname, entries] of byHostname) {
    const tier = buildTier(entries);
    if (hostname === '') anyHost = tier;
    else if (hostname.startsWith('*.')) wildcardHosts.set(hostname.slice(1), tier);
    else exactHosts.set(hostname, tier);
    taken += entries.length;
    if (taken < stepLength) continue;
    taken = 0;
    yield;
  }
  const compiled = { table, needs: needsOf(byHostname.values()), exactHosts, wildcardHosts, anyHost };
  compiledTables.set(table, compiled);
  return compiled;
}

/**
 * The rule that gets the request. Hostname before everything (HTTPRouteSpec.hostnames), and where no rule under the most
 * specific hostname fits, those under the next are tried. The same request on the same table always gets the same decision;
 * nothing is allocated but a text per label of a host that a wildcard might match.
 */
export function decide(table: CompiledTable, request: RequestView): Decision {
  const { host } = request;
  const exact = table.exactHosts.get(host);
  let found = exact === undefined ? undefined : search(exact, request);
  if (found !== undefined) return found.decision;
  if (table.wildcardHosts.size > 0) {
    // From the left, so the longest suffix comes first. `.example.com` itself has no label for the `*`.
    for (let dot = host.indexOf('.', 1); dot >= 0; dot = host.indexOf('.', dot + 1)) {
      const tier = table.wildcardHosts.get(host.slice(dot));
      found = tier === undefined ? undefined : search(tier, request);
      if (found !== undefined) return found.decision;
    }
  }
  found = table.anyHost === undefined ? undefined : search(table.anyHost, request);
  return found?.decision ?? noRoute;
}

/** HTTPRouteRule.matches: "oldest route", then alphabetical by `{namespace}/{name}`. */
function byPrecedence(routes: readonly Route[]): readonly Route[] {
  const keyed = routes.map((route) => ({ route, key: `${route.ref.namespace}/${route.ref.name}` }));
  keyed.sort((a, b) => a.route.createdAt - b.route.createdAt || compareText(a.key, b.key) || compareText(a.route.ref.kind, b.route.ref.kind));
  return keyed.map(({ route }) => route);
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

const corsHeaders = ['origin', 'access-control-request-method', 'access-control-request-headers'];

function needsOf(groups: Iterable<readonly Entry[]>): RequestNeeds {
  const headers = new Set<string>();
  let query = false;
  for (const entries of groups) {
    for (const entry of entries) {
      for (const { name } of entry.headers) headers.add(name);
      query ||= entry.query.length > 0;
      if (entry.candidate.match.grpc !== undefined) headers.add('content-type');
      const { rule, backends } = entry.candidate.plan;
      if (rule.cors !== undefined || backends.some(({ cors }) => cors !== undefined)) for (const name of corsHeaders) headers.add(name);
    }
  }
  return { headers: [...headers].sort(), query };
}
