import type { PooledEndpoint } from '../../configuration/backends.ts';
import type { Context } from '../../context.ts';
import type { FailureCode } from '../../failures.ts';
import type { Http2Environment } from '../../http2/index.ts';
import { timeoutDefaults } from '../../retry/index.ts';
import type { EndpointPool } from '../pool.ts';
import { Http2Connection, type Http2Owner } from './http2-connection.ts';
import { Http2Upstream } from './http2-upstream.ts';

/** Connections to one endpoint; what does not find room on them waits. */
const maxConnections = 8;
/** What a server is taken to allow before one has told. */
const usualCapacity = 100;
/**
 * A PING on a connection on which nothing moves, so that one whose server is gone does not stay for ever. gRPC servers end connections that
 * are pinged more than once in five minutes.
 */
const keepAliveMs = 310_000;
const keepAliveTimeoutMs = 5000;
/** As many streams whose clients take nothing can hold back their share (`streamWindow`) before others have to wait for them. */
const heldStreams = 256;

/** Connections of HTTP/2 to one endpoint, and the requests that wait for one. */
export class Http2Pool implements Http2Owner {
  readonly pool: EndpointPool;
  readonly environment: Http2Environment;
  readonly #context: Context;
  readonly #endpoint: PooledEndpoint;
  /** Those that take streams, or will. */
  readonly #connections: Http2Connection[] = [];
  /** Those that only end what they have. */
  readonly #leaving = new Set<Http2Connection>();
  /** In the order in which they came. */
  readonly #waiting = new Set<Http2Upstream>();
  #capacity = usualCapacity;
  #retired = false;

  constructor(context: Context, endpoint: PooledEndpoint, pool: EndpointPool) {
    this.#context = context;
    this.#endpoint = endpoint;
    this.pool = pool;
    const { limits } = context.http2;
    const connectionWindow = heldStreams * limits.streamWindow;
    // An endpoint can end no more streams than we have opened, and those that it resets must not take others with them.
    this.environment = { ...context.http2, limits: { ...limits, connectionWindow, maxResets: Infinity, idleMs: timeoutDefaults.upstreamIdle, keepAliveMs, keepAliveTimeoutMs } };
  }

  /** A place for one request. `connectMs`: how long it may wait for a connection; 0: no limit. */
  open(connectMs: number): Http2Upstream {
    return new Http2Upstream(this.#context, this.#endpoint, this, connectMs);
  }

  /** A connection that takes a stream now. */
  find(): Http2Connection | undefined {
    if (this.#waiting.size > 0) return undefined;
    let doubtful: Http2Connection | undefined;
    for (const connection of this.#connections) {
      if (!connection.canOpen) continue;
      if (!connection.suspect) return connection;
      doubtful ??= connection;
    }
    return this.#connections.length < maxConnections ? undefined : doubtful;
  }

  /** There is none: `begin` of the upstream will be called, or `neverBegan`. */
  wait(upstream: Http2Upstream): void {
    this.#waiting.add(upstream);
    this.#grow();
  }

  /** It waits no more. */
  forget(upstream: Http2Upstream): void {
    this.#waiting.delete(upstream);
    if (this.#retired) this.#leaveAll();
  }

  available(connection: Http2Connection): void {
    this.#capacity = connection.capacity;
    if (connection.suspect && this.#connections.length < maxConnections) return;
    for (const upstream of this.#waiting) {
      if (!connection.canOpen) break;
      this.#waiting.delete(upstream);
      upstream.begin(connection);
    }
    if (this.#retired) this.#leaveAll();
    else this.#grow();
  }

  leaving(connection: Http2Connection): void {
    this.#remove(connection);
    this.#leaving.add(connection);
    if (connection.uses > 0) this.#grow();
  }

  closed(connection: Http2Connection, failure: FailureCode | undefined, reason: string): void {
    this.#leaving.delete(connection);
    this.#remove(connection);
    // One that took nothing would be followed by others like it.
    if (failure === undefined && connection.uses > 0) this.#grow();
    else if (this.#connections.every(({ suspect }) => suspect)) {
      const lost = [...this.#waiting];
      this.#waiting.clear();
      for (const upstream of lost) upstream.neverBegan(failure ?? 'connect-failed', reason);
    }
  }

  /** Connections close when what they carry, and what waits for them, is over. */
  retire(): void {
    this.#retired = true;
    this.#leaveAll();
  }

  /** At once. */
  close(): void {
    this.#retired = true;
    for (const connection of [...this.#connections, ...this.#leaving]) connection.session.gone('closed');
  }

  #leaveAll(): void {
    if (this.#waiting.size > 0) return;
    // Each takes itself off the list.
    for (const connection of this.#connections.slice()) connection.session.leave();
  }

  #remove(connection: Http2Connection): void {
    const index = this.#connections.indexOf(connection);
    if (index >= 0) this.#connections.splice(index, 1);
  }

  /** Opens as many connections as those that wait seem to need. */
  #grow(): void {
    // Another connection to a server that takes nothing would be of no more use.
    if (this.#capacity === 0 && this.#connections.length > 0) return;
    let expected = 0;
    for (const connection of this.#connections) if (connection.opening) expected += this.#capacity;
    while (this.#waiting.size > expected && this.#connections.length < maxConnections) {
      const [first] = this.#waiting;
      this.#connections.push(new Http2Connection(this.#context, this.#endpoint, this, first!.connectMs));
      expected += Math.max(1, this.#capacity);
    }
  }
}
