import type { Http2Limits } from '../limits.ts';

/** For each frame that carries something, this many that don't. */
const idlePerUseful = 10;

/**
 * What a peer may do without a purpose, counted over periods: frames that only cost time, and streams that are opened to be reset (Rapid
 * Reset). What is more than that ends the connection.
 */
export class Budget {
  readonly #limits: Http2Limits;
  #periodStart: number;
  #useful = 0;
  #idle = 0;
  #settings = 0;
  #emptyData = 0;
  #opened = 0;
  #resets = 0;
  /** DATA frames that we had sent when the period began. */
  #sentBefore = 0;

  constructor(limits: Http2Limits, now: number) {
    this.#limits = limits;
    this.#periodStart = now;
  }

  /** To be called now and then, before counting. `sent`: DATA frames that we have sent. */
  tick(now: number, sent: number): void {
    if (now - this.#periodStart < this.#limits.periodMs) return;
    this.#periodStart = now;
    this.#sentBefore = sent;
    this.#useful = this.#idle = this.#settings = this.#emptyData = this.#opened = this.#resets = 0;
  }

  /** A frame that carries something. */
  useful(): void {
    this.#useful++;
  }

  opened(): void {
    this.#opened++;
    this.#useful++;
  }

  /** PING, PRIORITY, WINDOW_UPDATE, what came too late, what nobody knows. False: too many. */
  idle(sent: number): boolean {
    return ++this.#idle <= this.#limits.maxIdleFrames + idlePerUseful * (this.#useful + sent - this.#sentBefore);
  }

  settings(): boolean {
    return ++this.#settings <= this.#limits.maxSettingsFrames;
  }

  /** Whether streams were reset lately. */
  get hadResets(): boolean {
    return this.#resets > 0;
  }

  emptyData(): boolean {
    return ++this.#emptyData <= this.#limits.maxEmptyDataFrames;
  }

  /** A stream that the peer has reset, or made us reset. */
  reset(): boolean {
    return ++this.#resets <= this.#limits.maxResets || 2 * this.#resets <= this.#opened;
  }
}
