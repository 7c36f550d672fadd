import { hostPort } from '#snapshot';
import type { Backends, BackendState } from './backends.ts';

/** Connections to places that are no resource of the control plane. Bounded: the place not used for the longest time makes way. */
export class OutsidePlaces {
  readonly #backends: Backends;
  readonly #max: number;
  /** By `{host}:{port}`, the one used last at the end. */
  readonly #places = new Map<string, BackendState>();

  constructor(backends: Backends, max: number) {
    this.#backends = backends;
    this.#max = max;
  }

  /** `host`: a name or an address, IPv6 without brackets. */
  at(host: string, port: number): BackendState {
    const name = hostPort(host, port);
    let backend = this.#places.get(name);
    if (backend === undefined) {
      backend = this.#backends.detached(name, { address: host, port });
      if (this.#places.size >= this.#max) this.#forgetOldest();
    } else this.#places.delete(name);
    this.#places.set(name, backend);
    return backend;
  }

  /** Closes what is idle. */
  close(): void {
    for (const backend of this.#places.values()) backend.close();
    this.#places.clear();
  }

  #forgetOldest(): void {
    for (const [name, backend] of this.#places) {
      backend.update([]);
      this.#places.delete(name);
      return;
    }
  }
}
