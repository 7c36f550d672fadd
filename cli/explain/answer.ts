import { isFrontend, type Translation } from '#controller';
import { escapeProblem, explainCandidates, filtersFor, isGrpc, normalizeHost, normalizePath, type Candidate, type NormalTarget, type RequestView } from '#routing';
import type { LostField } from '#policy';
import { endpointsFor, hostPort, type EffectivePolicy, type Filter, type ObjectRef, type RouteTable, type Rule, type WeightedBackend } from '#snapshot';
import { explainedTls, type ExplainedTls } from '../policy/tls.ts';
import { builtIn, withLost } from './effective.ts';
import type { PassedOver, Place } from './place.ts';

/** A request to be explained. Header names are lower case. */
export interface ExplainedRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: ReadonlyMap<string, string>;
}

export interface ExplainedBackend {
  readonly namespace: string;
  readonly name: string;
  readonly port: number | undefined;
  readonly weight: number;
  readonly valid: boolean;
  /** Why it is not valid. */
  readonly reason?: string;
  /** `address:port` of each ready endpoint. */
  readonly endpoints: readonly string[];
  readonly filters: readonly Filter[];
  /** Where a BackendTLSPolicy stands on it. */
  readonly tls?: ExplainedTls;
  /** Present where the policies of the backends differ from each other. */
  readonly policy?: Pick<EffectivePolicy, 'retry' | 'timeouts' | 'session' | 'origins'>;
}

export interface ExplainedRejection {
  readonly route: ObjectRef;
  readonly rule: number;
  /** Absent where rules have no matches: routes for TLS, TCP and UDP. */
  readonly match?: number;
  readonly reason: string;
}

/** What would happen to one request, and why. The shape of `weft explain -o json`. */
export interface Answer {
  /** `refuse`: of a connection, which is reset, or of datagrams, which are dropped. */
  readonly outcome: 'forward' | 'redirect' | 'respond' | 'passthrough' | 'refuse';
  /** Present where it is not about a request but about a connection, or datagrams. */
  readonly protocol?: 'tls' | 'tcp' | 'udp';
  readonly status?: number;
  readonly location?: string;
  /** What a gRPC client gets in the place of the status. */
  readonly grpcStatus?: number;
  /** Why the proxy would answer itself. */
  readonly reason?: string;
  readonly listener?: { readonly gateway: ObjectRef; readonly name: string; readonly hostname: string; readonly port: number };
  readonly service?: ObjectRef & { readonly port: number };
  readonly route?: ObjectRef;
  readonly rule?: { readonly index: number; readonly name?: string };
  readonly match?: { readonly index: number };
  readonly filters: readonly Filter[];
  readonly backends: readonly ExplainedBackend[];
  readonly retry?: NonNullable<EffectivePolicy['retry']>;
  readonly timeouts?: NonNullable<EffectivePolicy['timeouts']>;
  readonly session?: NonNullable<EffectivePolicy['session']>;
  readonly origins: EffectivePolicy['origins'];
  /** What the proxy takes for fields that nobody has set, by field. */
  readonly builtIn?: Readonly<Record<string, unknown>>;
  /** Fields that were written for this request and that something else decided. */
  readonly lost?: readonly LostField[];
  /** What the backend gets, where filters change it. */
  readonly forwarded?: { readonly path?: string; readonly host?: string };
  readonly rejected: readonly ExplainedRejection[];
  readonly notes: readonly string[];
}

const nothing = { filters: [], backends: [], origins: {}, rejected: [] } as const;

/** Asks the data plane's own `decide` at `place`, and says what comes of its decision. */
export function explain(translation: Translation, place: Place, request: ExplainedRequest): Answer {
  const answer = withLost(translation, explainRequest(translation, place, request), place.kind === 'service' ? place.clientNamespace : undefined);
  const grpcStatus = isGrpc(request.headers.get('content-type')) ? grpcStatuses.get(answer.status ?? 0) : undefined;
  return grpcStatus === undefined ? answer : { ...answer, grpcStatus };
}

/** UNIMPLEMENTED where nothing matches, UNAVAILABLE where a backend can't be used (GRPCRouteRule.backendRefs). */
const grpcStatuses: ReadonlyMap<number, number> = new Map([[404, 12], [500, 14]]);

