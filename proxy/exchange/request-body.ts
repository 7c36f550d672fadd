import { brokenChunk, bytesOf, ChunkedReader, framing, type Framing, type RequestHead } from '../codec/index.ts';
import { ByteStore } from './byte-store.ts';
import type { Exchange } from './exchange.ts';
import type { Mirrors } from './mirror.ts';

const lastChunk = bytesOf('0\r\n\r\n');
/** Pieces from this size on are written from where they are; below, a copy is cheaper than another write. */
const ownedBytes = 16_384;

/** The body of a request: taken off the client's connection as it comes, framed anew, and kept as far as another attempt may need it. */
export class RequestBody {
  framing: Framing = framing.none;
  /** All of the request has come. */
  complete = true;
  mirrors: Mirrors | undefined;
  readonly #exchange: Exchange;
  #remaining = 0;
  #untouched = true;
  #chunks: ChunkedReader | undefined;
  /** What came so far, for another attempt; undefined where nothing is kept. */
  #kept: ByteStore | undefined;
  #lost = false;
  /** The response is out or given up: what still comes is dropped. */
  #dropped = false;
  /** There is something in the output buffer for the endpoint. */
  #pending = false;

  constructor(exchange: Exchange) {
    this.#exchange = exchange;
  }

  reset(): void {
    this.framing = framing.none;
    this.complete = this.#untouched = true;
    this.#lost = this.#dropped = this.#pending = false;
    this.#kept = undefined;
    this.mirrors = undefined;
  }

  begin(head: RequestHead): void {
    this.framing = head.framing;
    this.complete = head.framing === framing.none;
    this.#remaining = head.contentLength;
    if (head.framing !== framing.chunked) return;
    this.#chunks ??= new ChunkedReader();
    this.#chunks.reset();
  }

  /** Keeps up to `limit` bytes for another attempt. */
  keep(limit: number): void {
    if (!this.complete) this.#kept = new ByteStore(limit);
  }

  /** Whether another attempt would get all that came so far. */
  get replayable(): boolean {
    return this.#untouched || (this.#kept !== undefined && !this.#lost);
  }

  /** Whether bytes can go on now; else they have to wait at the client's. */
  get takesBytes(): boolean {
    if (this.complete) return false;
    const { upstream } = this.#exchange;
    return this.#dropped || (upstream !== undefined && !upstream.congested);
  }

  /** How much of the body is outstanding, `here` bytes being at hand behind the head of a request that just began. */
  rest(here: number): 'none' | 'here' | 'unknown' {
    if (this.complete) return 'none';
    return this.framing === framing.length && this.#untouched && this.#remaining <= here ? 'here' : 'unknown';
  }

  /** The head is in the output buffer: what came of the body before follows it. */
  attached(): void {
    this.#pending = true;
    const kept = this.#kept;
    if (kept !== undefined && kept.length > 0) this.#put(kept.view(), 0, kept.length);
    if (this.complete && this.framing === framing.chunked) this.#exchange.context.output.putConstant(lastChunk);
  }

  /** Nobody wants the rest. */
  abandon(): void {
    this.#dropped = true;
    this.#pending = false;
    this.#kept = undefined;
    if (!this.complete) this.mirrors?.abandon();
    this.mirrors = undefined;
  }

  /** Takes what belongs to the body. Returns how far that is. */
  take(bytes: Buffer, from: number, to: number): number {
    const exchange = this.#exchange;
    exchange.activity = exchange.context.now();
    if (this.framing === framing.chunked) return this.#takeChunks(bytes, from, to);
    const end = Math.min(to, from + this.#remaining);
    this.#remaining -= end - from;
    this.#pass(bytes, from, end);
    if (this.#remaining === 0) this.#finish();
    return end;
  }

  /** Sends what was put together. */
  flush(): void {
    if (!this.#pending) return;
    this.#pending = false;
    const { upstream, context } = this.#exchange;
    upstream?.write(context.output);
    this.#yield();
  }

  #takeChunks(bytes: Buffer, from: number, to: number): number {
    const chunks = this.#chunks!;
    let p = from;
    while (p < to && !chunks.done) {
      p = chunks.next(bytes, p, to);
      if (p === brokenChunk) {
        this.#exchange.keepAlive = false;
        this.#exchange.fail('bad-request', 'chunk');
        return to;
      }
      if (chunks.dataEnd > chunks.dataStart) this.#pass(bytes, chunks.dataStart, chunks.dataEnd);
    }
    if (chunks.done) this.#finish();
    return p;
  }

  #pass(bytes: Buffer, start: number, end: number): void {
    if (end === start) return;
    this.#untouched = false;
    this.#exchange.bytesIn += end - start;
    if (this.#dropped) return;
    if (this.#kept !== undefined && !this.#lost && !this.#kept.append(bytes, start, end)) this.#lost = true;
    this.mirrors?.append(bytes, start, end);
    this.#put(bytes, start, end);
  }

  #put(bytes: Buffer, start: number, end: number): void {
    const { upstream, context } = this.#exchange;
    const { output } = context;
    if (upstream === undefined) return;
    if (this.framing === framing.length && end - start >= ownedBytes && this.#kept === undefined) {
      this.flush();
      upstream.writeOwned(bytes.subarray(start, end));
      this.#yield();
      return;
    }
    if (!this.#pending) {
      output.begin();
      this.#pending = true;
    }
    if (this.framing === framing.chunked) output.putChunkSize(end - start);
    output.putBytes(bytes, start, end);
    if (this.framing === framing.chunked) output.putLineEnd();
  }

  /** The last byte of the request is here. */
  #finish(): void {
    this.complete = true;
    const exchange = this.#exchange;
    if (this.#dropped) {
      if (exchange.active) exchange.finish(exchange.keepAlive);
      return;
    }
    if (this.framing === framing.chunked && exchange.upstream !== undefined) {
      if (!this.#pending) exchange.context.output.begin();
      this.#pending = true;
      exchange.context.output.putConstant(lastChunk);
    }
    this.flush();
    this.mirrors?.send();
  }

  /** The endpoint takes no more for now: neither do we from the client. */
  #yield(): void {
    if (!this.complete && this.#exchange.upstream?.congested === true) this.#exchange.connection.pause();
  }
}
