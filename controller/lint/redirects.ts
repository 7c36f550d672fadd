import { bareRoot, redirectPort, replacePrefix, type Match, type Pace, type PathModifier, type RedirectFilter, type RouteHostname, type Rule, type Steps } from '#snapshot';
import type { Graph } from '../graph/graph.ts';
import type { AttachedSection, Attachment } from '../graph/routes/attachments.ts';
import { problem } from '../problems.ts';
import type { Problem } from '../types.ts';
import { hostnamesAbove, isUnsure, originKey, schemeOf, Takers, type Asked, type Taker } from './takers.ts';

/** After so many a client gives up (Fetch standard, HTTP-redirect fetch). */
const mostRedirects = 20;

/**
 * Redirects that a client follows until it gives up: back to the URL that was asked for, to one that the same rule redirects again, or round
 * through other rules of the Gateway. Often one to HTTPS that is attached to the listener for HTTPS as well, or one of all paths to a page that
 * no other rule takes. What a proxy in front of the Gateway makes of scheme and port is not known here, nor whether another host leads to the
 * Gateway: only a rule that names it says so.
 */
export function* circularRedirects({ attachments, tables }: Pick<Graph, 'attachments' | 'tables'>, pace: Pace): Steps<readonly Problem[]> {
  const { found, sites } = yield* redirectsOf(attachments, pace);
  if (found.length === 0) return [];
  const problems: Problem[] = [];
  const search = { takers: new Takers(tables), sites, pace };
  for (const { route, rule, at, sections } of found) {
    const circle = yield* firstCircle(rule, sections, search);
    if (circle === undefined) continue;
    const message = `on listener ${circle.listener} this leads to ${circle.round}; name another listener in parentRefs (sectionName), or another scheme, hostname, port or path here`;
    problems.push(problem('warning', route, { reason: 'CircularRedirect', path: ['spec', 'rules', rule.index, 'filters', at, 'requestRedirect'], message }));
  }
  return problems;
}

interface Found {
  readonly route: Attachment['route'];
  readonly rule: Rule;
  /** Of its filters. */
  readonly at: number;
  readonly sections: readonly AttachedSection[];
}

interface Search {
  readonly takers: Takers;
  /** By scheme and port (`originKey`), the hostnames at which there are redirects at all: most lead to where there is none. */
  readonly sites: ReadonlyMap<string, ReadonlySet<string>>;
  readonly pace: Pace;
}

function* redirectsOf(attachments: readonly Attachment[], pace: Pace): Steps<{ readonly found: readonly Found[]; readonly sites: Search['sites'] }> {
  const found: Found[] = [];
  const sites = new Map<string, Set<string>>();
  for (const { route, built, to } of attachments) {
    if (pace.spend()) yield;
    if (to?.kind !== 'gateway') continue;
    for (const { rule } of built.rules) {
      const at = rule.filters.findIndex(({ type }) => type === 'RequestRedirect');
      if (at < 0) continue;
      found.push({ route, rule, at, sections: to.sections });
      for (const { listener: { listener }, hostnames } of to.sections) {
        if (pace.spend()) yield;
        const origin = originKey(schemeOf(listener), listener.port);
        const names = sites.get(origin) ?? new Set<string>();
        sites.set(origin, names);
        for (const hostname of hostnames.length === 0 ? [''] : hostnames.map(({ match }) => match)) names.add(hostname);
      }
    }
  }
  return { found, sites };
}

interface Circle {
  readonly listener: string;
  /** Where it leads, in words. */
  readonly round: string;
}

function* firstCircle(rule: Rule, sections: readonly AttachedSection[], search: Search): Steps<Circle | undefined> {
  for (const section of sections) {
    for (const match of rule.matches) {
      if (search.pace.spend()) yield;
      const circle = yield* circleAt(rule, match, section, search);
      if (circle !== undefined) return { listener: section.listener.listener.name, round: circle };
    }
  }
  return undefined;
}

const sameUrl = 'the URL that was asked for, again and again';

