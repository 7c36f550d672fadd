import type { Resource, ResourceKind } from '../resources.ts';
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
  apply(update: Update): void;
  /** Milliseconds of a clock that never goes back. */
  now(): number;
}

/** How long a resource that nothing refers to stays subscribed, in milliseconds: what comes back soon is not asked for again. */
export const unusedGrace = 5000;

interface Held {
  /** The newest version that passed the check; undefined: the controller says that it does not exist. */
  readonly version: string | undefined;
  readonly resource: Resource | undefined;
  readonly refers: readonly ResourceId[];
}

/** What a response brought. */
interface Taken {
  /** New versions of resources in force, with the same references. */
  readonly versions: readonly (readonly [string, Held])[];
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

  constructor(env: SubscriberEnvironment) {
    this.#env = env;
    const state = (): TypeState => ({ subscribed: new Set(), held: new Map(), live: new Map(), rejected: new Map(), reported: new Map(), unusedSince: new Map(), lastNonce: undefined });
    this.#types = new Map(resourceKinds.map((kind) => [kind, state()]));
    this.#roots = new Map(resourceKinds.map((kind) => [kind, new Set()]));
  }

  /** Asks for a resource (`*`: all own of the type) and whatever it refers to. */
  want(type: ResourceKind, name: string): void {
    this.#rootsOf(type).add(name);
    this.#settle();
  }

  /** No longer a root; the subscription ends after the grace unless something refers to it. */
  unwant(type: ResourceKind, name: string): void {
    if (this.#rootsOf(type).delete(name)) this.#settle();
  }

  /** The version of the resource that the proxy works with. */
  live(type: ResourceKind, name: string): Resource | undefined {
    return this.#of(type).live.get(name)?.resource;
  }

  /** Whether the controller has answered for the name: with a resource, with a refused one, or that there is none. */
  answered(type: ResourceKind, name: string): 'present' | 'absent' | undefined {
    const held = this.#of(type).held.get(name);
    return held === undefined ? undefined : held.resource === undefined ? 'absent' : 'present';
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
      if (state.subscribed.size === 0) continue;
      const versions = [...state.held].flatMap(([name, { version }]) => (version === undefined ? [] : [[name, version] as const]));
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
    const response = decoded.value;
    const state = this.#of(response.type);
    state.lastNonce = response.nonce;
    const { versions, reshaped } = this.#take(state, response);
    // First put into force and ask for what is missing, then acknowledge: once all is acknowledged, all is in force.
    if (reshaped) this.#settle();
    else this.#replace(state, versions);
    this.#answer(response.type, response.nonce);
    return undefined;
  }

  /** Ends the subscriptions whose grace is over. To be called now and then. */
  expire(): void {
    for (const [type, state] of this.#types) {
      const over = [...state.unusedSince].filter(([, since]) => this.#env.now() - since >= unusedGrace).map(([name]) => name);
      for (const name of over) forget(state, name);
      if (over.length > 0) this.#request({ type, subscribe: [], unsubscribe: over });
    }
  }

  #take(state: TypeState, response: DeltaResponse): Taken {
    const versions: (readonly [string, Held])[] = [];
    let reshaped = response.removed.length > 0;
    for (const received of response.resources) {
      const { name } = received;
      if (!state.subscribed.has(name) && !state.subscribed.has('*')) continue;
      const fault = resourceFault(response.type, received) ?? this.#check(received);
      if (fault === undefined) {
        state.rejected.delete(name);
        const old = state.held.get(name);
        const held = { version: received.version, resource: received.resource, refers: references(received.resource) };
        state.held.set(name, held);
        if (old?.resource !== undefined && state.live.get(name) === old && sameReferences(old.refers, held.refers)) versions.push([name, held]);
        else reshaped = true;
      } else state.rejected.set(name, fault);
    }
    for (const name of response.removed) {
      state.rejected.delete(name);
      if (state.subscribed.has(name)) state.held.set(name, { version: undefined, resource: undefined, refers: [] });
      else state.held.delete(name);
    }
    return { versions, reshaped };
  }

  /** What `#settle` comes to where resources in force have new versions that refer to the same as before: nothing else is touched. */
  #replace(state: TypeState, versions: Taken['versions']): void {
    const resources: Resource[] = [];
    for (const [name, held] of versions) {
      const before = state.live.get(name);
      state.live.set(name, held);
      if (before?.version !== held.version && held.resource !== undefined) resources.push(held.resource);
    }
    if (resources.length > 0) this.#env.apply({ resources, removed: [] });
  }

