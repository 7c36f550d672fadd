import { isDeepStrictEqual } from 'node:util';
import { endpointsFor, Pace, type Backend, type Certificate, type Endpoint, type Endpoints, type Family, type Steps } from '#snapshot';
import { createBalancer, EndpointSet, faultOf, type Balancer, type BalancerInputs, type EndpointState, type SetInputs } from '../balancing/index.ts';
import { EndpointPool } from '../connection/pool.ts';
import type { FailureCode } from '../failures.ts';
import type { Changes, EndpointAside, Refusal } from '../types.ts';
import { ClientContexts, upstreamTls, type UpstreamSecurity } from './backend-tls.ts';

export type PooledEndpoint = EndpointState<EndpointPool>;

/** A backend that requests can go to. Exchanges hold on to it; its endpoints change in place. */
export class BackendState {
  readonly name: string;
  readonly endpoints: EndpointSet<EndpointPool>;
  balancer: Balancer;
  protocol: Backend['protocol'] = 'http1';
  /** Its endpoints may be known before it is itself: then it is not known yet how to speak to them. */
  announced = false;
  /** Whether the control plane has named its endpoints. Before, having none means nothing. */
  known = false;
  security: UpstreamSecurity;
  readonly #inputs: BackendInputs;

  constructor(name: string, balancer: Balancer, inputs: BackendInputs) {
    this.name = name;
    this.#inputs = inputs;
    this.endpoints = new EndpointSet([], inputs);
    this.balancer = balancer;
  }