function explainRequest(translation: Translation, place: Place, request: ExplainedRequest): Answer {
  if (place.kind === 'passthrough') return { ...nothing, outcome: 'passthrough', notes: [...place.notes, `${request.url.host} is no port of a Service that the mesh knows: forwarded untouched`] };
  if (place.kind === 'no-listener') return { ...nothing, outcome: 'respond', status: 404, reason: place.reason, notes: place.notes };
  const where = place.kind === 'listener' ? { listener: place.listener } : { service: place.service };
  const target = normalizePath(`${request.url.pathname}${request.url.search}`);
  if ('problem' in target) return { ...nothing, ...where, outcome: 'respond', status: 400, reason: target.problem, notes: place.notes };
  const table = translation.snapshots.routeTable(place.routes);
  if (table === undefined) throw new Error(`the snapshot has no route table ${place.routes}; this is a fault of Weft, please report it`);
  const refused = escapeProblem(target, table);
  if (refused !== undefined) return { ...nothing, ...where, outcome: 'respond', status: 400, reason: refused.problem, notes: place.notes };
  return answerFrom(translation, table, { where, notes: place.notes, request, target, passedOver: place.passedOver });
}

interface Asked {
  readonly where: Pick<Answer, 'listener' | 'service'>;
  readonly notes: readonly string[];
  readonly request: ExplainedRequest;
  readonly target: NormalTarget;
  readonly passedOver: readonly PassedOver[];
}

function answerFrom(translation: Translation, table: RouteTable, asked: Asked): Answer {
  const found = explainCandidates(table, viewOf(asked.request, asked.target));
  const { decision } = found;
  const base = { ...asked.where, rejected: [...found.rejected, ...candidatesElsewhere(translation, found, asked)], notes: asked.notes };
  if (decision.kind === 'no-route') return { ...nothing, ...base, outcome: 'respond', status: 404, reason: 'no rule matches the request' };
  const { route, rule, match } = decision.candidate;
  const backends = explainBackends(translation, table, rule.backends);
  const chosen = {
    ...base,
    // A Service without routes is its own, implicit route; nobody wrote it, so none is named.
    ...(isFrontend(route.ref) ? {} : { route: route.ref, rule: { index: rule.index, ...(rule.name === undefined ? {} : { name: rule.name }) }, match: { index: match.index } }),
    filters: rule.filters,
  };
  const outcome = outcomeOf(decision.candidate, asked);
  const policies = policiesOf(table, rule, backends);
  return { ...chosen, ...outcome, ...policies, ...(outcome.outcome === 'forward' ? { ...forwardedOf(decision.candidate, asked), builtIn: builtIn(policies, {}) } : {}) };
}

/** The rule's filters; a backend's own may change it once more and stand beside it. */
function forwardedOf(candidate: Candidate, { target }: Asked): Pick<Answer, 'forwarded'> {
  const { target: rewrite, host } = filtersFor(candidate);
  const path = rewrite?.(target.path, target.query);
  return path === undefined && host === undefined ? {} : { forwarded: { ...(path === undefined ? {} : { path }), ...(host === undefined ? {} : { host }) } };
}

/** A route that is attached here as well has its word here. */
function candidatesElsewhere(translation: Translation, here: Explained, { request, target, passedOver }: Asked): readonly ExplainedRejection[] {
  const known = new Set(candidatesOf(here).map(nameOfCandidate));
  return passedOver.flatMap(({ routes, reason }) => {
    const table = translation.snapshots.routeTable(routes);
    if (table === undefined) return [];
    const candidates = candidatesOf(explainCandidates(table, viewOf(request, target)));
    return candidates.filter((candidate) => !isFrontend(candidate.route) && !known.has(nameOfCandidate(candidate))).map((candidate) => ({ ...candidate, reason }));
  });
}

type Explained = ReturnType<typeof explainCandidates>;

function candidatesOf({ decision, rejected }: Explained): readonly Omit<ExplainedRejection, 'reason'>[] {
  if (decision.kind === 'no-route') return rejected;
  const { route, rule, match } = decision.candidate;
  return [{ route: route.ref, rule: rule.index, match: match.index }, ...rejected];
}

function nameOfCandidate({ route, rule, match }: Omit<ExplainedRejection, 'reason'>): string {
  return `${route.kind}/${route.namespace}/${route.name}/${rule}/${match}`;
}

