import type { Socket } from 'node:net';
import { brokenChunk, bytesOf, framing, invalid, needMore, type Framing } from '../codec/index.ts';
import type { PooledEndpoint } from '../configuration/backends.ts';
import type { Context } from '../context.ts';
import type { FailureCode } from '../failures.ts';
import { putTrailers } from '../exchange/heads.ts';
import { endAfterWrites, reset } from '../sockets/index.ts';
import { PacedConnection } from './paced.ts';
import { PartialHead } from './partial-head.ts';
import type { EndpointPool } from './pool.ts';
import type { DirectUpstream, RequestSource, UpstreamUser } from './sides.ts';
import { lastWriteMs } from './tunnel.ts';
import { closingMarginMs } from './upstream/closings.ts';
import { LastAnswer } from './upstream/last-answer.ts';
import { ResponseBody, type BodyTarget } from './upstream/response-body.ts';
import { lateAlert, leadsBack, openSocket, speaksAsAsked, tellFailedWrites } from './upstream/socket.ts';

const lastChunk = bytesOf('0\r\n\r\n');

/**
 * `ended`: the response is complete, its user has not given the connection back yet. `raw`: a tunnel. `closed` is final. A connection that is not `idle` or `closed` has a user, but for the rest of a response that is
 * read and dropped.
 */
type Phase = 'connecting' | 'idle' | 'head' | 'body' | 'ended' | 'raw' | 'closed';

/** Methods whose content means nothing (RFC 9110, 9.3.1, 9.3.2, 9.3.5): some servers leave it unread, and take it for the next request. */
const contentless: ReadonlySet<string> = new Set(['GET', 'HEAD', 'DELETE']);

/** TLS takes what is written to it later than a plain socket: a little is copied, so that the output buffer need not be kept for it. */
const copiedBytes = 8192;

/** One connection to an endpoint. Frames responses; knows nothing of clients. */
export class Http1Upstream extends PacedConnection implements DirectUpstream, BodyTarget {
  readonly endpoint: PooledEndpoint;
  readonly socket: Socket;
  /** Requests that it has carried, this one included. */
  uses = 0;
  /** Whether it was connected: until then nothing leaves. */
  begun = false;
  /** Whether any byte of the current response has come. */
  answered = false;
  /** Whether the response ended in such a way that another request may follow. */
  reusable = false;
  /** The endpoint's side takes nothing now: `drained` will say when it does. */
  congested = false;
  /** When its last response was complete, in milliseconds. */
  idleSince = 0;
  /** When it was taken for its current request, in milliseconds. */
  takenAt = 0;

  readonly #context: Context;
  readonly #pool: EndpointPool;
  #phase: Phase = 'connecting';
  /** The endpoint has taken the connection; only TLS may not have been agreed upon. */
  #reached = false;
  #user: UpstreamUser | undefined;
  #method = '';
  readonly #body = new ResponseBody();
  #partial: PartialHead | undefined;
  #interims = 0;
  #discarded = 0;
  #idleMs = 0;
  /** How long the server keeps it when idle, as far as it says. */
  #serverIdleMs = Infinity;
  #paused = false;
  /** How the body of the current request is told. */
  #sends: Framing = framing.none;
  /** The endpoint takes no more of the request. */
  #lastAnswer: LastAnswer | undefined;
  /** There is something of the request in the output buffer. */
  #pending = false;

