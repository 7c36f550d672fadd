import type { SocketIO } from '../../sockets/index.ts';
import type { TimerWheel, Turns } from '../../time/index.ts';
import type { Collector, HeaderBlock } from '../fields/index.ts';
import type { ErrorCode } from '../frames/index.ts';
import type { Http2Limits } from '../limits.ts';
import type { Slabs } from '../transport/slabs.ts';
import type { Turn } from '../transport/turn.ts';
import type { ClientSession } from './client.ts';
import type { ServerSession } from './server.ts';
import type { Stream } from './stream.ts';

/** What all connections share. */
export interface Http2Environment {
  /** Milliseconds on a monotonic clock. */
  now(): number;
  readonly wheel: TimerWheel;
  readonly io: SocketIO;
  readonly turn: Turn;
  /** Of clients that send much, or what costs much. */
  readonly turns: Turns;
  readonly slabs: Slabs;
  readonly collector: Collector;
  readonly limits: Http2Limits;
  /** Of the heads of requests that are open (`maxOpenHeadBytes`). */
  readonly openHeads: { bytes: number };
  /** A fault of ours while bytes were read; the connection has been ended with INTERNAL_ERROR. */
  onError(error: unknown): void;
}

/** Where a session's bytes go. The session is told of everything else by its own methods. */
export interface Transport {
  /** Takes the first bytes of a slab, and gives the slab back once they have left. */
  write(slab: Buffer, length: number): void;
  /** Bytes taken that have not left. */
  readonly pending: number;
  /** The peer takes nothing now; `drained` of the session will say when it does. */
  readonly congested: boolean;
  pause(): void;
  /** Where the transport was paused as it gave what it had read: nothing more is read until it is resumed, ahead or otherwise. */
  stop?(): void;
  resume(): void;
  /** Ends our side, behind what was written. */
  end(): void;
  destroy(): void;
  /** What it has read is not needed any more. */
  spent?(bytes: Buffer): void;
  /** Nor will what still comes be: it is not read. */
  deafen(): void;
}

/**
 * Who works with a stream: what the peer sends on it, in this order: `received`…, `trailers` at most once, `ended`. Or `failed`, after which
 * nothing comes. Blocks and bytes are lent: they hold until the call returns.
 */
export interface StreamUser {
  /** Of the body. The peer may send more as soon as this returns, unless the stream is paused. */
  received(stream: Stream, bytes: Buffer, start: number, end: number): void;
  trailers(stream: Stream, block: HeaderBlock): void;
  /** The peer has sent all. */
  ended(stream: Stream): void;
  /**
   * The stream is over before both sides had ended: reset by the peer, found to be wrong, or lost with the connection. Not told to who resets
   * it. REFUSED_STREAM: the peer has not begun with it. NO_ERROR after `ended`: the peer wants no more of what is being sent.
   */
  failed(stream: Stream, code: ErrorCode, reason: string): void;
  /** What could not leave has left; `queued` is 0 again. */
  drained(stream: Stream): void;
}

/** A client's stream: before all else come 1xx responses, and the head of the final one. */
export interface ResponseUser extends StreamUser {
  interim(stream: Stream, block: HeaderBlock): void;
  responded(stream: Stream, block: HeaderBlock): void;
}

/** Who takes a server's requests. */
export interface Acceptor {
  /** A request. Its stream's `remoteEnded` tells that no body follows; `ended` is called all the same. */
  request(stream: Stream, block: HeaderBlock): StreamUser;
  /** A well-formed request that exceeds a limit (`block.excess`), with what was read of it: to be answered 431 or 414. */
  excessive(stream: Stream, block: HeaderBlock): StreamUser;
  /** A malformed request: its stream has been reset. `block`: what it says, which nothing but a log may go by; absent for one that its client took back, or whose head there was no room for. */
  refused(session: ServerSession, fault: string, block?: HeaderBlock): void;
  /** Once, when the connection is over. NO_ERROR: in good order. */
  closed(session: ServerSession, code: ErrorCode, reason: string): void;
}

/** Who holds a client's connection: a pool. */
export interface Keeper {
  /** The peer's SETTINGS have come: `canOpen` is now what the peer allows. */
  ready(session: ClientSession): void;
  /** Streams can be opened again. */
  available(session: ClientSession): void;
  /** Its last stream is over. */
  idle?(session: ClientSession): void;
  /** A PING was answered. */
  alive?(session: ClientSession): void;
  /** No further stream can be opened, those that are open go on. */
  leaving(session: ClientSession): void;
  closed(session: ClientSession, code: ErrorCode, reason: string): void;
}
