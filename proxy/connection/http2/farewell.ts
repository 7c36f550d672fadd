import type { Context } from '../../context.ts';
import { errorCode, type Stream, type StreamUser } from '../../http2/index.ts';
import type { WheelTimer } from '../../time/index.ts';

const lookMs = 1000;

/**
 * The end of a response when the exchange is over, but not the stream: stays with it until all has left that the client takes slowly, as long as
 * some of it does, and until the client has sent all of its request, or a moment has passed. What it still sends goes nowhere, and its window
 * stays shut. RFC 9113, 8.1 allows to reset such a stream at once, but clients that find the reset beside the response may never look at that.
 */
export class Farewell implements StreamUser, WheelTimer {
  wheelNext: WheelTimer | undefined = undefined;
  wheelPrev: WheelTimer | undefined = undefined;
  wheelSlot = -1;
  dueAt = 0;
  readonly #context: Context;
  readonly #stream: Stream;
  readonly #idleMs: number;
  #unsent: number;
  #since: number;

  /** `idleMs`: how long it may stand still; 0: no limit. */
  constructor(context: Context, stream: Stream, idleMs: number) {
    this.#context = context;
    this.#stream = stream;
    this.#idleMs = idleMs;
    this.#unsent = stream.queued;
    this.#since = context.now();
    stream.user = this;
    stream.ignore();
    context.wheel.schedule(this, this.#since + lookMs);
  }

  received(): void {}

  trailers(): void {}

  ended(stream: Stream): void {
    if (stream.queued === 0) this.#context.wheel.cancel(this);
  }

  failed(): void {
    this.#context.wheel.cancel(this);
  }

  drained(): void {}

  expired(now: number): void {
    const stream = this.#stream;
    if (stream.closed) return;
    const unsent = stream.queued;
    if (unsent === 0) {
      if (!stream.remoteEnded) stream.reset(errorCode.none);
      return;
    }
    if (unsent !== this.#unsent) {
      this.#unsent = unsent;
      this.#since = now;
    } else if (this.#idleMs > 0 && now >= this.#since + this.#idleMs) {
      stream.reset(errorCode.cancel);
      return;
    }
    this.#context.wheel.schedule(this, now + lookMs);
  }
}
