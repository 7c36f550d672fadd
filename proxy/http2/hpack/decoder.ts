import { isValidValue, type Collector } from '../fields/collector.ts';
import type { HeaderBlock, Side } from '../fields/header-block.ts';
import { badValue, neverIndexed, traitsOf } from '../fields/traits.ts';
import { DynamicTable } from './dynamic-table.ts';
import { decodeHuffman, notHuffman } from './huffman.ts';
import { BlockMemo } from './memo.ts';
import { staticCount, staticLines } from './static-table.ts';

const COLON = 58;
const SP = 32;
const CR = 13;
const LF = 10;
/** An integer's continuation bytes: 2^28 is more than any length or index that can be meant. */
const maxShift = 21;
const maxResizes = 2;
const failed = -1;

/**
 * HPACK decoder of one connection (RFC 7541). It writes fields as lines into the collector that all connections share. Never throws; reads
 * `start` to `end` and no further. What follows in a list that is refused already is written only where the table takes it: a kilobyte may
 * refer to a thousand large entries.
 */
export class HeaderDecoder {
  readonly table = new DynamicTable();
  readonly #collector: Collector;
  readonly #memo = new BlockMemo();
  /** Where reading goes on. */
  #p = 0;
  /** Changes of the table by the current block. */
  #tableChanged = false;
  /** Of the line being written. */
  #nameLength = 0;
  #traits = 0;
  /** Where the string just read would end, which is behind the buffer where it did not fit. */
  #stringEnd = 0;

  constructor(collector: Collector) {
    this.#collector = collector;
  }

