import { inTurns, keepConnected, Subscriber, type ControllerChannel, type Destination, type Listener, type ProxyNode, type Resource, type ResourceKind, type Update, type VersionedResource } from '#snapshot';
import type { Changes, Proxy, Refusal, ResourceUpdate } from '../types.ts';
import { checkResource } from './check.ts';

export interface FollowOptions {
  readonly proxy: Pick<Proxy, 'applyInSteps' | 'countRefused'>;
  readonly node: ProxyNode;
  /** Opens a channel to the controller. */
  dial(): Promise<ControllerChannel> | ControllerChannel;
  /** As a Subscriber's. */
  lastGood?(type: ResourceKind, name: string): VersionedResource | undefined;
  /** Milliseconds of a clock that never goes back. */
  now(): number;
  random(): number;
  /** What is not the proxy's: called between the additions that it refers to and the removals of what it referred to. */
  roots(change: RootChange): void;
}

export interface RootChange {
  readonly listeners: readonly Listener[];
  readonly destinations: readonly Destination[];
  readonly removedListeners: readonly string[];
  readonly removedDestinations: readonly string[];
}

export interface Following {
  readonly subscriber: Subscriber;
  connected(): boolean;
  /** Ends the stream. What is in force stays in force. */
  close(): void;
}

/** Connects a proxy to the controller: checks what comes, puts it into force in an order that leaves nothing dangling, answers. */
export function follow(options: FollowOptions): Following {
  const { proxy, node, now, random } = options;
  let ended = false;
  const refused: Refused = new Map();
  const subscriber = new Subscriber({
    node,
    now,
    check: checkResource,
    lastGood: (type, name) => options.lastGood?.(type, name),
    refused: () => proxy.countRefused(),
    run: (steps) => {
      inTurns(steps, { monotonic: now, failed: raise });
    },
    *prepare(update) {
      const refusals = yield* proxy.applyInSteps(additionsOf(update));
      // The check should have found these. The controller hears of them all the same; what was in force before still is.
      for (const kind of noteRefusals(refused, update, refusals)) queueMicrotask(() => subscriber.report(kind, refused.get(kind)!));
    },
    *apply(update) {
      if (ended) return;
      options.roots(rootsOf(update));
      if (update.removed.length > 0) yield* proxy.applyInSteps(removalsOf(update));
    },
  });
  const link = keepConnected(subscriber, { dial: () => options.dial(), random, after });
  return { subscriber, connected: () => link.state() === 'connected', close: () => {
    ended = true;
    link.close();
  } };
}

/** Why the proxy did not take the last version, by kind and name. */
type Refused = Map<ResourceKind, Map<string, string>>;

/** Returns the kinds of which something else is refused now: also what was, and has another version or is gone. */
function noteRefusals(refused: Refused, { resources, removed }: Update, refusals: readonly Refusal[]): ReadonlySet<ResourceKind> {
  const changed = new Set<ResourceKind>();
  const forget = (kind: ResourceKind, name: string): void => {
    if (refused.get(kind)?.delete(name) === true) changed.add(kind);
  };
  for (const { kind, name } of resources) forget(kind, name);
  for (const { type, name } of removed) forget(type, name);
  for (const { kind, name, reason } of refusals) {
    const ofKind = refused.get(kind) ?? new Map<string, string>();
    refused.set(kind, ofKind.set(name, reason));
    changed.add(kind);
  }
  return changed;
}

function additionsOf({ resources }: Update): ResourceUpdate {
  return {
    certificates: { changed: ofKind(resources, 'Certificate') },
    endpoints: { changed: ofKind(resources, 'Endpoints') },
    backends: { changed: ofKind(resources, 'Backend') },
    routeTables: { changed: ofKind(resources, 'RouteTable') },
    streamTables: { changed: ofKind(resources, 'StreamTable') },
  };
}

function removalsOf({ removed }: Update): ResourceUpdate {
  const names = (kind: ResourceKind): Changes<never> => ({ removed: removed.filter(({ type }) => type === kind).map(({ name }) => name) });
  return { routeTables: names('RouteTable'), streamTables: names('StreamTable'), backends: names('Backend'), endpoints: names('Endpoints'), certificates: names('Certificate') };
}

function rootsOf({ resources, removed }: Update): RootChange {
  const names = (kind: ResourceKind): readonly string[] => removed.filter(({ type }) => type === kind).map(({ name }) => name);
  return {
    listeners: ofKind(resources, 'Listener'),
    destinations: ofKind(resources, 'Destination'),
    removedListeners: names('Listener'),
    removedDestinations: names('Destination'),
  };
}

function ofKind<K extends ResourceKind>(resources: readonly Resource[], kind: K): readonly Extract<Resource, { kind: K }>[] {
  return resources.filter((resource): resource is Extract<Resource, { kind: K }> => resource.kind === kind);
}

/** A timer that keeps no process alive by itself. */
function after(milliseconds: number, turn: () => void): () => void {
  const timer = setTimeout(turn, milliseconds).unref();
  return () => clearTimeout(timer);
}

function raise(error: unknown): never {
  throw error;
}
