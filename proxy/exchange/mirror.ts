import type { MirrorPlan } from '#routing';
import { framing } from '../codec/index.ts';
import type { BackendState, PooledEndpoint } from '../configuration/backends.ts';
import { Timer } from '../connection/timer.ts';
import { openUpstream, type Upstream, type UpstreamUser } from '../connection/upstream.ts';
import type { Context } from '../context.ts';
import { timeoutDefaults } from '../retry/index.ts';
import { ByteStore } from './byte-store.ts';
import type { Exchange } from './exchange.ts';
import { putRequestHead } from './heads.ts';

/** A mirrored request that got no answer by then is given up; nobody waits for it. */
const patienceMs = 30_000;
const lastChunk = '0\r\n\r\n';

/**
 * Copies of a request, sent beside it (HTTPRequestMirrorFilter: "Responses from this backend are ignored"). A copy leaves when the whole
 * request is here; one whose body is too long does not.
 */
export class Mirrors {
  readonly #exchange: Exchange;
  readonly #copies: readonly Mirror[];
  readonly #body: ByteStore;
  #over = false;

  constructor(exchange: Exchange, copies: readonly Mirror[]) {
    this.#exchange = exchange;
    this.#copies = copies;
    this.#body = new ByteStore(exchange.context.limits.maxMirrorBodyBytes);
  }

  append(bytes: Buffer, start: number, end: number): void {
    if (!this.#over && !this.#body.append(bytes, start, end)) this.abandon();
  }

  send(): void {
    if (this.#over) return;
    this.#over = true;
    const body = framedBody(this.#exchange, this.#body);
    for (const copy of this.#copies) copy.send(body);
  }

  /** The request never got complete, or is too long. */
  abandon(): void {
    if (this.#over) return;
    this.#over = true;
    for (const copy of this.#copies) copy.fail();
  }
}

function framedBody(exchange: Exchange, body: ByteStore): Buffer {
  if (exchange.body.framing !== framing.chunked) return body.view();
  const data = body.view();
  if (data.length === 0) return Buffer.from(lastChunk);
  return Buffer.concat([Buffer.from(`${data.length.toString(16)}\r\n`), data, Buffer.from(`\r\n${lastChunk}`)]);
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
    putRequestHead(exchange, { request: plan.request, target: plan.rewrite, host: plan.host }, exchange.body.framing);
    copies.push(new Mirror(exchange, backend, Buffer.from(context.output.view())));
  }
  if (copies.length === 0) return undefined;
  const mirrors = new Mirrors(exchange, copies);
  if (!exchange.requestComplete) return mirrors;
  mirrors.send();
  return undefined;
}

/** One copy. It has no tie to the exchange once it is sent. */
class Mirror implements UpstreamUser {
  readonly #context: Context;
  readonly #backend: BackendState;
  readonly #head: Buffer;
  readonly #method: string;
  readonly #series: number;
  #endpoint: PooledEndpoint | undefined;
  #upstream: Upstream | undefined;
  #timer: Timer | undefined;

  constructor(exchange: Exchange, backend: BackendState, head: Buffer) {
    this.#context = exchange.context;
    this.#context.mirrors++;
    this.#backend = backend;
    this.#head = head;
    this.#method = exchange.method;
    this.#series = exchange.settings.series;
  }

  send(body: Buffer): void {
    const endpoint = this.#backend.balancer.pick(this.#backend.endpoints);
    if (endpoint === undefined) {
      this.fail();
      return;
    }
    endpoint.active++;
    this.#endpoint = endpoint;
    this.#upstream = openUpstream(this.#context, endpoint, timeoutDefaults.connect);
    this.#timer = new Timer(() => this.fail());
    this.#context.wheel.schedule(this.#timer, this.#context.now() + patienceMs);
    this.#upstream.assign(this, this.#method);
    this.#upstream.writeOwned(body.length === 0 ? this.#head : Buffer.concat([this.#head, body]));
  }

  fail(): void {
    const upstream = this.#upstream;
    this.#over('failed');
    upstream?.close();
  }

  connected(): void {}

  interim(): void {}

  responded(): void {}

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

  failed(): void {
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
