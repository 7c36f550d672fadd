import type { Context } from '../../context.ts';
import { errorCode, type Stream, type StreamUser } from '../../http2/index.ts';
import type { WheelTimer } from '../../time/index.ts';

const lookMs = 1000;

/**
 * The end of a response that its client takes slowly, when the exchange is over: stays with the stream until all has left, as long as some of
 * it does. What the client still sends goes nowhere, and its window stays shut.
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
    stream.pause();
    context.wheel.schedule(this, this.#since + lookMs);
  }

  received(): void {}

  trailers(): void {}

  ended(): void {}

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
