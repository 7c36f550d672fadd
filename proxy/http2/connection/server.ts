import { errorCode, fault, flag, maxStreamId, type ErrorCode } from '../frames/index.ts';
import type { HeaderBlock } from '../fields/index.ts';
import { PostponedRequests } from './postponed.ts';
import { Session } from './session.ts';
import { nobody, Stream } from './stream.ts';
import type { Acceptor, Http2Environment, Transport } from './types.ts';

const evenStream = fault(errorCode.protocol, 'stream-even');
const streamOrder = fault(errorCode.protocol, 'stream-order');
const streamClosed = fault(errorCode.streamClosed, 'stream-closed');
const excessive = fault(errorCode.enhanceYourCalm, 'header-lists');

/** A request's, as nearly all are. */
const smallHeadBytes = 8192;

/** The server's side of a connection: takes requests. */
export class ServerSession extends Session {
  readonly #acceptor: Acceptor;
  #postponed: PostponedRequests | undefined;
  /** What came first was not looked at to its end yet. */
  #isNew = true;
  /** The highest stream that the client has opened, whatever became of it. */
  #last = 0;
  /** Streams beyond it are refused: the end has been announced, and had time to be heard. */
  #lastAccepted = maxStreamId;
  #farewell: 'none' | 'notice' | 'final' = 'none';
  /** Of the heads of open streams. */
  #headBytes = 0;

  constructor(environment: Http2Environment, transport: Transport, acceptor: Acceptor) {
    super(environment, transport, 'server');
    this.#acceptor = acceptor;
  }

  /** The transport was paused by whoever had it before, and may go on as far as they are concerned. */
  resume(): void {
    this.inflow.goOn();
  }

