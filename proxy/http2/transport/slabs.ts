/** Room for what most connections write in one turn: some heads and small bodies. */
const smallBytes = 4096;
/** Room for what a connection writes at once; more is written in between. */
export const largeBytes = 65_536;
const maxFreeSmall = 1024;
const maxFreeLarge = 64;

/**
 * Memory for output. A connection holds some only while it has something to write, so idle ones cost none. Allocating it each time would
 * cost more than all else together: with 64 busy connections and too few free slabs, half of the time went to collecting them.
 */
export class Slabs {
  readonly #small: Buffer[] = [];
  readonly #large: Buffer[] = [];

  /** One with room for so many bytes, at most `largeBytes`. The one that was given back last is taken first: its memory is warm. */
  take(length: number): Buffer {
    if (length <= smallBytes) return this.#small.pop() ?? Buffer.allocUnsafeSlow(smallBytes);
    return this.#large.pop() ?? Buffer.allocUnsafeSlow(largeBytes);
  }

  give(slab: Buffer): void {
    if (slab.length === smallBytes) {
      if (this.#small.length < maxFreeSmall) this.#small.push(slab);
    } else if (this.#large.length < maxFreeLarge) this.#large.push(slab);
  }
}
