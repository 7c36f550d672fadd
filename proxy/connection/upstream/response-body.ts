import { brokenChunk, ChunkedReader, framing, type Framing, type ResponseHead } from '../../codec/index.ts';

/** What gets a body's data. */
export interface BodyTarget {
  /** False once it wants no more of this body. */
  readonly isReading: boolean;
  deliver(bytes: Buffer, start: number, end: number): void;
}

/** Takes a response's body off a connection of HTTP/1.1. */
export class ResponseBody {
  #framing: Framing = framing.none;
  /** Still to come, where its length is told. */
  #remaining = 0;
  #chunks: ChunkedReader | undefined;

  begin(head: ResponseHead): void {
    this.#framing = head.framing;
    this.#remaining = head.framing === framing.length ? head.contentLength : 0;
    if (head.framing !== framing.chunked) return;
    this.#chunks ??= new ChunkedReader();
    this.#chunks.reset();
  }

  /** Whether all of it was read. One that the connection's end tells never is. */
  get done(): boolean {
    if (this.#framing === framing.chunked) return this.#chunks!.done;
    return this.#framing !== framing.untilClose && this.#remaining === 0;
  }

  get endsWithConnection(): boolean {
    return this.#framing === framing.untilClose;
  }

  /** Behind the last chunk, as lines; undefined where there are none. */
  get trailers(): Buffer | undefined {
    return this.#framing === framing.chunked ? this.#chunks!.trailers : undefined;
  }

  /** Whether what is still to come is known to be more than that. */
  exceeds(bytes: number): boolean {
    return this.#framing === framing.untilClose || this.#remaining > bytes;
  }

  /** Passes on what belongs to the body. Returns the offset behind it, or `brokenChunk`. */
  read(bytes: Buffer, from: number, to: number, target: BodyTarget): number {
    if (this.#framing === framing.chunked) return this.#readChunks(bytes, from, to, target);
    const end = this.#framing === framing.untilClose ? to : Math.min(to, from + this.#remaining);
    if (this.#remaining > 0) this.#remaining -= end - from;
    if (end > from) target.deliver(bytes, from, end);
    return end;
  }

  #readChunks(bytes: Buffer, from: number, to: number, target: BodyTarget): number {
    const chunks = this.#chunks!;
    let p = from;
    while (p < to && !chunks.done && target.isReading) {
      p = chunks.next(bytes, p, to);
      if (p === brokenChunk) return p;
      if (chunks.dataEnd > chunks.dataStart) target.deliver(bytes, chunks.dataStart, chunks.dataEnd);
    }
    return p;
  }
}
