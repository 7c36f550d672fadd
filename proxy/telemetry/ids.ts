import { randomFillSync } from 'node:crypto';

const idsPerRefill = 256;
const uuidBytes = 16;
/** Bytes of a UUID's text. */
export const uuidLength = 36;
const hexDigits = Buffer.from('0123456789abcdef', 'latin1');
const dash = 0x2d;

/**
 * Random ids. Bytes come from the system's generator, and become text, 256 ids at a time. UUIDs stay in the memory where they were written, for
 * nearly all are copied from there to a head and a log line: a string of each would cost more than all of that. `fill` is there for tests.
 */
export class RandomIds {
  readonly #fill: (bytes: Uint8Array) => void;
  readonly #bytes = new Uint8Array(idsPerRefill * uuidBytes);
  #uuids = Buffer.alloc(0);
  #nextUuid = 0;
  #digits = '';
  #nextDigit = 0;

  constructor(fill: (bytes: Uint8Array) => void = randomFillSync) {
    this.#fill = fill;
  }

  /** Offset in `uuids` of the text of a new UUID of version 4 (RFC 9562, 5.4). */
  nextUuid(): number {
    if (this.#nextUuid >= this.#uuids.length) this.#refillUuids();
    const start = this.#nextUuid;
    this.#nextUuid += uuidLength;
    return start;
  }

  /** Where the UUID lies that was made last. What has been given away there stays as it is. */
  get uuids(): Buffer {
    return this.#uuids;
  }

  /** 16 hexadecimal digits, not all zero: a W3C span id. */
  spanId(): string {
    const id = this.#take(16);
    return id === '0000000000000000' ? '0000000000000001' : id;
  }

  /** 32 hexadecimal digits, not all zero: a W3C trace id. */
  traceId(): string {
    const id = this.#take(32);
    return id === '00000000000000000000000000000000' ? '00000000000000000000000000000001' : id;
  }

  #take(count: number): string {
    if (this.#nextDigit + count > this.#digits.length) {
      this.#fill(this.#bytes);
      this.#digits = Buffer.from(this.#bytes.buffer).toString('hex');
      this.#nextDigit = 0;
    }
    const start = this.#nextDigit;
    this.#nextDigit += count;
    return this.#digits.slice(start, this.#nextDigit);
  }

  #refillUuids(): void {
    const bytes = this.#bytes;
    const text = (this.#uuids = Buffer.allocUnsafeSlow(idsPerRefill * uuidLength));
    this.#fill(bytes);
    let at = 0;
    for (let index = 0; index < bytes.length; index++) {
      const place = index % uuidBytes;
      let byte = bytes[index]!;
      if (place === 6) byte = (byte & 0x0f) | 0x40;
      else if (place === 8) byte = (byte & 0x3f) | 0x80;
      if (place === 4 || place === 6 || place === 8 || place === 10) text[at++] = dash;
      text[at++] = hexDigits[byte >> 4]!;
      text[at++] = hexDigits[byte & 15]!;
    }
    this.#nextUuid = 0;
  }
}

/** 1 to 128 of letters, digits, `.`, `_`, `-`: what logs and headers can carry as it is. Any other incoming id is replaced. */
export function isRequestId(text: string): boolean {
  return text.length <= 128 && /^[A-Za-z0-9._-]+$/.test(text);
}
