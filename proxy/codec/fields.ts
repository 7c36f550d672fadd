import type { FailureCode } from '../failures.ts';
import { FieldLines, isNamed, lookup, stride, treatment, valueOf } from './lines.ts';
import { belongsInHead, field, identifyField, isRemovable, type FieldId } from './names.ts';
import { bytesOf, COLON, CR, HTAB, isToken, LF, SP, tokenByte, valueByte } from './tables.ts';

export interface HeadLimits {
  /** Bytes of a head, its first line included. */
  readonly maxHeadBytes: number;
  readonly maxHeaders: number;
  readonly maxTargetBytes: number;
}

/** What a parse returns in place of the head's end: the head goes on beyond the bytes at hand. */
export const needMore = -1;
/** `failure` and `reason` say why. */
export const invalid = -2;

const maxNameBytes = 256;
const maxConnectionOptions = 32;
const COMMA = 44;
const SEMICOLON = 59;

/** How the body's end is told (RFC 9112, 6.3). */
export const framing = { none: 0, length: 1, chunked: 2, untilClose: 3 } as const;
export type Framing = (typeof framing)[keyof typeof framing];

const chunked = bytesOf('chunked');
const trailers = bytesOf('trailers');
const close = bytesOf('close');
const keepAlive = bytesOf('keep-alive');
const upgrade = bytesOf('upgrade');

/** Fields by offsets, and the bytes that they lie in: what a header block of HTTP/2 is. */
export interface FieldBlock {
  readonly bytes: Buffer;
  readonly count: number;
  readonly start: number;
  readonly end: number;
  readonly at: Int32Array;
  readonly ids: Uint8Array;
  readonly treatments: Uint8Array;
  /** -1 where there is none. */
  readonly contentLength: number;
}

/**
 * Fields of a head, as offsets into the bytes that were parsed. One object serves all messages: what it says holds until the
 * next parse, so whoever needs it later parses the same bytes again (300 ns, and rare).
 */
export class Fields extends FieldLines {
  /** Index of the one field with that id that matters, -1 where there is none. */
  host = -1;
  expect = -1;
  upgrade = -1;
  forwardedFor = -1;
  requestId = -1;
  traceparent = -1;
  retryAfter = -1;
  keepAlive = -1;
  hops = -1;
  /** Lines of that name. */
  hosts = 0;
  contentLengths = 0;
  transferEncodings = 0;
  /** -1 where there is none. */
  contentLength = -1;
  /** What `Connection` lists. */
  closes = false;
  keepsAlive = false;
  upgrades = false;
  /** `TE: trailers`. */
  trailersWelcome = false;

  failure: FailureCode = 'bad-request';
  reason = '';

  readonly #limits: HeadLimits;
  readonly #side: 'request' | 'response' | 'trailers';
  readonly #own: { readonly at: Int32Array; readonly ids: Uint8Array; readonly treatments: Uint8Array };
  readonly #faults: { readonly syntax: FailureCode; readonly size: FailureCode; readonly coding: FailureCode };
  #connections = 0;

  constructor(limits: HeadLimits, side: 'request' | 'response' | 'trailers') {
    super(limits.maxHeaders);
    this.#limits = limits;
    this.#side = side;
    this.#faults =
      side === 'request'
        ? { syntax: 'bad-request', size: 'head-too-large', coding: 'unsupported-transfer-coding' }
        : { syntax: 'bad-response', size: 'response-too-large-head', coding: 'bad-response' };
    this.#own = { at: this.at, ids: this.ids, treatments: this.treatments };
  }

