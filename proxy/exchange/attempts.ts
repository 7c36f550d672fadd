import { parseRetryAfter, retriesStatus, retryDelay, retryVerdict, idempotentMethods, type Outcome, type RetrySettings } from '../retry/index.ts';
import type { PooledEndpoint } from '../configuration/backends.ts';
import { framing } from '../codec/index.ts';
import { Timer } from '../connection/timer.ts';
import type { Upstream } from '../connection/sides.ts';
import { dialRaw, dialUpstream, openUpstream } from '../connection/open-upstream.ts';
import { failures, type FailureCode } from '../failures.ts';
import type { FailedAttempt } from '../telemetry/index.ts';
import type { Exchange } from './exchange.ts';
import { statusIn } from './grpc.ts';
import { failureHeader } from './replies.ts';
import { endAttemptSpan } from './tracing.ts';

/** What comes after an attempt: its result goes to the client, or there is another, or the budget's refusal. */
type Sequel = 'result' | 'wait' | 'over-budget';

/**
 * What the sidecar before a workload answers where the workload refused its connection: the workload got nothing of the request, whatever
 * the method. Believed only of endpoints that the control plane says have a sidecar. That drops such a header from what the workload itself
 * answers, as every proxy of ours does: it never means more than one hop.
 */
const unreachedCode = 'connect-failed' satisfies FailureCode;
const unreachedStatus = failures[unreachedCode].status;

/** The attempts of an exchange: which endpoint gets the request, and whether another one does. */
export class Attempts {
  made = 0;
  /** Those that failed; undefined where none did. */
  failed: FailedAttempt[] | undefined;
  readonly #exchange: Exchange;
  #endpoint: PooledEndpoint | undefined;
  #startedAt = 0;
  #retries = 0;
  #tried: PooledEndpoint[] | undefined;
  #usedFreeRetry = false;
  /** Of the attempt, or of the wait before the next. */
  #timer: Timer | undefined;

  constructor(exchange: Exchange) {
    this.#exchange = exchange;
  }

  /** The last one. */
  get endpoint(): PooledEndpoint | undefined {
    return this.#endpoint;
  }

  /** `address:port` of the last endpoint. */
  get endpointText(): string {
    return this.#endpoint?.place ?? '';
  }

  reset(): void {
    this.made = this.#retries = 0;
    this.failed = this.#tried = this.#endpoint = undefined;
    this.#usedFreeRetry = false;
  }

