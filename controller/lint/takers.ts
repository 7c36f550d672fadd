import type { Gateway } from '#crds';
import { bareRoot, compareHostnames, type Match, type NamedMatch, type Pace, type RouteHostname, type Rule, type Steps } from '#snapshot';
import { compareText } from '../cluster.ts';
import { endsTls, isStream, type ListenerFacts } from '../graph/listeners/listeners.ts';
import type { ListenerTable } from '../render/gateway.ts';
import type { TableRoute } from '../render/way.ts';

/** A request that a client may make of a Gateway. */
export interface Asked {
  readonly scheme: string;
  /** Lower case, no port. */
  readonly host: string;
  /** The listener's. */
  readonly port: number;
  readonly path: string;
  readonly method: string;
  /** What its headers and parameters meet; it has no others. */
  readonly meets: Pick<Match, 'headers' | 'query'>;
}

/** The match of a rule that gets a request. */
export interface Taker {
  readonly listener: ListenerFacts;
  readonly route: TableRoute;
  readonly rule: Rule;
  readonly match: Match;
  readonly hostname: RouteHostname;
}

/**
 * Which rule of a Gateway takes a request, by Gateway API's precedence (HTTPRouteSpec.hostnames, HTTPRouteRule.matches). The proxies' own
 * search is not for the control plane to import; a test finds both of one mind. This one says nothing where a regular expression, or a path
 * that is not compared as it is written, may decide.
 */
export class Takers {
  readonly #sites = new Map<Gateway, Map<string, ListenerTable>>();
  readonly #indexes = new Map<ListenerTable, ReadonlyMap<string, readonly Taker[]>>();

  constructor(tables: readonly ListenerTable[]) {
    for (const table of tables) {
      if (isStream(table.listener)) continue;
      const { gateway, hostname } = table.listener;
      const sites = this.#sites.get(gateway) ?? new Map<string, ListenerTable>();
      this.#sites.set(gateway, sites);
      const key = siteKey(schemeOf(table.listener.listener), table.listener.listener.port, hostname);
      if (!sites.has(key)) sites.set(key, table);
    }
  }

  /** Undefined where no rule takes it, or it is not known which. */
  *find(gateway: Gateway, asked: Asked, pace: Pace): Steps<Taker | undefined> {
    const hostnames = hostnamesAbove(asked.host);
    const sites = this.#sites.get(gateway);
    const site = hostnames.map((hostname) => sites?.get(siteKey(asked.scheme, asked.port, hostname))).find((each) => each !== undefined);
    if (site === undefined || !isPlain(asked.path)) return undefined;
    const index = this.#indexes.get(site) ?? (yield* indexOf(site, pace));
    this.#indexes.set(site, index);
    let best: Taker | undefined;
    for (const key of hostnames.flatMap((hostname) => keysOf(hostname, asked.path))) {
      for (const taker of index.get(key) ?? []) {
        if (pace.spend()) yield;
        if (mayTake(taker.match, asked) && (best === undefined || compare(taker, best) < 0)) best = taker;
      }
    }
    return best === undefined || !isPlain(best.match.path.value) || best.match.path.type === 'RegularExpression' || !surelyMeets(best.match, asked) ? undefined : best;
  }
}

export function siteKey(scheme: string, port: number, hostname: string): string {
  return `${scheme} ${port} ${hostname}`;
}

export function schemeOf(listener: ListenerFacts['listener']): 'http' | 'https' {
  return endsTls(listener) ? 'https' : 'http';
}

/** Whether normalising leaves the path as it is, whatever it is compared with. */
export function isPlain(path: string): boolean {
  return /^\/[\w~!$&'()*+,;=:@/.-]*$/.test(path) && !path.includes('/.');
}

/** Hostnames that a host falls under, the most specific first. */
export function hostnamesAbove(host: string): readonly string[] {
  const found = [host];
  for (let dot = host.indexOf('.', 1); dot >= 0; dot = host.indexOf('.', dot + 1)) found.push(`*${host.slice(dot)}`);
  return [...found, ''];
}

function keysOf(hostname: string, path: string): readonly string[] {
  const keys = [`${hostname} Exact ${path}`, `${hostname} unsure`];
  for (let prefix = path; ; prefix = prefix.slice(0, prefix.lastIndexOf('/'))) {
    keys.push(`${hostname} PathPrefix ${prefix}`);
    if (prefix === '') return keys;
  }
}

function keyOf({ match: hostname }: RouteHostname, { path: { type, value } }: Match): string {
  if (type === 'RegularExpression' || !isPlain(value)) return `${hostname} unsure`;
  return `${hostname} ${type} ${type === 'PathPrefix' ? bareRoot(value) : value}`;
}

const anyHost: readonly RouteHostname[] = [{ match: '', written: '' }];

/** Of HTTPRoutes only: the requests that are asked about are no gRPC. */
function* indexOf({ listener, routes }: ListenerTable, pace: Pace): Steps<ReadonlyMap<string, readonly Taker[]>> {
  const index = new Map<string, Taker[]>();
  for (const route of routes) {
    for (const { rule } of route.rules) {
      for (const match of rule.matches) {
        if (match.grpc !== undefined) continue;
        for (const hostname of route.hostnames.length === 0 ? anyHost : route.hostnames) {
          if (pace.spend()) yield;
          const [key, taker] = [keyOf(hostname, match), { listener, route, rule, match, hostname }];
          const group = index.get(key);
          if (group === undefined) index.set(key, [taker]);
          else group.push(taker);
        }
      }
    }
  }
  return index;
}

function mayTake({ method, headers, query }: Match, { method: asked, meets }: Asked): boolean {
  return (method === undefined || method === asked) && headers.every((each) => mayMeet(each, meets.headers)) && query.every((each) => mayMeet(each, meets.query));
}

/** With an expression on either side it can't be told. */
function mayMeet({ name, type, value }: NamedMatch, met: readonly NamedMatch[]): boolean {
  const known = met.find((each) => each.name === name);
  return known !== undefined && (type !== 'Exact' || known.type !== 'Exact' || known.value === value);
}

function surelyMeets({ headers, query }: Match, { meets }: Asked): boolean {
  const has = (met: readonly NamedMatch[]) => ({ name, type, value }: NamedMatch): boolean => met.some((each) => each.name === name && each.type === type && each.value === value);
  return headers.every(has(meets.headers)) && query.every(has(meets.query));
}

/** Negative where `a` comes first. */
function compare(a: Taker, b: Taker): number {
  return (
    compareHostnames(a.hostname.written, b.hostname.written) ||
    pathRank(a.match) - pathRank(b.match) ||
    pathLength(b.match) - pathLength(a.match) ||
    Number(b.match.method !== undefined) - Number(a.match.method !== undefined) ||
    b.match.headers.length - a.match.headers.length ||
    b.match.query.length - a.match.query.length ||
    a.route.createdAt - b.route.createdAt ||
    compareText(nameOf(a.route), nameOf(b.route)) ||
    a.rule.index - b.rule.index ||
    a.match.index - b.match.index
  );
}

function pathRank({ path: { type } }: Match): number {
  return ['Exact', 'RegularExpression', 'PathPrefix'].indexOf(type);
}

function pathLength({ path: { type, value } }: Match): number {
  return type === 'Exact' ? 0 : type === 'PathPrefix' ? bareRoot(value).length : value.length;
}

function nameOf({ ref: { namespace, name } }: TableRoute): string {
  return `${namespace}/${name}`;
}
