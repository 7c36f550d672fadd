import { decide, filtersFor, isGrpc, pickBackend, type FilterPlan } from '#routing';
import type { BackendState } from '../configuration/backends.ts';
import type { EndpointPool } from '../connection/pool.ts';
import type { RoutingTable, RequestSettings } from '../configuration/tables.ts';
import type { Framing } from '../codec/index.ts';
import type { DirectUpstream, Downstream, HeadForm, RawUpstream, RequestSource, Upstream } from '../connection/sides.ts';
import { Timer } from '../connection/timer.ts';
import type { Context } from '../context.ts';
import { failures, type FailureCode } from '../failures.ts';
import type { Binding } from '../listening/binding.ts';
import { idempotentMethods } from '../retry/index.ts';
import { RequestSession, type SessionSettings } from '../sessions/index.ts';
import type { AccessRecord, FailedAttempt, IdBytes, PathBytes, TraceSpan } from '../telemetry/index.ts';
import { Attempts } from './attempts.ts';
import { encodeRequestHead } from './blocks.ts';
import { grpcReply, grpcStatusOf, grpcTimeout } from './grpc.ts';
import { clientBehindTrusted, noEdits, putRequestHead } from './heads.ts';
import { endsHere } from './hops.ts';
import { startMirrors } from './mirror.ts';
import { failureReply, type Reply } from './replies.ts';
import { RequestBody } from './request-body.ts';
import { RequestId } from './request-id.ts';
import { ResponseRelay } from './response-relay.ts';
import { beginAttemptSpan, beginSpan, endSpan } from './tracing.ts';
import { answeredBy, escapesRefused } from './unforwarded.ts';

const noBytes = Buffer.alloc(0);
/**
 * Kept of a body without retries: servers that announce the end of a connection of HTTP/2 say what they have not begun with, calls of gRPC above all;
 * with HTTP/1.1 an idle connection may have ended, and what is idempotent is sent again.
 */
const unbegunBodyBytes = 16_384;

/** Of a request that is refused. */
export interface KnownOfRefused {
  readonly method?: string;
  readonly host?: string;
  readonly target?: string;
  /** Whether more of it is to come. */
  readonly rest?: 'none' | 'follows';
  /** `none`: it can't be told. */
  readonly reply?: 'some' | 'none';
}

/**
 * One request and its response. Each place for a request (a connection of HTTP/1.1, a stream of HTTP/2) has one, used again for every request,
 * so that a request costs no object. What client and endpoint speak is for the two sides to know (`connection/sides.ts`).
 *
 * `begin` → the binding says where it goes → attempts, with the body as it comes → the response as it comes → `finish`. An exchange that
 * is not `active` belongs to nobody: timers and connections have been taken off it before.
 */
export class Exchange implements AccessRecord, RequestSource {
  downstream: Downstream;
  readonly context: Context;
  binding: Binding;
  readonly tries: Attempts;
  readonly body: RequestBody;
  readonly relay: ResponseRelay;

  active = false;
  /** Tells this request from others in the same place, for answers that come later. */
  serial = 0;

  /** Where the request's head lies, which is looked at again for another attempt. */
  bytes: Buffer = noBytes;
  method = '';
  host = '';
  minorVersion = 1;
  /** Whether another request may follow, as far as this one says. */
  keepAlive = true;
  /** The client itself wants no further request. */
  asksToClose = false;
  upgrades = false;
  /** gRPC over HTTP/2. */
  isGrpc = false;
  /** What its response says of it; -1 where it is no gRPC, or has not ended yet. */
  grpcStatus = -1;
  /** How often a TRACE or OPTIONS may be forwarded behind us; -1 where that is not said. */
  hopsLeft = -1;
  /** How many proxies of ours it has passed, this one included. */
  hops = 1;
  readonly requestId = new RequestId();
  span: TraceSpan | undefined;
  attemptSpan: TraceSpan | undefined;

  settings: RequestSettings;
  filters: FilterPlan | undefined;
  backend: BackendState | undefined;
  upstream: Upstream | undefined;
  /** `connect`: the request is for a tunnel (CONNECT), which leads there. */
  purpose: 'request' | 'connect' = 'request';
  tunnelTo: RawUpstream | undefined;
  /** Where clients are bound to endpoints. */
  session: RequestSession<EndpointPool> | undefined;
  /** `Origin`, where a CORS filter wants to know. */
  origin: string | undefined;

