import type { PooledEndpoint } from '../../configuration/backends.ts';
import type { Context } from '../../context.ts';
import { encodeTrailers } from '../../exchange/blocks.ts';
import type { FailureCode } from '../../failures.ts';
import { errorCode, type ErrorCode, type HeaderBlock, type ResponseUser, type Stream } from '../../http2/index.ts';
import type { HeadForm, RawUpstream, RequestSource, UpstreamUser } from '../sides.ts';
import { Timer } from '../timer.ts';
import { lastWriteMs } from '../tunnel.ts';
import type { Http2Connection } from './http2-connection.ts';
import type { Http2Pool } from './http2-pool.ts';

/** What is kept of a request until there is a connection for it. Bounded by whoever sends it: it is congested all that time. */
interface Kept {
  readonly head: Buffer;
  /** The same as an extended CONNECT; undefined where it asks for no WebSocket. */
  readonly connectHead: Buffer | undefined;
  readonly body: Buffer[];
  trailers: Buffer | undefined;
  end: boolean;
  readonly timer: Timer;
}

/**
 * One request to an endpoint that speaks HTTP/2: a stream, or the wait for one. One that asks for a WebSocket is an extended CONNECT where the
 * endpoint takes such (RFC 8441, 3), which it may say of each connection.
 */
export class Http2Upstream implements RawUpstream, ResponseUser {
  readonly endpoint: PooledEndpoint;
  readonly connectMs: number;
  /** A stream's end is never the connection's. */
  readonly reusable = true;
  uses = 0;
  answered = false;
  congested = true;
  readonly #context: Context;
  readonly #pool: Http2Pool;
  #user: UpstreamUser | undefined;
  #method = '';
  #form: HeadForm = 'plain';
  #connection: Http2Connection | undefined;
  #stream: Stream | undefined;
  #kept: Kept | undefined;
  #trailers: Buffer | undefined;
  /** Of a response that nobody wants. */
  #dropped = 0;

  constructor(context: Context, endpoint: PooledEndpoint, pool: Http2Pool, connectMs: number) {
    this.#context = context;
    this.endpoint = endpoint;
    this.#pool = pool;
    this.connectMs = connectMs;
  }

  get begun(): boolean {
    return this.#stream !== undefined;
  }

