/** Room for what a connection writes in one turn; more is written in between. */
export const slabBytes = 65_536;
const maxFree = 32;

/** Memory for output. A connection holds some only while it has something to write, so idle ones cost none. */
export class Slabs {
  readonly #free: Buffer[] = [];

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(slabBytes);
  }

  /** The one that was given back last is taken next: its memory is warm. */
  give(slab: Buffer): void {
    if (this.#free.length < maxFree) this.#free.push(slab);
  }
}
