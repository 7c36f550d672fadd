import { field, stride, tokenByte, treatment } from '../../codec/index.ts';
import { staticEntries } from './static-table.ts';

/** Fields by offsets: `HeaderBlock`, and `Fields` of the HTTP/1.1 codec. */
export interface FieldList {
  readonly count: number;
  readonly at: Int32Array;
  readonly ids: Uint8Array;
  readonly treatments: Uint8Array;
  readonly sensitive?: Uint8Array;
}

/** Which of the fields are left out: by field number, 1; and by name, where a function says so. */
export interface Selection {
  readonly drops: Uint8Array;
  readonly alsoDrops?: (bytes: Buffer, nameStart: number, nameEnd: number) => boolean;
}

const indexedField = 0x80;
const literal = 0x00;
/** RFC 7541, 6.2.3: for credentials, so that no table of a later hop can be probed for them. */
const literalNever = 0x10;
const firstBytes = 4096;

const nameIndexes = new Map<string, number>();
const fieldIndexes = new Map<string, number>();
for (const [place, [name, value]] of staticEntries.entries()) {
  if (!nameIndexes.has(name)) nameIndexes.set(name, place + 1);
  if (value !== '') fieldIndexes.set(`${name}\0${value}`, place + 1);
}

interface KnownName {
  readonly bytes: Uint8Array;
  readonly index: number;
}

/** By length: names of the table that are not pseudo-header fields. */
const namesByLength: readonly (readonly KnownName[])[] = Array.from({ length: 32 }, (_, length) =>
  [...nameIndexes].filter(([name]) => name.length === length && !name.startsWith(':')).map(([name, index]) => ({ bytes: Buffer.from(name, 'latin1'), index })),
);
const noNames: readonly KnownName[] = [];
const sensitiveNames = new Set(['authorization', 'cookie', 'set-cookie', 'proxy-authorization']);

/**
 * HPACK encoder without a dynamic table: references to the static one, and literals. So its output depends on nothing but its input: it can
 * be kept and sent again, on any connection. It costs some 150 bytes a request, and saves the time of every other scheme.
 *
 * One serves all connections: `begin`, put…, then `view` (valid until the next `begin`) or `copy`. Values and names must be valid; what did
 * not come from a parsed message has been checked with `isFieldName` and `isFieldValue`.
 */
export class HeaderEncoder {
  #bytes = Buffer.allocUnsafeSlow(firstBytes);
  #end = 0;

  begin(): this {
    this.#end = 0;
    return this;
  }

  get length(): number {
    return this.#end;
  }

  view(): Buffer {
    return this.#bytes.subarray(0, this.#end);
  }

  copy(): Buffer {
    return Buffer.from(this.view());
  }

  status(code: number): this {
    const index = fieldIndexes.get(`:status\0${code}`);
    return index === undefined ? this.#text(8, String(code), literal) : this.#indexed(index);
  }

  method(text: string): this {
    return text === 'GET' ? this.#indexed(2) : text === 'POST' ? this.#indexed(3) : this.#text(2, text, literal);
  }

  scheme(text: string): this {
    return text === 'http' ? this.#indexed(6) : text === 'https' ? this.#indexed(7) : this.#text(6, text, literal);
  }

  path(text: string): this {
    return text === '/' ? this.#indexed(4) : this.#text(4, text, literal);
  }

  authority(text: string): this {
    return this.#text(1, text, literal);
  }

  /** A name in lower case, and a value in Latin-1. */
  put(name: string, value: string): this {
    const index = nameIndexes.get(name);
    const prefix = sensitiveNames.has(name) ? literalNever : literal;
    if (index !== undefined) return this.#text(index, value, prefix);
    this.#reserve(name.length + 16);
    this.#bytes[this.#end++] = prefix;
    this.#integer(name.length, 7, 0);
    this.#end += this.#bytes.write(name, this.#end, 'latin1');
    return this.#string(value);
  }

  /** A field by its name as `literalName` gives it, and the bytes of a value in Latin-1. */
  putNamed(name: Uint8Array, bytes: Buffer, start: number, end: number): this {
    this.#reserve(name.length + end - start + 8);
    this.#bytes.set(name, this.#end);
    this.#end += name.length;
    this.#value(bytes, start, end);
    return this;
  }

