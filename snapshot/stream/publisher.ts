import type { ResourceKind } from '../resources.ts';
import { Pace, type Steps } from '../steps.ts';
import { decodeRequest, resourceKinds } from './codec.ts';
import type { DeltaRequest, ProxyNode } from './messages.ts';

/** A resource as it goes over the wire; `encoded` is the JSON of a VersionedResource, made once for all sessions. */
export interface Published {
  readonly version: string;
  readonly encoded: string;
}

/** What one proxy may see. Reads the newest state at every call. */
export interface ResourceView {
  find(type: ResourceKind, name: string): Published | undefined;
  /** The names that `*` stands for: a gateway's own Listeners. */
  own(type: ResourceKind): readonly string[];
}

export interface PublisherEnvironment {
  send(message: string): void;
  /** Called once, with the node of the session's first request. A text refuses the session. */
  open(node: ProxyNode): ResourceView | string;
  /** After every acknowledgement, refusal and report. */
  reported?(): void;
}

/** How far a proxy has followed, for one type. */
export interface TypeProgress {
  /** By name: the version that the proxy should have; undefined where the resource does not exist. */
  readonly wanted: ReadonlyMap<string, string | undefined>;
  readonly acked: ReadonlyMap<string, string>;
  /** By name: why the proxy refuses the resource, or can't carry it out. */
  readonly rejected: ReadonlyMap<string, string>;
  /** Nothing is under way: the proxy has answered for all it should have. */
  readonly settled: boolean;
}

/** More names than this in one session's subscription end it. */
export const maxSubscriptions = 100_000;
/** A response is cut at about this many characters; the rest follows when it is acknowledged. */
const responseLength = 1 << 20;
/** Gone through in one step; those that are new are looked up and written out. */
const namesAtOnce = 50;

interface Subscription {
  wildcard: boolean;
  readonly names: Set<string>;
  /** What the proxy was told, by name: a version, or undefined for "does not exist". */
  readonly told: Map<string, string | undefined>;
  readonly acked: Map<string, string>;
  rejected: ReadonlyMap<string, string>;
  /** At most one response per type is unanswered, so a slow proxy costs no queue: what changes meanwhile goes out as one. */
  pending: { readonly nonce: string; readonly told: ReadonlyMap<string, string | undefined> } | undefined;
  lastNonce: string | undefined;
}

/**
 * The controller's side of one session. Knows no transport: text in (`receive`), text out (`send`). It works in steps, one thing after the other:
 * what `receive` or `refresh` has begun is to be done before either begins again.
 */
export class Publisher {
  readonly #env: PublisherEnvironment;
  readonly #types = new Map<ResourceKind, Subscription>();
  #node: ProxyNode | undefined;
  #view: ResourceView | undefined;
  #nonce = 0;

  constructor(env: PublisherEnvironment) {
    this.#env = env;
  }

  get node(): ProxyNode | undefined {
    return this.#node;
  }