  /** Shows fields that were parsed elsewhere, without a copy: a header block of HTTP/2. They hold as long as the block does. */
  show(block: FieldBlock): void {
    this.#reset(block.start);
    this.at = block.at;
    this.ids = block.ids;
    // Filters leave trailers out by marking them here: the block itself may be of others, too.
    if (this.#side === 'trailers') this.treatments.set(block.treatments.subarray(0, block.count));
    else this.treatments = block.treatments;
    this.count = block.count;
    this.end = block.end;
    this.contentLength = block.contentLength;
    for (let index = 0; index < block.count; index++) {
      const id = block.ids[index]!;
      if (this.#side === 'trailers') this.#noteTrailer(block.bytes, index, id as FieldId);
      else if (id === field.host) this.host = index;
      else if (id !== field.other) this.#notePlace(index, id as FieldId);
    }
  }

  /** Parses from the first field's first byte on. Returns the offset behind the empty line, `needMore` or `invalid`. */
  parse(bytes: Uint8Array, from: number, to: number): number {
    this.#reset(from);
    const { at, ids, treatments } = this;
    const { maxHeaders } = this.#limits;
    // Local names: the tables of another module are loaded anew on every use otherwise.
    const token = tokenByte;
    const allowed = valueByte;
    let p = from;
    for (;;) {
      if (p >= to) return needMore;
      let byte = bytes[p]!;
      if (byte === CR) {
        if (p + 1 >= to) return needMore;
        if (bytes[p + 1] !== LF) return this.refuse('bare-cr');
        this.end = p;
        return this.#settle(bytes, p + 2);
      }
      const nameStart = p;
      while (token[byte] !== 0) {
        if (++p >= to) return p - nameStart > maxNameBytes ? this.refuseSize('name-too-long') : needMore;
        byte = bytes[p]!;
      }
      // Also what refuses folded lines, space before the colon, and a line that ends in LF alone.
      if (byte !== COLON || p === nameStart) return this.refuse('field-name');
      if (p - nameStart > maxNameBytes) return this.refuseSize('name-too-long');
      const nameEnd = p;
      do {
        if (++p >= to) return needMore;
        byte = bytes[p]!;
      } while (byte === SP || byte === HTAB);
      const valueStart = p;
      // Most bytes of a head are in values: four at a time take a third off the whole parse.
      while (p + 4 < to && (allowed[bytes[p]!]! & allowed[bytes[p + 1]!]! & allowed[bytes[p + 2]!]! & allowed[bytes[p + 3]!]!) !== 0) p += 4;
      byte = bytes[p]!;
      while (allowed[byte] !== 0) {
        if (++p >= to) return needMore;
        byte = bytes[p]!;
      }
      if (byte !== CR) return this.refuse('field-value');
      if (p + 1 >= to) return needMore;
      if (bytes[p + 1] !== LF) return this.refuse('bare-cr');
      let valueEnd = p;
      while (valueEnd > valueStart && (bytes[valueEnd - 1] === SP || bytes[valueEnd - 1] === HTAB)) valueEnd--;
      const index = this.count;
      if (index === maxHeaders) return this.refuseSize('too-many-fields');
      const base = index * stride;
      at[base] = nameStart;
      at[base + 1] = nameEnd;
      at[base + 2] = valueStart;
      at[base + 3] = valueEnd;
      const canonical = valueStart === nameEnd + 2 && valueEnd === p && bytes[nameEnd + 1] === SP;
      treatments[index] = canonical ? treatment.copy : treatment.rewrite;
      const id = identifyField(bytes, nameStart, nameEnd);
      ids[index] = id;
      if (this.#side === 'trailers') this.#noteTrailer(bytes, index, id);
      else if (id !== field.other && !this.#note(bytes, index, id)) return invalid;
      this.count = index + 1;
      p += 2;
    }
  }

  value(bytes: Buffer, index: number): string {
    return valueOf(bytes, this, index);
  }

  /** Names of all fields, as sent. */
  *names(bytes: Buffer): Generator<string> {
    for (let index = 0; index < this.count; index++) yield bytes.toString('latin1', this.nameStart(index), this.nameEnd(index));
  }

  /** Values of all lines of that name, joined by `, ` (RFC 9110, 5.3). Takes a lower-case name. */
  lookup(bytes: Buffer, name: string): string | undefined {
    return lookup(bytes, this, name);
  }

  isNamed(bytes: Uint8Array, index: number, lower: string): boolean {
    return isNamed(bytes, this, index, lower);
  }

  /** All lines of a name. */
  dropAll(id: FieldId): void {
    for (let index = 0; index < this.count; index++) if (this.ids[index] === id) this.drop(index);
  }

  /** Leaves out the lines whose names are dropped. */
  leaveOut(bytes: Buffer, names: { drops(bytes: Uint8Array, start: number, end: number): boolean }): void {
    for (let index = 0; index < this.count; index++) if (names.drops(bytes, this.nameStart(index), this.nameEnd(index))) this.drop(index);
  }

  refuse(reason: string): typeof invalid {
    this.failure = this.#faults.syntax;
    this.reason = reason;
    return invalid;
  }

  refuseSize(reason: string): typeof invalid {
    this.failure = this.#faults.size;
    this.reason = reason;
    return invalid;
  }

  #reset(from: number): void {
    if (this.at !== this.#own.at) {
      this.at = this.#own.at;
      this.ids = this.#own.ids;
      this.treatments = this.#own.treatments;
    }
    this.start = from;
    this.count = 0;
    this.host = this.expect = this.upgrade = this.forwardedFor = this.requestId = this.traceparent = this.retryAfter = this.keepAlive = this.hops = -1;
    this.hosts = this.contentLengths = this.transferEncodings = this.#connections = 0;
    this.trailersWelcome = false;
    this.contentLength = -1;
    this.closes = this.keepsAlive = this.upgrades = false;
  }

  /** Takes note of a field with a meaning. False: it makes the message invalid. */
  #note(bytes: Uint8Array, index: number, id: FieldId): boolean {
    switch (id) {
      case field.host:
        this.host = index;
        this.hosts++;
        return true;
      case field.contentLength:
        return this.#noteContentLength(bytes, index);
      case field.transferEncoding:
        this.treatments[index] = treatment.drop;
        return this.#noteTransferEncoding(bytes, index);
      case field.connection:
        this.#connections++;
        this.treatments[index] = treatment.drop;
        return true;
      case field.upgrade:
        this.upgrade = index;
        this.treatments[index] = treatment.drop;
        return true;
      case field.keepAlive:
        this.keepAlive = index;
        this.treatments[index] = treatment.drop;
        return true;
      case field.te:
        if (isTrailers(bytes, this.valueStart(index), this.valueEnd(index))) this.trailersWelcome = true;
        this.treatments[index] = treatment.drop;
        return true;
      case field.hopByHop:
        this.treatments[index] = treatment.drop;
        return true;
      case field.framingAlias:
        this.refuse('framing-alias');
        return false;
      default:
        this.#notePlace(index, id);
        return true;
    }
  }

  #notePlace(index: number, id: FieldId): void {
    if (id === field.forwardedFor) this.forwardedFor = index;
    else if (id === field.requestId) this.requestId = index;
    else if (id === field.traceparent) this.traceparent = index;
    else if (id === field.expect) this.expect = index;
    else if (id === field.retryAfter) this.retryAfter = index;
    else if (id === field.internal) this.treatments[index] = treatment.drop;
    else if (id === field.hops) {
      this.hops = index;
      this.treatments[index] = treatment.drop;
    }
  }

  /** RFC 9110, 6.5.1: what a recipient must act upon before the body means nothing behind it, and could only deceive whoever merges it into the head. */
  #noteTrailer(bytes: Uint8Array, index: number, id: FieldId): void {
    if (id !== field.other || belongsInHead(bytes, this.nameStart(index), this.nameEnd(index))) this.treatments[index] = treatment.drop;
  }

