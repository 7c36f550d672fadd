import type { Endpoint } from '#snapshot';

/** Ejection after a refused connection: doubles from 1 s per refusal in a row, to 30 s. */
const firstEjectionMs = 1000;
const longestEjectionMs = 30_000;
/** Refusals of connections that were dialled together are one: whatever waited for a connection of HTTP/2 tells of its failure, too. */
const sameRefusalMs = 1000;

/**
 * One endpoint as this proxy knows it. Lives as long as its address and port stay in the set, so counts survive an update;
 * an exchange may hold on to it longer. The one mutable object that requests share.
 */
export class EndpointState<Pool = unknown> {
  endpoint: Endpoint;
  /** `address:port`, which an endpoint keeps for as long as it is here. */
  readonly place: string;
  /** Position in the set; -1 once the endpoint left it: its idle connections are to be closed, and it isn't picked again. */
  index: number;
  /** Requests in flight. Whoever starts and ends an attempt counts. */
  active = 0;
  /** Connections refused in a row. */
  failures = 0;
  /** When the last of them was, on the clock of `now`. */
  refusedAt = -Infinity;
  /** Milliseconds on the clock of `now`; picked only for want of another until then. */
  ejectedUntil = 0;
  /** The owner's connections to this endpoint. */
  pool: Pool | undefined = undefined;

  constructor(endpoint: Endpoint, index: number) {
    this.endpoint = endpoint;
    this.place = `${endpoint.address}:${endpoint.port}`;
    this.index = index;
  }
}

/** The endpoints of one backend. */
export class EndpointSet<Pool = unknown> {
  /** To be read only; the order is that of the last update. */
  states: readonly EndpointState<Pool>[] = [];
  /** No endpoint is ejected beyond this time, so `pick` need not look at each before it. */
  ejectionsEnd = 0;
  /** The round robin's place. */
  cursor = 0;

  constructor(endpoints: readonly Endpoint[] = []) {
    this.update(endpoints);
  }

  get size(): number {
    return this.states.length;
  }

  /**
   * Takes the new list; states of unchanged `address:port` stay, one stated twice stands once. Returns the states that left.
   */
  update(endpoints: readonly Endpoint[]): readonly EndpointState<Pool>[] {
    const before = new Map(this.states.map((state) => [keyOf(state.endpoint), state]));
    const next = new Map<string, EndpointState<Pool>>();
    for (const endpoint of endpoints) {
      const key = keyOf(endpoint);
      if (next.has(key)) continue;
      const state = before.get(key) ?? new EndpointState<Pool>(endpoint, 0);
      state.endpoint = endpoint;
      state.index = next.size;
      next.set(key, state);
      before.delete(key);
    }
    this.states = [...next.values()];
    for (const state of before.values()) state.index = -1;
    return [...before.values()];
  }

  /**
   * Avoid this endpoint for a while, for its connection was refused or timed out. Never more than half of the set is avoided at once:
   * when everything refuses, the cause is likely elsewhere. `now` in milliseconds. Returns whether it is avoided now.
   */
  refused(state: EndpointState<Pool>, now: number): boolean {
    if (state.ejectedUntil > now) return true;
    if (now - state.refusedAt >= sameRefusalMs) {
      state.failures++;
      state.refusedAt = now;
    }
    if (state.index < 0) return false;
    let ejected = 0;
    for (const other of this.states) if (other !== state && other.ejectedUntil > now) ejected++;
    if ((ejected + 1) * 2 > this.states.length) return false;
    state.ejectedUntil = now + Math.min(longestEjectionMs, firstEjectionMs * 2 ** Math.min(state.failures - 1, 10));
    if (state.ejectedUntil > this.ejectionsEnd) this.ejectionsEnd = state.ejectedUntil;
    return true;
  }

  /** A connection came about: the endpoint is there. */
  connected(state: EndpointState<Pool>): void {
    state.failures = 0;
    state.ejectedUntil = 0;
  }
}

function keyOf(endpoint: Endpoint): string {
  return `${endpoint.address}|${endpoint.port}`;
}
