import type { Resource, ResourceKind } from '../resources.ts';
import { Pace, runSteps, type Steps } from '../steps.ts';
import { closureInSteps, usedInSteps, type Held, type Picked } from './closure.ts';
import { decodeResponse, resourceFault, resourceKinds } from './codec.ts';
import type { DeltaRequest, DeltaResponse, ProxyNode, Received, VersionedResource } from './messages.ts';
import { references, type ResourceId } from './references.ts';

/** What changed for the proxy, consistent in itself: whatever a resource refers to is in the update, or was given before. */
export interface Update {
  /** New and changed ones, those that others refer to first. */
  readonly resources: readonly Resource[];
  /** Nothing that is left refers to them. */
  readonly removed: readonly ResourceId[];
}

export interface SubscriberEnvironment {
  readonly node: ProxyNode;
  /** Why the proxy can't use this resource (its compiler's word), or undefined. The last good version stays in force. */
  check(resource: Resource): string | undefined;
  /** What an earlier run of the proxy worked with: asked for where what comes can't be used, and none came before that could. */
  lastGood?(type: ResourceKind, name: string): VersionedResource | undefined;
  /** A version of a resource failed this check, or the one of its shape. */
  refused?(): void;
  /** Makes what is new ready to serve, before `live` tells of it and before the update is applied. */
  prepare?(update: Update): Steps<void>;
  apply(update: Update): Steps<void> | void;
  /** Milliseconds of a clock that never goes back. */
  now(): number;
  /**
   * Runs steps to their end, in as many turns of the event loop as it likes, the first at once. What comes meanwhile waits. Unless set, they run at
   * once.
   */
  run?(steps: Steps<void>): void;
}

/** How long a resource that nothing refers to stays subscribed, in milliseconds: what comes back soon is not asked for again. */
export const unusedGrace = 5000;

/** What a response brought. */
interface Taken {
  /** New versions of resources in force, with the same references. */
  readonly versions: ReadonlyMap<string, Held>;
  /** There is more to it: who refers to whom has changed, or what is there. */
  readonly reshaped: boolean;
}

interface TypeState {
  /** What the controller was asked for (`*` for all own). */
  readonly subscribed: Set<string>;
  readonly held: Map<string, Held>;
  /** What the proxy works with. */
  readonly live: Map<string, Held>;
  /** Failed the check. */
  readonly rejected: Map<string, string>;
  /** Passed the check, but can't be carried out (`report`). */
  reported: ReadonlyMap<string, string>;
  /** Since when nothing refers to the name. */
  readonly unusedSince: Map<string, number>;
  lastNonce: string | undefined;
}

/**
 * The proxy's side of the stream, across reconnects. Subscribes to the roots it is asked for and to whatever they refer to, and hands
 * the proxy only closed sets (make before break): a resource is given once all it refers to is there; until then the last good version
 * stays. When the controller is gone, everything stays. Knows no transport.
 */
export class Subscriber {
  readonly #env: SubscriberEnvironment;
  readonly #types: ReadonlyMap<ResourceKind, TypeState>;
  readonly #roots: ReadonlyMap<ResourceKind, Set<string>>;
  #send: ((message: string) => void) | undefined;
  /** Done one after the other, each to its end: a message and the walk that follows from it are one. */
  readonly #waiting: Steps<void>[] = [];
  #busy = false;
  #settleWaits = false;

  constructor(env: SubscriberEnvironment) {
    this.#env = env;
    const state = (): TypeState => ({ subscribed: new Set(), held: new Map(), live: new Map(), rejected: new Map(), reported: new Map(), unusedSince: new Map(), lastNonce: undefined });
    this.#types = new Map(resourceKinds.map((kind) => [kind, state()]));
    this.#roots = new Map(resourceKinds.map((kind) => [kind, new Set()]));
  }

