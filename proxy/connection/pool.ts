import type { UpstreamSecurity } from '../configuration/backend-tls.ts';
import type { Upstream } from './upstream.ts';

/**
 * Connections to one endpoint, made as its backend is spoken to at one time; what changes that begins another pool. Idle ones: the one that
 * was used last is used next, so that surplus ones grow old and close.
 */
export class EndpointPool {
  readonly security: UpstreamSecurity;
  /** The last TLS session of a server that was found to be the right one, so that the next handshake is short. */
  session: Buffer | undefined;
  readonly #idle: Upstream[] = [];
  #retired = false;

  constructor(security: UpstreamSecurity) {
    this.security = security;
  }

  get size(): number {
    return this.#idle.length;
  }

  take(): Upstream | undefined {
    return this.#idle.pop();
  }

  /** False: there is no room for it. */
  put(connection: Upstream, max: number): boolean {
    if (this.#retired || this.#idle.length >= max) return false;
    this.#idle.push(connection);
    return true;
  }

  /** A connection closed while it was idle. */
  remove(connection: Upstream): void {
    const index = this.#idle.lastIndexOf(connection);
    if (index >= 0) this.#idle.splice(index, 1);
  }

  /** The endpoint is gone, or is spoken to otherwise: what is idle closes now, what is busy when it is done. */
  retire(): void {
    this.#retired = true;
    for (const connection of this.#idle.splice(0)) connection.close();
  }
}