  responseStarted = false;
  status = 0;
  bytesIn = 0;
  bytesOut = 0;
  durationMs = 0;
  failure: FailureCode | undefined;
  failureReason: string | undefined;
  startedAt = 0;
  /** When a byte last went through, in either direction. */
  activity = 0;
  /** When `request` of the timeouts runs out; Infinity for never. */
  deadline = Infinity;

  targetStart = 0;
  targetEnd = 0;
  #target: string | undefined;
  #client: string | undefined;
  #counted = false;
  #requestTimer: Timer | undefined;

  constructor(downstream: Downstream) {
    this.downstream = downstream;
    this.context = downstream.context;
    this.binding = downstream.binding;
    this.settings = downstream.binding.unrouted;
    this.tries = new Attempts(this);
    this.body = new RequestBody(this);
    this.relay = new ResponseRelay(this);
  }

  /** The next request is another connection's. */
  move(downstream: Downstream): void {
    this.downstream = downstream;
    this.binding = downstream.binding;
  }

  get id(): string {
    return this.requestId.text;
  }

  get idBytes(): IdBytes | undefined {
    return this.requestId.isNew ? this.requestId : undefined;
  }

  get path(): string {
    return this.#target ?? this.bytes.toString('latin1', this.targetStart, this.targetEnd);
  }

  get pathBytes(): PathBytes | undefined {
    return this.#target === undefined ? this : undefined;
  }

  get client(): string {
    return this.#client ?? this.downstream.client.address;
  }

  get framing(): Framing {
    return this.body.framing;
  }

  get target(): string {
    return this.settings.description;
  }

  get endpoint(): string {
    return this.tries.endpointText;
  }

  get attempts(): number {
    return this.tries.made;
  }

  get failedAttempts(): readonly FailedAttempt[] | undefined {
    return this.tries.failed;
  }

  get protocol(): AccessRecord['protocol'] {
    return this.downstream.protocol === 'HTTP/2' ? 'HTTP/2' : this.minorVersion === 0 ? 'HTTP/1.0' : 'HTTP/1.1';
  }

  get traceId(): string {
    return this.span?.traceId ?? '';
  }

  /** All of the request has come. */
  get requestComplete(): boolean {
    return this.body.complete;
  }

  /** Whether another attempt would get the whole request. */
  get replayable(): boolean {
    return this.body.replayable;
  }

  /** Takes the request that `context.requestHead` has, which lies in these bytes. `rest`: whether there is more of it than the head. */
  begin(bytes: Buffer, rest: 'none' | 'follows', target?: string): void {
    const head = this.context.requestHead;
    this.#reset();
    this.bytes = bytes;
    this.#target = target;
    this.targetStart = head.targetStart;
    this.targetEnd = head.targetEnd;
    this.method = head.method;
    this.host = head.authorityText;
    this.minorVersion = head.minorVersion;
    this.keepAlive = head.keepAlive;
    this.asksToClose = !head.keepAlive;
    this.upgrades = head.upgradesToWebSocket;
    this.isGrpc = this.downstream.protocol === 'HTTP/2' && !this.upgrades && isGrpc(head.fields.lookup(bytes, 'content-type'));
    this.body.begin(head, rest);
    const { trustedHops, role } = this.binding;
    this.requestId.take(head, bytes, role === 'mesh' || trustedHops > 0 ? 'trusted' : 'unknown', this.context.ids);
    if (trustedHops > 0) this.#client = clientBehindTrusted(this);
    beginSpan(this);
    if (!endsHere(this)) this.binding.begin(this);
  }

  /** Answers what was no valid request; a connection of HTTP/1 is of no use any more. `known`: what is known of it, for the log. */
  refuse(code: FailureCode, reason: string, known: KnownOfRefused = {}): void {
    this.#reset();
    this.method = known.method ?? '';
    this.host = known.host ?? '';
    this.#target = known.target ?? '';
    this.body.complete = known.rest !== 'follows';
    this.keepAlive = false;
    this.context.metrics.count('requests_rejected');
    if (known.reply !== 'none') {
      this.fail(code, reason);
      return;
    }
    this.noteFailure(code, reason);
    this.finish();
  }