  /** Asks for a resource (`*`: all own of the type) and whatever it refers to. */
  want(type: ResourceKind, name: string): void {
    this.#rootsOf(type).add(name);
    this.#settleSoon();
  }

  /** No longer a root; the subscription ends after the grace unless something refers to it. */
  unwant(type: ResourceKind, name: string): void {
    if (this.#rootsOf(type).delete(name)) this.#settleSoon();
  }

  /** The version of the resource that the proxy works with. */
  live(type: ResourceKind, name: string): Resource | undefined {
    return this.#of(type).live.get(name)?.resource;
  }

  /** Whether the controller has answered for the name: with a resource, with a refused one, or that there is none. */
  answered(type: ResourceKind, name: string): 'present' | 'absent' | undefined {
    const { held, rejected } = this.#of(type);
    if (rejected.has(name)) return 'present';
    const newest = held.get(name);
    return newest === undefined ? undefined : newest.resource === undefined ? 'absent' : 'present';
  }

  /** Why no version of the resource can be in force although the controller has sent one: what is refused of it, or of what it refers to. */
  refusal(type: ResourceKind, name: string): string | undefined {
    const { live, held, rejected } = this.#of(type);
    if (live.has(name)) return undefined;
    const reason = rejected.get(name);
    if (reason !== undefined) return `${type} ${name}: ${reason}`;
    for (const id of held.get(name)?.refers ?? []) {
      const below = this.refusal(id.type, id.name);
      if (below !== undefined) return below;
    }
    return undefined;
  }

  /** Says which resources of a type the proxy can't carry out at present (a socket that can't be bound), by name. */
  report(type: ResourceKind, faults: ReadonlyMap<string, string>): void {
    const state = this.#of(type);
    state.reported = new Map(faults);
    if (state.lastNonce !== undefined) this.#answer(type, state.lastNonce);
  }

  /** A new stream: says what is wanted and what versions are still held. */
  connected(send: (message: string) => void): void {
    this.#send = send;
    let node: ProxyNode | undefined = this.#env.node;
    for (const [type, state] of this.#types) {
      state.lastNonce = undefined;
      // Until it is answered anew, what can't be served stays refused. A controller that has gone back to what is held, or has less of its own, answers nothing.
      for (const name of state.rejected.keys()) if (!state.subscribed.has(name) || state.held.get(name)?.version !== undefined) state.rejected.delete(name);
      if (state.subscribed.size === 0) continue;
      // What can't be carried out comes again, to be answered: a controller that was started meanwhile has not heard of it.
      const versions = [...state.held].flatMap(([name, { version }]) => (version === undefined ? [] : [[name, state.reported.has(name) ? '' : version] as const]));
      this.#request({ type, subscribe: [...state.subscribed], unsubscribe: [], initialVersions: Object.fromEntries(versions), ...(node && { node }) });
      node = undefined;
    }
    // Nothing wanted yet: introduce the proxy all the same, so that the controller knows it.
    if (node !== undefined) this.#request({ node, type: 'Listener', subscribe: [], unsubscribe: [] });
  }

  disconnected(): void {
    this.#send = undefined;
  }

  /** Takes one message of the controller. Returns why the stream must end, or undefined. */
  receive(message: Received): string | undefined {
    const decoded = decodeResponse(message);
    if (!decoded.ok) return decoded.error;
    this.#begin(this.#receive(decoded.value, this.#send));
    return undefined;
  }

  /** Ends the subscriptions whose grace is over. To be called now and then. */
  expire(): void {
    if (this.#busy) return;
    for (const [type, state] of this.#types) {
      const over = [...state.unusedSince].filter(([, since]) => this.#env.now() - since >= unusedGrace).map(([name]) => name);
      for (const name of over) forget(state, name);
      if (over.length > 0) this.#request({ type, subscribe: [], unsubscribe: over });
    }
  }

  #begin(steps: Steps<void>): void {
    this.#waiting.push(steps);
    if (this.#busy) return;
    this.#busy = true;
    if (this.#env.run === undefined) runSteps(this.#work());
    else this.#env.run(this.#work());
  }

  *#work(): Steps<void> {
    try {
      for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) yield* next;
    } finally {
      this.#busy = false;
    }
  }

  *#receive(response: DeltaResponse, from: ((message: string) => void) | undefined): Steps<void> {
    const isOver = (): boolean => this.#send !== undefined && this.#send !== from;
    // The stream that has taken its place was told what is held, and brings the rest itself.
    if (isOver()) return;
    const state = this.#of(response.type);
    const pace = new Pace();
    const { versions, reshaped } = yield* this.#take(state, response, pace);
    // First put into force and ask for what is missing, then acknowledge: once all is acknowledged, all is in force.
    if (reshaped) yield* this.#settle(pace);
    else yield* this.#replace(response.type, versions, pace);
    if (isOver()) return;
    state.lastNonce = response.nonce;
    this.#answer(response.type, response.nonce);
  }

  *#take(state: TypeState, response: DeltaResponse, pace: Pace): Steps<Taken> {
    const versions = new Map<string, Held>();
    let reshaped = response.removed.length > 0;
    for (const received of response.resources) {
      const { name } = received;
      if (!state.subscribed.has(name) && !state.subscribed.has('*')) continue;
      const fault = this.#fault(response.type, received);
      if (fault === undefined) {
        state.rejected.delete(name);
        const old = state.held.get(name);
        const held = heldOf(received);
        state.held.set(name, held);
        if (old?.resource !== undefined && state.live.get(name) === old && sameReferences(old.refers, held.refers)) versions.set(name, held);
        else reshaped = true;
      } else {
        state.rejected.set(name, fault);
        reshaped = this.#takeEarlier(response.type, name) || reshaped;
        this.#env.refused?.();
      }
      if (pace.spend()) yield;
    }
    for (const name of response.removed) {
      state.rejected.delete(name);
      if (state.subscribed.has(name)) state.held.set(name, { version: undefined, resource: undefined, refers: [] });
      else state.held.delete(name);
    }
    return { versions, reshaped };
  }

