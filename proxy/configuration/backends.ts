import type { Backend, Endpoint } from '#snapshot';
import { createBalancer, EndpointSet, type Balancer, type BalancerInputs, type EndpointState } from '../balancing/index.ts';
import type { EndpointPool } from '../connection/pool.ts';
import type { Changes } from '../types.ts';
import type { Endpoints } from '#snapshot';

export type PooledEndpoint = EndpointState<EndpointPool>;

/** A backend that requests can go to. Exchanges hold on to it; its endpoints change in place. */
export class BackendState {
  readonly name: string;
  readonly endpoints = new EndpointSet<EndpointPool>();
  balancer: Balancer;
  protocol: Backend['protocol'] = 'http1';
  /** Whether the control plane has named its endpoints. Before, having none means nothing. */
  known = false;

  constructor(name: string, balancer: Balancer) {
    this.name = name;
    this.balancer = balancer;
  }

  update(endpoints: readonly Endpoint[]): void {
    this.known = true;
    for (const gone of this.endpoints.update(endpoints)) gone.pool?.retire();
  }
}

/** All backends by name. Backends and their endpoints are resources of their own and come in any order. */
export class Backends {
  readonly #byName = new Map<string, BackendState>();
  readonly #backends = new Map<string, Backend>();
  readonly #inputs: BalancerInputs;

  constructor(inputs: BalancerInputs) {
    this.#inputs = inputs;
  }

  /** Undefined: not, or not yet, known. */
  get(name: string): BackendState | undefined {
    return this.#byName.get(name);
  }

  /** Of the backends that were announced, and endpoints without a backend. */
  names(): ReadonlySet<string> {
    return new Set(this.#byName.keys());
  }

  apply(backends: Changes<Backend>, endpoints: Changes<Endpoints>): void {
    for (const backend of backends.changed ?? []) {
      const state = this.#stateOf(backend.name);
      const before = this.#backends.get(backend.name);
      if (before?.balancing !== backend.balancing) state.balancer = createBalancer(backend.balancing, this.#inputs);
      state.protocol = backend.protocol;
      this.#backends.set(backend.name, backend);
    }
    for (const { name, endpoints: list } of endpoints.changed ?? []) this.#stateOf(name).update(list);
    for (const name of endpoints.removed ?? []) this.#byName.get(name)?.update([]);
    for (const name of backends.removed ?? []) {
      this.#byName.get(name)?.update([]);
      this.#byName.delete(name);
      this.#backends.delete(name);
    }
  }

  /** A backend that is no resource: a host outside of the mesh. The caller keeps it. */
  detached(name: string, endpoint: Endpoint): BackendState {
    const state = new BackendState(name, createBalancer('round-robin', this.#inputs));
    state.update([endpoint]);
    return state;
  }

  /** Closes all idle connections. */
  close(): void {
    for (const state of this.#byName.values()) state.update([]);
  }

  #stateOf(name: string): BackendState {
    let state = this.#byName.get(name);
    if (state === undefined) {
      state = new BackendState(name, createBalancer('least-request', this.#inputs));
      this.#byName.set(name, state);
    }
    return state;
  }
}
