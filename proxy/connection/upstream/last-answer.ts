/**
 * An endpoint that answers before it has all of a request, and closes, resets what is still on its way; the answer came before that. So its
 * connection is lost when that was read, and not at once.
 */
export class LastAnswer {
  readonly #isHeld: () => boolean;
  readonly #lost: () => void;
  #reads = 0;

  /** `isHeld`: it is not read, for its turn has not come or its reader takes no more. `lost` is called in a turn of the event loop of its own. */
  constructor(isHeld: () => boolean, lost: () => void) {
    this.#isHeld = isHeld;
    this.#lost = lost;
  }

  /** The connection is read on. What is there comes in the next turn of the loop, as this one may have passed over it. */
  readOn(): void {
    const read = ++this.#reads;
    setImmediate(() => setImmediate(() => {
      if (read === this.#reads && !this.#isHeld()) this.#lost();
    }));
  }
}
