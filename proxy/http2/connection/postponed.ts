import type { HeaderBlock } from '../fields/index.ts';
import type { Stream } from './stream.ts';
import type { StreamUser } from './types.ts';

/** More would be begun one after the other in one moment. */
const maxWaiting = 8;

export interface PostponedParts {
  begin(stream: Stream, block: HeaderBlock): StreamUser;
  /** The request was over before it had begun. */
  takenBack(): void;
}

/**
 * Requests of a client that takes requests back (Rapid Reset), or that is new: many of those that do harm do so in the first that they send.
 * Each would go to an endpoint at once, and take the connection there with it when its reset, or what ends the client's connection, is read a
 * moment later; so each is begun only when what was read behind it has been looked at, the next few requests at most.
 */
export class PostponedRequests {
  readonly #parts: PostponedParts;
  readonly #waiting: Postponed[] = [];

  constructor(parts: PostponedParts) {
    this.#parts = parts;
  }

  /** `block` is lent. */
  add(stream: Stream, block: HeaderBlock): void {
    if (this.#waiting.length === maxWaiting) this.#waiting.shift()!.begin();
    const request = new Postponed(stream, block.keep(), this.#parts);
    stream.user = request;
    this.#waiting.push(request);
  }

  beginAll(): void {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) next.begin();
  }
}

/** A stream's user until its request begins. */
class Postponed implements StreamUser {
  readonly #stream: Stream;
  readonly #block: HeaderBlock;
  readonly #parts: PostponedParts;

  constructor(stream: Stream, block: HeaderBlock, parts: PostponedParts) {
    this.#stream = stream;
    this.#block = block;
    this.#parts = parts;
  }

  begin(): void {
    const stream = this.#stream;
    if (stream.closed || stream.user !== this) return;
    stream.user = this.#parts.begin(stream, this.#block);
    if (stream.remoteEnded && !stream.closed) stream.user.ended(stream);
  }

  received(stream: Stream, bytes: Buffer, start: number, end: number): void {
    this.begin();
    if (!stream.closed) stream.user.received(stream, bytes, start, end);
  }

  trailers(stream: Stream, block: HeaderBlock): void {
    // Trailers are lent in the same memory as heads, and begin uses none of it.
    this.begin();
    if (!stream.closed) stream.user.trailers(stream, block);
  }

  ended(): void {}

  failed(): void {
    this.#parts.takenBack();
  }

  drained(): void {}
}
