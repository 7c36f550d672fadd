import type { ExecutionContext } from 'ava';
import type { Snapshots } from '#controller';
import { compile, decide, escapeProblem, filtersFor, normalizeHost, normalizePath, type Candidate, type NormalTarget } from '#routing';
import type { EffectivePolicy, Origin, RouteTable } from '#snapshot';
import type { Outcome, RequestExpectation } from '../expectation.ts';
import { addressed, headersOf, isStream, type Addressed } from '../requests.ts';
import { backendText, sectionFor } from './sections.ts';
import { checkStream } from './streams.ts';
import type { Translated } from '../translated.ts';

/** Where the request comes in, by the specification's words and not by the product's code. */
type Entrance =
  | { readonly kind: 'table'; readonly routes: string; readonly port: number; readonly listener?: string }
  | { readonly kind: 'no-listener' }
  | { readonly kind: 'passthrough' };

/** Sends the request through the compiled table of the snapshot, without any proxy. */
export function checkDecision(t: ExecutionContext, { translation: { snapshots } }: Translated, request: RequestExpectation): void {
  const { expect } = request;
  const to = addressed(request);
  // Which listener a connection belongs to by its server name is nothing that a table decides.
  if (request.sni !== undefined) return;
  if (isStream(to)) {
    checkStream(t, snapshots, request, to);
    return;
  }
  const target = normalizePath(to.target);
  if ('problem' in target) {
    t.is(expect.status, 400, `${request.url}: ${target.problem}`);
    return;
  }
  const entrance = entranceOf(t, snapshots, request, to);
  if (expect.outcome === 'passthrough') {
    t.is(entrance.kind, 'passthrough', request.url);
    return;
  }
  if (entrance.kind !== 'table') {
    t.is(entrance.kind, 'no-listener', request.url);
    t.is(expect.status, 404, `${request.url}: no listener is for this host`);
    return;
  }
  if (expect.listener !== undefined) t.is(entrance.listener, expect.listener, `${request.url}: listener`);
  const table = snapshots.routeTable(entrance.routes);
  if (table === undefined) {
    t.fail(`no route table ${entrance.routes}`);
    return;
  }
  const refused = escapeProblem(target, table);
  if (refused !== undefined) {
    t.is(expect.status, 400, `${request.url}: ${refused.problem}`);
    return;
  }
  const host = normalizeHost(to.host);
  if ('problem' in host) throw new Error(`${request.url}: ${host.problem}`);
  const headers = new Map([['host', to.host], ...headersOf(request, to)]);
  const decision = decide(compile(table), { method: to.method, host: host.host, path: target.path, query: target.query, header: (name) => headers.get(name) });
  if (decision.kind === 'no-route') t.is(expect.status, 404, `${request.url}: no rule matches`);
  else checkCandidate(t, { candidate: decision.candidate, table, port: entrance.port, to, target }, request);
}

function entranceOf(t: ExecutionContext, snapshots: Snapshots, request: RequestExpectation, to: Addressed): Entrance {
  if (to.client !== undefined) {
    const { target } = snapshots.destination(to.client.split('/')[0]!, to.dialled, to.port);
    return target.kind === 'passthrough' ? target : { kind: 'table', routes: target.routes, port: target.port };
  }
  const bound = snapshots.listeners.get(to.gateway!)?.find((listener) => listener.name.endsWith(`/${to.port}`));
  if (bound === undefined) {
    t.fail(`${request.url}: Gateway ${to.gateway} has no listener on port ${to.port}`);
    return { kind: 'no-listener' };
  }
  const section = sectionFor(bound, to.host.toLowerCase().replace(/:\d+$/, '').replace(/\.$/, ''));
  return section === undefined ? { kind: 'no-listener' } : { kind: 'table', routes: section.routes, listener: section.name, port: to.port };
}

interface Decided {
  readonly candidate: Candidate;
  readonly table: RouteTable;
  readonly port: number;
  readonly to: Addressed;
  readonly target: NormalTarget;
}

function checkCandidate(t: ExecutionContext, { candidate, table, port, to, target }: Decided, { url, expect }: RequestExpectation): void {
  const { route, rule, match } = candidate;
  const { kind, namespace, name } = route.ref;
  if (expect.status === 404) t.fail(`${url}: expected 404, and ${kind}/${namespace}/${name} rule ${rule.index} matches`);
  // A Service without routes stands in the table as its own route; nobody wrote it.
  if (expect.route !== undefined) t.is(`${kind}/${namespace}/${name}`, expect.route, `${url}: route`);
  if (expect.rule !== undefined) t.is(rule.index, expect.rule, `${url}: rule of ${name}`);
  if (expect.match !== undefined) t.is(match.index, expect.match, `${url}: match of ${name}`);
  if (expect.backends !== undefined) t.deepEqual(Object.fromEntries(rule.backends.map(backendText)), { ...expect.backends }, `${url}: backends`);
  const { redirect } = filtersFor(candidate);
  if (expect.outcome !== undefined) t.is(rule.failure !== undefined ? 'respond' : redirect === undefined ? 'forward' : 'redirect', expect.outcome, `${url}: outcome`);
  if (expect.location !== undefined) {
    const { status, location } = redirect?.({ scheme: to.scheme, host: to.host.replace(/:\d+$/, ''), port, path: target.path, query: target.query }) ?? {};
    t.like({ status, location }, { status: expect.status, location: expect.location }, `${url}: redirect`);
  }
  const served = rule.backends.filter(({ weight }) => weight > 0);
  if (rule.failure !== undefined && expect.status !== undefined) t.is(rule.failure.status, expect.status, `${url}: ${rule.failure.reason}`);
  else if (served.length === 1 && served[0]!.target.kind === 'invalid') t.is(expect.status, served[0]!.target.status, `${url}: ${served[0]!.target.reason}`);
  checkPolicy(t, table.policies[served[0]?.policy ?? rule.policy ?? -1], expect, url);
}

/** The policy of what gets requests or connections. */
export function checkPolicy(t: ExecutionContext, policy: EffectivePolicy | undefined, expect: Outcome, url: string): void {
  if (expect.retry !== undefined) t.deepEqual(policy?.retry, expect.retry, `${url}: retry`);
  if (expect.timeouts !== undefined) t.deepEqual(policy?.timeouts, expect.timeouts, `${url}: timeouts`);
  for (const [leaf, origin] of Object.entries(expect.origins ?? {})) t.is(originText(policy?.origins[leaf]), origin, `${url}: origin of ${leaf}`);
}

export function originText(origin: Origin | undefined): string {
  if (origin === undefined) return 'nobody';
  const { kind, namespace, name, stanza, level } = origin;
  return `${kind}/${namespace}/${name} ${stanza} ${level}`;
}
