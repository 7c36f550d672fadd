import type { WheelTimer } from '../../time/index.ts';
import type { HeaderBlock, Side } from '../fields/index.ts';
import { errorCode, fault, flag, FrameReader, frameType, initialWindow, maxWindow, setting, type ErrorCode, type FrameFault, type FrameTarget } from '../frames/index.ts';
import { HeaderDecoder } from '../hpack/index.ts';
import type { Http2Limits } from '../limits.ts';
import { Budget } from './budget.ts';
import { ClosedStreams, type Ending } from './closed-streams.ts';
import { Deadlines } from './deadlines.ts';
import { Inflow } from './inflow.ts';
import { PeerSettings } from './peer-settings.ts';
import { Sender, type CongestionListener } from './sender.ts';
import type { Stream } from './stream.ts';
import type { Http2Environment, Transport } from './types.ts';

const idleStream = fault(errorCode.protocol, 'idle-stream');
const streamClosed = fault(errorCode.streamClosed, 'stream-closed');
const badIncrement = fault(errorCode.protocol, 'window-increment');
const windowOverflow = fault(errorCode.flowControl, 'window-overflow');
const windowExceeded = fault(errorCode.flowControl, 'window-exceeded');
const flood = fault(errorCode.enhanceYourCalm, 'flood');
const rapidReset = fault(errorCode.enhanceYourCalm, 'resets');
const compression = fault(errorCode.compression, 'hpack');

/**
 * `open`: streams come and go. `leaving`: the end has been announced by us or by the peer; no new streams, those that are open go on.
 * `ending`: all has been said, what still comes is dropped. `closed` is final.
 */
export type SessionPhase = 'open' | 'leaving' | 'ending' | 'closed';

/** What server and client have in common: one HTTP/2 connection over any transport. Reads frames, keeps streams, windows and order. */
export abstract class Session implements FrameTarget, CongestionListener, WheelTimer {
  readonly environment: Http2Environment;
  readonly limits: Http2Limits;
  readonly transport: Transport;
  readonly role: 'server' | 'client';
  readonly sender: Sender;
  readonly peer: PeerSettings;
  readonly streams = new Map<number, Stream>();

  wheelNext: WheelTimer | undefined = undefined;
  wheelPrev: WheelTimer | undefined = undefined;
  wheelSlot = -1;
  dueAt = 0;

  protected phase: SessionPhase = 'open';
  protected readonly deadlines: Deadlines;
  protected readonly budget: Budget;
  protected readonly endings = new ClosedStreams();
  protected readonly reader: FrameReader;
  protected readonly inflow: Inflow;
  readonly #decoder: HeaderDecoder;
  /** What the peer may send yet, on all streams together. */
  #receiveWindow = initialWindow;
  /** Of it, used up and not yet given back. */
  #used = 0;
  /** Of the DATA frame that is being read. */
  #dataStream: Stream | undefined;
  #dataEnds = false;
  #dataLength = 0;

  protected constructor(environment: Http2Environment, transport: Transport, role: 'server' | 'client') {
    this.environment = environment;
    this.limits = environment.limits;
    this.transport = transport;
    this.role = role;
    this.inflow = new Inflow(environment, transport, this);
    this.sender = new Sender(environment, transport, this);
    this.peer = new PeerSettings(role === 'server' ? 'client' : 'server');
    this.reader = new FrameReader(this, this.limits, role);
    this.#decoder = new HeaderDecoder(environment.collector);
    const now = environment.now();
    this.budget = new Budget(this.limits, now);
    this.deadlines = new Deadlines(this.limits, now);
    this.#introduce(role);
    this.watch();
  }

  get reading(): boolean {
    return this.phase === 'open' || this.phase === 'leaving';
  }

  get closed(): boolean {
    return this.phase === 'closed';
  }

  get satisfied(): boolean {
    return this.inflow.satisfied;
  }

