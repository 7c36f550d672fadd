import { randomFillSync } from 'node:crypto';

const idsPerRefill = 256;
const uuidBytes = 16;
const uuidLength = 36;
const hexDigits = Buffer.from('0123456789abcdef', 'latin1');
const dash = 0x2d;

/**
 * Random ids. Bytes come from the system's generator, and become text, 256 ids at a time: an id is then a slice of that text. Measured:
 * a third of joining 20 pieces per id, which besides leaves a rope that the first reader has to flatten. `fill` is there for tests.
 */
export class RandomIds {
  readonly #fill: (bytes: Uint8Array) => void;
  readonly #bytes = new Uint8Array(idsPerRefill * uuidBytes);
  readonly #text = Buffer.alloc(idsPerRefill * uuidLength);
  #uuids = '';
  #nextUuid = 0;
  #digits = '';
  #nextDigit = 0;

  constructor(fill: (bytes: Uint8Array) => void = randomFillSync) {
    this.#fill = fill;
  }

  /** A version 4 UUID (RFC 9562, 5.4). */
  uuid(): string {
    if (this.#nextUuid >= this.#uuids.length) this.#refillUuids();
    const start = this.#nextUuid;
    this.#nextUuid += uuidLength;
    return this.#uuids.slice(start, this.#nextUuid);
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
    const text = this.#text;
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
    this.#uuids = text.toString('latin1');
    this.#nextUuid = 0;
  }
}

/** 1 to 128 of letters, digits, `.`, `_`, `-`: what logs and headers can carry as it is. Any other incoming id is replaced. */
export function isRequestId(text: string): boolean {
  return text.length <= 128 && /^[A-Za-z0-9._-]+$/.test(text);
}
