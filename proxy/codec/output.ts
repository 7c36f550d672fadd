import { bytesOf } from './tables.ts';

/** Below this, a loop beats the call into native code; measured at 48 bytes. */
const loopBytes = 48;
/** The same of texts. */
const loopCharacters = 24;
const slabBytes = 256 * 1024;
/** Of views that are kept, a power of two. */
const maxViews = 64;
const crlf = bytesOf('\r\n');
const hexDigits = bytesOf('0123456789abcdef');

/**
 * Where messages are put together before they are written. Space is taken from a slab and only used up when a write did not complete at
 * once, so that nearly all messages are built in the same, warm memory: `begin`, put…, `view` to the socket, and `keep` where the
 * socket still holds on to it.
 */
export class OutputBuffer {
  #bytes = Buffer.allocUnsafeSlow(slabBytes);
  #start = 0;
  /** Of messages from `#start` on, by length: few lengths come again and again, and to make a view costs as much as to copy a head. */
  readonly #views = Array.from<Buffer | undefined>({ length: maxViews });
  #end = 0;

  /** Starts a message. One that was begun and not kept is forgotten. */
  begin(): void {
    this.#end = this.#start;
  }

  get length(): number {
    return this.#end - this.#start;
  }

  /** The message so far; valid until the next `begin` unless kept. */
  view(): Buffer {
    const { length } = this;
    const known = this.#views[length % maxViews];
    return known?.length === length ? known : (this.#views[length % maxViews] = this.#bytes.subarray(this.#start, this.#end));
  }

  /** The socket has not written all of it: this space must not be used again. */
  keep(): void {
    this.#start = this.#end;
    this.#views.fill(undefined);
  }

  /** Makes room for `length` more bytes. */
  reserve(length: number): void {
    if (this.#end + length <= this.#bytes.length) return;
    const used = this.length;
    const next = Buffer.allocUnsafeSlow(Math.max(slabBytes, 2 * (used + length)));
    this.#bytes.copy(next, 0, this.#start, this.#end);
    this.#bytes = next;
    this.#views.fill(undefined);
    this.#start = 0;
    this.#end = used;
  }

  putBytes(from: Buffer, start: number, end: number): void {
    const length = end - start;
    this.reserve(length);
    const bytes = this.#bytes;
    const at = this.#end;
    if (length < loopBytes) for (let offset = 0; offset < length; offset++) bytes[at + offset] = from[start + offset]!;
    else from.copy(bytes, at, start, end);
    this.#end = at + length;
  }

  putConstant(constant: Uint8Array): void {
    const { length } = constant;
    this.reserve(length);
    const bytes = this.#bytes;
    const at = this.#end;
    for (let offset = 0; offset < length; offset++) bytes[at + offset] = constant[offset]!;
    this.#end = at + length;
  }

  /** Latin-1. What did not come from a parsed message has been validated before (`isFieldName`, `isFieldValue`). */
  putText(text: string): void {
    const { length } = text;
    this.reserve(length);
    const bytes = this.#bytes;
    const at = this.#end;
    if (length < loopCharacters) for (let offset = 0; offset < length; offset++) bytes[at + offset] = text.charCodeAt(offset);
    else bytes.write(text, at, 'latin1');
    this.#end = at + length;
  }

  putLineEnd(): void {
    this.putConstant(crlf);
  }

  putDecimal(value: number): void {
    this.reserve(16);
    let digits = 1;
    for (let bound = 10; value >= bound; bound *= 10) digits++;
    let rest = value;
    for (let place = digits - 1; place >= 0; place--) {
      const next = Math.floor(rest / 10);
      this.#bytes[this.#end + place] = 48 + rest - next * 10;
      rest = next;
    }
    this.#end += digits;
  }

  /** A chunk's size line. */
  putChunkSize(size: number): void {
    this.reserve(16);
    let digits = 1;
    for (let rest = Math.floor(size / 16); rest > 0; rest = Math.floor(rest / 16)) digits++;
    let rest = size;
    for (let place = digits - 1; place >= 0; place--) {
      this.#bytes[this.#end + place] = hexDigits[rest % 16]!;
      rest = Math.floor(rest / 16);
    }
    this.#end += digits;
    this.putLineEnd();
  }
}
