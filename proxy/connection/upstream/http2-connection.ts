import type { Socket } from 'node:net';
import type { PooledEndpoint } from '../../configuration/backends.ts';
import type { Context } from '../../context.ts';
import type { FailureCode } from '../../failures.ts';
import { connectSession, errorCode, type ClientSession, type ErrorCode, type Http2Environment, type Keeper } from '../../http2/index.ts';
import type { WheelTimer } from '../../time/index.ts';
import type { EndpointPool } from '../pool.ts';
import type { Http2Upstream } from './http2-upstream.ts';
import { lateAlert, leadsBack, openSocket, speaksAsAsked } from './socket.ts';

/** A request was given up, and nothing at all has come for so long: the server may be gone. */
const quietMs = 1000;
/** Servers of gRPC end a connection that is pinged again and again while they have nothing to send. */
const betweenDoubtsMs = 150_000;

/** Who holds the connections to an endpoint. */
export interface Http2Owner {
  readonly pool: EndpointPool;
  readonly environment: Http2Environment;
  /** It can take streams: for the first time, or again. */
  available(connection: Http2Connection): void;
  /** It takes no further streams. */
  leaving(connection: Http2Connection): void;
  /** It is over. `failure`: where it never came about. */
  closed(connection: Http2Connection, failure: FailureCode | undefined, reason: string): void;
}

/** One connection of HTTP/2 to an endpoint, shared by requests. Streams are opened once the server has told what it takes. */
export class Http2Connection implements Keeper, WheelTimer {
  readonly session: ClientSession;
  readonly socket: Socket;
  /** Requests that it has carried. */
  uses = 0;
  /** A request got no answer in time: others take another connection until the server gives a sign of life. */
  suspect = false;

  wheelNext: WheelTimer | undefined = undefined;
  wheelPrev: WheelTimer | undefined = undefined;
  wheelSlot = -1;
  dueAt = 0;

  readonly #context: Context;
  readonly #owner: Http2Owner;
  /** `reached`: only TLS has not been agreed upon. `ready`: the server has yet to tell what it takes. */
  #phase: 'connecting' | 'reached' | 'ready' | 'open' | 'closed' = 'connecting';
  /** Set where it failed before it was there. */
  #failure: FailureCode | undefined;
  #failureReason = '';
  /** Who has put something into the output buffer, or may have, during this event. */
  #unflushed: Http2Upstream | undefined;
  #idle = false;
  #doubtedAt = -Infinity;

