import { Pace, runSteps, sortInSteps, type Steps } from '#snapshot';
import { escapesAllowed } from '../request/path.ts';
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
  /** Names of the backends that rules send requests to, mirrors aside. */
  readonly backends: ReadonlySet<string>;
  /** Whether there are GRPCRoutes in it. */
  readonly grpc: boolean;
  /** Bits of `NormalTarget.escapes` that pass. */
  readonly escapes: number;
}

const noRoute: Decision = Object.freeze({ kind: 'no-route' });

const compiledTables = new WeakMap<RouteTable, CompiledTable>();

/** Compiles a table; one that was compiled before is taken over. Never throws: what can't be matched matches nothing. */
export function compile(table: RouteTable): CompiledTable {
  return runSteps(compileInSteps(table));
}

/** The same in steps, for who has others to serve meanwhile; `compile` then has the result at hand. */
export function* compileInSteps(table: RouteTable): Steps<CompiledTable> {
  const known = compiledTables.get(table);
  if (known !== undefined) return known;
  const pace = new Pace();
  const { byHostname, ...found } = yield* gather(yield* byPrecedence(table.routes, pace), pace);
  const exactHosts = new Map<string, Tier>();
  const wildcardHosts = new Map<string, Tier>();
  let anyHost: Tier | undefined;
  for (const [hostname, entries] of byHostname) {
    const tier = yield* buildTier(entries, pace);
    if (hostname === '') anyHost = tier;
    else if (hostname.startsWith('*.')) wildcardHosts.set(hostname.slice(1), tier);
    else exactHosts.set(hostname, tier);
  }
  const compiled = { table, ...found, exactHosts, wildcardHosts, anyHost, escapes: escapesAllowed(table) };
  compiledTables.set(table, compiled);
  return compiled;
}

interface Gathered extends Pick<CompiledTable, 'needs' | 'backends' | 'grpc'> {
  readonly byHostname: ReadonlyMap<string, readonly Entry[]>;
}

function* gather(routes: readonly Route[], pace: Pace): Steps<Gathered> {
  const byHostname = new Map<string, Entry[]>();
  const backends = new Set<string>();
  const needs = new Needs();
  let grpc = false;
  for (const route of routes) {
    grpc ||= route.ref.kind === 'GRPCRoute';
    for (const rule of route.rules) {
      for (const { target } of rule.backends) if (target.kind === 'backend') backends.add(target.backend);
      for (const match of rule.matches) {
        const entries = entriesOf(route, rule, match);
        for (const entry of entries) append(byHostname, entry.candidate.hostname, entry);
        needs.add(entries[0]!);
        if (pace.spend(entries.length)) yield;
      }
    }
  }
  return { byHostname, needs: needs.all(), backends, grpc };
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

interface Keyed {
  readonly route: Route;
  readonly key: string;
}

/** HTTPRouteRule.matches: "oldest route", then alphabetical by `{namespace}/{name}`. */
function* byPrecedence(routes: readonly Route[], pace: Pace): Steps<readonly Route[]> {
  const keyed: Keyed[] = [];
  for (const route of routes) {
    keyed.push({ route, key: `${route.ref.namespace}/${route.ref.name}` });
    if (pace.spend()) yield;
  }
  const sorted: Route[] = [];
  for (const { route } of yield* sortInSteps(keyed, compareKeyed, pace)) {
    sorted.push(route);
    if (pace.spend()) yield;
  }
  return sorted;
}

function compareKeyed(a: Keyed, b: Keyed): number {
  return a.route.createdAt - b.route.createdAt || compareText(a.key, b.key) || compareText(a.route.ref.kind, b.route.ref.kind);
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

const corsHeaders = ['origin', 'access-control-request-method', 'access-control-request-headers'];

/** What conditions and filters ask of a request. */
class Needs {
  readonly #headers = new Set<string>();
  #query = false;

  /** Of the entries of one match any: they differ in their hostname alone. */
  add({ headers, query, candidate }: Entry): void {
    for (const { name } of headers) this.#headers.add(name);
    this.#query ||= query.length > 0;
    if (candidate.match.grpc !== undefined) this.#headers.add('content-type');
    const { rule, backends } = candidate.plan;
    if (rule.cors !== undefined || backends.some(({ cors }) => cors !== undefined)) for (const name of corsHeaders) this.#headers.add(name);
  }

  all(): RequestNeeds {
    return { headers: [...this.#headers].sort(), query: this.#query };
  }
}
