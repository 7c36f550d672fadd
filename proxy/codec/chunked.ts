import { COLON, CR, hexValue, HTAB, LF, SP, tokenByte, valueByte } from './tables.ts';

/** Bytes of a chunk's size and extensions (CVE-2024-22019: they were unbounded). */
const maxSizeLineBytes = 256;
const maxTrailerBytes = 8192;
const firstTrailerBytes = 512;
/** Hexadecimal digits of a chunk's size: below 2^48. */
const maxSizeDigits = 12;

/** What `next` returns for bytes that are no chunked coding. */
export const brokenChunk = -1;

const phase = {
  sizeStart: 0,
  size: 1,
  sizeSpace: 2,
  extension: 3,
  sizeEnd: 4,
  data: 5,
  dataCR: 6,
  dataLF: 7,
  trailerStart: 8,
  trailerName: 9,
  trailer: 10,
  trailerEnd: 11,
  lastEnd: 12,
  done: 13,
} as const;
type Phase = (typeof phase)[keyof typeof phase];

const SEMICOLON = 59;

/**
 * Takes a chunked body apart (RFC 9112, 7.1), whatever pieces it comes in. Extensions are validated, counted and dropped, trailers kept
 * aside: nothing of the sender's framing is passed on.
 */
export class ChunkedReader {
  /** The run of data that the last `next` found; empty where it found none. */
  dataStart = 0;
  dataEnd = 0;
  #phase: Phase = phase.sizeStart;
  #remaining = 0;
  #digits = 0;
  /** Bytes of the current size line, or of all trailers. */
  #overhead = 0;
  #trailers: Buffer | undefined;
  #trailerBytes = 0;

  reset(): void {
    this.#trailers = undefined;
    this.#trailerBytes = 0;
    this.dataStart = this.dataEnd = 0;
    this.#phase = phase.sizeStart;
    this.#remaining = this.#digits = this.#overhead = 0;
  }

  get done(): boolean {
    return this.#phase === phase.done;
  }

  /** Once `done`: the trailers as lines, with the empty line behind them; undefined where there are none. */
  get trailers(): Buffer | undefined {
    return this.#trailers?.subarray(0, this.#trailerBytes);
  }

  /** Reads up to the end of the next run of data. Returns how far it got (`to`, or less after data or at the body's end), or `brokenChunk`. */
  next(bytes: Uint8Array, from: number, to: number): number {
    this.dataStart = this.dataEnd = from;
    let p = from;
    while (p < to && this.#phase !== phase.done) {
      if (this.#phase === phase.data) {
        const length = Math.min(this.#remaining, to - p);
        this.dataStart = p;
        this.dataEnd = p + length;
        this.#remaining -= length;
        if (this.#remaining === 0) this.#phase = phase.dataCR;
        return p + length;
      }
      if (!this.#step(bytes[p]!)) return brokenChunk;
      p++;
    }
    return p;
  }

  /** One byte of framing. */
  #step(byte: number): boolean {
    switch (this.#phase) {
      case phase.sizeStart:
        this.#digits = this.#overhead = this.#remaining = 0;
        return this.#sizeDigit(byte);
      case phase.size:
        if (byte === CR) this.#phase = phase.sizeEnd;
        else if (byte === SEMICOLON) this.#phase = phase.extension;
        else if (byte === SP || byte === HTAB) this.#phase = phase.sizeSpace;
        else return this.#sizeDigit(byte);
        return true;
      case phase.sizeSpace:
        // RFC 9112, 7.1.1 with RFC 9110, 5.6.3: space may stand before an extension, and nowhere else behind a size.
        if (byte === SEMICOLON) this.#phase = phase.extension;
        else if ((byte !== SP && byte !== HTAB) || ++this.#overhead > maxSizeLineBytes) return false;
        return true;
      case phase.extension:
        if (byte === CR) this.#phase = phase.sizeEnd;
        else if (valueByte[byte] === 0 || ++this.#overhead > maxSizeLineBytes) return false;
        return true;
      case phase.sizeEnd:
        this.#overhead = 0;
        this.#phase = this.#remaining === 0 ? phase.trailerStart : phase.data;
        return byte === LF;
      case phase.dataCR:
        this.#phase = phase.dataLF;
        return byte === CR;
      case phase.dataLF:
        this.#phase = phase.sizeStart;
        return byte === LF;
      default:
        return this.#trailerStep(byte);
    }
  }

  #sizeDigit(byte: number): boolean {
    const digit = hexValue[byte]!;
    if (digit > 15 || ++this.#digits > maxSizeDigits) return false;
    this.#remaining = this.#remaining * 16 + digit;
    this.#phase = phase.size;
    return true;
  }

  #trailerStep(byte: number): boolean {
    if (++this.#overhead > maxTrailerBytes) return false;
    this.#keepTrailer(byte);
    switch (this.#phase) {
      case phase.trailerStart:
        this.#phase = byte === CR ? phase.lastEnd : phase.trailerName;
        return byte === CR || tokenByte[byte] !== 0;
      case phase.trailerName:
        if (byte === COLON) this.#phase = phase.trailer;
        return byte === COLON || tokenByte[byte] !== 0;
      case phase.trailer:
        if (byte === CR) this.#phase = phase.trailerEnd;
        return byte === CR || valueByte[byte] === 1;
      case phase.trailerEnd:
        this.#phase = phase.trailerStart;
        return byte === LF;
      case phase.lastEnd:
        this.#phase = phase.done;
        return byte === LF;
      default:
        return false;
    }
  }

  /** The empty line alone is not worth a buffer. */
  #keepTrailer(byte: number): void {
    if (this.#trailers === undefined) {
      if (byte === CR || byte === LF) return;
      this.#trailers = Buffer.allocUnsafe(firstTrailerBytes);
    } else if (this.#trailerBytes === this.#trailers.length) {
      this.#trailers = Buffer.concat([this.#trailers], Math.min(maxTrailerBytes, 4 * this.#trailers.length));
    }
    this.#trailers[this.#trailerBytes++] = byte;
  }
}