  constructor(context: Context, endpoint: PooledEndpoint, connectMs: number) {
    super();
    this.#context = context;
    this.endpoint = endpoint;
    this.#pool = endpoint.pool!;
    this.socket = openSocket(endpoint.endpoint, this.#pool, context.io, (bytes, length) => this.#readSafely(bytes, length));
    this.#listen();
    if (connectMs > 0) context.wheel.schedule(this, context.now() + connectMs);
  }

  get closed(): boolean {
    return this.#phase === 'closed';
  }

  assign(user: UpstreamUser, request: RequestSource): void {
    this.#user = user;
    this.#method = request.method;
    this.#sends = request.framing;
    this.#pending = true;
    request.putLines();
    this.uses++;
    this.answered = false;
    this.reusable = false;
    this.#interims = 0;
    if (this.#phase === 'connecting') return;
    this.#context.metrics.move('upstream_connections_idle', -1);
    this.#phase = 'head';
    user.connected(this);
  }

  /** Gives it to a tunnel: bytes pass as they are, from the moment it is connected. */
  assignRaw(user: UpstreamUser): void {
    this.#user = user;
    this.#method = 'CONNECT';
    this.uses++;
  }

  /** The current user passes its place on: to a tunnel. */
  handOver(user: UpstreamUser): void {
    this.#user = user;
  }

  /** Hands the connection back after `ended`, to wait at most `idleMs` (0: for ever) for the next request. `now` in milliseconds. */
  release(idleMs: number, now: number): void {
    this.#user = undefined;
    const limit = Math.min(idleMs > 0 ? idleMs : Infinity, this.#serverIdleMs - closingMarginMs);
    if (!this.reusable || limit <= 0 || this.#phase === 'closed' || this.#context.draining || !this.#pool.put(this, this.#context.limits.maxIdlePerEndpoint)) {
      this.close();
      return;
    }
    this.#phase = 'idle';
    this.idleSince = now;
    this.#context.metrics.move('upstream_connections_idle', 1);
    this.resume();
    if (limit < Infinity) this.#context.wheel.schedule(this, now + limit);
    else this.#context.wheel.cancel(this);
  }

  /** Its user wants no more of the response: a short rest is read and dropped, so that the connection can be kept. */
  discard(idleMs: number): void {
    this.#user = undefined;
    this.#idleMs = idleMs;
    this.#discarded = 0;
    const { limits, wheel } = this.#context;
    if (this.#body.exceeds(limits.maxDiscardedBytes) || !this.#pool.expect(this)) this.close();
    else wheel.schedule(this, this.#context.now() + limits.maxDiscardMs);
  }

  send(bytes: Buffer, start: number, end: number): void {
    const { output } = this.#context;
    this.#beginMessage();
    if (this.#sends === framing.chunked) output.putChunkSize(end - start);
    output.putBytes(bytes, start, end);
    if (this.#sends === framing.chunked) output.putLineEnd();
  }

  sendOwned(bytes: Buffer, start: number, end: number): void {
    if (this.#sends === framing.chunked) {
      this.send(bytes, start, end);
      return;
    }
    this.flush();
    this.writeOwned(bytes.subarray(start, end));
  }

  end(trailers: Buffer | undefined): void {
    if (this.#sends !== framing.chunked) return;
    const { output } = this.#context;
    this.#beginMessage();
    if (trailers === undefined) output.putConstant(lastChunk);
    else putTrailers(output, trailers, this.#context.trailers);
  }

  flush(): void {
    if (!this.#pending) return;
    this.#pending = false;
    const { output } = this.#context;
    const copies = this.#pool.security !== undefined && output.length <= copiedBytes;
    const taken = this.#context.io.write(this.socket, copies ? Buffer.from(output.view()) : output.view());
    if (this.socket.writableLength === 0) return;
    if (!copies) output.keep();
    if (!taken) this.congested = true;
  }

  endRaw(): void {
    endAfterWrites(this.socket);
  }

  /** Writes bytes that nobody else will change. */
  writeOwned(bytes: Buffer): void {
    if (!this.#context.io.write(this.socket, bytes) && this.socket.writableLength > 0) this.congested = true;
  }

  /** Stops reading: the client takes no more for now. */
  pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.socket.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (!this.awaitsTurn) this.goOn();
  }

  protected override hold(): void {
    this.socket.pause();
  }

  protected override goOn(): void {
    if (this.#paused || this.#phase === 'closed') return;
    this.socket.resume();
    this.#lastAnswer?.readOn();
  }

  /** At once, whatever is under way; the user is not told. */
  close(): void {
    if (this.#phase === 'closed') return;
    this.#pool.remove(this);
    if (this.#phase === 'idle') this.#context.metrics.move('upstream_connections_idle', -1);
    const isConnected = this.#phase !== 'connecting';
    this.#phase = 'closed';
    this.#user = undefined;
    this.#partial = undefined;
    this.#pending = false;
    this.#context.wheel.cancel(this);
    if (isConnected) this.#context.turns.departures.add(this.socket);
    else this.socket.destroy();
  }

  breakOff(): void {
    reset(this.socket);
    this.close();
  }

  /** What was written still leaves; the user hears no more. */
  closeWhenWritten(): void {
    if (this.#phase === 'closed') return;
    this.#user = undefined;
    endAfterWrites(this.socket, () => this.close());
    this.resume();
    this.#context.wheel.schedule(this, this.#context.now() + lastWriteMs);
  }

  /** Timer: not connected in time, idle for too long, the last bytes of a tunnel are not taken, or the rest of a response that nobody wants does not come. */
  expired(): void {
    if (this.#phase === 'connecting') this.#fail('connect-timeout', 'connect');
    else if (this.#user === undefined && this.#phase === 'raw') this.breakOff();
    else if (this.#user === undefined) this.close();
  }

  #beginMessage(): void {
    if (this.#pending) return;
    this.#pending = true;
    this.#context.output.begin();
  }

  #listen(): void {
    const { metrics } = this.#context;
    const { security } = this.#pool;
    this.#on('connect', () => {
      this.#reached = true;
      metrics.move('upstream_connections_active', 1);
      this.socket.once('close', () => metrics.move('upstream_connections_active', -1));
      if (security === undefined) this.#connected();
    });
    if (security !== undefined) this.#on('secureConnect', () => this.#secured());
    tellFailedWrites(this.socket, (error) => this.#writeFailed(error.code ?? 'error'));
    this.#on('error', (error) => this.#lost((error as NodeJS.ErrnoException).code ?? 'error'));
    this.#on('end', () => this.#endOfStream());
    this.#on('close', () => this.#lost('closed'));
    this.#on('drain', () => {
      this.congested = false;
      this.#user?.drained(this);
    });
  }

  /** A fault of ours must end one exchange, not the process. */
  #on(event: string, listener: (argument: unknown) => void): void {
    this.socket.on(event, (argument: unknown) => this.#guarded(() => listener(argument)));
  }

  #guarded(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.crash(error);
    }
  }

  #readSafely(bytes: Buffer, length: number): void {
    if (this.hasHadShare(length)) this.waitForTurn(this.#context.turns);
    try {
      this.#read(bytes, length);
    } catch (error) {
      this.crash(error);
    }
  }

  crash(error: unknown): void {
    const user = this.#user;
    this.#context.fault(error);
    this.close();
    try {
      user?.failed(this, 'internal-error', 'fault');
    } catch (another) {
      this.#context.fault(another);
    }
  }

  /** Nothing leaves before this. */
  #secured(): void {
    const { security } = this.#pool;
    if (security === undefined || 'unusable' in security || !speaksAsAsked(this.socket, security)) this.#fail('tls-failed', 'alpn');
    else {
      this.#context.metrics.count('upstream_tls_handshakes');
      this.#connected();
      this.socket.uncork();
    }
  }

  #connected(): void {
    if (this.#phase !== 'connecting') return;
    if (leadsBack(this.#context, this.socket)) {
      this.#fail('loop-detected', 'own-address');
      return;
    }
    this.#context.wheel.cancel(this);
    this.#context.metrics.count('upstream_connections_opened');
    this.begun = true;
    this.#phase = this.#method === 'CONNECT' ? 'raw' : 'head';
    this.#user?.connected(this);
  }

  /** True: what the endpoint has answered before is read first, however long its client takes for it. */
  #writeFailed(code: string): boolean {
    if (this.#phase !== 'head' && this.#phase !== 'body') return false;
    this.reusable = false;
    this.#lastAnswer ??= new LastAnswer(() => this.#paused || this.awaitsTurn, () => this.#guarded(() => this.#lost(code)));
    this.#lastAnswer.readOn();
    return true;
  }

  #read(buffer: Buffer, length: number): void {
    let bytes = buffer;
    let to = length;
    if (this.#partial !== undefined) {
      const all = this.#partial.append(buffer, length);
      if (all === undefined) return;
      bytes = all;
      to = all.length;
    }
    switch (this.#phase) {
      case 'head':
        this.answered = true;
        this.#readHead(bytes, to);
        break;
      case 'body':
        this.#readBody(bytes, 0, to);
        break;
      case 'raw':
        this.#user?.received(this, bytes, 0, to);
        this.#user?.flush(this);
        break;
      default:
        // Nobody asked: what is next on this connection would be taken for another request's response.
        this.close();
    }
  }

  #readHead(bytes: Buffer, to: number): void {
    const head = this.#context.responseHead;
    let p = 0;
    while (this.#phase === 'head') {
      const end = head.parse(bytes, p, to, this.#method);
      if (end === needMore) {
        if (p === to) this.#partial = undefined;
        else if (p > 0 || this.#partial === undefined) this.#partial = new PartialHead(bytes.subarray(p, to), this.#context.limits.maxHeadBytes);
        return;
      }
      if (end === invalid) {
        this.#fail(head.fields.failure, head.fields.reason);
        return;
      }
      if (head.status === 101) {
        this.#upgrade(bytes, end, to);
        return;
      }
      if (head.status >= 200) {
        this.#begin(bytes, end, to);
        return;
      }
      if (++this.#interims > this.#context.limits.maxInterimResponses) {
        this.#fail('bad-response', 'interim-responses');
        return;
      }
      this.#user?.interim(this, bytes);
      p = end;
    }
  }

  #upgrade(bytes: Buffer, end: number, to: number): void {
    if (this.#user?.upgraded(this, bytes) !== true) {
      this.#fail('bad-response', 'unexpected-upgrade');
      return;
    }
    this.#phase = 'raw';
    this.#partial = undefined;
    if (end < to) this.#user?.received(this, bytes, end, to);
    this.#user?.flush(this);
  }

  #begin(bytes: Buffer, end: number, to: number): void {
    const head = this.#context.responseHead;
    this.#phase = 'body';
    this.beginShare();
    this.#partial = undefined;
    this.#body.begin(head);
    this.reusable = head.keepAlive && this.#lastAnswer === undefined && (this.#sends === framing.none || !contentless.has(this.#method));
    this.#serverIdleMs = head.fields.keepAlive < 0 ? Infinity : head.keepAliveMs(bytes);
    this.#user?.responded(this, bytes);
    if (this.isReading) this.#readBody(bytes, end, to);
  }

  #readBody(bytes: Buffer, from: number, to: number): void {
    const body = this.#body;
    const end = body.read(bytes, from, to, this);
    if (end === brokenChunk) {
      this.#fail('bad-response', 'chunk');
      return;
    }
    if (!this.isReading) return;
    if (!body.done) {
      this.#user?.flush(this);
      return;
    }
    // Bytes behind the response belong to nothing that was asked for.
    if (end < to) this.reusable = false;
    this.#end(body.trailers);
  }

  /** Data of the body, for its user, or for nobody. */
  deliver(bytes: Buffer, start: number, end: number): void {
    if (this.#user !== undefined) this.#user.received(this, bytes, start, end);
    else if ((this.#discarded += end - start) > this.#context.limits.maxDiscardedBytes) this.close();
  }

  #end(trailers: Buffer | undefined): void {
    const user = this.#user;
    // More of them than we take are left out: the body is whole without.
    const taken = trailers !== undefined && user !== undefined && this.#context.trailers.parse(trailers, 0, trailers.length) >= 0 ? trailers : undefined;
    this.#phase = 'ended';
    if (user === undefined) this.release(this.#idleMs, this.#context.now());
    else user.ended(this, taken);
  }

  #endOfStream(): void {
    if (this.#phase === 'body' && this.#body.endsWithConnection) {
      this.reusable = false;
      this.#end(undefined);
    } else if (this.#phase === 'raw') {
      this.#user?.ended(this, undefined);
    } else this.#lost('ended');
  }

  /** The socket has failed, or is gone. */
  #lost(reason: string): void {
    this.#noteClosing();
    if (this.#refusedByTls(reason)) {
      // It may have been the session that was not liked.
      this.#pool.session = undefined;
      this.#fail('tls-failed', reason);
    } else this.#fail(this.#phase === 'connecting' ? 'connect-failed' : 'upstream-reset', reason);
  }

  /** The endpoint may have closed it for being idle, be it as a request came. */
  #noteClosing(): void {
    const { closings } = this.#pool;
    if (this.#phase === 'idle') closings.closed(this.idleSince, this.#context.now());
    else if (this.#phase === 'head' && this.uses > 1 && !this.answered) closings.closed(this.idleSince, this.takenAt);
  }

  /** In TLS 1.3 a server looks at the client's certificate when the client may have sent its request already. It has not been read then. */
  #refusedByTls(reason: string): boolean {
    const { security } = this.#pool;
    if (security === undefined) return false;
    if (this.#phase === 'connecting') return this.#reached || 'unusable' in security;
    return this.uses === 1 && !this.answered && lateAlert.test(reason);
  }

  #fail(code: FailureCode, reason: string): void {
    if (this.#phase === 'closed') return;
    const user = this.#user;
    if (this.#phase === 'connecting') this.#context.metrics.count('upstream_connections_failed');
    if (code === 'tls-failed') this.#context.metrics.count('upstream_tls_handshakes_failed');
    this.close();
    user?.failed(this, code, reason);
  }

  /** Calls out may have closed it. */
  get isReading(): boolean {
    return this.#phase === 'body';
  }
}
