import type { Upstream } from './upstream.ts';

/** Idle connections to one endpoint. The one that was used last is used next, so that surplus ones grow old and close. */
export class EndpointPool {
  readonly #idle: Upstream[] = [];
  readonly #max: number;
  #retired = false;

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#idle.length;
  }

  take(): Upstream | undefined {
    return this.#idle.pop();
  }

  /** False: there is no room for it. */
  put(connection: Upstream): boolean {
    if (this.#retired || this.#idle.length >= this.#max) return false;
    this.#idle.push(connection);
    return true;
  }

  /** A connection closed while it was idle. */
  remove(connection: Upstream): void {
    const index = this.#idle.lastIndexOf(connection);
    if (index >= 0) this.#idle.splice(index, 1);
  }

  /** The endpoint is gone: what is idle closes now, what is busy when it is done. */
  retire(): void {
    this.#retired = true;
    for (const connection of this.#idle.splice(0)) connection.close();
  }
}