  /** Decides by a table. The request's head is the one last parsed. */
  route(table: RoutingTable): void {
    const { context } = this;
    const { compiled } = table;
    if (escapesRefused(this, compiled.escapes, table.unmatched)) return;
    const decision = decide(compiled, context.view.show(this.bytes));
    if (decision.kind === 'no-route') {
      this.settings = table.unmatched;
      this.fail('no-route', undefined);
      return;
    }
    const { candidate } = decision;
    const { rule, plan } = candidate;
    const settings = table.settingsOf(candidate);
    this.settings = settings.own;
    if (rule.failure !== undefined) {
      this.fail('invalid-rule', rule.failure.reason, rule.failure.status);
      return;
    }
    if (answeredBy(this, plan.rule)) return;
    const backend = pickBackend(rule, context.environment.random);
    if (backend === undefined) {
      this.fail('no-backends', undefined);
      return;
    }
    this.settings = settings.backends[backend.index]!;
    const filters = filtersFor(candidate, backend);
    if (filters !== plan.rule && answeredBy(this, filters)) return;
    this.filters = filters;
    if (backend.target.kind === 'invalid') {
      this.fail('invalid-backend', backend.target.reason, backend.target.status);
      return;
    }
    const state = context.backends.get(backend.target.backend);
    if (state === undefined) this.fail('config-missing', backend.target.backend);
    else this.#forward(state);
  }

  /** Sends the request to a backend, whatever tables say. The request's head is the one last parsed. */
  forward(backend: BackendState): void {
    if (!escapesRefused(this, 0, this.settings)) this.#forward(backend);
  }

  #forward(backend: BackendState): void {
    const { settings, filters, context } = this;
    this.#count();
    this.backend = backend;
    settings.budget?.request(this.startedAt);
    if (settings.retry !== undefined) this.body.keep(settings.retry.maxBufferedBodyBytes);
    else if (backend.protocol === 'http2' || idempotentMethods.has(this.method)) this.body.keep(unbegunBodyBytes);
    const limit = this.#timeLimit();
    if (limit < Infinity) {
      this.deadline = this.startedAt + limit;
      this.#requestTimer ??= new Timer(() => this.#ranOut('request-timeout', 'request'));
      context.wheel.schedule(this.#requestTimer, this.deadline);
    }
    if (filters !== undefined) {
      if (filters.cors !== undefined) this.origin = context.view.header('origin');
      if (filters.mirrors.length > 0) this.body.mirrors = startMirrors(this, filters.mirrors);
    }
    if (settings.session !== undefined) this.#findSession(backend, settings.session);
    this.tries.start('any');
  }

  /** Makes a tunnel to an endpoint of the backend, as CONNECT asks for. */
  connect(backend: BackendState, settings: RequestSettings): void {
    this.purpose = 'connect';
    this.settings = settings;
    this.#count();
    this.backend = backend;
    this.tries.start('fresh');
  }

  /** An attempt has a connection, perhaps one that is still being opened: the request goes to it. */
  attach(upstream: Upstream): void {
    this.upstream = upstream;
    beginAttemptSpan(this);
    upstream.assign(this.relay, this);
    // It may have failed at once.
    if (this.upstream === upstream) this.body.attached();
  }

  /** The same of a connection for a tunnel. */
  attachRaw(upstream: DirectUpstream): void {
    this.upstream = this.tunnelTo = upstream;
    upstream.assignRaw(this.relay);
  }

  putLines(): void {
    putRequestHead(this, this.filters ?? noEdits);
  }

  encode(scheme: 'http' | 'https', form: HeadForm): Uint8Array {
    return encodeRequestHead(this, this.filters ?? noEdits, scheme, form);
  }

  /** Another attempt, begun by a timer or a failure rather than by the client's bytes. */
  repeat(start: () => void): void {
    this.downstream.showHead();
    this.context.view.show(this.bytes);
    const { serial } = this;
    start();
    // It may be over by now, and the next request have begun.
    if (this.serial !== serial) return;
    this.body.flush();
    if (this.active) this.downstream.resume();
  }

  /** Answers in the backend's place. `status` where it is not the table's. */
  fail(code: FailureCode, reason: string | undefined, status?: number): void {
    if (this.responseStarted) {
      this.abort(code, reason);
      return;
    }
    this.noteFailure(code, reason);
    if (this.isGrpc) this.grpcStatus = grpcStatusOf(code);
    this.answer(this.isGrpc ? grpcReply(code) : failureReply(code, status));
  }

  /** For the log and the metrics, which tell of it when the exchange is over: why it is not the endpoint's plain response that the client gets. */
  noteFailure(code: FailureCode, reason: string | undefined): void {
    this.failure = code;
    this.failureReason = reason;
  }

  /** The proxy's own response. */
  answer(reply: Reply): void {
    this.#count();
    this.tries.abandon();
    this.status = reply.status;
    this.responseStarted = true;
    this.body.abandon();
    this.bytesOut = this.method === 'HEAD' ? 0 : reply.body.length;
    const rest = this.downstream.reply(reply);
    this.activity = this.context.now();
    if (rest === 'over') this.finish();
    else this.downstream.resume();
  }

