import { inTurns, maxMessageLength, Pace, Publisher, resourceKinds, type Channel, type ProxyNode, type ResourceKind, type Steps, type TurnsEnvironment, type TypeProgress } from '#snapshot';
import type { Snapshots } from '../types.ts';
import { publishInSteps, seesTable, viewOf } from './view.ts';

/** A resource that a proxy refuses, or can't carry out. */
export interface Rejection {
  readonly proxy: ProxyNode;
  readonly type: ResourceKind;
  readonly name: string;
  readonly reason: string;
}

export interface SessionProgress {
  readonly proxy: ProxyNode;
  readonly types: ReadonlyMap<ResourceKind, TypeProgress>;
  /** The proxy has answered for everything that it should have, with the newest versions; refused ones count as answered. */
  readonly current: boolean;
  /** When it connected; milliseconds since 1970. Absent where the environment has no clock. */
  readonly since?: number;
}

export interface SessionsEnvironment extends TurnsEnvironment {
  /** A proxy acknowledged, refused or reported something, came or went; or nothing is left to be read. */
  changed(): void;
  /** The controller ended a session, and why: a peer that does not keep to the protocol. */
  refused(reason: string, proxy: ProxyNode | undefined): void;
  /** Something that no user can mend by an edit. */
  failed(message: string): void;
  /** Milliseconds since 1970. */
  now?(): number;
}

/** A message that waits. */
interface Unread {
  readonly channel: Channel;
  readonly publisher: Publisher;
  readonly message: string;
}

/** More proxies than this at once are turned away. */
const maxSessions = 20_000;

/** Every connected proxy. Each is sent what it subscribed to, when that changes. */
export class Sessions {
  readonly #env: SessionsEnvironment;
  readonly #open = new Map<Channel, Publisher>();
  readonly #since = new WeakMap<Channel, number>();
  #snapshots: Snapshots | undefined;
  /** Who is still to be sent what is new, of which types. */
  readonly #waiting = new Map<Publisher, readonly ResourceKind[]>();
  /** Who is being sent it. */
  #refreshing: { readonly publisher: Publisher; readonly steps: Steps<void> } | undefined;
  /** In the order in which they came. */
  readonly #unread = new Set<Unread>();
  readonly #unreadLength = new WeakMap<Publisher, number>();
  #working = false;

  constructor(env: SessionsEnvironment) {
    this.#env = env;
  }

