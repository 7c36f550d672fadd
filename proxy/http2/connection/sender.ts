import { flag, frameHeaderBytes, frameType, initialWindow, maxFrameBytes, preface, type ErrorCode } from '../frames/index.ts';
import { largeBytes } from '../transport/slabs.ts';
import type { Flushable } from '../transport/turn.ts';
import type { Stream } from './stream.ts';
import type { Http2Environment, Transport } from './types.ts';

/** RFC 7541, 6.3: the table's size becomes 0. */
const tableSizeZero = Buffer.of(0x20);
const none = Buffer.alloc(0);
/** Below this, a loop beats the call into native code. */
const loopBytes = 48;

/** Who wants to know that the peer takes nothing now. */
export interface CongestionListener {
  becameCongested(): void;
}

/** Writes frames, into a slab that leaves as one write at the end of the event loop's turn. Shares what may be sent among the streams. */
export class Sender implements Flushable {
  /** What the peer takes yet, of all streams' DATA. */
  window = initialWindow;
  /** DATA frames sent: the peer answers them with WINDOW_UPDATEs. */
  dataFrames = 0;
  /** The peer takes nothing now, so no DATA is written. */
  congested = false;
  /** Put before the next header block: the peer's decoder keeps a smaller table than it has to, and wants to be told that we know. */
  announceTableSize = false;

  readonly #environment: Http2Environment;
  readonly #transport: Transport;
  readonly #listener: CongestionListener;
  #slab: Buffer = none;
  #length = 0;
  /** Counts flushes: a frame of an earlier one has left. */
  #epoch = 0;
  #marked = false;
  #stopped = false;
  /** Streams with DATA that could not leave, in the order in which they are served. */
  readonly #waiting: Stream[] = [];

  constructor(environment: Http2Environment, transport: Transport, listener: CongestionListener) {
    this.#environment = environment;
    this.#transport = transport;
    this.#listener = listener;
  }

  /** Bytes that have been written and have not left. */
  get buffered(): number {
    return this.#length + this.#transport.pending;
  }

  preface(): void {
    this.#reserve(preface.length);
    this.#length += preface.copy(this.#slab, this.#length);
  }

  /** Pairs of identifier and value. */
  settings(pairs: readonly (readonly [number, number])[]): void {
    this.#header(6 * pairs.length, frameType.settings, 0, 0);
    for (const [id, value] of pairs) {
      this.#slab.writeUInt16BE(id, this.#length);
      this.#slab.writeUInt32BE(value, this.#length + 2);
      this.#length += 6;
    }
  }

  settingsAck(): void {
    this.#header(0, frameType.settings, flag.ack, 0);
  }

  ping(flags: number, payload: Buffer, start: number): void {
    this.#header(8, frameType.ping, flags, 0);
    this.#length += payload.copy(this.#slab, this.#length, start, start + 8);
  }

  goaway(lastStreamId: number, code: ErrorCode, reason: string): void {
    this.#header(8 + reason.length, frameType.goaway, 0, 0);
    this.#uint32(lastStreamId);
    this.#uint32(code);
    this.#length += this.#slab.write(reason, this.#length, 'latin1');
  }

  reset(id: number, code: ErrorCode): void {
    this.#header(4, frameType.reset, 0, id);
    this.#uint32(code);
  }

  windowUpdate(id: number, increment: number): void {
    this.#header(4, frameType.windowUpdate, 0, id);
    this.#uint32(increment);
  }

  headers(stream: Stream, block: Uint8Array): void {
    this.#block(stream, block, 0);
  }

  /** END_STREAM belongs on their first frame, which may have left before the last one is put. */
  trailers(stream: Stream, block: Uint8Array): void {
    this.#block(stream, block, flag.endStream);
  }

  /** Sends as much as windows and the peer allow. Returns the offset of what is left. */
  data(stream: Stream, bytes: Buffer, start: number, end: number): number {
    let p = start;
    while (p < end && !this.congested) {
      const size = Math.min(end - p, this.window, stream.sendWindow, maxFrameBytes);
      if (size <= 0) break;
      this.#dataFrame(stream, bytes, p, p + size);
      p += size;
    }
    return p;
  }

  /** END_STREAM: on the stream's last frame if that is still here, else on an empty one of its own. */
  end(stream: Stream): void {
    if (stream.lastFrameEpoch === this.#epoch && stream.lastFrameAt >= 0) {
      this.#slab[stream.lastFrameAt + 4]! |= flag.endStream;
      return;
    }
    this.#header(0, frameType.data, flag.endStream, stream.id);
  }