  /** Bytes from the peer, lent: what is needed later is copied, for their memory is read into again or given back. Never throws. */
  receive(bytes: Buffer, from: number, to: number): void {
    if (this.reading) this.inflow.take(bytes, from, to);
    else this.inflow.drop(bytes, from, to);
  }

  /** For `inflow`. */
  readSome(bytes: Buffer, from: number, to: number, now: number): number {
    this.budget.tick(now, this.sender.dataFrames);
    let p = to;
    try {
      p = this.reader.read(bytes, from, to);
      if (p === to && this.reading) this.readThrough();
    } catch (error) {
      this.environment.onError(error);
      this.connectionFault(fault(errorCode.internal, 'internal'));
    }
    if (!this.reading) return to;
    this.deadlines.heard(now, this.reader.units, this.reader.incomplete && p === to ? 'incomplete' : 'whole');
    if (this.transport.pending > this.limits.maxBufferedOutput) this.inflow.pause();
    this.watch();
    return p;
  }

  /** The transport takes bytes again. */
  drained(): void {
    if (!this.reading) return;
    this.sender.congested = this.transport.congested;
    if (this.sender.congested) return;
    this.deadlines.progressed();
    this.sender.pump();
    if (this.reading) this.inflow.resume();
  }

  becameCongested(): void {
    if (!this.reading) return;
    this.deadlines.stall(this.environment.now(), this.transport.pending);
    this.watch();
  }

  /** The peer has ended its side: what it has not finished it never will. */
  ended(): void {
    if (!this.reading) {
      if (this.phase === 'ending') this.gone('ended');
      return;
    }
    for (const stream of this.streams.values()) if (!stream.remoteEnded) this.#lose(stream, errorCode.cancel, 'connection-ended');
    if (this.streams.size === 0) this.finish(errorCode.none, 'peer-ended');
    else {
      this.leaveNow();
      this.deadlines.halfClosed(this.environment.now());
      this.watch();
    }
  }

  /** The transport is gone. */
  gone(reason: string): void {
    if (this.phase === 'closed') return;
    const before = this.phase;
    this.phase = 'closed';
    this.environment.wheel.cancel(this);
    this.sender.stop();
    this.transport.destroy();
    if (before === 'ending') return;
    const code = this.streams.size === 0 ? errorCode.none : errorCode.cancel;
    this.#loseAll(errorCode.cancel, reason);
    this.told(code, reason);
  }

  /** Ends the connection for a reason that the peer is told. */
  abort(code: ErrorCode, reason: string): void {
    if (!this.reading) return;
    this.sender.goaway(this.lastStreamId(), code, reason);
    this.finish(code, reason);
  }

  connectionFault(wrong: FrameFault): void {
    this.abort(wrong.code, wrong.reason);
  }

  beginData(id: number, flags: number, length: number): void {
    this.#dataEnds = (flags & flag.endStream) !== 0;
    this.#dataLength = length;
    this.#receiveWindow -= length;
    if (this.#receiveWindow < 0) {
      this.connectionFault(windowExceeded);
      return;
    }
    const stream = this.streams.get(id);
    this.#dataStream = stream;
    if (stream === undefined) {
      this.#strayData(id);
      return;
    }
    stream.receiveWindow -= length;
    if (stream.remoteEnded) this.streamFault(stream, errorCode.streamClosed, 'stream-closed');
    else if (stream.receiveWindow < 0) this.streamFault(stream, errorCode.flowControl, 'window-exceeded');
    else if (!stream.headed) this.streamFault(stream, errorCode.protocol, 'data-before-head');
  }

  data(bytes: Buffer, start: number, end: number): void {
    const stream = this.#dataStream;
    if (stream === undefined || stream.closed) {
      this.giveBack(end - start);
      return;
    }
    stream.receivedBytes += end - start;
    if (stream.expected >= 0 && stream.receivedBytes > stream.expected) this.streamFault(stream, errorCode.protocol, 'content-length');
    else stream.user.received(stream, bytes, start, end);
    stream.delivered(end - start);
  }