  /** The response began and can't be completed: the client must not take it for complete. */
  abort(code: FailureCode, reason: string | undefined): void {
    this.noteFailure(code, reason);
    if (this.downstream.tellsStatus?.(code) === true) this.grpcStatus = grpcStatusOf(code);
    this.#end();
    this.downstream.cut(code);
  }

  /** The response is out, and `activity` says when. */
  finish(): void {
    this.#end(this.activity);
    this.downstream.exchangeEnded(this.activity);
  }

  /** The endpoint's connection becomes a tunnel, whose time is not limited as a request's. */
  beginTunnel(): void {
    this.body.abandon();
    this.tries.beginTunnel();
    if (this.#requestTimer !== undefined) this.context.wheel.cancel(this.#requestTimer);
  }

  endTunnel(): void {
    this.tries.endTunnel();
    this.#end();
  }

  /** The client has left, or its connection was closed for another reason. */
  clientGone(why: FailureCode): void {
    if (!this.active) return;
    this.noteFailure(why, undefined);
    if (!this.responseStarted && why === 'client-closed') this.status = failures[why].status;
    this.#end();
  }

  clientDrained(): void {
    this.activity = this.context.now();
    this.upstream?.resume();
  }

  /** When it will have stood still for too long. */
  idleDue(): number {
    const { streamIdle } = this.settings.timeouts;
    return streamIdle > 0 ? this.activity + streamIdle : Infinity;
  }

  stoodStill(): void {
    this.#ranOut('stream-idle-timeout', 'stream-idle');
  }

  #findSession({ name, endpoints }: BackendState, settings: SessionSettings): void {
    const { view, environment } = this.context;
    const header = view.header(settings.type === 'Cookie' ? 'cookie' : settings.name);
    this.session = new RequestSession({ settings, backend: name, endpoints, header, wallClock: environment.wallClock() });
  }

  /** Over; nobody is told. */
  #end(now = this.context.now()): void {
    const { context } = this;
    this.tries.abandon();
    this.active = false;
    if (this.#requestTimer !== undefined) context.wheel.cancel(this.#requestTimer);
    this.activity = now;
    this.durationMs = this.activity - this.startedAt;
    this.#count();
    context.metrics.observe(this.settings.series, this.status, this.durationMs, this.bytesIn, this.bytesOut);
    if (this.grpcStatus >= 0) context.metrics.grpc(this.settings.series, this.grpcStatus);
    if (this.failure !== undefined) context.metrics.failed(this.settings.series, this.failure);
    context.accessLog?.write(this);
    endSpan(this);
    this.body.abandon();
    this.bytes = noBytes;
  }

  #ranOut(code: FailureCode, reason: string): void {
    if (!this.active) return;
    if (code === 'request-timeout') this.tries.ranOut();
    this.fail(code, reason);
  }

  /** For all attempts together, in milliseconds; Infinity where there is none. A gRPC client may have less patience than the route. */
  #timeLimit(): number {
    const { request } = this.settings.timeouts;
    const limit = request > 0 ? request : Infinity;
    return this.isGrpc ? Math.min(limit, grpcTimeout(this.context.requestHead.fields.lookup(this.bytes, 'grpc-timeout'))) : limit;
  }

  #count(): void {
    if (this.#counted) return;
    this.#counted = true;
    this.context.metrics.began(this.settings.series);
  }

  #reset(): void {
    this.active = true;
    this.serial++;
    this.startedAt = this.activity = this.context.now();
    this.settings = this.binding.unrouted;
    this.filters = undefined;
    this.backend = undefined;
    this.upstream = undefined;
    this.purpose = 'request';
    this.tunnelTo = undefined;
    this.origin = undefined;
    this.session = undefined;
    this.span = this.attemptSpan = undefined;
    this.responseStarted = false;
    this.status = this.bytesIn = this.bytesOut = 0;
    this.failure = undefined;
    this.failureReason = undefined;
    this.deadline = Infinity;
    this.asksToClose = this.upgrades = this.isGrpc = false;
    this.grpcStatus = -1;
    this.requestId.clear();
    this.host = '';
    this.minorVersion = 1;
    this.#target = undefined;
    this.#client = undefined;
    this.targetStart = this.targetEnd = 0;
    this.#counted = false;
    this.tries.reset();
    this.body.reset();
  }
}