function viewOf(request: ExplainedRequest, target: NormalTarget): RequestView {
  const host = normalizeHost(request.headers.get('host') ?? request.url.host);
  return {
    method: request.method,
    host: 'problem' in host ? '' : host.host,
    path: target.path,
    query: target.query,
    header: (name) => request.headers.get(name) ?? (name === 'host' ? request.url.host : undefined),
  };
}

function outcomeOf(candidate: Candidate, asked: Asked): Pick<Answer, 'outcome' | 'status' | 'location' | 'reason'> {
  const { rule } = candidate;
  if (rule.failure !== undefined) return { outcome: 'respond', status: rule.failure.status, reason: rule.failure.reason };
  const filters = filtersFor(candidate);
  const view = viewOf(asked.request, asked.target);
  const preflight = filters.cors?.preflight(view);
  if (preflight !== undefined) return { outcome: 'respond', status: preflight.status, reason: preflight.status === 403 ? 'a CORS preflight from an origin that the CORS filter does not allow' : 'a CORS preflight, answered by the CORS filter' };
  if (filters.redirect !== undefined) {
    const scheme = asked.request.url.protocol === 'https:' ? 'https' : 'http';
    const port = asked.where.listener?.port ?? asked.where.service?.port ?? 0;
    const { status, location } = filters.redirect({ scheme, host: view.host, port, path: asked.target.path, query: asked.target.query });
    return { outcome: 'redirect', status, location };
  }
  const total = rule.backends.reduce((sum, backend) => sum + backend.weight, 0);
  if (total === 0) return { outcome: 'respond', status: 500, reason: rule.backends.length === 0 ? 'the rule has no backends' : 'every backend of the rule has weight 0' };
  const invalid = rule.backends.filter((backend) => backend.weight > 0 && backend.target.kind === 'invalid');
  const first = invalid[0];
  if (first?.target.kind === 'invalid' && invalid.length === rule.backends.filter((backend) => backend.weight > 0).length) return { outcome: 'respond', status: first.target.status, reason: first.target.reason };
  return { outcome: 'forward' };
}

export function explainBackends(translation: Translation, table: Policies, backends: readonly WeightedBackend[]): readonly ExplainedBackend[] {
  return backends.map((backend) => explainBackend(translation, table, backend));
}

/** Of a table: backends and rules name them by index. */
type Policies = Pick<RouteTable, 'policies'>;

function explainBackend(translation: Translation, table: Policies, backend: WeightedBackend): ExplainedBackend {
  const { target, weight, filters } = backend;
  const policy = backend.policy === undefined ? undefined : table.policies[backend.policy];
  const common = { namespace: target.ref.namespace, name: target.ref.name, port: target.port, weight, filters, ...(policy === undefined ? {} : { policy }) };
  if (target.kind === 'invalid') return { ...common, valid: false, reason: target.reason, endpoints: [] };
  // As a proxy that reaches both families has them.
  const endpoints = endpointsFor(translation.snapshots.endpoints(target.backend)?.endpoints ?? [], ['IPv4', 'IPv6']);
  const tls = translation.paths.tlsTo(target.backend);
  return { ...common, valid: true, endpoints: endpoints.map(({ address, port }) => hostPort(address, port)), ...(tls === undefined ? {} : { tls: explainedTls(tls) }) };
}

/** The policy of the first backend that gets requests speaks for the answer; backends that differ carry their own. */
export function policiesOf(table: Policies, rule: Pick<Rule, 'backends' | 'policy'>, backends: readonly ExplainedBackend[]): Pick<Answer, 'retry' | 'timeouts' | 'session' | 'origins' | 'backends'> {
  const spokesman = rule.backends.find((backend) => backend.weight > 0 && backend.target.kind === 'backend')?.policy ?? rule.policy;
  const policy: EffectivePolicy = spokesman === undefined ? { origins: {} } : table.policies[spokesman]!;
  const differ = new Set(backends.flatMap(({ policy: one }) => (one === undefined ? [] : [JSON.stringify(one)]))).size > 1;
  return {
    ...(policy.retry === undefined ? {} : { retry: policy.retry }),
    ...(policy.timeouts === undefined ? {} : { timeouts: policy.timeouts }),
    ...(policy.session === undefined ? {} : { session: policy.session }),
    origins: policy.origins,
    backends: differ ? backends : backends.map(({ policy: _same, ...backend }) => backend),
  };
}