  #check(received: VersionedResource): string | undefined {
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

  /** Brings the proxy's set and the subscriptions in line with what is held now. */
  #settle(): void {
    const update = this.#advance(new Picker(this.#types).closure(this.#roots));
    this.#subscribeToUsed();
    if (update.resources.length > 0 || update.removed.length > 0) this.#env.apply(update);
  }

  #advance(picked: ReadonlyMap<ResourceKind, ReadonlyMap<string, Held>>): Update {
    const resources: Resource[] = [];
    const removed: ResourceId[] = [];
    // resourceKinds has referrers first; what they refer to must come first in an update.
    for (const type of resourceKinds.toReversed()) {
      const { live } = this.#of(type);
      for (const [name, held] of picked.get(type) ?? []) {
        const before = live.get(name);
        live.set(name, held);
        if (before?.version !== held.version && held.resource !== undefined) resources.push(held.resource);
      }
    }
    for (const type of resourceKinds) {
      const { live } = this.#of(type);
      for (const name of live.keys()) {
        if (picked.get(type)?.has(name) === true) continue;
        live.delete(name);
        removed.push({ type, name });
      }
    }
    return { resources, removed };
  }

  /** Follows roots and references through newest and live versions; subscribes to what is new, starts the grace of what is not. */
  #subscribeToUsed(): void {
    const used = new Map<ResourceKind, Set<string>>(resourceKinds.map((kind) => [kind, new Set()]));
    const visit = ({ type, name }: ResourceId): void => {
      const names = used.get(type);
      if (names === undefined || names.has(name)) return;
      names.add(name);
      const state = this.#of(type);
      for (const id of state.held.get(name)?.refers ?? []) visit(id);
      for (const id of state.live.get(name)?.refers ?? []) visit(id);
    };
    for (const [type, names] of this.#roots) {
      for (const name of names) {
        visit({ type, name });
        if (name === '*') for (const own of this.#of(type).held.keys()) visit({ type, name: own });
      }
    }
    for (const [type, names] of used) this.#subscribe(type, names);
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

function sameReferences(a: readonly ResourceId[], b: readonly ResourceId[]): boolean {
  return a.length === b.length && a.every(({ type, name }, index) => b[index]?.name === name && b[index].type === type);
}

function forget(state: TypeState, name: string): void {
  state.subscribed.delete(name);
  state.held.delete(name);
  state.rejected.delete(name);
  state.unusedSince.delete(name);
}

/** Chooses for each resource the newest version whose references can all be chosen, else the live one. */
class Picker {
  readonly #types: ReadonlyMap<ResourceKind, TypeState>;
  readonly #chosen: ReadonlyMap<ResourceKind, Map<string, Held | undefined>> = new Map(resourceKinds.map((kind) => [kind, new Map()]));

  constructor(types: ReadonlyMap<ResourceKind, TypeState>) {
    this.#types = types;
  }

  closure(roots: ReadonlyMap<ResourceKind, ReadonlySet<string>>): ReadonlyMap<ResourceKind, ReadonlyMap<string, Held>> {
    const closure = new Map<ResourceKind, Map<string, Held>>(resourceKinds.map((kind) => [kind, new Map()]));
    const visit = ({ type, name }: ResourceId): void => {
      const held = closure.get(type)?.has(name) === true ? undefined : this.#choose({ type, name });
      if (held === undefined) return;
      closure.get(type)?.set(name, held);
      for (const id of held.refers) visit(id);
    };
    for (const [type, names] of roots) {
      for (const name of names) {
        for (const each of name === '*' ? (this.#types.get(type)?.held.keys() ?? []) : [name]) {
          // A root that the controller says is gone is gone; anything else that still serves stays while it is referred to.
          if (this.#types.get(type)?.held.get(each)?.resource !== undefined) visit({ type, name: each });
        }
      }
    }
    return closure;
  }

  // The kinds refer to each other in one direction only, so this ends.
  #choose({ type, name }: ResourceId): Held | undefined {
    const known = this.#chosen.get(type)!;
    const before = known.get(name);
    if (before !== undefined || known.has(name)) return before;
    const state = this.#types.get(type);
    const newest = state?.held.get(name);
    const complete = newest?.resource !== undefined && newest.refers.every((id) => this.#choose(id) !== undefined);
    const chosen = complete ? newest : state?.live.get(name);
    known.set(name, chosen);
    return chosen;
  }
}
