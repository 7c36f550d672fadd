const backslash = 0x5c;
const quote = 0x22;
const hexDigits = bytesOf('0123456789abcdef');
const ellipsis = bytesOf('\\u2026');
/** Below this a loop beats the call into native code. */
const loopBytes = 48;

/** 1 for what stands in a JSON string as it is. All that is not plain ASCII is escaped, so a log line has no byte to misread. */
const plain = new Uint8Array(128).fill(1, 0x20, 0x7f);
plain[quote] = plain[backslash] = 0;

/** ASCII of a constant part of a line. */
export function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** Lines of JSON that wait to be written, as bytes in one piece of memory, which is used again: a line makes no garbage. */
export class LineBuffer {
  lines = 0;
  length = 0;
  readonly #bytes: Buffer;

  constructor(capacity: number) {
    this.#bytes = Buffer.allocUnsafeSlow(capacity);
  }

  get capacity(): number {
    return this.#bytes.length;
  }

  /** What was put; lent until `clear`. */
  view(): Buffer {
    return this.#bytes.subarray(0, this.length);
  }

  clear(): void {
    this.lines = this.length = 0;
  }

  constant(constant: Uint8Array): void {
    const bytes = this.#bytes;
    const at = this.length;
    const { length } = constant;
    if (length < loopBytes) for (let offset = 0; offset < length; offset++) bytes[at + offset] = constant[offset]!;
    else bytes.set(constant, at);
    this.length = at + length;
  }

  /** Text that is known to be ASCII. */
  ascii(text: string): void {
    const bytes = this.#bytes;
    const at = this.length;
    const { length } = text;
    if (length < loopBytes) for (let offset = 0; offset < length; offset++) bytes[at + offset] = text.charCodeAt(offset);
    else bytes.write(text, at, 'latin1');
    this.length = at + length;
  }

  /** A JSON string, quotes included: at most `cap` characters of the text, then `…` in its escaped form. */
  json(text: string, cap: number): void {
    const bytes = this.#bytes;
    const length = Math.min(text.length, cap);
    bytes[this.length++] = quote;
    let at = this.length;
    for (let index = 0; index < length; index++) {
      const code = text.charCodeAt(index);
      if (code < 0x7f && plain[code] === 1) bytes[at++] = code;
      else at = this.#escape(code, at);
    }
    this.length = at;
    this.#endString(text.length > cap);
  }

  /** The same of bytes in Latin-1. */
  jsonBytes(from: Uint8Array, start: number, end: number, cap: number): void {
    const bytes = this.#bytes;
    const last = Math.min(end, start + cap);
    bytes[this.length++] = quote;
    let at = this.length;
    for (let index = start; index < last; index++) {
      const code = from[index]!;
      if (code < 0x7f && plain[code] === 1) bytes[at++] = code;
      else at = this.#escape(code, at);
    }
    this.length = at;
    this.#endString(last < end);
  }

  /** An integer. */
  decimal(value: number): void {
    if (!(value >= 0 && value <= 0x7fff_ffff)) {
      this.ascii(String(value));
      return;
    }
    let digits = 1;
    for (let bound = 10; value >= bound; bound *= 10) digits++;
    let rest = value | 0;
    for (let at = this.length + digits - 1; at >= this.length; at--) {
      const next = (rest / 10) | 0;
      this.#bytes[at] = 48 + rest - next * 10;
      rest = next;
    }
    this.length += digits;
  }

  /** Below a thousand, with leading zeros. */
  threeDigits(value: number): void {
    const tens = (value / 10) | 0;
    const hundreds = (value / 100) | 0;
    const bytes = this.#bytes;
    bytes[this.length] = 48 + hundreds;
    bytes[this.length + 1] = 48 + tens - hundreds * 10;
    bytes[this.length + 2] = 48 + value - tens * 10;
    this.length += 3;
  }

  /** Three decimals; 0 for what is no time. */
  milliseconds(value: number): void {
    const micros = Math.round(value * 1000);
    if (!(micros >= 0 && micros < 2 ** 53)) {
      this.decimal(0);
      return;
    }
    const whole = Math.floor(micros / 1000);
    this.decimal(whole);
    this.#bytes[this.length++] = 0x2e;
    this.threeDigits(micros - whole * 1000);
  }

  #endString(cut: boolean): void {
    if (cut) this.constant(ellipsis);
    this.#bytes[this.length++] = quote;
  }

  #escape(code: number, from: number): number {
    const bytes = this.#bytes;
    let at = from;
    bytes[at++] = backslash;
    if (code === quote || code === backslash) {
      bytes[at++] = code;
      return at;
    }
    bytes[at++] = 0x75;
    for (let shift = 12; shift >= 0; shift -= 4) bytes[at++] = hexDigits[(code >> shift) & 15]!;
    return at;
  }
}