  assign(user: UpstreamUser, request: RequestSource): void {
    this.#user = user;
    this.#method = request.method;
    const scheme = this.#pool.pool.security === undefined ? 'http' : 'https';
    const connection = this.#pool.find();
    if (connection !== undefined) {
      this.#form = request.upgrades ? formFor(connection) : 'plain';
      this.#open(connection, request.encode(scheme, this.#form));
      user.connected(this);
      return;
    }
    const connectHead = request.upgrades ? Buffer.from(request.encode(scheme, 'connect')) : undefined;
    const timer = new Timer(() => this.#waitedTooLong());
    this.#kept = { head: Buffer.from(request.encode(scheme, 'plain')), connectHead, body: [], trailers: undefined, end: false, timer };
    if (this.connectMs > 0) this.#context.wheel.schedule(timer, this.#context.now() + this.connectMs);
    this.#pool.wait(this);
  }

  send(bytes: Buffer, start: number, end: number): void {
    if (this.#stream !== undefined) {
      this.#stream.send(bytes, start, end);
      this.congested = this.#stream.queued > 0;
    } else this.#kept?.body.push(Buffer.from(bytes.subarray(start, end)));
  }

  sendOwned(bytes: Buffer, start: number, end: number): void {
    this.send(bytes, start, end);
  }

  end(trailers: Buffer | undefined): void {
    const block = trailers === undefined ? undefined : encodeTrailers(this.#context, trailers);
    const kept = this.#kept;
    if (kept !== undefined) {
      kept.end = true;
      kept.trailers = block === undefined ? undefined : Buffer.from(block);
    } else if (this.#form === 'connect') return;
    else if (block === undefined) this.#stream?.end();
    else this.#stream?.trailers(block);
  }

  handOver(user: UpstreamUser): void {
    this.#user = user;
  }

  writeOwned(bytes: Buffer): void {
    this.send(bytes, 0, bytes.length);
  }

  endRaw(): void {
    this.#stream?.end();
  }

  closeWhenWritten(): void {
    this.#user = undefined;
    const stream = this.#stream;
    if (stream === undefined || stream.closed) return;
    stream.end();
    const timer = new Timer(() => stream.reset(errorCode.cancel));
    if (stream.queued > 0) this.#context.wheel.schedule(timer, this.#context.now() + lastWriteMs);
  }

  /** Frames leave at the end of the event loop's turn. */
  flush(): void {}

  release(idleMs: number): void {
    this.#user = undefined;
    this.#connection!.session.keepIdle(idleMs);
    const stream = this.#stream!;
    // The server may have answered before it took all of the request.
    if (!stream.localEnded || stream.queued > 0) stream.reset(errorCode.cancel);
  }

  discard(idleMs: number): void {
    this.#user = undefined;
    this.#connection!.session.keepIdle(idleMs);
    const stream = this.#stream!;
    if (!stream.headEnds) this.#context.wheel.schedule(new Timer(() => stream.reset(errorCode.cancel)), this.#context.now() + this.#context.limits.maxDiscardMs);
  }

  close(): void {
    this.#user = undefined;
    this.#stopWaiting();
    const stream = this.#stream;
    if (stream === undefined || stream.closed) return;
    stream.reset(errorCode.cancel);
    if (!this.answered) this.#connection!.doubt();
  }

  breakOff(): void {
    this.close();
  }

  pause(): void {
    this.#stream?.pause();
  }

  resume(): void {
    this.#stream?.resume();
  }

  // Of the pool.

  /** There is a connection for what was kept. */
  begin(connection: Http2Connection): void {
    const kept = this.#kept!;
    // The pool has it off its list. Told of it now, one that is retired would end the connection under the request that is about to be sent.
    this.#kept = undefined;
    this.#context.wheel.cancel(kept.timer);
    try {
      if (kept.connectHead !== undefined) this.#form = formFor(connection);
      this.#open(connection, this.#form === 'connect' ? kept.connectHead! : kept.head);
      for (const bytes of kept.body) this.send(bytes, 0, bytes.length);
      if (kept.trailers !== undefined) this.#stream!.trailers(kept.trailers);
      else if (kept.end && this.#form === 'plain') this.#stream!.end();
      this.#user?.connected(this);
      if (!this.congested) this.#user?.drained(this);
    } catch (error) {
      this.#crash(error);
    }
  }

  /** There will be none. Nothing has been sent. */
  neverBegan(code: FailureCode, reason: string): void {
    this.#stopWaiting();
    this.#fail(code, reason);
  }

  /** Of the connection: something else is to be put into the output buffer. */
  flushUser(): void {
    try {
      this.#user?.flush(this);
    } catch (error) {
      this.#crash(error);
    }
  }

  // Of the stream.

  interim(_stream: Stream, block: HeaderBlock): void {
    try {
      this.#turn(block, 'none');
      this.#user?.interim(this, block.bytes);
    } catch (error) {
      this.#crash(error);
    }
  }

  responded(stream: Stream, block: HeaderBlock): void {
    try {
      this.#turn(block, stream.headEnds ? 'none' : 'follows');
      if (this.#form === 'plain' || block.status >= 300) this.#user?.responded(this, block.bytes);
      else if (this.#user?.upgraded(this, block.bytes) !== true) {
        stream.reset(errorCode.cancel);
        this.#fail('bad-response', 'unexpected-upgrade');
      }
    } catch (error) {
      this.#crash(error);
    }
  }

  received(stream: Stream, bytes: Buffer, start: number, end: number): void {
    try {
      if (this.#user === undefined) this.#drop(stream, end - start);
      else {
        this.#connection!.turnTo(this);
        this.#user.received(this, bytes, start, end);
      }
    } catch (error) {
      this.#crash(error);
    }
  }

  trailers(_stream: Stream, block: HeaderBlock): void {
    this.#context.trailers.show(block);
    this.#trailers = block.bytes;
  }

  ended(stream: Stream): void {
    try {
      this.#connection!.turnFrom(this);
      if (this.#user !== undefined) this.#user.ended(this, this.#trailers);
      else if (!stream.localEnded || stream.queued > 0) stream.reset(errorCode.cancel);
    } catch (error) {
      this.#crash(error);
    }
  }

  failed(_stream: Stream, code: ErrorCode, reason: string): void {
    this.#connection!.turnFrom(this);
    // The server's word about this request, not the end of a connection that had been idle.
    if (reason === 'reset') this.answered = true;
    this.#fail(failureOf(code, reason), reason === 'reset' ? `reset-${code}` : reason);
  }

  drained(): void {
    this.congested = false;
    try {
      this.#connection!.turnTo(undefined);
      this.#user?.drained(this);
    } catch (error) {
      this.#crash(error);
    }
  }

  #open(connection: Http2Connection, head: Uint8Array): void {
    connection.take();
    this.uses = connection.uses;
    this.congested = false;
    this.#connection = connection;
    if (this.#form === 'connect') this.#method = 'CONNECT';
    this.#stream = connection.session.open(head, this.#method, this);
  }

  #turn(block: HeaderBlock, body: 'none' | 'follows'): void {
    this.answered = true;
    this.#connection!.alive();
    this.#connection!.turnTo(this);
    this.#context.responseHead.show(block, this.#method, body);
  }

  #drop(stream: Stream, bytes: number): void {
    this.#dropped += bytes;
    if (this.#dropped > this.#context.limits.maxDiscardedBytes) stream.reset(errorCode.cancel);
  }

  #waitedTooLong(): void {
    this.#stopWaiting();
    this.#fail('connect-timeout', 'queue');
  }

  #stopWaiting(): void {
    const kept = this.#kept;
    if (kept === undefined) return;
    this.#kept = undefined;
    this.#context.wheel.cancel(kept.timer);
    this.#pool.forget(this);
  }

  #fail(code: FailureCode, reason: string): void {
    const user = this.#user;
    this.#user = undefined;
    try {
      user?.failed(this, code, reason);
    } catch (error) {
      this.#context.fault(error);
    }
  }

  /** A fault of ours must end one exchange, not all of the connection's, nor the process. */
  #crash(error: unknown): void {
    this.#context.fault(error);
    const user = this.#user;
    this.close();
    this.#user = user;
    this.#fail('internal-error', 'fault');
  }
}

/** How a request for a WebSocket goes over this connection. Where the endpoint takes none, it is the GET without its upgrade. */
function formFor(connection: Http2Connection): HeadForm {
  return connection.session.peer.enablesConnect ? 'connect' : 'plain';
}

/** What a stream's end by force means for its request. REFUSED_STREAM: the server has not begun with it. */
function failureOf(code: ErrorCode, reason: string): FailureCode {
  if (code === errorCode.refusedStream) return 'refused-stream';
  // The server's word, or the connection is gone.
  if (reason === 'reset' || code === errorCode.cancel) return 'upstream-reset';
  if (code === errorCode.internal) return 'internal-error';
  return reason === 'head-too-large' ? 'response-too-large-head' : 'bad-response';
}
