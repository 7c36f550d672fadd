import { spent } from '../sockets/index.ts';

const LF = 10;
const firstBytes = 1024;

/**
 * A head that comes in pieces, in one buffer that grows. It is looked at again only when it may be whole: a line has ended, or there is twice
 * as much of it, or more than is allowed. Heads have few lines, so that one that comes byte by byte costs no more than a hundred looks at it;
 * joined and parsed with each piece, 64 KiB would cost seconds.
 */
export class PartialHead {
  readonly #maxBytes: number;
  #bytes: Buffer;
  #length: number;
  /** What there was when it was last looked at. */
  #looked: number;

  /** Takes a copy of the first piece, which has been looked at. `maxBytes`: of a head; who parses more than that refuses it. */
  constructor(first: Buffer, maxBytes: number) {
    this.#maxBytes = maxBytes;
    this.#bytes = Buffer.allocUnsafe(Math.max(firstBytes, 2 * first.length));
    this.#length = this.#looked = first.copy(this.#bytes);
  }

  /** Of a read that nobody else will look at. */
  static ofSpent(first: Buffer, maxBytes: number): PartialHead {
    const head = new PartialHead(first, maxBytes);
    spent(first);
    return head;
  }

  /** Takes the next piece, up to `end` of `piece`. Returns all that there is where it is worth a look; it stays as it is until the next piece. */
  append(piece: Buffer, end: number): Buffer | undefined {
    const length = this.#length + end;
    if (length > this.#bytes.length) {
      const wider = Buffer.allocUnsafe(2 * length);
      this.#bytes.copy(wider, 0, 0, this.#length);
      spent(this.#bytes);
      this.#bytes = wider;
    }
    piece.copy(this.#bytes, this.#length, 0, end);
    const lineEnd = this.#bytes.subarray(this.#length, length).indexOf(LF);
    this.#length = length;
    if (lineEnd < 0 && length < 2 * this.#looked && length <= this.#maxBytes) return undefined;
    this.#looked = length;
    return this.#bytes.subarray(0, length);
  }

  /** All that there is. */
  view(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Takes the next piece, a read that nobody else will look at. */
  appendSpent(piece: Buffer): Buffer | undefined {
    const all = this.append(piece, piece.length);
    spent(piece);
    return all;
  }
}