/** Where requests of a match, on one listener, are led in a circle; undefined where they are not. */
function* circleAt(rule: Rule, match: Match, section: AttachedSection, search: Search): Steps<string | undefined> {
  const redirect = redirectOf(rule);
  if (redirect === undefined) return undefined;
  const { listener } = section.listener;
  const sites = search.sites.get(originKey(redirect.scheme ?? schemeOf(listener), redirectPort(redirect, listener.port)));
  if (sites === undefined) return undefined;
  for (const asked of requestsFor(match, section)) {
    const next = redirected(asked, redirect, match);
    if (!hostnamesAbove(next.host).some((hostname) => sites.has(hostname))) continue;
    // Which requests an expression takes is not known here; but whatever they ask for, they are to ask for it again.
    if (isUnsure(match)) {
      if (redirect.path === undefined && isSame(next, asked)) return sameUrl;
      continue;
    }
    const passed = yield* follow(asked, match, section, search);
    if (passed === undefined || !passed.slice(1).some((each) => each.match === match && each.listener === passed[0]?.listener)) continue;
    if (isSame(next, asked) && passed[1]?.match === match) return sameUrl;
    return `${next.path}${inWords(passed, rule)}`;
  }
  return undefined;
}

function inWords(passed: readonly Taker[], rule: Rule): string {
  const others = new Set(passed.filter((each) => each.rule.matches !== rule.matches).map(({ route: { ref }, rule: { index } }) => `rule ${index} of ${ref.kind} ${ref.namespace}/${ref.name}`));
  if (others.size === 0) return ', which it redirects again, and so on';
  return ` on listener ${passed[1]?.listener.listener.name ?? ''}, from where ${[...others].join(', then ')} leads back`;
}

/** The rules that the request passes, itself taken by `match`, until it has come round or a client gives up; undefined where it gets to an end. */
function* follow(start: Asked, match: Match, { listener: { gateway } }: AttachedSection, { takers, pace }: Search): Steps<readonly Taker[] | undefined> {
  const passed: Taker[] = [];
  const before: Asked[] = [];
  let asked = start;
  for (let isRound = false; !isRound && passed.length <= mostRedirects; ) {
    const taker: Taker | undefined = yield* takers.find(gateway, asked, pace);
    const redirect = taker === undefined ? undefined : redirectOf(taker.rule);
    if (taker === undefined || redirect === undefined || (passed.length === 0 && taker.match !== match)) return undefined;
    const [last] = before.slice(-1);
    if (last !== undefined && asked.host !== last.host && taker.hostname.match !== asked.host) return undefined;
    isRound = before.some((each) => isSame(each, asked));
    passed.push(taker);
    before.push(asked);
    asked = redirected(asked, redirect, taker.match);
  }
  return passed;
}

/** A rule with a fault answers 500. */
function redirectOf({ filters, failure }: Rule): RedirectFilter | undefined {
  return failure === undefined ? filters.find((filter) => filter.type === 'RequestRedirect') : undefined;
}

/** Stands for any label of a host, or segment of a path, that nobody names. */
const anything = 'x-anything';

/** What requests of a match look like: each of the hostnames, the prefix itself and what is below it. */
function* requestsFor(match: Match, { listener: { listener }, hostnames }: AttachedSection): Iterable<Asked> {
  const { path: { type, value }, method = 'GET' } = match;
  const root = bareRoot(value);
  const paths = type === 'PathPrefix' ? [root === '' ? '/' : root, `${root}/${anything}`] : [value];
  for (const host of hostnames.length === 0 ? [anything] : hostnames.map(hostOf)) {
    for (const path of paths) yield { scheme: schemeOf(listener), host, port: listener.port, path, method, meets: match };
  }
}

function hostOf({ match }: RouteHostname): string {
  return match === '' ? anything : match.replace(/^\*/, anything);
}

function isSame(a: Asked, b: Asked): boolean {
  return a.path === b.path && a.host === b.host && a.scheme === b.scheme && a.port === b.port && a.method === b.method;
}

/** HTTPRequestRedirectFilter: what it does not say stays, but for the port where it says a scheme. */
function redirected(asked: Asked, redirect: RedirectFilter, match: Match): Asked {
  return {
    scheme: redirect.scheme ?? asked.scheme,
    host: redirect.hostname ?? asked.host,
    port: redirectPort(redirect, asked.port),
    path: redirect.path === undefined ? asked.path : pathOf(asked.path, redirect.path, match),
    method: methodAfter(redirect.statusCode, asked.method),
    meets: asked.meets,
  };
}

function pathOf(path: string, { type, value }: PathModifier, match: Match): string {
  if (type === 'ReplaceFullPath') return value.startsWith('/') ? value : `/${value}`;
  return match.path.type === 'PathPrefix' ? replacePrefix(path, bareRoot(match.path.value), value) : path;
}

/** Fetch standard, HTTP-redirect fetch: 303, and for POST 301 and 302 as well, ask to GET what is there. */
function methodAfter(status: number, method: string): string {
  const gets = status === 303 ? method !== 'HEAD' : (status === 301 || status === 302) && method === 'POST';
  return gets ? 'GET' : method;
}
