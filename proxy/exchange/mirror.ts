import type { MirrorPlan } from '#routing';
import type { Framing } from '../codec/index.ts';
import type { BackendState, PooledEndpoint } from '../configuration/backends.ts';
import { Timer } from '../connection/timer.ts';
import type { RequestSource, Upstream, UpstreamUser } from '../connection/sides.ts';
import { openUpstream } from '../connection/open-upstream.ts';
import type { Context } from '../context.ts';
import type { FailureCode } from '../failures.ts';
import { timeoutDefaults } from '../retry/index.ts';
import { ByteStore } from './byte-store.ts';
import type { Exchange } from './exchange.ts';
import { encodeRequestRest } from './blocks.ts';
import { putRequestHead, type RequestEdits } from './heads.ts';
import { wasReused } from './attempts.ts';

/** A mirrored request that got no answer by then is given up; nobody waits for it. */
const patienceMs = 30_000;

/**
 * Copies of a request, sent beside it (HTTPRequestMirrorFilter: "Responses from this backend are ignored"). A copy leaves when the whole
 * request is here; one whose body is too long does not.
 */
export class Mirrors {
  readonly #copies: readonly Mirror[];
  readonly #body: ByteStore;
  #over = false;

  constructor(exchange: Exchange, copies: readonly Mirror[]) {
    this.#copies = copies;
    this.#body = new ByteStore(exchange.context.limits.maxMirrorBodyBytes);
  }

  append(bytes: Buffer, start: number, end: number): void {
    if (!this.#over && !this.#body.append(bytes, start, end)) this.abandon();
  }

  send(trailers: Buffer | undefined): void {
    if (this.#over) return;
    this.#over = true;
    const body = this.#body.view();
    for (const copy of this.#copies) copy.send(body, trailers);
  }

  /** The request never got complete, or is too long. */
  abandon(): void {
    if (this.#over) return;
    this.#over = true;
    for (const copy of this.#copies) copy.fail();
  }
}

/** A request's head as it was when it came, for later: in both ways it may be written. */
class KeptHead implements RequestSource {
  readonly method: string;
  /** Those that do are not mirrored. */
  readonly upgrades = false;
  readonly framing: Framing;
  readonly #context: Context;
  readonly #edits: RequestEdits;
  readonly #lines: Buffer;
  readonly #block: Buffer;

  constructor(exchange: Exchange, edits: RequestEdits) {
    this.#edits = edits;
    this.method = exchange.method;
    this.framing = exchange.body.framing;
    this.#context = exchange.context;
    putRequestHead(exchange, edits);
    this.#lines = Buffer.from(exchange.context.output.view());
    this.#block = Buffer.from(encodeRequestRest(exchange, edits));
  }

  putLines(): void {
    const { output } = this.#context;
    output.begin();
    output.putBytes(this.#lines, 0, this.#lines.length);
  }

  encode(scheme: 'http' | 'https'): Uint8Array {
    return this.#context.encoder.begin().scheme(scheme).putEncoded(this.#block).view();
  }

  /** Makes `context.trailers` say what goes on of these, without what the edits take off the head. */
  showTrailers(trailers: Buffer): void {
    this.#context.trailers.parse(trailers, 0, trailers.length);
    if (this.#edits.request !== undefined) this.#context.trailers.leaveOut(trailers, this.#edits.request);
  }
}

/** Begins the copies that are due; the request's head is the one last parsed. Undefined where there are none. */
export function startMirrors(exchange: Exchange, plans: readonly MirrorPlan[]): Mirrors | undefined {
  const { context } = exchange;
  const copies: Mirror[] = [];
  for (const plan of plans) {
    if (exchange.upgrades || !plan.sampled(context.environment.random)) continue;
    const backend = plan.target.kind === 'backend' ? context.backends.get(plan.target.backend) : undefined;
    if (backend === undefined || context.mirrors >= context.limits.maxMirrors) {
      context.metrics.mirrored(exchange.settings.series, 'failed');
      continue;
    }
    copies.push(new Mirror(exchange, backend, new KeptHead(exchange, { request: plan.request, target: plan.rewrite, host: plan.host })));
  }
  if (copies.length === 0) return undefined;
  const mirrors = new Mirrors(exchange, copies);
  if (!exchange.requestComplete) return mirrors;
  mirrors.send(undefined);
  return undefined;
}

/** One copy. It has no tie to the exchange once it is sent. */
class Mirror implements UpstreamUser {
  readonly #context: Context;
  readonly #backend: BackendState;
  readonly #head: KeptHead;
  readonly #series: number;
  #endpoint: PooledEndpoint | undefined;
  #upstream: Upstream | undefined;
  #timer: Timer | undefined;
  #startedAt = 0;
  #answered = false;

  constructor(exchange: Exchange, backend: BackendState, head: KeptHead) {
    this.#context = exchange.context;
    this.#context.mirrors++;
    this.#backend = backend;
    this.#head = head;
    this.#series = exchange.settings.series;
  }

  send(body: Buffer, trailers: Buffer | undefined): void {
    const endpoint = this.#backend.balancer.pick(this.#backend.endpoints);
    if (endpoint === undefined) {
      this.fail();
      return;
    }
    endpoint.active++;
    this.#endpoint = endpoint;
    this.#startedAt = this.#context.now();
    const upstream = openUpstream(this.#context, endpoint, timeoutDefaults.connect, this.#startedAt);
    this.#upstream = upstream;
    this.#timer = new Timer(() => this.fail());
    this.#context.wheel.schedule(this.#timer, this.#context.now() + patienceMs);
    upstream.assign(this, this.#head);
    if (body.length > 0) upstream.send(body, 0, body.length);
    if (trailers !== undefined) this.#head.showTrailers(trailers);
    upstream.end(trailers);
    upstream.flush();
  }

  fail(): void {
    const upstream = this.#upstream;
    this.#over('failed');
    upstream?.close();
  }

  connected(): void {}

  interim(): void {}

  responded(): void {
    this.#answered = true;
    this.#backend.endpoints.succeeded(this.#endpoint!);
  }

  upgraded(): boolean {
    return false;
  }

  received(): void {}

  flush(): void {}

  drained(): void {}

  ended(upstream: Upstream): void {
    this.#over('sent');
    upstream.release(timeoutDefaults.upstreamIdle, this.#context.now());
  }

  failed(upstream: Upstream, code: FailureCode, reason: string): void {
    if (!this.#answered && !wasReused(upstream, code)) this.#backend.attemptFailed(this.#endpoint!, { code, reason }, this.#startedAt);
    this.#over('failed');
  }

  #over(result: 'sent' | 'failed'): void {
    this.#context.mirrors--;
    this.#context.metrics.mirrored(this.#series, result);
    if (this.#timer !== undefined) this.#context.wheel.cancel(this.#timer);
    if (this.#endpoint !== undefined) this.#endpoint.active--;
    this.#upstream = undefined;
  }
}
