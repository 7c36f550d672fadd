/** Small bodies lie in memory that Node shares out; one of their own would cost more than all else about them. */
const firstBytes = 256;

/** Bytes kept for later, up to a limit: a request's body, should it have to be sent again. Copies, so that small pieces pin no big ones. */
export class ByteStore {
  length = 0;
  readonly #limit: number;
  #bytes: Buffer | undefined;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** False: over the limit; then all is forgotten. */
  append(bytes: Buffer, start: number, end: number): boolean {
    const needed = this.length + end - start;
    if (needed > this.#limit) {
      this.#bytes = undefined;
      this.length = 0;
      return false;
    }
    const room = this.#bytes?.length ?? 0;
    if (needed > room) {
      const wider = Buffer.allocUnsafe(Math.min(this.#limit, Math.max(firstBytes, needed, 2 * room)));
      this.#bytes?.copy(wider, 0, 0, this.length);
      this.#bytes = wider;
    }
    bytes.copy(this.#bytes!, this.length, start, end);
    this.length = needed;
    return true;
  }

  view(): Buffer {
    return this.#bytes?.subarray(0, this.length) ?? empty;
  }
}

const empty = Buffer.alloc(0);