  /** Serves a proxy's stream until either side closes it. */
  accept(channel: Channel): void {
    if (this.#open.size >= maxSessions) {
      this.#env.refused(`more than ${maxSessions} proxies`, undefined);
      return channel.close();
    }
    const publisher = new Publisher({
      send: (message) => channel.send(message),
      open: (node) => this.#admit(node, channel),
      reported: () => this.#env.changed(),
    });
    this.#open.set(channel, publisher);
    if (this.#env.now !== undefined) this.#since.set(channel, this.#env.now());
    channel.onClose(() => {
      this.#waiting.delete(publisher);
      if (this.#open.delete(channel)) this.#env.changed();
    });
    channel.onMessage((message) => {
      if (!this.#open.has(channel)) return;
      const length = (this.#unreadLength.get(publisher) ?? 0) + message.length;
      // Else who never waits for an answer would fill the memory.
      if (length > maxMessageLength) return this.#end(channel, `more than ${maxMessageLength} characters wait to be read`);
      this.#unreadLength.set(publisher, length);
      this.#unread.add({ channel, publisher, message });
      this.#workInTurns();
    });
  }

  /**
   * Makes what is long ready to be sent, so that `push` finds it made: the tables of Gateways, whose proxies may be about to come, and those that
   * sidecars have asked for.
   */
  *prepare(snapshots: Snapshots): Steps<void> {
    const pace = new Pace();
    const prepared = new Set<string>();
    for (const { sections } of [...snapshots.listeners.values()].flat()) {
      for (const { routes } of sections) {
        prepared.add(routes);
        yield* prepareTable(routes, snapshots);
        if (pace.spend(itemsPerTable)) yield;
      }
    }
    for (const publisher of this.#open.values()) {
      for (const name of publisher.subscribed('RouteTable')) {
        if (pace.spend()) yield;
        if (prepared.has(name) || publisher.node === undefined || !seesTable(publisher.node, name)) continue;
        prepared.add(name);
        yield* prepareTable(name, snapshots);
      }
    }
  }

  /**
   * From now on these; sends each proxy what differs, of the types given (all unless only some can have changed): in turns, of which the first
   * is at once. Who asks before it is the proxy's turn gets what is new too.
   */
  push(snapshots: Snapshots, types: readonly ResourceKind[] = resourceKinds): void {
    this.#snapshots = snapshots;
    for (const publisher of this.#open.values()) this.#waiting.set(publisher, [...(this.#waiting.get(publisher) ?? []), ...types]);
    this.#workInTurns();
  }

  #workInTurns(): void {
    if (this.#working) return;
    this.#working = true;
    const failed = (error: unknown): void => {
      this.#env.failed(`one proxy could not be served: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
      this.#working = false;
      this.#workInTurns();
    };
    inTurns(this.#work(), { ...this.#env, failed });
  }

  /** Who asks is answered between two steps of what others are sent: a request of its workload may be waiting for that. */
  *#work(): Steps<void> {
    for (;;) {
      const next = this.#nextUnread();
      if (next !== undefined) yield* this.#receive(next);
      else if (!this.#refresh()) break;
      yield;
    }
    this.#working = false;
  }

  /** But for the messages of who is being sent something: nothing else is done for that one meanwhile. */
  #nextUnread(): Unread | undefined {
    for (const unread of this.#unread) if (unread.publisher !== this.#refreshing?.publisher) return unread;
    return undefined;
  }

  *#receive(unread: Unread): Steps<void> {
    const { channel, publisher, message } = unread;
    try {
      const fault = this.#open.has(channel) ? yield* publisher.receive(message) : undefined;
      if (fault !== undefined && this.#open.has(channel)) this.#end(channel, fault);
    } finally {
      this.#unread.delete(unread);
      this.#unreadLength.set(publisher, (this.#unreadLength.get(publisher) ?? 0) - message.length);
      if (this.#unread.size === 0) this.#env.changed();
    }
  }

  /** Goes a step further; false where there is none. */
  #refresh(): boolean {
    // Those that are added meanwhile come last, and have their turn too.
    const [next] = this.#refreshing === undefined ? this.#waiting : [];
    if (next !== undefined) {
      const [publisher, types] = next;
      this.#waiting.delete(publisher);
      this.#refreshing = { publisher, steps: publisher.refresh([...new Set(types)]) };
    }
    if (this.#refreshing === undefined) return false;
    if (this.#refreshing.steps.next().done === true) this.#refreshing = undefined;
    return true;
  }

  progress(): readonly SessionProgress[] {
    return [...this.#open].flatMap(([channel, publisher]) => {
      const proxy = publisher.node;
      if (proxy === undefined) return [];
      const since = this.#since.get(channel);
      const types = new Map(resourceKinds.map((type) => [type, publisher.progress(type)] as const));
      return [{ proxy, types, current: isCurrent(publisher), ...(since === undefined ? {} : { since }) }];
    });
  }

  current(): boolean {
    // What is not read yet may ask for more.
    return this.#unread.size === 0 && this.#open.values().every((publisher) => publisher.node === undefined || isCurrent(publisher));
  }

  rejections(): readonly Rejection[] {
    return [...this.#open.values()].flatMap((publisher) => {
      const proxy = publisher.node;
      if (proxy === undefined) return [];
      return resourceKinds.flatMap((type) => [...publisher.rejected(type)].map(([name, reason]) => ({ proxy, type, name, reason })));
    });
  }

  close(): void {
    for (const channel of this.#open.keys()) channel.close();
    this.#open.clear();
    this.#unread.clear();
    this.#waiting.clear();
  }

  #admit(node: ProxyNode, channel: Channel): ReturnType<typeof viewOf> {
    // A proxy that came back before its old connection was seen to be gone: the old one is.
    for (const [other, publisher] of this.#open) {
      if (other === channel || publisher.node?.id !== node.id) continue;
      this.#open.delete(other);
      other.close();
    }
    return viewOf(node, () => this.#snapshots);
  }

  #end(channel: Channel, fault: string): void {
    const proxy = this.#open.get(channel)?.node;
    this.#open.delete(channel);
    channel.close();
    this.#env.refused(fault, proxy);
    this.#env.changed();
  }
}

/** What a table counts beside its routes, in items of a step. */
const itemsPerTable = 10;

function* prepareTable(name: string, snapshots: Snapshots): Steps<void> {
  const table = yield* snapshots.routeTableInSteps(name);
  if (table !== undefined) yield* publishInSteps(table);
}

function isCurrent(publisher: Publisher): boolean {
  return resourceKinds.every((type) => publisher.isCurrent(type));
}