  /** Of the endpoints, those that this proxy sends to. */
  update(endpoints: readonly Endpoint[]): void {
    this.known = true;
    for (const gone of this.endpoints.update(endpointsFor(endpoints, this.#inputs.families))) gone.pool?.retire();
    for (const state of this.endpoints.states) state.pool ??= new EndpointPool(this.protocol, this.security);
  }

  /** The proxy ends. */
  close(): void {
    for (const { pool } of this.endpoints.states) pool?.close();
    this.update([]);
  }

  /** How it is spoken to from now on. Connections of before are used to the end of their requests, and closed. */
  speak(protocol: Backend['protocol'], security: UpstreamSecurity): void {
    this.protocol = protocol;
    this.security = security;
    for (const state of this.endpoints.states) {
      state.pool?.retire();
      state.pool = new EndpointPool(protocol, security);
    }
  }

  /** An attempt there that began at `startedAt` (milliseconds on the clock of `now`) failed: where that is the endpoint's fault, it counts. */
  attemptFailed(endpoint: PooledEndpoint, { code, reason }: { readonly code: FailureCode; readonly reason: string | undefined }, startedAt: number): void {
    const fault = faultOf(code, reason);
    if (fault !== undefined && this.endpoints.failed(endpoint, fault, { startedAt, now: this.#inputs.now() })) this.#inputs.ejected(code);
  }
}

export interface BackendInputs extends BalancerInputs, SetInputs {
  /** Of the addresses that this proxy has. */
  readonly families: readonly Family[];
  /** An endpoint was set aside, for an attempt that failed so. */
  readonly ejected: (code: FailureCode) => void;
  /** The certificate of this name, where it is known. */
  readonly certificate: (name: string) => Certificate | undefined;
}

/** All backends by name. Backends and their endpoints are resources of their own and come in any order. */
export class Backends {
  readonly #byName = new Map<string, BackendState>();
  readonly #backends = new Map<string, Backend>();
  readonly #contexts = new ClientContexts();
  readonly #inputs: BackendInputs;

  constructor(inputs: BackendInputs) {
    this.#inputs = inputs;
  }

  /** Undefined: not, or not yet, known. */
  get(name: string): BackendState | undefined {
    const state = this.#byName.get(name);
    return state?.announced === true ? state : undefined;
  }

  /** Of the backends that were announced, and endpoints without a backend. */
  names(): ReadonlySet<string> {
    return new Set(this.#byName.keys());
  }

  /** Each backend by itself: who refers to new ones is told of them afterwards. Certificates come first, in an update of their own kind (`certificatesChanged`). What is refused stays as it was. */
  *applyInSteps(backends: Changes<Backend>, endpoints: Changes<Endpoints>): Steps<readonly Refusal[]> {
    const refusals: Refusal[] = [];
    const pace = new Pace();
    for (const backend of backends.changed ?? []) {
      const reason = this.#announce(backend);
      if (reason !== undefined) refusals.push({ kind: 'Backend', name: backend.name, reason });
      if (pace.spend()) yield;
    }
    for (const { name, endpoints: list } of endpoints.changed ?? []) {
      this.#stateOf(name).update(list);
      if (pace.spend(1 + list.length)) yield;
    }
    for (const name of [...(endpoints.removed ?? []), ...(backends.removed ?? [])]) {
      const state = this.#byName.get(name);
      const size = state?.endpoints.size ?? 0;
      state?.update([]);
      if (pace.spend(1 + size)) yield;
    }
    for (const name of backends.removed ?? []) {
      this.#byName.delete(name);
      this.#backends.delete(name);
    }
    return refusals;
  }

  /** New connections show the certificates that there are now. */
  certificatesChanged(names: ReadonlySet<string>): void {
    for (const backend of this.#backends.values()) {
      const shown = backend.tls?.clientCertificate;
      if (shown !== undefined && names.has(shown)) this.#stateOf(backend.name).speak(backend.protocol, this.#securityOf(backend));
    }
  }

  /** A backend that is no resource: a host outside of the mesh. The caller keeps it. */
  detached(name: string, endpoint: Endpoint): BackendState {
    const state = new BackendState(name, createBalancer('round-robin', this.#inputs), this.#inputs);
    state.announced = true;
    state.update([endpoint]);
    return state;
  }

  /** Endpoints that are set aside now, `max` of them at most. `now` in milliseconds. */
  setAside(now: number, max: number): readonly EndpointAside[] {
    const found: EndpointAside[] = [];
    for (const { name, endpoints } of this.#byName.values()) {
      if (endpoints.aside === 0) continue;
      for (const { aside, place, asideSince, trialAt } of endpoints.states) {
        if (!aside) continue;
        if (found.length === max) return found;
        found.push({ backend: name, endpoint: place, sinceMs: Math.round(now - asideSince), trialInMs: Math.max(0, Math.round(trialAt - now)) });
      }
    }
    return found;
  }

  /** Closes all connections that are idle, or shared. */
  close(): void {
    for (const state of this.#byName.values()) state.close();
  }

  /** Returns why it can't be used. */
  #announce(backend: Backend): string | undefined {
    const before = this.#backends.get(backend.name);
    const state = this.#stateOf(backend.name);
    state.announced = true;
    if (before === undefined || before.protocol !== backend.protocol || !isDeepStrictEqual(before.tls, backend.tls)) {
      try {
        state.speak(backend.protocol, this.#securityOf(backend));
      } catch (error) {
        const reason = reasonOf(error);
        if (before === undefined) state.speak(backend.protocol, { unusable: reason });
        return reason;
      }
    }
    if (before?.balancing !== backend.balancing) state.balancer = createBalancer(backend.balancing, this.#inputs);
    this.#backends.set(backend.name, backend);
    return undefined;
  }

  #securityOf({ protocol, tls }: Backend): UpstreamSecurity {
    if (tls === undefined) return undefined;
    const certificate = tls.clientCertificate === undefined ? undefined : this.#inputs.certificate(tls.clientCertificate);
    if (tls.clientCertificate !== undefined && certificate === undefined) return { unusable: 'client-certificate-missing' };
    return upstreamTls(this.#contexts, protocol, tls, certificate);
  }

  #stateOf(name: string): BackendState {
    let state = this.#byName.get(name);
    if (state === undefined) {
      state = new BackendState(name, createBalancer('least-request', this.#inputs), this.#inputs);
      this.#byName.set(name, state);
    }
    return state;
  }
}

/** The message is OpenSSL's or ours, and holds no part of a key. */
function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : 'unusable TLS settings';
}
