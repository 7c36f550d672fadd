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
  /** By Gateway, scheme and port (`originKey`), and hostname. */
  readonly #sites = new Map<Gateway, Map<string, Map<string, ListenerTable>>>();
  readonly #indexes = new Map<ListenerTable, Index>();

  constructor(tables: readonly ListenerTable[]) {
    for (const table of tables) {
      const { listener } = table;
      if (isStream(listener)) continue;
      const origins = this.#sites.get(listener.gateway) ?? new Map<string, Map<string, ListenerTable>>();
      this.#sites.set(listener.gateway, origins);
      const key = originKey(schemeOf(listener.listener), listener.listener.port);
      const sites = origins.get(key) ?? new Map<string, ListenerTable>();
      origins.set(key, sites);
      if (!sites.has(listener.hostname)) sites.set(listener.hostname, table);
    }
  }

  /** Undefined where no rule takes it, or it is not known which. */
  *find(gateway: Gateway, asked: Asked, pace: Pace): Steps<Taker | undefined> {
    if (pace.spend(itemsPerSearch)) yield;
    const hostnames = hostnamesAbove(asked.host);
    const sites = this.#sites.get(gateway)?.get(originKey(asked.scheme, asked.port));
    const site = hostnames.map((hostname) => sites?.get(hostname)).find((each) => each !== undefined);
    if (site === undefined || !isPlain(asked.path)) return undefined;
    const index = this.#indexes.get(site) ?? (yield* indexOf(site, pace));
    this.#indexes.set(site, index);
    let best: Taker | undefined;
    for (const hostname of hostnames) {
      for (const taker of takersAt(index.get(hostname), asked.path)) {
        if (pace.spend()) yield;
        if (mayTake(taker.match, asked) && (best === undefined || compare(taker, best) < 0)) best = taker;
      }
    }
    return best === undefined || isUnsure(best.match) || !surelyMeets(best.match, asked) ? undefined : best;
  }
}

/** What a search counts besides the matches that it compares, in items of a step. */
const itemsPerSearch = 3;

/** The matches at one hostname. */
interface AtHostname {
  readonly exact: Map<string, Taker[]>;
  /** By their bare roots. */
  readonly prefixes: Map<string, Taker[]>;
  /** Of which it can't be told what they take. */
  readonly unsure: Taker[];
}

type Index = ReadonlyMap<string, AtHostname>;

function* takersAt(at: AtHostname | undefined, path: string): Iterable<Taker> {
  if (at === undefined) return;
  yield* at.unsure;
  yield* at.exact.get(path) ?? [];
  for (let prefix = path; ; prefix = prefix.slice(0, prefix.lastIndexOf('/'))) {
    yield* at.prefixes.get(prefix) ?? [];
    if (prefix === '') return;
  }
}

export function originKey(scheme: string, port: number): string {
  return `${scheme} ${port}`;
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

/** A regular expression, or a path that is compared in another form than it is written in. */
export function isUnsure({ path: { type, value } }: Match): boolean {
  return type === 'RegularExpression' || !isPlain(value);
}

const anyHost: readonly RouteHostname[] = [{ match: '', written: '' }];

/** Of HTTPRoutes only: the requests that are asked about are no gRPC. */
function* indexOf({ listener, routes }: ListenerTable, pace: Pace): Steps<Index> {
  const index = new Map<string, AtHostname>();
  for (const route of routes) {
    for (const { rule } of route.rules) {
      for (const match of rule.matches) {
        if (match.grpc !== undefined) continue;
        for (const hostname of route.hostnames.length === 0 ? anyHost : route.hostnames) {
          if (pace.spend()) yield;
          const at = index.get(hostname.match) ?? { exact: new Map<string, Taker[]>(), prefixes: new Map<string, Taker[]>(), unsure: [] };
          index.set(hostname.match, at);
          placeOf(at, match).push({ listener, route, rule, match, hostname });
        }
      }
    }
  }
  return index;
}

function placeOf({ exact, prefixes, unsure }: AtHostname, match: Match): Taker[] {
  if (isUnsure(match)) return unsure;
  const [places, key] = match.path.type === 'Exact' ? [exact, match.path.value] : [prefixes, bareRoot(match.path.value)];
  const place = places.get(key) ?? [];
  places.set(key, place);
  return place;
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