  endData(overhead: number): void {
    const stream = this.#dataStream;
    this.#dataStream = undefined;
    if (this.#dataLength > overhead) this.budget.useful();
    else if (!this.#dataEnds && !this.budget.emptyData()) {
      this.connectionFault(flood);
      return;
    }
    if (stream === undefined || stream.closed) {
      this.giveBack(overhead);
      return;
    }
    if (overhead > 0) stream.delivered(overhead);
    if (this.#dataEnds) this.remoteEnd(stream);
  }

  abstract headers(id: number, flags: number, bytes: Buffer, start: number, end: number): void;

  frame(type: number, id: number, bytes: Buffer, start: number, end: number): void {
    if (type === frameType.settings) {
      if ((this.reader.flags & flag.ack) !== 0) this.deadlines.settingsAcknowledged();
      else this.#takeSettings(bytes, start, end);
      return;
    }
    if (type === frameType.goaway) {
      this.goneAway(bytes.readUInt32BE(start) & 0x7fffffff, bytes.readUInt32BE(start + 4));
      return;
    }
    if (type !== frameType.reset && !this.#mayIdle()) this.connectionFault(flood);
    else if (type === frameType.windowUpdate) this.#widen(id, bytes.readUInt32BE(start) & maxWindow);
    else if (type === frameType.reset) this.#takeReset(id, bytes.readUInt32BE(start));
    else if (type === frameType.ping) this.#takePing(bytes, start);
    else if (type === frameType.priority) this.#checkPriority(id, bytes, start, end);
  }

  expired(now: number): void {
    switch (this.deadlines.due(now, this.streams.size, this.sender.congested ? this.transport.pending : 0)) {
      case 'settings':
        this.abort(errorCode.settingsTimeout, 'settings-ack');
        break;
      case 'frame':
        this.abort(errorCode.enhanceYourCalm, 'slow-frame');
        break;
      case 'ping':
        this.sender.ping(0, this.deadlines.pingPayload, 0);
        break;
      case 'silent':
        this.abort(errorCode.none, 'keep-alive');
        break;
      case 'stalled':
      case 'lingered':
        this.gone('stalled');
        break;
      case 'idle':
      case 'notice':
        this.leave();
        break;
      default:
        break;
    }
    if (!this.closed) this.watch();
  }

  // For streams and subclasses.

  /** The peer may send this many bytes more, on the connection: told when it could send no more than these, for paused streams may hold the rest. */
  giveBack(bytes: number): void {
    this.#used += bytes;
    if (this.#used < Math.max(1, this.#receiveWindow)) return;
    this.#receiveWindow += this.#used;
    if (this.reading) this.sender.windowUpdate(0, this.#used);
    this.#used = 0;
  }

  /** The stream is over; whoever calls tells the user. */
  streamOver(stream: Stream, ending: Ending): void {
    if (!this.streams.delete(stream.id)) return;
    this.sender.forget(stream);
    const held = stream.close();
    if (held > 0) this.giveBack(held);
    if (this.reading) this.endings.add(stream.id, ending);
    if (this.streams.size === 0) {
      this.deadlines.becameIdle(this.environment.now());
      if (this.phase === 'leaving') this.allDone();
      else this.watch();
    }
    this.freed(stream);
  }

  /** The peer has done wrong on one stream. */
  protected streamFault(stream: Stream, code: ErrorCode, reason: string): void {
    this.sender.reset(stream.id, code);
    this.streamOver(stream, 'reset-here');
    stream.user.failed(stream, code, reason);
    this.countReset();
  }

  protected strayReset(id: number, code: ErrorCode): void {
    this.sender.reset(id, code);
    this.endings.add(id, 'reset-here');
  }

  /** A stream that was opened for nothing. */
  protected countReset(): void {
    if (this.reading && !this.budget.reset()) this.connectionFault(rapidReset);
  }

  /** Frames of streams that are not there (RFC 9113, 5.1). True: to be dropped without a word. */
  protected isStray(id: number): boolean {
    const ending = this.endings.ending(id) ?? 'reset-here';
    if (ending === 'finished') return false;
    if (!this.#mayIdle()) this.connectionFault(flood);
    else if (ending === 'reset-there') {
      this.sender.reset(id, errorCode.streamClosed);
      this.countReset();
    }
    return true;
  }

  /** Undefined: the connection is over. */
  protected decode(bytes: Buffer, start: number, end: number, side: Side): HeaderBlock | undefined {
    const block = this.#decoder.decode(bytes, start, end, side);
    if (block === undefined) this.connectionFault(compression);
    else if (block.excess !== '') this.inflow.enough();
    return block;
  }

  protected takeTrailers(stream: Stream, flags: number, block: HeaderBlock): void {
    if (stream.remoteEnded) this.streamFault(stream, errorCode.streamClosed, 'stream-closed');
    else if ((flags & flag.endStream) === 0) this.streamFault(stream, errorCode.protocol, 'trailers-without-end');
    else if (block.fault !== '') this.streamFault(stream, errorCode.protocol, block.fault);
    else if (block.excess !== '') this.streamFault(stream, errorCode.enhanceYourCalm, 'trailers-too-large');
    else {
      if (stream.expected < 0 || stream.receivedBytes === stream.expected) stream.user.trailers(stream, block);
      if (!stream.closed) this.remoteEnd(stream);
    }
  }

  protected remoteEnd(stream: Stream): void {
    if (stream.expected >= 0 && stream.receivedBytes !== stream.expected) {
      this.streamFault(stream, errorCode.protocol, 'content-length');
      return;
    }
    stream.remoteEnded = true;
    stream.user.ended(stream);
    if (!stream.closed && stream.localEnded && stream.queued === 0) this.streamOver(stream, 'finished');
  }

  /** Says no more, and hears no more; the transport closes once all has left. */
  protected finish(code: ErrorCode, reason: string): void {
    if (!this.reading) return;
    this.phase = 'ending';
    this.sender.flush();
    this.sender.stop();
    this.transport.end();
    this.inflow.end();
    this.deadlines.linger(this.environment.now());
    this.watch();
    this.#loseAll(code === errorCode.none ? errorCode.cancel : code, reason);
    this.told(code, reason);
  }

  protected watch(): void {
    const due = this.deadlines.next(this.streams.size);
    if (due < Infinity && (this.wheelSlot < 0 || due < this.dueAt)) this.environment.wheel.schedule(this, due);
  }

  /** The end has been announced, and the last stream is over. */
  protected allDone(): void {
    this.finish(errorCode.none, 'done');
  }

  /** The peer's GOAWAY. */
  protected abstract goneAway(lastStreamId: number, code: ErrorCode): void;
  /** Announces the end. Streams that are open go on. */
  abstract leave(): void;
  /** The same without notice: nobody is there to take it. */
  protected abstract leaveNow(): void;
  protected abstract isIdle(id: number): boolean;
  protected abstract lastStreamId(): number;
  protected abstract settled(): void;
  /** All that was read has been looked at. */
  protected abstract readThrough(): void;
  /** A stream has gone. */
  protected abstract freed(stream: Stream): void;
  protected abstract answered(): void;
  /** Once: the connection is over. */
  protected abstract told(code: ErrorCode, reason: string): void;

  #mayIdle(): boolean {
    return this.budget.idle(this.sender.dataFrames);
  }

  #introduce(role: 'server' | 'client'): void {
    const { limits, sender } = this;
    const common: [number, number][] = [
      [setting.initialWindowSize, limits.streamWindow],
      [setting.maxHeaderListSize, limits.maxHeaderListBytes],
    ];
    if (role === 'client') {
      sender.preface();
      sender.settings([[setting.enablePush, 0], ...common]);
    } else sender.settings([[setting.maxConcurrentStreams, limits.maxConcurrentStreams], [setting.enableConnectProtocol, 1], ...common]);
    if (limits.connectionWindow > initialWindow) {
      sender.windowUpdate(0, limits.connectionWindow - initialWindow);
      this.#receiveWindow = limits.connectionWindow;
    }
  }

  #takeSettings(bytes: Buffer, start: number, end: number): void {
    if (!this.budget.settings()) {
      this.connectionFault(flood);
      return;
    }
    const { initialWindow: windowBefore, headerTableSize: tableBefore } = this.peer;
    const wrong = this.peer.apply(bytes, start, end);
    if (wrong !== undefined) {
      this.connectionFault(wrong);
      return;
    }
    this.sender.settingsAck();
    if (this.peer.headerTableSize < Math.min(tableBefore, 4096)) this.sender.announceTableSize = true;
    const difference = this.peer.initialWindow - windowBefore;
    if (difference !== 0) {
      for (const stream of this.streams.values()) {
        if (stream.widen(difference)) continue;
        this.connectionFault(windowOverflow);
        return;
      }
    }
    if (difference > 0) this.sender.pump();
    this.settled();
  }

  #takePing(bytes: Buffer, start: number): void {
    if ((this.reader.flags & flag.ack) === 0) this.sender.ping(flag.ack, bytes, start);
    else if (bytes.compare(this.deadlines.pingPayload, 0, 8, start, start + 8) === 0) {
      this.deadlines.pingAnswered();
      this.answered();
    }
  }

  #takeReset(id: number, code: ErrorCode): void {
    const stream = this.streams.get(id);
    if (stream === undefined) {
      if (this.isIdle(id)) this.connectionFault(idleStream);
      else if (!this.#mayIdle()) this.connectionFault(flood);
      return;
    }
    // Whoever has its answer may leave as it likes.
    const isAnswered = stream.unwanted && stream.queued === 0;
    this.streamOver(stream, 'reset-there');
    stream.user.failed(stream, code, 'reset');
    if (!isAnswered) this.countReset();
  }

  #widen(id: number, increment: number): void {
    const stream = this.streams.get(id);
    if (id !== 0 && stream === undefined) {
      if (this.isIdle(id)) this.connectionFault(idleStream);
      return;
    }
    if (increment === 0) {
      if (stream === undefined) this.connectionFault(badIncrement);
      else this.streamFault(stream, errorCode.protocol, 'window-increment');
    } else if (stream === undefined) {
      this.sender.window += increment;
      if (this.sender.window > maxWindow) this.connectionFault(windowOverflow);
      else this.sender.pump();
    } else if (!stream.widen(increment)) this.streamFault(stream, errorCode.flowControl, 'window-overflow');
    else if (stream.waiting) this.sender.pump();
  }

  /** Priorities have no effect, as RFC 9113, 5.3 allows; a frame that is wrong still is. */
  #checkPriority(id: number, bytes: Buffer, start: number, end: number): void {
    const code = end - start !== 5 ? errorCode.frameSize : (bytes.readUInt32BE(start) & 0x7fffffff) === id ? errorCode.protocol : undefined;
    if (code === undefined) return;
    const stream = this.streams.get(id);
    if (stream !== undefined) this.streamFault(stream, code, 'priority');
    else this.sender.reset(id, code);
  }

  #strayData(id: number): void {
    if (this.isIdle(id)) this.connectionFault(idleStream);
    else if (!this.isStray(id)) this.connectionFault(streamClosed);
  }

  #lose(stream: Stream, code: ErrorCode, reason: string): void {
    this.streamOver(stream, 'reset-there');
    stream.user.failed(stream, code, reason);
  }

  #loseAll(code: ErrorCode, reason: string): void {
    for (const stream of this.streams.values()) this.#lose(stream, code, reason);
  }
}