  /** Whether there is one, and it can be used. */
  #takeEarlier(type: ResourceKind, name: string): boolean {
    const { held } = this.#of(type);
    const earlier = held.has(name) ? undefined : this.#env.lastGood?.(type, name);
    if (earlier === undefined || this.#fault(type, earlier) !== undefined) return false;
    held.set(name, heldOf(earlier));
    return true;
  }

  /** What `#settle` comes to where resources in force have new versions that refer to the same as before: nothing else is touched. */
  *#replace(type: ResourceKind, versions: Taken['versions'], pace: Pace): Steps<void> {
    const picked = new Map([[type, versions]]);
    yield* this.#putInForce(picked, { resources: yield* this.#news(picked, pace), removed: [] }, pace);
  }

  #fault(type: ResourceKind, received: VersionedResource): string | undefined {
    const fault = resourceFault(type, received);
    if (fault !== undefined) return fault;
    try {
      return this.#env.check(received.resource);
    } catch (error) {
      // A compiler that throws has met something that it should refuse; the stream must not end for it.
      return `check failed: ${error instanceof Error ? error.message : String(error)}`;
    }
  }

  #answer(type: ResourceKind, nonce: string): void {
    const { rejected, reported } = this.#of(type);
    const all = new Map([...reported, ...rejected]);
    const faults = all.size === 0 ? {} : { error: [...all.values()].join('; ').slice(0, 4096), rejected: Object.fromEntries(all) };
    this.#request({ type, subscribe: [], unsubscribe: [], nonce, ...faults });
  }

  #request(request: DeltaRequest): void {
    this.#send?.(JSON.stringify(request));
  }

  #settleSoon(): void {
    // One that has not begun yet sees all roots that there are then.
    if (this.#settleWaits) return;
    this.#settleWaits = true;
    this.#begin(this.#settleAnew());
  }

  *#settleAnew(): Steps<void> {
    this.#settleWaits = false;
    yield* this.#settle(new Pace());
  }

  /** Brings the proxy's set and the subscriptions in line with what is held now. */
  *#settle(pace: Pace): Steps<void> {
    const picked = yield* closureInSteps(this.#types, this.#roots, pace);
    yield* this.#putInForce(picked, { resources: yield* this.#news(picked, pace), removed: yield* this.#gone(picked, pace) }, pace);
    for (const [type, names] of yield* usedInSteps(this.#types, this.#roots, pace)) this.#subscribe(type, names);
  }

  *#news(picked: Picked, pace: Pace): Steps<readonly Resource[]> {
    const resources: Resource[] = [];
    for (const [type, name, held] of referredFirst(picked)) {
      if (held.resource !== undefined && this.#of(type).live.get(name)?.version !== held.version) resources.push(held.resource);
      if (pace.spend()) yield;
    }
    return resources;
  }

  *#gone(picked: Picked, pace: Pace): Steps<readonly ResourceId[]> {
    const removed: ResourceId[] = [];
    for (const type of resourceKinds) {
      for (const name of this.#of(type).live.keys()) {
        if (picked.get(type)?.has(name) !== true) removed.push({ type, name });
        if (pace.spend()) yield;
      }
    }
    return removed;
  }

  /** `live` must not tell of what does not serve yet, nor still of what does not serve any more. */
  *#putInForce(picked: Picked, update: Update, pace: Pace): Steps<void> {
    const { prepare } = this.#env;
    const hasNews = update.resources.length > 0 || update.removed.length > 0;
    if (hasNews && prepare !== undefined) yield* prepare(update);
    for (const [type, name, held] of referredFirst(picked)) {
      this.#of(type).live.set(name, held);
      if (pace.spend()) yield;
    }
    for (const { type, name } of update.removed) this.#of(type).live.delete(name);
    const steps = hasNews ? this.#env.apply(update) : undefined;
    if (steps !== undefined) yield* steps;
  }

  #subscribe(type: ResourceKind, used: ReadonlySet<string>): void {
    const state = this.#of(type);
    const wildcard = used.has('*');
    const added = [...used].filter((name) => !state.subscribed.has(name) && !(wildcard && name !== '*'));
    for (const name of added) state.subscribed.add(name);
    if (added.length > 0) this.#request({ type, subscribe: added, unsubscribe: [] });
    for (const name of state.subscribed) {
      if (used.has(name)) state.unusedSince.delete(name);
      else if (!state.unusedSince.has(name)) state.unusedSince.set(name, this.#env.now());
    }
  }

  #of(type: ResourceKind): TypeState {
    const state = this.#types.get(type);
    if (state === undefined) throw new Error(`unknown resource kind ${type}`);
    return state;
  }

  #rootsOf(type: ResourceKind): Set<string> {
    const roots = this.#roots.get(type);
    if (roots === undefined) throw new Error(`unknown resource kind ${type}`);
    return roots;
  }
}

function heldOf({ version, resource }: VersionedResource): Held {
  return { version, resource, refers: references(resource) };
}

function sameReferences(a: readonly ResourceId[], b: readonly ResourceId[]): boolean {
  return a.length === b.length && a.every(({ type, name }, index) => b[index]?.name === name && b[index].type === type);
}

function forget(state: TypeState, name: string): void {
  state.subscribed.delete(name);
  state.held.delete(name);
  state.rejected.delete(name);
  state.unusedSince.delete(name);
}

/** What others refer to comes before them. */
function* referredFirst(picked: Picked): Generator<readonly [type: ResourceKind, name: string, held: Held]> {
  for (const type of resourceKinds.toReversed()) for (const [name, held] of picked.get(type) ?? []) yield [type, name, held];
}