  /** `fresh`: on a new connection, whatever is idle; of another attempt, because the connection of the one before was no longer good. */
  start(connection: 'any' | 'fresh'): void {
    const exchange = this.#exchange;
    const { context, settings } = exchange;
    const backend = exchange.backend!;
    const endpoint = this.#pinned() ?? backend.balancer.pick(backend.endpoints, this.#tried);
    if (endpoint === undefined) {
      exchange.fail(backend.known ? 'no-endpoints' : 'config-missing', 'endpoints');
      return;
    }
    this.#endpoint = endpoint;
    endpoint.active++;
    this.#startedAt = this.made === 0 ? exchange.startedAt : context.now();
    if (++this.made > 1) context.metrics.retried(settings.series, connection === 'any' ? 'made' : 'resent');
    const { connect } = settings.timeouts;
    if (settings.attemptTimeout > 0) this.#schedule(this.#startedAt + settings.attemptTimeout);
    if (exchange.purpose === 'connect') exchange.attachRaw(dialRaw(context, endpoint, connect));
    else exchange.attach(connection === 'any' ? openUpstream(context, endpoint, connect, this.#startedAt) : dialUpstream(context, endpoint, connect));
  }

  /** The endpoint of the client's session, until an attempt there has failed. */
  #pinned(): PooledEndpoint | undefined {
    const pinned = this.#exchange.session?.pinned;
    // It may have left the backend since the request came.
    return pinned === undefined || pinned.index < 0 || this.#tried?.includes(pinned) === true ? undefined : pinned;
  }

  /** The response is complete: gives the connection back. */
  succeed(upstream: Upstream): void {
    this.#leave(this.#exchange.status, undefined);
    if (upstream.reusable && this.#exchange.requestComplete) upstream.release(this.#exchange.settings.timeouts.upstreamIdle, this.#exchange.activity);
    else upstream.close();
  }

  /** Ends an attempt under way, whose result nobody waits for. */
  abandon(): void {
    this.#cancelTimer();
    const { upstream, status, failure } = this.#exchange;
    if (upstream === undefined) return;
    this.#leave(status, failure);
    upstream.close();
  }

  /** A tunnel has taken the connection over: its time is not limited as a request's. */
  beginTunnel(): void {
    this.#cancelTimer();
  }

  /** The tunnel is over, and has closed the connection. */
  endTunnel(): void {
    const { status, failure } = this.#exchange;
    this.#leave(status, failure);
  }

  /** A response's head is there. True: it does not go to the client, something else was begun. */
  replaces(upstream: Upstream, bytes: Buffer): boolean {
    const exchange = this.#exchange;
    const { retry } = exchange.settings;
    const head = exchange.context.responseHead;
    const { status, fields } = head;
    const endpoint = this.#endpoint!;
    if ((status === unreachedStatus || (exchange.isGrpc && head.framing === framing.none)) && endpoint.endpoint.sidecar === true && fields.lookup(bytes, failureHeader) === unreachedCode) {
      this.#drop(upstream);
      this.fail(upstream, unreachedCode, 'sidecar');
      return true;
    }
    exchange.backend!.endpoints.succeeded(endpoint);
    // A response of gRPC that has nothing but its status can be replaced; one whose status comes behind a body can't.
    const grpc = retry !== undefined && exchange.isGrpc && head.framing === framing.none ? statusIn(fields, bytes) : -1;
    const isGrpcFailure = grpc > 0 && retry!.grpcStatuses[grpc] === 1;
    if (retry === undefined || (!isGrpcFailure && !retriesStatus(retry, status))) return false;
    const retryAfter = fields.retryAfter < 0 ? undefined : parseRetryAfter(fields.value(bytes, fields.retryAfter), exchange.context.environment.wallClock());
    const { sequel, delay } = this.#consider(retry, { status, ...(isGrpcFailure ? { grpcStatus: grpc } : {}), sent: true, replayable: exchange.replayable }, retryAfter);
    if (sequel === 'result') return false;
    this.#note(status);
    this.#leave(status, undefined);
    this.#drop(upstream);
    this.#follow(sequel, delay);
    return true;
  }

  /** Nobody wants the rest of this response; the connection may still be of use. */
  #drop(upstream: Upstream): void {
    const exchange = this.#exchange;
    if (upstream.reusable && exchange.requestComplete) upstream.discard(exchange.settings.timeouts.upstreamIdle);
    else upstream.close();
  }

  /** The attempt ended without a complete response. */
  fail(upstream: Upstream, code: FailureCode, reason: string): void {
    const exchange = this.#exchange;
    const { context, settings } = exchange;
    this.#note(code);
    this.#leave(exchange.status, code);
    context.metrics.failed(settings.series, code);
    if (!exchange.responseStarted && !wasReused(upstream, code) && this.#isFault(upstream, code)) this.#blame(code, reason);
    if (exchange.responseStarted) {
      exchange.abort(code, reason);
      return;
    }
    if (this.#wasStale(upstream, code, reason)) {
      this.#usedFreeRetry = true;
      this.#again('fresh');
      return;
    }
    const outcome: Outcome = { status: 0, failure: code, sent: upstream.begun, replayable: exchange.replayable };
    const { sequel, delay } = settings.retry === undefined ? noRetry : this.#consider(settings.retry, outcome, undefined);
    if (sequel === 'result') exchange.fail(code, reason);
    else this.#follow(sequel, delay);
  }

  /** The request's time is over while the endpoint has it. Only where it had all of that time, and a client's own patience is not the endpoint's fault. */
  ranOut(): void {
    const { upstream, settings, context, startedAt } = this.#exchange;
    const { request } = settings.timeouts;
    if (upstream !== undefined && this.made === 1 && request > 0 && context.now() - startedAt >= request && this.#isFault(upstream, 'request-timeout')) this.#blame('request-timeout', undefined);
  }

  /**
   * Time that ran out is the endpoint's fault only where there never was a connection, or where for most of it the endpoint had the whole
   * request: clients may send slowly.
   */
  #isFault(upstream: Upstream, code: FailureCode): boolean {
    const { requestComplete, responseStarted, activity, context } = this.#exchange;
    if ((code !== 'per-try-timeout' && code !== 'request-timeout') || !upstream.begun) return true;
    const now = context.now();
    return requestComplete && !responseStarted && (now - Math.max(activity, this.#startedAt)) * 2 >= now - this.#startedAt;
  }

  #blame(code: FailureCode, reason: string | undefined): void {
    this.#exchange.backend!.attemptFailed(this.#endpoint!, { code, reason }, this.#startedAt);
  }

  /**
   * An idle connection that the endpoint closed while the request was on its way to it: nothing was wrong but the moment. RFC 9110, 9.2.2
   * allows to send an idempotent request again. One of HTTP/2 whose end was announced says which requests it has not begun with.
   */
  #wasStale(upstream: Upstream, code: FailureCode, reason: string): boolean {
    const exchange = this.#exchange;
    if (code === 'refused-stream' && reason === 'goaway') return !this.#usedFreeRetry && exchange.replayable;
    return wasReused(upstream, code) && !this.#usedFreeRetry && exchange.replayable && idempotentMethods.has(exchange.method);
  }

  #consider(retry: RetrySettings, outcome: Outcome, retryAfter: number | undefined): { sequel: Sequel; delay: number } {
    const exchange = this.#exchange;
    const { context } = exchange;
    const verdict = retryVerdict(retry, exchange.method, outcome);
    if (verdict !== 'retry') {
      if (verdict === 'body-too-large-to-retry') exchange.noteFailure(verdict, undefined);
      return noRetry;
    }
    if (this.#retries >= retry.maxRetries) {
      exchange.noteFailure('retry-limit', undefined);
      return noRetry;
    }
    const now = context.now();
    const random = context.environment.random;
    const delay = retryDelay(retry, { retryNumber: this.#retries + 1, random, remaining: exchange.deadline - now, retryAfter });
    if (delay === undefined) return noRetry;
    if (exchange.settings.budget?.takeRetry(retry.budget, now) === false) {
      context.metrics.retried(exchange.settings.series, 'over-budget');
      return { sequel: 'over-budget', delay: 0 };
    }
    return { sequel: 'wait', delay };
  }

  #follow(sequel: Sequel, delay: number): void {
    const exchange = this.#exchange;
    if (sequel === 'over-budget') {
      exchange.fail('retry-budget-exhausted', undefined);
      return;
    }
    this.#retries++;
    (this.#tried ??= []).push(this.#endpoint!);
    this.#schedule(exchange.context.now() + delay);
  }

  #again(connection: 'any' | 'fresh'): void {
    this.#exchange.repeat(() => this.start(connection));
  }

  #expired(): void {
    const exchange = this.#exchange;
    const { upstream } = exchange;
    if (upstream === undefined) {
      this.#again('any');
      return;
    }
    upstream.close();
    this.fail(upstream, 'per-try-timeout', 'attempt');
  }

  /** The attempt's end, as far as endpoint, timer and span are concerned. `status`: what it answered, 0 for nothing. */
  #leave(status: number, failure: FailureCode | undefined): void {
    this.#cancelTimer();
    this.#endpoint!.active--;
    if (this.#exchange.attemptSpan !== undefined) endAttemptSpan(this.#exchange, { startedAt: this.#startedAt, endpoint: this.endpointText, status, failure });
    this.#exchange.upstream = undefined;
  }

  #note(why: FailureCode | number): void {
    (this.failed ??= []).push({ endpoint: this.endpointText, why, durationMs: this.#exchange.context.now() - this.#startedAt });
  }

  #schedule(due: number): void {
    this.#timer ??= new Timer(() => this.#expired());
    // An earlier due time moves a timer, a later one would only postpone it: both must hold as they are.
    this.#cancelTimer();
    this.#exchange.context.wheel.schedule(this.#timer, due);
  }

  #cancelTimer(): void {
    if (this.#timer !== undefined) this.#exchange.context.wheel.cancel(this.#timer);
  }
}

const noRetry = { sequel: 'result', delay: 0 } as const;

/** The connection had been idle, and broke under the request: which says nothing of how the endpoint takes others. */
export function wasReused(upstream: Upstream, code: FailureCode): boolean {
  return code === 'upstream-reset' && upstream.uses > 1 && !upstream.answered;
}