  /** Takes one message of the proxy. Returns why the session must end, or undefined. */
  *receive(message: string): Steps<string | undefined> {
    const decoded = decodeRequest(message);
    if (!decoded.ok) return decoded.error;
    const request = decoded.value;
    const fault = this.#admit(request);
    if (fault !== undefined) return fault;
    // A newer proxy does without what this controller has not; nothing that it is sent refers to that.
    if (!resourceKinds.includes(request.type)) return undefined;
    const subscription = this.#subscription(request.type);
    const pace = new Pace(namesAtOnce);
    // A long message takes a step to be read.
    if (pace.spend(request.subscribe.length)) yield;
    const answered = yield* acknowledge(subscription, request, pace);
    yield* subscribe(subscription, request, pace);
    let total = 0;
    for (const { names } of this.#types.values()) total += names.size;
    if (total > maxSubscriptions) return `more than ${maxSubscriptions} names subscribed`;
    yield* this.#flush(request.type, subscription, pace);
    if (answered) this.#env.reported?.();
    return undefined;
  }

  /** Whether the proxy has answered for everything that it should have, with the newest versions; refused ones count as answered. */
  isCurrent(type: ResourceKind): boolean {
    const subscription = this.#types.get(type);
    if (subscription === undefined) return true;
    if (subscription.pending !== undefined) return false;
    for (const name of this.#names(type, subscription)) {
      if (!subscription.rejected.has(name) && subscription.acked.get(name) !== this.#view?.find(type, name)?.version) return false;
    }
    return true;
  }

  /** Sends what differs from what the proxy was told; of all types, or of those whose resources changed. */
  *refresh(types: readonly ResourceKind[] = resourceKinds): Steps<void> {
    const pace = new Pace(namesAtOnce);
    for (const type of types) {
      const subscription = this.#types.get(type);
      if (subscription !== undefined) yield* this.#flush(type, subscription, pace);
    }
  }

  progress(type: ResourceKind): TypeProgress {
    const subscription = this.#types.get(type);
    if (subscription === undefined) return { wanted: new Map(), acked: new Map(), rejected: new Map(), settled: true };
    const wanted = new Map([...this.#names(type, subscription)].map((name) => [name, this.#view?.find(type, name)?.version] as const));
    return { wanted, acked: subscription.acked, rejected: subscription.rejected, settled: subscription.pending === undefined };
  }

  /** What the proxy has subscribed to by name. */
  subscribed(type: ResourceKind): Iterable<string> {
    return this.#types.get(type)?.names ?? [];
  }

  /** By name: why the proxy refuses a resource of the type, or can't carry it out. */
  rejected(type: ResourceKind): ReadonlyMap<string, string> {
    return this.#types.get(type)?.rejected ?? new Map();
  }

  #admit(request: DeltaRequest): string | undefined {
    if (this.#view !== undefined) return undefined;
    if (request.node === undefined) return 'the first request has no node';
    const view = this.#env.open(request.node);
    if (typeof view === 'string') return view;
    this.#node = request.node;
    this.#view = view;
    return undefined;
  }

  #subscription(type: ResourceKind): Subscription {
    let subscription = this.#types.get(type);
    if (subscription === undefined) {
      subscription = { wildcard: false, names: new Set(), told: new Map(), acked: new Map(), rejected: new Map(), pending: undefined, lastNonce: undefined };
      this.#types.set(type, subscription);
    }
    return subscription;
  }

  /** Every name the proxy must hear of: subscribed, own, or told before and perhaps gone now. */
  #names(type: ResourceKind, subscription: Subscription): ReadonlySet<string> {
    if (!subscription.wildcard) return subscription.names;
    return new Set([...subscription.names, ...(this.#view?.own(type) ?? [])]);
  }

  *#flush(type: ResourceKind, subscription: Subscription, pace: Pace): Steps<void> {
    if (subscription.pending !== undefined || this.#view === undefined) return;
    const told = new Map<string, string | undefined>();
    const resources: string[] = [];
    let length = 0;
    const names = this.#names(type, subscription);
    for (const name of names) {
      if (pace.spend()) yield;
      const current = this.#view.find(type, name);
      if (subscription.told.has(name) && subscription.told.get(name) === current?.version) continue;
      told.set(name, current?.version);
      if (current !== undefined) resources.push(current.encoded);
      length += name.length + (current?.encoded.length ?? 0);
      if (length > responseLength) break;
    }
    // Only with a wildcard can a name have been told that is no longer asked for: one of the proxy's own that is gone.
    for (const [name, version] of subscription.told) {
      if (pace.spend()) yield;
      if (version !== undefined && !names.has(name)) told.set(name, undefined);
    }
    if (told.size === 0) return;
    // Not before all of it could be made.
    for (const [name, version] of told) {
      subscription.told.set(name, version);
      if (pace.spend()) yield;
    }
    this.#respond(type, subscription, { told, resources });
  }

  #respond(type: ResourceKind, subscription: Subscription, { told, resources }: { readonly told: ReadonlyMap<string, string | undefined>; readonly resources: readonly string[] }): void {
    const nonce = String(++this.#nonce);
    subscription.pending = { nonce, told };
    subscription.lastNonce = nonce;
    const removed = [...told].filter(([, version]) => version === undefined).map(([name]) => name);
    const head = `{"type":${JSON.stringify(type)},"nonce":"${nonce}","removed":${JSON.stringify(removed)},"resources":[`;
    this.#env.send(`${head}${resources.join(',')}]}`);
  }
}

/** Returns whether the request answered a response, or reported on the last one again. */
function* acknowledge(subscription: Subscription, request: DeltaRequest, pace: Pace): Steps<boolean> {
  // A nonce that is not the last one answers something older; the proxy will answer the newer response too.
  if (request.nonce === undefined || request.nonce !== subscription.lastNonce) return false;
  const told = subscription.pending?.told;
  const { error } = request;
  // A refusal that names no resource concerns all that the response brought.
  const unnamed = error === undefined || request.rejected !== undefined ? [] : [...(told?.keys() ?? [])].map((name) => [name, error] as const);
  subscription.rejected = new Map([...Object.entries(request.rejected ?? {}), ...unnamed]);
  for (const [name, version] of told ?? []) {
    if (pace.spend()) yield;
    if (version === undefined) {
      subscription.acked.delete(name);
      if (!subscription.names.has(name)) subscription.told.delete(name);
    } else if (subscription.told.has(name) && !subscription.rejected.has(name)) subscription.acked.set(name, version);
  }
  // Only now: until then not all of it counts as answered.
  subscription.pending = undefined;
  return true;
}

function* subscribe(subscription: Subscription, request: DeltaRequest, pace: Pace): Steps<void> {
  for (const name of request.unsubscribe) {
    if (pace.spend()) yield;
    if (name === '*') subscription.wildcard = false;
    subscription.names.delete(name);
    subscription.told.delete(name);
    subscription.acked.delete(name);
  }
  const held = request.initialVersions ?? {};
  for (const name of request.subscribe) {
    if (pace.spend()) yield;
    if (name === '*') {
      subscription.wildcard = true;
      // What the proxy still holds of its own: so that it hears of those that are gone.
      for (const [own, version] of Object.entries(held)) tell(subscription, own, version);
      continue;
    }
    subscription.names.add(name);
    // To subscribe again asks for the resource again.
    subscription.told.delete(name);
    if (Object.hasOwn(held, name)) tell(subscription, name, held[name]!);
  }
}

function tell(subscription: Subscription, name: string, version: string): void {
  subscription.told.set(name, version);
  subscription.acked.set(name, version);
}