  /**
   * Announces the end, in two steps (RFC 9113, 6.8): first that there will be one, then, when the client has heard of it, which stream is the
   * last. Closes when all of them are over.
   */
  leave(): void {
    if (!this.reading || this.#farewell === 'final') return;
    this.phase = 'leaving';
    if (this.#farewell === 'none' && this.streams.size > 0) {
      this.#farewell = 'notice';
      this.sender.goaway(maxStreamId, errorCode.none, '');
      this.sender.ping(0, this.deadlines.pingPayload, 0);
      this.deadlines.announce(this.environment.now());
      this.watch();
      return;
    }
    this.#farewell = 'final';
    this.deadlines.announced();
    this.#lastAccepted = this.#last;
    this.sender.goaway(this.#last, errorCode.none, '');
    if (this.streams.size === 0) this.finish(errorCode.none, 'done');
  }

  headers(id: number, flags: number, bytes: Buffer, start: number, end: number): void {
    this.inflow.lookSoon();
    const stream = this.streams.get(id);
    if (stream !== undefined) {
      const trailers = this.decode(bytes, start, end, 'trailers');
      if (trailers === undefined) return;
      this.budget.useful();
      if (this.reader.dependsOnItself) this.streamFault(stream, errorCode.protocol, 'priority');
      else this.takeTrailers(stream, flags, trailers);
      return;
    }
    if ((id & 1) === 0) {
      this.connectionFault(evenStream);
      return;
    }
    if (id <= this.#last) {
      this.#late(id, bytes, start, end);
      return;
    }
    this.#last = id;
    this.budget.opened();
    const block = this.decode(bytes, start, end, 'request');
    if (block !== undefined) this.#open(id, flags, block);
  }

  protected goneAway(): void {
    // A client's GOAWAY is about streams that we would push. It will open no more, so that is that once those at hand are over.
    this.phase = 'leaving';
    if (this.streams.size === 0) this.leave();
  }

  protected leaveNow(): void {
    this.#farewell = 'notice';
    this.leave();
  }

  protected isIdle(id: number): boolean {
    return (id & 1) === 0 || id > this.#last;
  }

  protected lastStreamId(): number {
    return Math.min(this.#last, this.#lastAccepted);
  }

  protected settled(): void {}

  protected readThrough(): void {
    this.#isNew = false;
    this.#postponed?.beginAll();
  }

  protected freed({ headBytes }: Stream): void {
    this.#keepHead(-headBytes);
  }

  protected answered(): void {
    if (this.#farewell === 'notice') this.leave();
  }

  protected told(code: ErrorCode, reason: string): void {
    this.#acceptor.closed(this, code, reason);
  }

  protected override allDone(): void {
    if (this.#farewell === 'final') super.allDone();
    else if (this.#farewell === 'none') this.leave();
  }

  /** HEADERS on a stream that was there, or was passed over. The block is read for its effect on the decoder's table. */
  #late(id: number, bytes: Buffer, start: number, end: number): void {
    const ending = this.endings.ending(id);
    if (ending === undefined || ending === 'finished') {
      this.connectionFault(ending === undefined ? streamOrder : streamClosed);
      return;
    }
    if (this.decode(bytes, start, end, 'trailers') !== undefined) this.isStray(id);
  }

  #open(id: number, flags: number, block: HeaderBlock): void {
    const ends = (flags & flag.endStream) !== 0;
    const { fault: wrong, contentLength } = block;
    if (wrong !== '' || this.reader.dependsOnItself || (ends && contentLength > 0)) {
      this.#refuse(id, wrong === '' ? (this.reader.dependsOnItself ? 'priority' : 'content-length') : wrong, block);
      return;
    }
    if (id > this.#lastAccepted || this.streams.size >= this.limits.maxConcurrentStreams) {
      this.strayReset(id, errorCode.refusedStream);
      // A client that has not heard of the bound yet does no wrong.
      if (this.deadlines.acknowledged) this.countReset();
      return;
    }
    const headBytes = block.excess === '' ? block.end - block.start + block.path.length : 0;
    if (!this.#hasRoom(headBytes)) {
      this.strayReset(id, errorCode.refusedStream);
      this.#acceptor.refused(this, 'open-heads');
      // Others may be the ones who took the room; small heads that are sent again are what the refusal asks for.
      if (headBytes > smallHeadBytes) this.countReset();
      return;
    }
    const stream = new Stream(this, id, nobody);
    stream.headed = true;
    stream.headBytes = headBytes;
    this.#keepHead(headBytes);
    stream.remoteEnded = ends;
    stream.expected = block.excess === '' && !ends ? contentLength : -1;
    this.streams.set(id, stream);
    // Too large a list is answered, and costs as much as hundreds of others: too many of them are a flood as well.
    if (block.excess !== '' && !this.budget.reset()) {
      this.connectionFault(excessive);
      return;
    }
    if (block.excess === '' && (this.#isNew || this.budget.hadResets)) {
      this.#postpone(stream, block);
      return;
    }
    stream.user = block.excess === '' ? this.#acceptor.request(stream, block) : this.#acceptor.excessive(stream, block);
    if (ends && !stream.closed) stream.user.ended(stream);
  }

  /**
   * A head is kept until its request is over, which the client can put off, and one of 64 KiB may be written in a few bytes, as references to the
   * table (CVE-2026-49975): as many as there may be streams, on as many connections as there may be, are more memory than any process has.
   */
  #hasRoom(headBytes: number): boolean {
    const { limits, openHeads } = this.environment;
    return openHeads.bytes + headBytes <= limits.maxOpenHeadBytes || this.#headBytes + headBytes <= limits.maxHeaderListBytes;
  }

  #keepHead(bytes: number): void {
    this.#headBytes += bytes;
    this.environment.openHeads.bytes += bytes;
  }

  #postpone(stream: Stream, block: HeaderBlock): void {
    this.#postponed ??= new PostponedRequests({
      begin: (begun, its) => this.#acceptor.request(begun, its),
      takenBack: () => this.#acceptor.refused(this, 'taken-back'),
    });
    this.#postponed.add(stream, block);
  }

  #refuse(id: number, reason: string, block: HeaderBlock): void {
    this.strayReset(id, errorCode.protocol);
    this.#acceptor.refused(this, reason, block);
    this.countReset();
  }
}
