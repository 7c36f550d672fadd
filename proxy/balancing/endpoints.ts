import { hostPort, type Endpoint } from '#snapshot';
import type { Fault } from './faults.ts';

/** Broken attempts in a row before an endpoint is set aside. A connection that is refused is enough by itself: nobody is there. */
export const brokenInARow = 5;
/** The first trial comes after half of this to all of it; that doubles with each trial in a row that fails, to the longest. */
const firstWaitMs = 1000;
const longestWaitMs = 30_000;
/** A trial of which nothing has been heard for so long is followed by another. */
export const trialMs = 1000;

/**
 * One endpoint as this proxy knows it. Lives as long as its address and port stay in the set, so counts survive an update;
 * an exchange may hold on to it longer. The one mutable object that requests share. But for `active` and `pool`, `EndpointSet` alone writes it.
 */
export class EndpointState<Pool = unknown> {
  endpoint: Endpoint;
  /** `address:port`, IPv6 in brackets, which an endpoint keeps for as long as it is here. */
  readonly place: string;
  /** Position in the set; -1 once the endpoint left it: its idle connections are to be closed, and it isn't picked again. */
  index: number;
  /** Requests in flight. Whoever starts and ends an attempt counts. */
  active = 0;
  /** The owner's connections to this endpoint. */
  pool: Pool | undefined = undefined;
  /** Attempts in a row that failed for its fault; those that were under way together are one. */
  faults = 0;
  /** When the last of them failed, on the clock of `now`. */
  faultAt = -Infinity;
  /** It failed often enough to be set aside, and has not answered since. */
  failing = false;
  /** Gets trials alone, and what no other is there for. */
  aside = false;
  /** Since when it is. */
  asideSince = 0;
  /** Trials in a row that failed. */
  trials = 0;
  /** When the next one is due. */
  trialAt = 0;
  onTrial = false;

  constructor(endpoint: Endpoint, index: number) {
    this.endpoint = endpoint;
    this.place = hostPort(endpoint.address, endpoint.port);
    this.index = index;
  }
}

export interface SetInputs {
  /** In [0, 1): spreads trials, so that proxies don't all come at the same time. */
  readonly random: () => number;
  /** So many more (fewer, below 0) are set aside now. */
  readonly asideChanged: (by: number) => void;
}

const unheard: SetInputs = { random: () => 0, asideChanged: () => {} };

/**
 * The endpoints of one backend, and which of them are set aside because attempts there fail without an answer. One that is aside gets a single
 * request when its trial is due; an answer to anything brings it back. At most two thirds are aside at a time, and none when all are failing:
 * then the cause is likely elsewhere, and all get requests as if nothing were known.
 */
export class EndpointSet<Pool = unknown> {
  /** To be read only; the order is that of the last update. */
  states: readonly EndpointState<Pool>[] = [];
  /** How many are set aside: with none, `pick` need not look at each. */
  aside = 0;
  /** By their places. */
  #byPlace: ReadonlyMap<string, EndpointState<Pool>> = new Map();
  /** The round robin's place. */
  cursor = 0;
  readonly #inputs: SetInputs;
  #failing = 0;
  /** No trial is due before this. */
  #trialAt = Infinity;

  constructor(endpoints: readonly Endpoint[] = [], inputs: SetInputs = unheard) {
    this.#inputs = inputs;
    this.update(endpoints);
  }

  get size(): number {
    return this.states.length;
  }

  /** Whether one is at this place, `address:port`. */
  has(place: string): boolean {
    return this.#byPlace.has(place);
  }

  /**
   * Takes the new list; states of unchanged `address:port` stay, one stated twice stands once. Returns the states that left.
   */
  update(endpoints: readonly Endpoint[]): readonly EndpointState<Pool>[] {
    const before = new Map(this.#byPlace);
    const next = new Map<string, EndpointState<Pool>>();
    for (const endpoint of endpoints) {
      const key = hostPort(endpoint.address, endpoint.port);
      if (next.has(key)) continue;
      const state = before.get(key) ?? new EndpointState<Pool>(endpoint, 0);
      state.endpoint = endpoint;
      state.index = next.size;
      next.set(key, state);
      before.delete(key);
    }
    this.states = [...next.values()];
    this.#byPlace = next;
    for (const state of before.values()) {
      this.succeeded(state);
      state.index = -1;
    }
    this.#keepBound();
    return [...before.values()];
  }

  /**
   * An attempt that began at `startedAt` failed for the endpoint's fault, `now`. Milliseconds. Returns whether the endpoint has been set aside
   * for it.
   */
  failed(state: EndpointState<Pool>, fault: Fault, { startedAt, now }: { readonly startedAt: number; readonly now: number }): boolean {
    // What was under way with one that failed tells nothing new: all requests of a connection are lost at once. Nor does one that came here for want of another.
    if (state.index < 0 || startedAt < state.faultAt || (state.aside && !state.onTrial)) return false;
    state.faultAt = now;
    state.faults++;
    if (fault === 'broken' && state.faults < brokenInARow && !state.failing) return false;
    if (!state.failing) {
      state.failing = true;
      this.#failing++;
    }
    const wasAside = state.aside;
    if (this.#failing === this.size) this.#releaseAll();
    else if (wasAside || this.#hasRoom()) this.#setAside(state, now);
    return !wasAside && state.aside;
  }

  /** It has answered, or, of what asks for no answer, is there. */
  succeeded(state: EndpointState<Pool>): void {
    if (state.faults === 0 || state.index < 0) return;
    this.#release(state);
    if (state.failing) this.#failing--;
    state.failing = false;
    state.faults = state.trials = 0;
  }

  /** The endpoint that is to get the next request because its trial is due. `now` in milliseconds. */
  trial(now: number): EndpointState<Pool> | undefined {
    if (now < this.#trialAt) return undefined;
    let due: EndpointState<Pool> | undefined;
    this.#trialAt = Infinity;
    for (const state of this.states) {
      if (!state.aside) continue;
      if (due === undefined && state.trialAt <= now) {
        due = state;
        state.onTrial = true;
        state.trialAt = now + trialMs;
      }
      this.#trialAt = Math.min(this.#trialAt, state.trialAt);
    }
    return due;
  }

  #hasRoom(): boolean {
    return (this.aside + 1) * 3 <= this.size * 2;
  }

  #setAside(state: EndpointState<Pool>, now: number): void {
    const ceiling = Math.min(longestWaitMs, firstWaitMs * 2 ** Math.min(state.trials, 10));
    state.trials++;
    state.onTrial = false;
    state.trialAt = now + ceiling * (1 - this.#inputs.random() / 2);
    this.#trialAt = Math.min(this.#trialAt, state.trialAt);
    if (state.aside) return;
    state.aside = true;
    state.asideSince = now;
    this.aside++;
    this.#inputs.asideChanged(1);
  }

  #release(state: EndpointState<Pool>): void {
    if (!state.aside) return;
    state.aside = state.onTrial = false;
    this.aside--;
    this.#inputs.asideChanged(-1);
  }

  #releaseAll(): void {
    if (this.aside > 0) for (const state of this.states) this.#release(state);
  }

  /** After endpoints left. Those whose trial comes first are the ones of which least is known against. */
  #keepBound(): void {
    if (this.#failing === this.size) this.#releaseAll();
    if (this.aside * 3 <= this.size * 2) return;
    const aside = this.states.filter((state) => state.aside).toSorted((one, other) => one.trialAt - other.trialAt);
    for (const state of aside.slice(0, Math.ceil(this.aside - (this.size * 2) / 3))) this.#release(state);
  }
}