  /**
   * Decodes a header block. What it returns is lent, and may be malformed or too long (`fault`, `excess`); undefined is a
   * COMPRESSION_ERROR, after which the connection can't go on. So are lists that are far too large: decoding them is what they are for.
   */
  decode(bytes: Buffer, start: number, end: number, side: Side): HeaderBlock | undefined {
    const known = this.#memo.find(bytes, start, end, side);
    if (known !== undefined) return known;
    const collector = this.#collector;
    collector.begin(side);
    this.#p = start;
    this.#tableChanged = false;
    let resizes = 0;
    let fields = 0;
    while (this.#p < end) {
      const first = bytes[this.#p]!;
      let valid;
      if ((first & 0x80) !== 0) valid = this.#indexed(bytes, end);
      else if ((first & 0xe0) === 0x20) {
        // RFC 7541, 4.2: at the beginning of a block; two of them where it shrank and grew again.
        if (fields > 0 || ++resizes > maxResizes) return undefined;
        if (!this.#resize(bytes, end)) return undefined;
        continue;
      } else valid = this.#literal(bytes, end, first);
      if (!valid || collector.isBomb) return undefined;
      fields++;
    }
    const block = collector.finish();
    if (this.#tableChanged) {
      this.#memo.clear();
      return block;
    }
    return this.#memo.add(block);
  }

  #indexed(bytes: Buffer, end: number): boolean {
    const index = this.#integer(bytes, end, 7);
    const { block, position } = this.#collector;
    if (index <= 0) return false;
    if (index <= staticCount) {
      const { starts, nameLengths, valueLengths, traits } = staticLines;
      const length = nameLengths[index]! + valueLengths[index]! + 4;
      if (this.#collector.takes) copyLine(staticLines.bytes, starts[index]!, length, block.bytes, position);
      this.#collector.add(nameLengths[index]!, valueLengths[index]!, traits[index]!);
      return true;
    }
    const { table } = this;
    if (index - staticCount > table.count) return false;
    const slot = table.slot(index - staticCount - 1);
    const nameLength = table.nameLengths[slot]!;
    const valueLength = table.valueLengths[slot]!;
    if (this.#collector.takes) copyLine(table.bytes, table.starts[slot]!, nameLength + valueLength + 4, block.bytes, position);
    this.#collector.add(nameLength, valueLength, table.traits[slot]!);
    return true;
  }

  #resize(bytes: Buffer, end: number): boolean {
    const size = this.#integer(bytes, end, 5);
    this.#tableChanged = true;
    return size >= 0 && this.table.resize(size);
  }

  #literal(bytes: Buffer, end: number, first: number): boolean {
    const incremental = (first & 0x40) !== 0;
    const index = this.#integer(bytes, end, incremental ? 6 : 4);
    if (index === failed) return false;
    if (!incremental && !this.#collector.takes) return this.#passOver(bytes, end, index);
    if (index === 0 ? !this.#newName(bytes, end) : !this.#knownName(index)) return false;
    const collector = this.#collector;
    const out = collector.block.bytes;
    const nameLength = this.#nameLength;
    const valueStart = collector.position + nameLength + 2;
    if (!this.#string(bytes, end, valueStart)) return false;
    const valueLength = this.#stringEnd - valueStart;
    let traits = this.#traits;
    if (this.#stringEnd + 4 > out.length) {
      // There is room for any line that a table could take: this one empties it, and is not looked at.
      collector.exceed('head-too-large');
    } else {
      out[valueStart - 2] = COLON;
      out[valueStart - 1] = SP;
      out[this.#stringEnd] = CR;
      out[this.#stringEnd + 1] = LF;
      if (!isValidValue(out, valueStart, this.#stringEnd)) traits |= badValue;
    }
    if (incremental) {
      this.#tableChanged = true;
      this.table.insert(out, collector.position, nameLength, valueLength, traits);
    } else if ((first & 0x10) !== 0) traits |= neverIndexed;
    collector.add(nameLength, valueLength, traits);
    return true;
  }

  /** A literal that neither the list nor the table takes: only that it is whole, and its length, count. */
  #passOver(bytes: Buffer, end: number, index: number): boolean {
    const nameLength = index === 0 ? this.#stringLength(bytes, end) : this.#nameLengthOf(index);
    if (nameLength === failed) return false;
    const valueLength = this.#stringLength(bytes, end);
    if (valueLength === failed) return false;
    this.#collector.add(nameLength, valueLength, 0);
    return true;
  }

  #nameLengthOf(index: number): number {
    if (index <= staticCount) return staticLines.nameLengths[index]!;
    const { table } = this;
    return index - staticCount > table.count ? failed : table.nameLengths[table.slot(index - staticCount - 1)]!;
  }

  #newName(bytes: Buffer, end: number): boolean {
    const collector = this.#collector;
    const start = collector.position;
    if (!this.#string(bytes, end, start)) return false;
    this.#nameLength = this.#stringEnd - start;
    if (this.#stringEnd + 4 > collector.block.bytes.length) collector.exceed('head-too-large');
    else this.#traits = traitsOf(collector.block.bytes, start, this.#stringEnd);
    return true;
  }

  #knownName(index: number): boolean {
    const { block, position } = this.#collector;
    if (index <= staticCount) {
      this.#nameLength = staticLines.nameLengths[index]!;
      this.#traits = staticLines.traits[index]!;
      copyLine(staticLines.bytes, staticLines.starts[index]!, this.#nameLength, block.bytes, position);
      return true;
    }
    const { table } = this;
    if (index - staticCount > table.count) return false;
    const slot = table.slot(index - staticCount - 1);
    this.#nameLength = table.nameLengths[slot]!;
    // Whether the entry's own value was valid says nothing of this one.
    this.#traits = table.traits[slot]! & ~badValue;
    copyLine(table.bytes, table.starts[slot]!, this.#nameLength, block.bytes, position);
    return true;
  }

  /** Writes a string to `at`. What does not fit is left out, and `#stringEnd` lies behind the buffer. */
  #string(bytes: Buffer, end: number, at: number): boolean {
    if (this.#p >= end) return false;
    const coded = (bytes[this.#p]! & 0x80) !== 0;
    const length = this.#integer(bytes, end, 7);
    const start = this.#p;
    if (length === failed || length > end - start) return false;
    this.#p = start + length;
    const out = this.#collector.block.bytes;
    if (coded) {
      const to = decodeHuffman(bytes, start, this.#p, out, at);
      this.#stringEnd = to;
      return to !== notHuffman;
    }
    this.#stringEnd = at + length;
    if (this.#stringEnd <= out.length) copyLine(bytes, start, length, out, at);
    return true;
  }

  /** Of a string that is passed over. */
  #stringLength(bytes: Buffer, end: number): number {
    if (this.#p >= end) return failed;
    if ((bytes[this.#p]! & 0x80) === 0) {
      const length = this.#integer(bytes, end, 7);
      if (length > end - this.#p) return failed;
      if (length !== failed) this.#p += length;
      return length;
    }
    // How long it is, and whether it is one, tells only the decoding.
    const { position } = this.#collector;
    return this.#string(bytes, end, position) ? this.#stringEnd - position : failed;
  }

  /** RFC 7541, 5.1. `failed` where the bytes end before it does, or it is beyond all meaning. */
  #integer(bytes: Buffer, end: number, prefixBits: number): number {
    const mask = (1 << prefixBits) - 1;
    let value = bytes[this.#p++]! & mask;
    if (value < mask) return value;
    for (let shift = 0; ; shift += 7) {
      if (this.#p >= end || shift > maxShift) return failed;
      const byte = bytes[this.#p++]!;
      value += (byte & 0x7f) << shift;
      if ((byte & 0x80) === 0) return value;
    }
  }
}

/** Below this, a loop beats the call into native code. */
const loopBytes = 48;

function copyLine(from: Buffer, start: number, length: number, to: Buffer, at: number): void {
  if (length < loopBytes) for (let offset = 0; offset < length; offset++) to[at + offset] = from[start + offset]!;
  else from.copy(to, at, start, start + length);
}
