const firstBytes = 1024;
const blockBytes = 16_384;

/** Bytes that wait to leave, copied together into blocks, so that a peer who sends single bytes can't make them cost a hundred each. */
export class ByteQueue {
  length = 0;
  readonly #blocks: Buffer[] = [];
  /** Of the first block: what has left. */
  #from = 0;
  /** Of the last block: what is used. */
  #to = 0;

  append(bytes: Buffer, start: number, end: number): void {
    let p = start;
    while (p < end) {
      let last = this.#blocks.at(-1);
      if (last === undefined || this.#to === last.length) {
        last = Buffer.allocUnsafeSlow(last === undefined ? Math.min(blockBytes, Math.max(firstBytes, end - p)) : blockBytes);
        this.#blocks.push(last);
        this.#to = 0;
      }
      const size = Math.min(end - p, last.length - this.#to);
      bytes.copy(last, this.#to, p, p + size);
      this.#to += size;
      p += size;
    }
    this.length += end - start;
  }

  /** The longest run of bytes at the front. */
  front(): Buffer {
    const first = this.#blocks[0];
    if (first === undefined) return nothing;
    return first.subarray(this.#from, this.#blocks.length === 1 ? this.#to : first.length);
  }

  /** Drops bytes from the front: at most what `front` shows. */
  shift(count: number): void {
    this.length -= count;
    this.#from += count;
    if (this.length === 0) this.clear();
    else if (this.#from === this.#blocks[0]!.length) {
      this.#blocks.shift();
      this.#from = 0;
    }
  }

  clear(): void {
    this.#blocks.length = 0;
    this.length = this.#from = this.#to = 0;
  }
}

const nothing = Buffer.alloc(0);
