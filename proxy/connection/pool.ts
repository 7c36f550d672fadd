import type { Backend } from '#snapshot';
import type { UpstreamSecurity } from '../configuration/backend-tls.ts';
import type { Context } from '../context.ts';
import type { Http1Upstream } from './upstream.ts';
import { Closings } from './upstream/closings.ts';
import type { Http2Pool } from './upstream/http2-pool.ts';

/**
 * Connections to one endpoint, made as its backend is spoken to at one time; what changes that begins another pool. Idle ones: the one that
 * was used last is used next, so that surplus ones grow old and close. Where the endpoint was found to close them at some age, those close to it
 * are left to it: that it closes them then shows that it still does.
 */
export class EndpointPool {
  readonly protocol: Backend['protocol'];
  readonly security: UpstreamSecurity;
  /** The last TLS session of a server that was found to be the right one, so that the next handshake is short. */
  session: Buffer | undefined;
  /** What there is instead of idle connections where the protocol is HTTP/2. */
  http2: Http2Pool | undefined;
  /** Of idle connections, by the endpoint. With HTTP/2 there is nothing to learn: GOAWAY says which requests were not begun with. */
  readonly closings = new Closings();
  /** Those that read the rest of a response that nobody wants. */
  readonly #expected = new Set<Http1Upstream>();
  readonly #idle: Http1Upstream[] = [];
  #retired = false;

  constructor(protocol: Backend['protocol'], security: UpstreamSecurity) {
    this.protocol = protocol;
    this.security = security;
  }

  get size(): number {
    return this.#idle.length;
  }

  /** Undefined: there is none that the endpoint would not be about to close. `now` in milliseconds. */
  take(context: Context, now: number): Http1Upstream | undefined {
    if (this.closings.usableMs !== Infinity && this.#idle.length > 0 && !this.#hasYoung(now)) {
      context.metrics.count('upstream_connections_passed_over');
      return undefined;
    }
    const connection = this.#idle.pop();
    if (connection !== undefined) connection.takenAt = now;
    return connection;
  }

  /** False: there is no room for it. */
  put(connection: Http1Upstream, max: number): boolean {
    this.#expected.delete(connection);
    if (this.#retired || this.#idle.length >= max) return false;
    this.#idle.push(connection);
    return true;
  }

  /** It will be idle when the rest of a response that nobody wants was read. False: that is of no use. */
  expect(connection: Http1Upstream): boolean {
    if (!this.#retired) this.#expected.add(connection);
    return !this.#retired;
  }

  /** It is closed. */
  remove(connection: Http1Upstream): void {
    this.#expected.delete(connection);
    const index = this.#idle.lastIndexOf(connection);
    if (index >= 0) this.#idle.splice(index, 1);
  }

  /** The endpoint is gone, or is spoken to otherwise: what no request has closes now, what is busy when it is done. */
  retire(): void {
    this.#retired = true;
    for (const connection of [...this.#idle.splice(0), ...this.#expected]) connection.close();
    this.http2?.retire();
  }

  /** All that does not end with its requests, at once: the proxy ends, and no timer will close anything. */
  close(): void {
    this.retire();
    this.http2?.close();
  }

  #hasYoung(now: number): boolean {
    if (now - this.#idle.at(-1)!.idleSince < this.closings.usableMs) return true;
    this.closings.open(this.#idle[0]!.idleSince, now);
    return false;
  }
}
