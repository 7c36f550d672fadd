import { errorCode, flag, maxStreamId, type ErrorCode } from '../frames/index.ts';
import type { HeaderBlock } from '../fields/index.ts';
import { fault } from '../frames/index.ts';
import { Session } from './session.ts';
import { Stream } from './stream.ts';
import type { Http2Environment, Keeper, ResponseUser, Transport } from './types.ts';

const pushed = fault(errorCode.protocol, 'push');
const idleStream = fault(errorCode.protocol, 'idle-stream');
const streamClosed = fault(errorCode.streamClosed, 'stream-closed');

/** A stream that we have opened. */
class ClientStream extends Stream {
  declare user: ResponseUser;
  /** A response to HEAD has no body, whatever its head says, nor has one by which CONNECT becomes a tunnel (RFC 9110, 9.3.6). */
  readonly #method: string;

  constructor(session: ClientSession, id: number, user: ResponseUser, method: string) {
    super(session, id, user);
    this.#method = method;
  }

  expect(block: HeaderBlock): void {
    if (this.#method === 'CONNECT' && block.status < 300) this.expected = -1;
    else this.expected = this.#method === 'HEAD' || block.status === 204 || block.status === 304 ? 0 : block.contentLength;
  }
}

/** The client's side of a connection: opens streams, as many at a time as the server allows. */
export class ClientSession extends Session {
  readonly #keeper: Keeper;
  #next = 1;
  #full = false;
  #introduced = false;

  constructor(environment: Http2Environment, transport: Transport, keeper: Keeper) {
    super(environment, transport, 'client');
    this.#keeper = keeper;
  }

  /** The server is not reached yet: until `reached` nothing is expected of it. For who ends it when that takes too long. */
  dialling(): void {
    this.deadlines.postpone();
  }

  reached(): void {
    if (!this.reading) return;
    this.deadlines.begin(this.environment.now());
    this.watch();
  }

  /** Whether another stream can be opened now. */
  get canOpen(): boolean {
    return this.phase === 'open' && this.streams.size < this.capacity && this.#next <= maxStreamId;
  }

  /** Streams that can be open at a time. */
  get capacity(): number {
    return this.#introduced ? Math.min(this.peer.maxConcurrentStreams, this.limits.maxOpenStreams) : this.limits.streamsBeforeSettings;
  }

  /** The server has sent its SETTINGS: `canOpen` says what it allows. */
  get introduced(): boolean {
    return this.#introduced;
  }

  /**
   * Opens a stream and sends its head, as `HeaderEncoder` made it; valid only while `canOpen`. The method tells whether the response can have
   * a body.
   */
  open(block: Uint8Array, method: string, user: ResponseUser): Stream {
    const stream = new ClientStream(this, this.#next, user, method);
    this.#next += 2;
    this.streams.set(stream.id, stream);
    this.#full = !this.canOpen;
    this.budget.opened();
    stream.headers(block);
    return stream;
  }

  /** Opens no further stream; closes when those that are open are over. */
  leave(): void {
    if (!this.reading) return;
    this.#stopOpening();
    if (this.streams.size === 0) this.allDone();
  }

  /** How long it may wait for another stream once it has none, in milliseconds; 0: for ever. */
  keepIdle(ms: number): void {
    this.deadlines.idleMs = ms;
  }

  /** Asks for a sign of life if nothing has come for so many milliseconds: without an answer in time the connection is over. True: it was asked. */
  probe(quietMs: number): boolean {
    if (!this.reading || !this.deadlines.ask(this.environment.now(), quietMs)) return false;
    this.sender.ping(0, this.deadlines.pingPayload, 0);
    this.watch();
    return true;
  }

  /** What its requests come to now is tried again at once, and others wait for room: none of that may come here. */
  override ended(): void {
    this.#stopOpening();
    super.ended();
  }

  headers(id: number, flags: number, bytes: Buffer, start: number, end: number): void {
    const stream = this.streams.get(id) as ClientStream | undefined;
    this.budget.useful();
    if (stream === undefined) {
      this.#late(id, bytes, start, end);
      return;
    }
    const block = this.decode(bytes, start, end, stream.headed ? 'trailers' : 'response');
    if (block === undefined) return;
    if (stream.headed) this.takeTrailers(stream, flags, block);
    else this.#takeHead(stream, flags, block);
  }

  protected goneAway(lastStreamId: number): void {
    this.#stopOpening();
    for (const stream of this.streams.values()) {
      if (stream.id <= lastStreamId) continue;
      this.streamOver(stream, 'reset-there');
      stream.user.failed(stream, errorCode.refusedStream, 'goaway');
    }
    if (this.streams.size === 0 && this.reading) this.allDone();
  }

  protected leaveNow(): void {
    this.leave();
  }

  protected isIdle(id: number): boolean {
    return (id & 1) === 0 || id >= this.#next;
  }

  protected lastStreamId(): number {
    return 0;
  }

  protected settled(): void {
    if (!this.#introduced) {
      this.#introduced = true;
      this.#keeper.ready(this);
    }
    // It may take fewer than before, or none so far.
    if (!this.canOpen) this.#full = true;
    this.#tellAvailable();
  }

  protected readThrough(): void {}

  protected freed(): void {
    if (this.streams.size === 0) this.#keeper.idle?.(this);
    this.#tellAvailable();
  }

  protected answered(): void {
    this.#keeper.alive?.(this);
  }

  protected told(code: ErrorCode, reason: string): void {
    this.#keeper.closed(this, code, reason);
  }

  protected override allDone(): void {
    if (this.reading) this.sender.goaway(0, errorCode.none, '');
    super.allDone();
  }

  #stopOpening(): void {
    if (this.phase !== 'open') return;
    this.phase = 'leaving';
    this.#keeper.leaving(this);
  }

  #tellAvailable(): void {
    if (!this.#full || !this.canOpen) return;
    this.#full = false;
    this.#keeper.available(this);
  }

  #late(id: number, bytes: Buffer, start: number, end: number): void {
    if (this.isIdle(id)) {
      this.connectionFault((id & 1) === 0 ? pushed : idleStream);
      return;
    }
    if (this.decode(bytes, start, end, 'trailers') !== undefined && !this.isStray(id)) this.connectionFault(streamClosed);
  }

  #takeHead(stream: ClientStream, flags: number, block: HeaderBlock): void {
    const ends = (flags & flag.endStream) !== 0;
    if (block.fault !== '') this.streamFault(stream, errorCode.protocol, block.fault);
    else if (block.excess !== '') this.streamFault(stream, errorCode.enhanceYourCalm, block.excess);
    else if (block.status < 200) this.#takeInterim(stream, ends, block);
    else {
      stream.headed = true;
      stream.headEnds = ends;
      stream.expect(block);
      stream.user.responded(stream, block);
      if (ends && !stream.closed) this.remoteEnd(stream);
    }
  }

  #takeInterim(stream: ClientStream, ends: boolean, block: HeaderBlock): void {
    if (ends) this.streamFault(stream, errorCode.protocol, 'interim-with-end');
    else if (++stream.interims > this.limits.maxInterimResponses) this.streamFault(stream, errorCode.enhanceYourCalm, 'interim-responses');
    else stream.user.interim(stream, block);
  }
}
