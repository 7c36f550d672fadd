/** A connection that is to be closed. */
export interface Departing {
  readonly destroyed: boolean;
  pause(): unknown;
  destroy(): unknown;
}

/** What closing may take of a turn of the event loop. Milliseconds. */
const momentMs = 0.25;

/**
 * Closing a connection costs time as well, most of it the kernel's, which has to free what nobody read or took: up to a quarter of a millisecond
 * where that is megabytes. Hundreds that came at once, or whose client leaves, end at once; so in a turn of the loop they are closed for a moment,
 * one at least, and the rest follow in the next turns, first come first served.
 */
export class Departures {
  readonly #now: () => number;
  readonly #schedule: (callback: () => void) => void;
  #waiting: Departing[] = [];
  #next = 0;
  #scheduled = false;
  /** In this turn of the loop. Milliseconds. */
  #took = 0;
  readonly #run = (): void => this.#turn();

  /** `now` in milliseconds on a monotonic clock; `schedule`: `setImmediate`. */
  constructor(now: () => number, schedule: (callback: () => void) => void) {
    this.#now = now;
    this.#schedule = schedule;
  }

  /** Closes it, at once or soon; until then it is not read. */
  add(connection: Departing): void {
    if (connection.destroyed) return;
    if (this.#waiting.length === 0 && this.#took < momentMs) this.#close(connection);
    else {
      connection.pause();
      this.#waiting.push(connection);
    }
    this.#arm();
  }

  #arm(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#schedule(this.#run);
  }

  #turn(): void {
    this.#scheduled = false;
    this.#took = 0;
    while (this.#next < this.#waiting.length && this.#took < momentMs) this.#close(this.#waiting[this.#next++]!);
    if (this.#next === this.#waiting.length || this.#next >= 1024) {
      // In one piece now and then, as `Turns` does; and while there are always some that wait, those that were closed are let go of.
      this.#waiting = this.#waiting.slice(this.#next);
      this.#next = 0;
    }
    // Also where nobody waits: the next turn has a moment of its own.
    if (this.#took > 0) this.#arm();
  }

  #close(connection: Departing): void {
    const start = this.#now();
    connection.destroy();
    this.#took += this.#now() - start;
  }
}
