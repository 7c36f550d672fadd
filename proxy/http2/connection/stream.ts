import { maxWindow, type ErrorCode } from '../frames/index.ts';
import { ByteQueue } from './byte-queue.ts';
import type { Session } from './session.ts';
import type { StreamUser } from './types.ts';

/**
 * One stream of a connection. Its user calls `headers`, `send`, `trailers`, `end`, `reset`, `pause` and `resume`; calls that come too late,
 * on a stream that is over, do nothing. The rest is between it and the session.
 */
export class Stream {
  readonly id: number;
  readonly session: Session;
  /** Whoever opens or accepts the stream sets it. */
  user: StreamUser;
  /** We, or the peer, have sent END_STREAM, or will as soon as what is queued has left. */
  localEnded = false;
  remoteEnded = false;
  /** Nothing more will come or go. */
  closed = false;
  /** Client: the final response's head has come. Server: the request's, always. */
  headed = false;
  /** Client: the final response's head was the last frame, there is no body. */
  headEnds = false;
  interims = 0;
  /** Nobody wants what still comes (`ignore`). */
  unwanted = false;
  /** Of the body, as its head told; -1 where it did not. */
  expected = -1;
  receivedBytes = 0;
  /** Server: of the request's head, which is kept as long as the stream is open. */
  headBytes = 0;

  /** What the peer takes yet on this stream. Below 0 where it has made its window smaller. */
  sendWindow: number;
  /** What the peer may send yet. */
  receiveWindow: number;
  /** DATA that waits (`Sender`). */
  waiting = false;
  /** Where the last frame is that can carry END_STREAM. */
  lastFrameAt = -1;
  lastFrameEpoch = -1;

  #paused = false;
  /** Read, and not given back to the peer's windows. */
  #held = 0;
  /** Used up of the stream's window, given back together. */
  #used = 0;
  #queue: ByteQueue | undefined;
  /** They are the end, behind what is queued. */
  #trailers: Uint8Array | undefined;

  constructor(session: Session, id: number, user: StreamUser) {
    this.session = session;
    this.id = id;
    this.user = user;
    this.sendWindow = session.peer.initialWindow;
    this.receiveWindow = session.limits.streamWindow;
  }

  /** Bytes of the body that wait to leave. A user that relays stops its source until `drained`. */
  get queued(): number {
    return this.#queue?.length ?? 0;
  }

  /** Sends a head: the request's, a 1xx response's or the final one's, as `HeaderEncoder` made it. */
  headers(block: Uint8Array): void {
    if (!this.closed && !this.localEnded) this.session.sender.headers(this, block);
  }

  /** Sends of the body. Bytes that can't leave yet are copied. */
  send(bytes: Buffer, start: number, end: number): void {
    if (this.closed || this.localEnded || start >= end) return;
    const p = this.queued > 0 ? start : this.session.sender.data(this, bytes, start, end);
    if (p === end) return;
    this.#queue ??= new ByteQueue();
    this.#queue.append(bytes, p, end);
    this.session.sender.wait(this);
  }

  /** Sends trailers, and with them the end. They are kept where they have to wait. */
  trailers(block: Uint8Array): void {
    if (this.closed || this.localEnded) return;
    this.#trailers = this.queued > 0 ? Buffer.from(block) : block;
    this.end();
  }

  /** There is no more to send. */
  end(): void {
    if (this.closed || this.localEnded) return;
    this.localEnded = true;
    if (this.queued === 0) this.#finish();
  }

  /** Ends the stream at once, both ways. Its user hears no more of it. */
  reset(code: ErrorCode): void {
    if (this.closed) return;
    this.session.sender.reset(this.id, code);
    this.session.streamOver(this, 'reset-here');
  }

  /** Lets the peer send no more than its window still allows. What comes is still delivered. */
  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    const held = this.#held;
    this.#held = 0;
    if (held > 0 && !this.closed) this.#giveBack(held);
  }

  /** The stream's window stays shut from now on; what still comes goes back to the connection's. */
  ignore(): void {
    this.unwanted = true;
    const held = this.#held;
    this.#held = 0;
    if (held > 0 && !this.closed) this.session.giveBack(held);
  }

  // What follows is the session's.

  /** Bytes of DATA frames, padding and all, have been delivered. */
  delivered(bytes: number): void {
    if (this.closed || this.unwanted) this.session.giveBack(bytes);
    else if (this.#paused) this.#held += bytes;
    else this.#giveBack(bytes);
  }

  /** Adds to what the peer takes. False: more than there can be. */
  widen(increment: number): boolean {
    this.sendWindow += increment;
    return this.sendWindow <= maxWindow;
  }

  /** Sends a frame of what is queued; all that hangs on it if that was the last. False: nothing could leave. */
  sendQueued(): boolean {
    const queue = this.#queue!;
    const front = queue.front();
    const { sender } = this.session;
    const sent = sender.data(this, front, 0, Math.min(front.length, 16_384));
    if (sent === 0) return false;
    queue.shift(sent);
    if (queue.length > 0) return true;
    if (this.localEnded) this.#finish();
    else this.user.drained(this);
    return true;
  }

  /** Frees what it holds. Returns the bytes that the connection's window gets back. */
  close(): number {
    this.closed = true;
    this.#queue?.clear();
    this.#queue = this.#trailers = undefined;
    const held = this.#held;
    this.#held = 0;
    return held;
  }

  #finish(): void {
    const { sender } = this.session;
    if (this.#trailers === undefined) sender.end(this);
    else sender.trailers(this, this.#trailers);
    this.#trailers = undefined;
    if (this.remoteEnded) this.session.streamOver(this, 'finished');
  }

  #giveBack(bytes: number): void {
    this.session.giveBack(bytes);
    if (this.remoteEnded) return;
    this.#used += bytes;
    if (this.#used < this.session.limits.streamWindow / 2) return;
    this.receiveWindow += this.#used;
    this.session.sender.windowUpdate(this.id, this.#used);
    this.#used = 0;
  }
}

/** A user for a stream that nobody cares about. */
export const nobody: StreamUser = {
  received: () => {},
  trailers: () => {},
  ended: () => {},
  failed: () => {},
  drained: () => {},
};

