/** Something that has collected output. */
export interface Flushable {
  flush(): void;
}

/**
 * The end of a turn of the event loop, when connections write what they have collected: one write each, however many streams and frames it
 * came from.
 */
export class Turn {
  #waiting: Flushable[] = [];
  #spare: Flushable[] = [];
  #scheduled = false;
  readonly #schedule: (callback: () => void) => void;
  readonly #run = (): void => this.#flush();

  /** `schedule`: `setImmediate`. */
  constructor(schedule: (callback: () => void) => void) {
    this.#schedule = schedule;
  }

  add(waiting: Flushable): void {
    this.#waiting.push(waiting);
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#schedule(this.#run);
  }

  #flush(): void {
    this.#scheduled = false;
    const list = this.#waiting;
    this.#waiting = this.#spare;
    for (const waiting of list) waiting.flush();
    list.length = 0;
    this.#spare = list;
  }
}
