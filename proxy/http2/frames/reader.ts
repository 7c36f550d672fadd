import type { Http2Limits } from '../limits.ts';
import { checkFrameHeader, fault, type FrameFault } from './check.ts';
import { errorCode, flag, frameHeaderBytes, frameType, preface } from './constants.ts';

/** What the reader tells. Bytes are lent. */
export interface FrameTarget {
  /** False: the connection is over, and the rest of the bytes is not looked at. */
  readonly reading: boolean;
  /** Asked before each frame, or piece of one. True: enough for now. */
  readonly satisfied: boolean;
  /** A DATA frame begins; `length` counts against the windows. */
  beginData(id: number, flags: number, length: number): void;
  data(bytes: Buffer, start: number, end: number): void;
  /** It ends; `overhead` are bytes of padding. */
  endData(overhead: number): void;
  /** A whole header block, all frames of it together. */
  headers(id: number, flags: number, bytes: Buffer, start: number, end: number): void;
  /** Any other frame; `flags` of the reader has its flags. */
  frame(type: number, id: number, bytes: Buffer, start: number, end: number): void;
  connectionFault(fault: FrameFault): void;
}

const badPreface = fault(errorCode.protocol, 'preface');
const settingsMissing = fault(errorCode.protocol, 'settings-missing');
const continuationMissing = fault(errorCode.protocol, 'continuation-missing');
const continuationUnexpected = fault(errorCode.protocol, 'continuation-unexpected');
const badPadding = fault(errorCode.protocol, 'padding');
const blockTooLarge = fault(errorCode.enhanceYourCalm, 'header-block');
const noData = -1;
const firstBlockBytes = 32_768;

/**
 * Reads frames straight from the bytes that were read. DATA is passed on as it comes; any other frame is, where it comes in pieces, put
 * together first. Knows the order of frames and of the frames of a header block, but no stream.
 */
export class FrameReader {
  /** Whether the last HEADERS frame made its stream depend on itself. */
  dependsOnItself = false;
  /** Of the last frame. */
  flags = 0;
  /** Frames, and header blocks of several, that have been read: whether the peer goes on with what it began is told by it. */
  units = 0;

  readonly #target: FrameTarget;
  readonly #limits: Http2Limits;
  #prefaceLeft: number;
  #settingsSeen = false;
  /** A frame that came in pieces: room for as much of it as is known to be needed. */
  #partial: Buffer | undefined;
  #partialLength = 0;
  /** Of the current DATA frame; `noData` where there is none. */
  #dataLeft = noData;
  #paddingLeft = 0;
  #overhead = 0;
  /** Of a header block in several frames; 0 where there is none. */
  #blockStream = 0;
  #blockFlags = 0;
  #block: Buffer | undefined;
  #blockLength = 0;
  #continuations = 0;

  constructor(target: FrameTarget, limits: Http2Limits, role: 'server' | 'client') {
    this.#target = target;
    this.#limits = limits;
    this.#prefaceLeft = role === 'server' ? preface.length : 0;
  }

  /** Whether the peer is in the middle of something that it has to finish. DATA may take its time: that is for the stream's user to judge. */
  get incomplete(): boolean {
    return this.#partial !== undefined || this.#blockStream !== 0 || !this.#settingsSeen;
  }