  /** A block, or part of one, that was made before. */
  putEncoded(encoded: Uint8Array): this {
    this.#reserve(encoded.length);
    this.#bytes.set(encoded, this.#end);
    this.#end += encoded.length;
    return this;
  }

  /** What is kept of a parsed head, names turned to lower case. */
  putFields(bytes: Buffer, fields: FieldList, selection: Selection): this {
    const { at, ids, treatments, count, sensitive } = fields;
    const { drops, alsoDrops } = selection;
    for (let index = 0; index < count; index++) {
      const id = ids[index]!;
      if (treatments[index] === treatment.drop || drops[id] === 1) continue;
      const base = index * stride;
      if (alsoDrops !== undefined && alsoDrops(bytes, at[base]!, at[base + 1]!)) continue;
      const prefix = id === field.endToEnd || (sensitive !== undefined && sensitive[index] === 1) ? literalNever : literal;
      this.#name(bytes, at[base]!, at[base + 1]!, prefix);
      this.#value(bytes, at[base + 2]!, at[base + 3]!);
    }
    return this;
  }

  #name(bytes: Buffer, start: number, end: number, prefix: number): void {
    const length = end - start;
    this.#reserve(length + 16);
    const index = staticName(bytes, start, length);
    if (index > 0) {
      this.#integer(index, 4, prefix);
      return;
    }
    this.#bytes[this.#end++] = prefix;
    this.#integer(length, 7, 0);
    for (let p = start; p < end; p++) this.#bytes[this.#end++] = tokenByte[bytes[p]!]!;
  }

  #value(bytes: Buffer, start: number, end: number): void {
    const length = end - start;
    this.#reserve(length + 8);
    this.#integer(length, 7, 0);
    const out = this.#bytes;
    let to = this.#end;
    if (length < 48) for (let p = start; p < end; p++) out[to++] = bytes[p]!;
    else to += bytes.copy(out, to, start, end);
    this.#end = to;
  }

  #text(nameIndex: number, value: string, prefix: number): this {
    this.#reserve(8);
    this.#integer(nameIndex, 4, prefix);
    return this.#string(value);
  }

  #string(value: string): this {
    this.#reserve(value.length + 8);
    this.#integer(value.length, 7, 0);
    this.#end += this.#bytes.write(value, this.#end, 'latin1');
    return this;
  }

  #indexed(index: number): this {
    this.#reserve(2);
    this.#bytes[this.#end++] = indexedField | index;
    return this;
  }

  /** RFC 7541, 5.1. There is room. */
  #integer(value: number, prefixBits: number, first: number): void {
    const mask = (1 << prefixBits) - 1;
    const bytes = this.#bytes;
    if (value < mask) {
      bytes[this.#end++] = first | value;
      return;
    }
    bytes[this.#end++] = first | mask;
    let rest = value - mask;
    for (; rest >= 128; rest >>>= 7) bytes[this.#end++] = (rest & 0x7f) | 0x80;
    bytes[this.#end++] = rest;
  }

  #reserve(length: number): void {
    if (this.#end + length <= this.#bytes.length) return;
    const wider = Buffer.allocUnsafeSlow(2 * (this.#end + length));
    this.#bytes.copy(wider, 0, 0, this.#end);
    this.#bytes = wider;
  }
}

/** The beginning of a field with a name in lower case of fewer than 127 bytes that is not in the static table, for `putNamed`. */
export function literalName(name: string): Uint8Array {
  return Buffer.from(`${String.fromCharCode(literal, name.length)}${name}`, 'latin1');
}

function staticName(bytes: Buffer, start: number, length: number): number {
  const candidates = length < namesByLength.length ? namesByLength[length]! : noNames;
  for (let place = 0; place < candidates.length; place++) {
    const candidate = candidates[place]!.bytes;
    let offset = 0;
    while (offset < length && tokenByte[bytes[start + offset]!] === candidate[offset]) offset++;
    if (offset === length) return candidates[place]!.index;
  }
  return 0;
}