  /** `0|[1-9][0-9]*`, once: any other spelling is read differently by different servers. */
  #noteContentLength(bytes: Uint8Array, index: number): boolean {
    const start = this.valueStart(index);
    const end = this.valueEnd(index);
    let length = 0;
    // 15 digits stay below 2^53.
    let valid = end > start && end - start <= 15 && (bytes[start] !== 48 || end - start === 1);
    for (let p = start; valid && p < end; p++) {
      const digit = bytes[p]! - 48;
      valid = digit >= 0 && digit <= 9;
      length = length * 10 + digit;
    }
    if (!valid || this.contentLengths++ > 0) {
      this.refuse('content-length');
      return false;
    }
    this.contentLength = length;
    return true;
  }

  /** Exactly one `chunked`. */
  #noteTransferEncoding(bytes: Uint8Array, index: number): boolean {
    const start = this.valueStart(index);
    if (this.transferEncodings++ === 0 && this.valueEnd(index) - start === chunked.length && isToken(bytes, start, chunked)) return true;
    this.failure = this.#faults.coding;
    this.reason = 'transfer-encoding';
    return false;
  }

  #settle(bytes: Uint8Array, end: number): number {
    if (this.contentLengths > 0 && this.transferEncodings > 0) return this.refuse('length-and-chunked');
    if (this.#connections === 0) return end;
    let options = 0;
    for (let index = 0; index < this.count; index++) {
      if (this.ids[index] !== field.connection) continue;
      let p = this.valueStart(index);
      const to = this.valueEnd(index);
      while (p < to) {
        if (bytes[p] === SP || bytes[p] === HTAB || bytes[p] === 44) {
          p++;
          continue;
        }
        const start = p;
        while (p < to && tokenByte[bytes[p]!] !== 0) p++;
        if (p === start || ++options > maxConnectionOptions) return this.refuse('connection-options');
        this.#connectionOption(bytes, start, p);
        while (p < to && (bytes[p] === SP || bytes[p] === HTAB)) p++;
        if (p < to && bytes[p] !== 44) return this.refuse('connection-options');
      }
    }
    return end;
  }

  #connectionOption(bytes: Uint8Array, start: number, end: number): void {
    const length = end - start;
    if (length === close.length && isToken(bytes, start, close)) this.closes = true;
    else if (length === keepAlive.length && isToken(bytes, start, keepAlive)) this.keepsAlive = true;
    else if (length === upgrade.length && isToken(bytes, start, upgrade)) this.upgrades = true;
    else {
      const name = String.fromCharCode(...bytes.subarray(start, end)).toLowerCase();
      for (let index = 0; index < this.count; index++) {
        if (this.isNamed(bytes, index, name) && isRemovable(this.ids[index] as FieldId, name)) this.treatments[index] = treatment.drop;
      }
    }
  }
}

/** Whether `TE` lists `trailers` (RFC 9110, 10.1.4), by itself or among codings. */
function isTrailers(bytes: Uint8Array, start: number, end: number): boolean {
  let p = start;
  while (p < end) {
    const from = p;
    while (p < end && tokenByte[bytes[p]!] !== 0) p++;
    if (p - from === trailers.length && isToken(bytes, from, trailers) && (p === end || bytes[p] !== SEMICOLON)) return true;
    while (p < end && bytes[p] !== COMMA) p++;
    p++;
    while (p < end && (bytes[p] === SP || bytes[p] === HTAB)) p++;
  }
  return false;
}