  /** The stream has DATA that has to wait. */
  wait(stream: Stream): void {
    if (stream.waiting) return;
    stream.waiting = true;
    this.#waiting.push(stream);
  }

  /** Windows or the peer have opened: streams take turns, a frame each, until all is sent or nothing more may be. */
  pump(): void {
    let stuck = 0;
    while (this.window > 0 && !this.congested && stuck < this.#waiting.length) {
      const stream = this.#waiting.shift()!;
      stream.waiting = false;
      stuck = stream.sendQueued() ? 0 : stuck + 1;
      if (stream.queued > 0) this.wait(stream);
    }
  }

  /** The stream is over: what waits for it is forgotten. */
  forget(stream: Stream): void {
    if (!stream.waiting) return;
    stream.waiting = false;
    const index = this.#waiting.indexOf(stream);
    if (index >= 0) this.#waiting.splice(index, 1);
  }

  flush(): void {
    this.#marked = false;
    if (this.#length === 0) return;
    const slab = this.#slab;
    const length = this.#length;
    this.#slab = none;
    this.#length = 0;
    this.#epoch++;
    if (this.#stopped) {
      this.#environment.slabs.give(slab);
      return;
    }
    this.#transport.write(slab, length);
    if (this.congested || !this.#transport.congested) return;
    this.congested = true;
    this.#listener.becameCongested();
  }

  /** Nothing leaves any more. */
  stop(): void {
    this.#stopped = true;
    this.#waiting.length = 0;
  }

  /** A header block, in as many frames as it takes. */
  #block(stream: Stream, block: Uint8Array, flags: number): void {
    let bytes = block;
    if (this.announceTableSize) {
      this.announceTableSize = false;
      bytes = Buffer.concat([tableSizeZero, block]);
    }
    const first = Math.min(bytes.length, maxFrameBytes);
    this.#header(first, frameType.headers, flags | (first === bytes.length ? flag.endHeaders : 0), stream.id);
    stream.lastFrameAt = this.#length - frameHeaderBytes;
    stream.lastFrameEpoch = this.#epoch;
    this.#put(bytes, 0, first);
    for (let p = first; p < bytes.length; ) {
      const end = Math.min(bytes.length, p + maxFrameBytes);
      this.#header(end - p, frameType.continuation, end === bytes.length ? flag.endHeaders : 0, stream.id);
      this.#put(bytes, p, end);
      p = end;
    }
  }

  #dataFrame(stream: Stream, bytes: Buffer, start: number, end: number): void {
    const size = end - start;
    this.#header(size, frameType.data, 0, stream.id);
    stream.lastFrameAt = this.#length - frameHeaderBytes;
    stream.lastFrameEpoch = this.#epoch;
    this.#put(bytes, start, end);
    this.window -= size;
    stream.sendWindow -= size;
    this.dataFrames++;
  }

  #header(length: number, type: number, flags: number, id: number): void {
    this.#reserve(frameHeaderBytes + length);
    const slab = this.#slab;
    const p = this.#length;
    slab[p] = length >> 16;
    slab[p + 1] = length >> 8;
    slab[p + 2] = length;
    slab[p + 3] = type;
    slab[p + 4] = flags;
    slab[p + 5] = id >>> 24;
    slab[p + 6] = id >> 16;
    slab[p + 7] = id >> 8;
    slab[p + 8] = id;
    this.#length = p + frameHeaderBytes;
  }

  #uint32(value: number): void {
    this.#slab.writeUInt32BE(value, this.#length);
    this.#length += 4;
  }

  #put(bytes: Uint8Array, start: number, end: number): void {
    const slab = this.#slab;
    const at = this.#length;
    if (end - start < loopBytes) for (let offset = 0; offset < end - start; offset++) slab[at + offset] = bytes[start + offset]!;
    else slab.set(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end), at);
    this.#length = at + end - start;
  }

  #reserve(length: number): void {
    if (this.#length + length > this.#slab.length) this.#grow(length);
    if (this.#marked) return;
    this.#marked = true;
    this.#environment.turn.add(this);
  }

  /** No frame is longer than a large slab. */
  #grow(length: number): void {
    const { slabs } = this.#environment;
    if (this.#length + length > largeBytes) this.flush();
    const used = this.#length;
    const wider = slabs.take(used + length);
    if (this.#slab !== none) {
      this.#slab.copy(wider, 0, 0, used);
      slabs.give(this.#slab);
    }
    this.#slab = wider;
  }
}
