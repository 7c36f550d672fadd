import { brokenChunk, ChunkedReader, framing, type Framing, type RequestHead } from '../../codec/index.ts';
import type { Exchange } from '../../exchange/exchange.ts';

/** Takes a request's body off a connection of HTTP/1.1. */
export class Http1Body {
  readonly #exchange: Exchange;
  #framing: Framing = framing.none;
  #remaining = 0;
  #untouched = true;
  #chunks: ChunkedReader | undefined;

  constructor(exchange: Exchange) {
    this.#exchange = exchange;
  }

  begin(head: RequestHead): void {
    this.#framing = head.framing;
    this.#remaining = head.contentLength;
    this.#untouched = true;
    if (head.framing !== framing.chunked) return;
    this.#chunks ??= new ChunkedReader();
    this.#chunks.reset();
  }

  /** Whether all of it has been read: it lies behind the head, from there on. */
  isHere(bytes: Buffer, from: number): boolean {
    if (!this.#untouched) return false;
    return this.#framing === framing.chunked ? endsWithin(bytes, from) : this.#framing === framing.length && this.#remaining <= bytes.length - from;
  }

  /** Takes what belongs to the body. Returns how far that is. */
  take(bytes: Buffer, from: number, to: number): number {
    const exchange = this.#exchange;
    exchange.activity = exchange.context.now();
    this.#untouched = false;
    if (this.#framing === framing.chunked) return this.#takeChunks(bytes, from, to);
    const end = Math.min(to, from + this.#remaining);
    this.#remaining -= end - from;
    exchange.body.pass(bytes, from, end);
    if (this.#remaining === 0) exchange.body.finish(undefined);
    return end;
  }

  #takeChunks(bytes: Buffer, from: number, to: number): number {
    const chunks = this.#chunks!;
    const exchange = this.#exchange;
    let p = from;
    while (p < to && !chunks.done) {
      p = chunks.next(bytes, p, to);
      if (p === brokenChunk) {
        exchange.keepAlive = false;
        exchange.fail('bad-request', 'chunk');
        return to;
      }
      if (chunks.dataEnd > chunks.dataStart) exchange.body.pass(bytes, chunks.dataStart, chunks.dataEnd);
    }
    if (chunks.done) exchange.body.finish(this.#trailers());
    return p;
  }

  /** More of them than we take are left out: the body is whole without. */
  #trailers(): Buffer | undefined {
    const { trailers } = this.#chunks!;
    return trailers !== undefined && this.#exchange.context.trailers.parse(trailers, 0, trailers.length) >= 0 ? trailers : undefined;
  }
}

/** Whether the last chunk and the trailers are there. */
function endsWithin(bytes: Buffer, from: number): boolean {
  const chunks = new ChunkedReader();
  for (let p = from; p < bytes.length && !chunks.done; ) {
    p = chunks.next(bytes, p, bytes.length);
    if (p === brokenChunk) return false;
  }
  return chunks.done;
}