  constructor(context: Context, endpoint: PooledEndpoint, owner: Http2Owner, connectMs: number) {
    this.#context = context;
    this.#owner = owner;
    this.socket = openSocket(endpoint.endpoint, owner.pool, context.io, (bytes, length) => this.#read(bytes, length));
    this.session = connectSession(owner.environment, this.socket, this);
    this.#listen();
    if (connectMs > 0) {
      context.wheel.schedule(this, context.now() + connectMs);
      // Without a limit of its own the session's times are what ends it, where nobody answers.
      if (this.socket.connecting) this.session.dialling();
    }
  }

  /** It is to come about yet. */
  get opening(): boolean {
    return this.#phase !== 'open' && this.#phase !== 'closed';
  }

  get canOpen(): boolean {
    return this.#phase === 'open' && this.session.canOpen;
  }

  /** Streams that it takes at a time, once that is known. */
  get capacity(): number {
    return this.session.capacity;
  }

  /** A stream is about to be opened on it. */
  take(): void {
    this.uses++;
    this.#leaveIdle();
  }

  /** A request got no answer. */
  doubt(): void {
    const now = this.#context.now();
    if (this.suspect || this.#phase !== 'open' || now - this.#doubtedAt < betweenDoubtsMs || !this.session.probe(quietMs)) return;
    this.#doubtedAt = now;
    this.suspect = true;
  }

  /** The server gives a sign of life. */
  alive(): void {
    if (!this.suspect) return;
    this.suspect = false;
    this.available();
  }

  /** `upstream` is about to write, or has just written, to its user: of others nothing may be left in the output buffer. */
  turnTo(upstream: Http2Upstream | undefined): void {
    const before = this.#unflushed;
    this.#unflushed = upstream;
    if (before !== undefined && before !== upstream) before.flushUser();
  }

  /** The same, and `upstream` leaves nothing there. */
  turnFrom(upstream: Http2Upstream): void {
    this.turnTo(upstream);
    this.#unflushed = undefined;
  }

  /** Timer: not there in time. */
  expired(): void {
    if (this.opening) this.#fail('connect-timeout', this.#phase === 'connecting' ? 'connect' : this.#phase === 'reached' ? 'tls' : 'settings');
  }

  ready(): void {
    this.#context.wheel.cancel(this);
    this.#phase = 'open';
    this.#context.metrics.count('upstream_connections_opened');
    // Nobody may have waited for it any more.
    this.idle();
    this.available();
  }

  available(): void {
    this.turnTo(undefined);
    if (this.#phase === 'open') this.#owner.available(this);
  }

  idle(): void {
    if (this.#idle || this.#phase !== 'open') return;
    this.#idle = true;
    this.#context.metrics.move('upstream_connections_idle', 1);
  }

  leaving(): void {
    this.#owner.leaving(this);
  }

  closed(_session: ClientSession, code: ErrorCode, reason: string): void {
    if (this.#phase === 'closed') return;
    const failure = this.opening ? (this.#failure ?? this.#failureOf(code, reason)) : undefined;
    this.#leaveIdle();
    this.#phase = 'closed';
    this.#context.wheel.cancel(this);
    this.turnTo(undefined);
    if (failure !== undefined) this.#context.metrics.count('upstream_connections_failed');
    if (failure === 'tls-failed') this.#context.metrics.count('upstream_tls_handshakes_failed');
    this.#owner.closed(this, failure, this.#failureReason || reason);
  }

  #listen(): void {
    const { socket } = this;
    const { metrics } = this.#context;
    const { security } = this.#owner.pool;
    socket.once('connect', () => {
      if (this.#phase === 'connecting') this.#phase = security === undefined ? 'ready' : 'reached';
      this.session.reached();
      metrics.move('upstream_connections_active', 1);
      socket.once('close', () => metrics.move('upstream_connections_active', -1));
      // Only now is it known where a name leads.
      if (leadsBack(this.#context, socket)) this.#fail('loop-detected', 'own-address');
    });
    if (security === undefined) return;
    socket.once('secureConnect', () => {
      if ('unusable' in security || !speaksAsAsked(socket, security)) this.#fail('tls-failed', 'alpn');
      else {
        this.#phase = 'ready';
        metrics.count('upstream_tls_handshakes');
        socket.uncork();
      }
    });
  }

  #read(bytes: Buffer, length: number): void {
    this.session.receive(bytes, 0, length);
    this.turnTo(undefined);
  }

  #leaveIdle(): void {
    if (!this.#idle) return;
    this.#idle = false;
    this.#context.metrics.move('upstream_connections_idle', -1);
  }

  /** Before it was there. */
  #fail(code: FailureCode, reason: string): void {
    this.#failure = code;
    this.#failureReason = reason;
    this.session.gone(reason);
  }

  /** Nothing of a request has been sent by then, whatever the reason. */
  #failureOf(code: ErrorCode, reason: string): FailureCode {
    const { security } = this.#owner.pool;
    if (security !== undefined && (this.#phase === 'reached' || 'unusable' in security || lateAlert.test(reason))) {
      this.#owner.pool.session = undefined;
      return 'tls-failed';
    }
    if (reason === 'slow-frame' || reason === 'settings-ack') return 'connect-timeout';
    return code === errorCode.none || code === errorCode.cancel ? 'connect-failed' : 'bad-response';
  }
}