  /** Returns the offset of what was not read yet: the target was satisfied before. */
  read(bytes: Buffer, from: number, to: number): number {
    let p = this.#prefaceLeft > 0 ? this.#readPreface(bytes, from, to) : from;
    while (p < to && this.#target.reading && !this.#target.satisfied) {
      if (this.#dataLeft !== noData) p = this.#readData(bytes, p, to);
      else if (this.#partial !== undefined) p = this.#complete(bytes, p, to);
      else p = this.#readFrame(bytes, p, to);
    }
    return p;
  }

  #readPreface(bytes: Buffer, from: number, to: number): number {
    let p = from;
    for (; p < to && this.#prefaceLeft > 0; p++, this.#prefaceLeft--) {
      if (bytes[p] === preface[preface.length - this.#prefaceLeft]) continue;
      this.#target.connectionFault(badPreface);
      return to;
    }
    return p;
  }

  /** Returns where reading goes on, having put aside what is not a whole frame. */
  #readFrame(bytes: Buffer, p: number, to: number): number {
    if (to - p < frameHeaderBytes) return this.#save(bytes, p, to, frameHeaderBytes);
    const length = (bytes[p]! << 16) | (bytes[p + 1]! << 8) | bytes[p + 2]!;
    const type = bytes[p + 3]!;
    const flags = (this.flags = bytes[p + 4]!);
    const id = ((bytes[p + 5]! & 0x7f) << 24) | (bytes[p + 6]! << 16) | (bytes[p + 7]! << 8) | bytes[p + 8]!;
    const wrong = this.#checkOrder(type, flags, id) ?? checkFrameHeader(type, flags, length, id);
    if (wrong !== undefined) {
      this.#target.connectionFault(wrong);
      return to;
    }
    const start = p + frameHeaderBytes;
    if (type === frameType.data) {
      if ((flags & flag.padded) !== 0 && start === to) return this.#save(bytes, p, to, frameHeaderBytes + 1);
      return this.#beginData(id, flags, bytes, start, length);
    }
    const end = start + length;
    if (end > to) return this.#save(bytes, p, to, frameHeaderBytes + length);
    if (type === frameType.headers) this.#headers(id, flags, bytes, start, end);
    else if (type === frameType.continuation) this.#continuation(flags, bytes, start, end);
    else this.#target.frame(type, id, bytes, start, end);
    if (this.#blockStream === 0) this.units++;
    return end;
  }

  /** RFC 9113, 3.4: SETTINGS come first. 4.3: nothing comes between the frames of a header block. */
  #checkOrder(type: number, flags: number, id: number): FrameFault | undefined {
    if (!this.#settingsSeen) {
      if (type !== frameType.settings || (flags & flag.ack) !== 0) return settingsMissing;
      this.#settingsSeen = true;
    }
    if (this.#blockStream !== 0) return type === frameType.continuation && id === this.#blockStream ? undefined : continuationMissing;
    return type === frameType.continuation ? continuationUnexpected : undefined;
  }

  #beginData(id: number, flags: number, bytes: Buffer, start: number, length: number): number {
    let p = start;
    this.#overhead = this.#paddingLeft = 0;
    if ((flags & flag.padded) !== 0) {
      const padding = bytes[p++]!;
      if (padding >= length) {
        this.#target.connectionFault(badPadding);
        return bytes.length;
      }
      this.#paddingLeft = padding;
      this.#overhead = padding + 1;
    }
    this.#dataLeft = length - this.#overhead;
    this.units++;
    this.#target.beginData(id, flags, length);
    if (this.#dataLeft + this.#paddingLeft === 0) this.#endData();
    return p;
  }

  #readData(bytes: Buffer, from: number, to: number): number {
    let p = from;
    if (this.#dataLeft > 0) {
      const end = Math.min(to, p + this.#dataLeft);
      this.#dataLeft -= end - p;
      this.#target.data(bytes, p, end);
      p = end;
    }
    if (this.#dataLeft === 0) {
      const skipped = Math.min(to - p, this.#paddingLeft);
      this.#paddingLeft -= skipped;
      p += skipped;
      if (this.#paddingLeft === 0) this.#endData();
    }
    return p;
  }

  #endData(): void {
    this.#dataLeft = noData;
    if (this.#target.reading) this.#target.endData(this.#overhead);
  }

  #headers(id: number, flags: number, bytes: Buffer, from: number, to: number): void {
    let start = from;
    let end = to;
    if ((flags & flag.padded) !== 0) end -= bytes[start++]!;
    this.dependsOnItself = false;
    if ((flags & flag.priority) !== 0) {
      if (start + 5 <= end) this.dependsOnItself = (bytes.readUInt32BE(start) & 0x7fffffff) === id;
      start += 5;
    }
    if (start > end) this.#target.connectionFault(badPadding);
    else if ((flags & flag.endHeaders) !== 0) this.#target.headers(id, flags, bytes, start, end);
    else {
      this.#blockStream = id;
      this.#blockFlags = flags;
      this.#continuations = this.#blockLength = 0;
      this.#append(bytes, start, end);
    }
  }

  #continuation(flags: number, bytes: Buffer, start: number, end: number): void {
    if (++this.#continuations > this.#limits.maxContinuations || this.#blockLength + end - start > this.#limits.maxBlockBytes) {
      this.#target.connectionFault(blockTooLarge);
      return;
    }
    this.#append(bytes, start, end);
    if ((flags & flag.endHeaders) === 0) return;
    const id = this.#blockStream;
    const block = this.#block!;
    this.#blockStream = 0;
    this.#block = undefined;
    this.#target.headers(id, this.#blockFlags, block, 0, this.#blockLength);
  }

  #append(bytes: Buffer, start: number, end: number): void {
    const needed = this.#blockLength + end - start;
    if (this.#block === undefined || needed > this.#block.length) {
      const wider = Buffer.allocUnsafe(Math.max(needed, Math.min(firstBlockBytes, 2 * needed)));
      this.#block?.copy(wider, 0, 0, this.#blockLength);
      this.#block = wider;
    }
    bytes.copy(this.#block, this.#blockLength, start, end);
    this.#blockLength = needed;
  }

  #save(bytes: Buffer, start: number, end: number, needed: number): number {
    this.#partial = Buffer.allocUnsafe(needed);
    this.#partialLength = bytes.copy(this.#partial, 0, start, end);
    return end;
  }

  #complete(bytes: Buffer, from: number, to: number): number {
    const partial = this.#partial!;
    const end = Math.min(to, from + partial.length - this.#partialLength);
    this.#partialLength += bytes.copy(partial, this.#partialLength, from, end);
    if (this.#partialLength === partial.length) {
      this.#partial = undefined;
      this.#readFrame(partial, 0, partial.length);
    }
    return end;
  }
}
