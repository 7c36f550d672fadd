import { framing, type Framing, type RequestHead } from '../codec/index.ts';
import { ByteStore } from './byte-store.ts';
import type { Exchange } from './exchange.ts';
import type { Mirrors } from './mirror.ts';

/** Pieces from this size on are written from where they are; below, a copy is cheaper than another write. */
const ownedBytes = 16_384;

/** The body of a request: taken off the client's side as it comes, and kept as far as another attempt may need it. */
export class RequestBody {
  /** How an HTTP/1.1 endpoint is told where it ends. */
  framing: Framing = framing.none;
  /** All of the request has come. */
  complete = true;
  mirrors: Mirrors | undefined;
  readonly #exchange: Exchange;
  #untouched = true;
  /** What came so far, for another attempt; undefined where nothing is kept, or no more. */
  #kept: ByteStore | undefined;
  /** Lines, with the empty one behind them. */
  #trailers: Buffer | undefined;
  /** The response is out or given up: what still comes is dropped. */
  #dropped = false;

  constructor(exchange: Exchange) {
    this.#exchange = exchange;
  }

  reset(): void {
    this.framing = framing.none;
    this.complete = this.#untouched = true;
    this.#dropped = false;
    this.#kept = this.#trailers = undefined;
    this.mirrors = undefined;
  }

  begin(head: RequestHead, rest: 'none' | 'follows'): void {
    this.framing = head.framing;
    this.complete = rest === 'none';
  }

  /** Keeps up to `limit` bytes for another attempt. */
  keep(limit: number): void {
    if (!this.complete) this.#kept = new ByteStore(limit);
  }

  /** Whether another attempt would get all that came so far. */
  get replayable(): boolean {
    return this.#untouched || this.#kept !== undefined;
  }

  /** Whether bytes can go on now; else they have to wait at the client's. */
  get takesBytes(): boolean {
    if (this.complete) return false;
    const { upstream } = this.#exchange;
    return this.#dropped || (upstream !== undefined && !upstream.congested);
  }

  /** The endpoint has got the head: what came of the body before follows it. */
  attached(): void {
    const kept = this.#kept;
    const upstream = this.#exchange.upstream!;
    if (kept !== undefined && kept.length > 0) upstream.send(kept.view(), 0, kept.length);
    if (this.complete) this.#end();
  }

  /** Nobody wants the rest. */
  abandon(): void {
    this.#dropped = true;
    this.#kept = this.#trailers = undefined;
    if (!this.complete) this.mirrors?.abandon();
    this.mirrors = undefined;
  }

  /** Takes data of the body; only while `takesBytes`. */
  pass(bytes: Buffer, start: number, end: number): void {
    if (end === start) return;
    this.#untouched = false;
    this.#exchange.bytesIn += end - start;
    if (this.#dropped) return;
    if (this.#kept?.append(bytes, start, end) === false) this.#kept = undefined;
    this.mirrors?.append(bytes, start, end);
    this.#put(bytes, start, end);
  }

  /** The last byte of the request is here. `trailers`: as lines, with the empty line behind; the caller keeps them as they are. */
  finish(trailers: Buffer | undefined): void {
    this.complete = true;
    const exchange = this.#exchange;
    if (this.#dropped) {
      if (exchange.active) exchange.finish();
      return;
    }
    this.#trailers = trailers;
    if (exchange.upstream !== undefined) {
      this.#end();
      this.flush();
    }
    this.mirrors?.send(trailers);
  }

  /** Sends what was put together. */
  flush(): void {
    const { upstream } = this.#exchange;
    if (upstream === undefined) return;
    upstream.flush();
    this.#yield();
  }

  #put(bytes: Buffer, start: number, end: number): void {
    const { upstream, downstream } = this.#exchange;
    if (upstream === undefined) return;
    if (end - start < ownedBytes || downstream.lendsBytes || this.#kept !== undefined) upstream.send(bytes, start, end);
    else {
      upstream.sendOwned(bytes, start, end);
      this.#yield();
    }
  }

  #end(): void {
    const { upstream, context, filters } = this.#exchange;
    const trailers = this.#trailers;
    if (trailers !== undefined) {
      context.trailers.parse(trailers, 0, trailers.length);
      // A field that a filter takes off the head must not come back behind the body.
      if (filters?.request !== undefined) context.trailers.leaveOut(trailers, filters.request);
    }
    upstream!.end(trailers);
  }

  /** The endpoint takes no more for now: neither do we from the client. */
  #yield(): void {
    if (!this.complete && this.#exchange.upstream?.congested === true) this.#exchange.downstream.pause();
  }
}
