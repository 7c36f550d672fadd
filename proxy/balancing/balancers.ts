import type { EndpointSet, EndpointState } from './endpoints.ts';

export interface BalancerInputs {
  /** In [0, 1). */
  readonly random: () => number;
  /** Milliseconds on a monotonic clock. */
  readonly now: () => number;
}

/**
 * Chooses an endpoint, or undefined where there is none. `tried` are the endpoints of this request's earlier attempts, last one last.
 * A first attempt goes to an endpoint whose trial is due. Else, in order of preference: neither tried nor set aside; not tried; not set
 * aside; any but the last; the one there is.
 */
export interface Balancer {
  pick<Pool>(set: EndpointSet<Pool>, tried?: readonly EndpointState<Pool>[]): EndpointState<Pool> | undefined;
}

export function createBalancer(kind: 'least-request' | 'round-robin', inputs: BalancerInputs): Balancer {
  return kind === 'round-robin' ? new RoundRobin(inputs) : new LeastRequest(inputs);
}

/** Draws per choice before looking at all. At most two thirds are set aside, so all of them miss once in 650. */
const maxDraws = 16;

/** Power of two choices: of two endpoints taken at random, the one with fewer requests in flight. */
class LeastRequest implements Balancer {
  readonly #inputs: BalancerInputs;

  constructor(inputs: BalancerInputs) {
    this.#inputs = inputs;
  }

  pick<Pool>(set: EndpointSet<Pool>, tried?: readonly EndpointState<Pool>[]): EndpointState<Pool> | undefined {
    const states = set.states;
    const count = states.length;
    if (count < 2) return states[0];
    const random = this.#inputs.random;
    const isFirst = tried === undefined || tried.length === 0;
    if (isFirst && set.aside === 0) {
      const first = Math.floor(random() * count);
      let second = Math.floor(random() * (count - 1));
      if (second >= first) second++;
      return fewer(states[first]!, states[second]!);
    }
    const due = isFirst ? set.trial(this.#inputs.now()) : undefined;
    return due ?? this.#draw(states, tried) ?? choose(states, tried, Math.floor(random() * count));
  }

  #draw<Pool>(states: readonly EndpointState<Pool>[], tried: readonly EndpointState<Pool>[] | undefined): EndpointState<Pool> | undefined {
    let found: EndpointState<Pool> | undefined;
    for (let draw = 0; draw < maxDraws; draw++) {
      const state = states[Math.floor(this.#inputs.random() * states.length)]!;
      if (state === found || state.aside || tried?.includes(state) === true) continue;
      if (found !== undefined) return fewer(found, state);
      found = state;
    }
    return found;
  }
}

class RoundRobin implements Balancer {
  readonly #inputs: BalancerInputs;
  /** A further attempt takes no turn: else, of two endpoints, the one that makes such attempts necessary would be the first of each request. */
  readonly #further: LeastRequest;

  constructor(inputs: BalancerInputs) {
    this.#inputs = inputs;
    this.#further = new LeastRequest(inputs);
  }

  pick<Pool>(set: EndpointSet<Pool>, tried?: readonly EndpointState<Pool>[]): EndpointState<Pool> | undefined {
    const states = set.states;
    if (states.length < 2) return states[0];
    if (tried !== undefined && tried.length > 0) return this.#further.pick(set, tried);
    const start = set.cursor >= states.length ? 0 : set.cursor;
    const due = set.aside > 0 ? set.trial(this.#inputs.now()) : undefined;
    if (due !== undefined) return due;
    const picked = set.aside === 0 ? states[start]! : choose(states, undefined, start)!;
    set.cursor = picked.index + 1;
    return picked;
  }
}

function fewer<Pool>(one: EndpointState<Pool>, other: EndpointState<Pool>): EndpointState<Pool> {
  return other.active < one.active ? other : one;
}

/** The best by the order of preference; among equals the first from `start` on, cyclically. Looks at all. */
function choose<Pool>(
  states: readonly EndpointState<Pool>[],
  tried: readonly EndpointState<Pool>[] | undefined,
  start: number,
): EndpointState<Pool> | undefined {
  const last = tried?.at(-1);
  let best: EndpointState<Pool> | undefined;
  let bestScore = -1;
  for (let step = 0; step < states.length; step++) {
    const state = states[(start + step) % states.length]!;
    const score = (tried?.includes(state) === true ? 0 : 4) + (state.aside ? 0 : 2) + (state === last ? 0 : 1);
    if (score > bestScore) {
      best = state;
      bestScore = score;
      if (score === 7) break;
    }
  }
  return best;
}
