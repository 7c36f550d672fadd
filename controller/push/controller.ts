import type { ClusterState } from '#crds';
import { inTurns, Pace, type Channel, type Steps } from '#snapshot';
import type { Environment, ObjectStatus, Problem, Snapshots, Translation } from '../types.ts';
import { withBuiltIns, withBuiltInsInSteps } from '../built-ins.ts';
import { renderEndpoints } from '../render/endpoints.ts';
import { assignAddresses, type AddressRange } from './addresses.ts';
import { joinFeedback, joinShortfalls, type Shortfall } from './feedback.ts';
import { Sessions, type Rejection, type SessionProgress } from './sessions.ts';

export interface ControllerEnvironment {
  /** The pure function that this runs after changes of state, in turns of the event loop. */
  translate(state: ClusterState, environment: Environment): Steps<Translation>;
  /** Loopback addresses to give to Gateways, or what has the addresses of each Gateway (`{namespace}/{name}`). */
  readonly addresses: AddressRange | ((state: ClusterState) => ReadonlyMap<string, readonly string[]>);
  /** Added to every bound port. */
  readonly portOffset: number;
  /** As in `Environment`. */
  readonly bind?: 'address' | 'any';
  /** After every rebuild, and whenever what proxies refuse has changed. */
  changed(report: Report): void;
  /** After proxies have answered, whether or not a report tells of it: `progress` may have gone on. */
  heard?(): void;
  /** Something that no user can mend by an edit: a session ended for a breach of protocol, a translation that failed. */
  failed(message: string): void;
  /** Milliseconds since 1970, for the age of sessions. */
  now?(): number;
  /** Milliseconds of a clock that never goes back. Without one, each step of the work has a turn of its own. */
  monotonic?(): number;
}

/** What the controller knows and says, all of one state. */
export interface Report {
  readonly state: ClusterState;
  readonly translation: Translation;
  /** With what the proxies reported. */
  readonly statuses: readonly ObjectStatus[];
  readonly problems: readonly Problem[];
  /** What proxies refuse, or can't carry out: those connected here, and those of other replicas. */
  readonly rejections: readonly Rejection[];
  /** Of those, what proxies that are connected here refuse. */
  readonly own: readonly Rejection[];
}

/** What is known from elsewhere than the state and the connected proxies. */
export interface Hearsay {
  /** What proxies of other replicas refuse. */
  readonly rejections?: readonly Rejection[];
  /** What Gateways (`{namespace}/{name}`) could not be given. */
  readonly shortfalls?: ReadonlyMap<string, Shortfall>;
}

export interface Controller {
  /** Translates and pushes soon. Of several states that come in one turn of the event loop, or while one is translated, only the last is. */
  setState(state: ClusterState): void;
  /** Serves a proxy that has connected. */
  accept(channel: Channel): void;
  /** From now on this is known as well; what is left out stays as it was told before. */
  hear(hearsay: Hearsay): void;
  /** How far each connected proxy has followed. */
  progress(): readonly SessionProgress[];
  /** Whether each has followed to the end; what `progress` says of all, without listing it. */
  current(): boolean;
  report(): Report | undefined;
  close(): void;
}

/** The control plane in this process: state in, statuses and pushes out. Does no I/O itself. */
export function createController(env: ControllerEnvironment): Controller {
  return new Rebuilder(env);
}

class Rebuilder implements Controller {
  readonly #env: ControllerEnvironment;
  readonly #sessions: Sessions;
  #addresses: ReadonlyMap<string, readonly string[]> = new Map();
  /** The newest one, while its translation has not begun. */
  #pending: ClusterState | undefined;
  /** The one that is being translated. */
  #current: ClusterState | undefined;
  #pushed: Snapshots | undefined;
  #report: Report | undefined;
  #hearsay: Required<Hearsay> = { rejections: [], shortfalls: new Map() };
  #rejoining = false;
  #closed = false;

  constructor(env: ControllerEnvironment) {
    this.#env = env;
    this.#sessions = new Sessions({
      changed: () => this.#rejoinSoon(),
      failed: (message) => env.failed(message),
      refused: (reason, proxy) => env.failed(`the session of ${proxy?.id ?? 'a proxy'} was ended: ${reason}`),
      ...(env.now === undefined ? {} : { now: env.now }),
      ...(env.monotonic === undefined ? {} : { monotonic: env.monotonic }),
    });
  }

  setState(state: ClusterState): void {
    if (this.#closed) return;
    const before = this.#pending ?? this.#current ?? this.#report?.state;
    const scheduled = this.#pending !== undefined || this.#current !== undefined;
    this.#pending = state;
    // Endpoints need nothing of the graph: where only they can have changed, they go out at once, and the rebuild follows.
    if (before !== undefined && this.#pushed !== undefined && onlyEndpointsDiffer(before, state)) this.#sessions.push(this.#withNewest(this.#pushed), ['Endpoints']);
    if (!scheduled) setImmediate(() => this.#rebuild());
  }

  accept(channel: Channel): void {
    this.#sessions.accept(channel);
  }

  hear(hearsay: Hearsay): void {
    this.#hearsay = { ...this.#hearsay, ...hearsay };
    setImmediate(() => {
      if (this.#report !== undefined && !this.#closed) this.#tell(this.#report.state, this.#report.translation);
    });
  }

  progress(): readonly SessionProgress[] {
    return this.#sessions.progress();
  }

  current(): boolean {
    return this.#sessions.current();
  }

  report(): Report | undefined {
    return this.#report;
  }

  close(): void {
    this.#closed = true;
    this.#sessions.close();
  }

  /** With the endpoints of a state that came since, where there is one: what went out is not taken back. */
  #withNewest(snapshots: Snapshots): Snapshots {
    if (this.#pending === undefined) return snapshots;
    const newest = withBuiltIns(this.#pending);
    return { ...snapshots, endpoints: (name) => renderEndpoints(newest, name) };
  }

  /** One state to its end, so that states that come without pause keep none from being told; then the newest of those that came meanwhile. */
  #rebuild(): void {
    this.#current = this.#pending;
    this.#pending = undefined;
    if (this.#current === undefined || this.#closed) return;
    const failed = (error: unknown): void => {
      // Translation is total; should it fail all the same, the last good one goes on.
      this.#env.failed(`translation failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
      this.#ended();
    };
    inTurns(this.#rebuildInSteps(this.#current), { ...this.#env, failed });
  }

  *#rebuildInSteps(state: ClusterState): Steps<void> {
    const { addresses, portOffset, bind = 'address' } = this.#env;
    // Whoever asks for the addresses asks for it too, in one turn.
    yield* withBuiltInsInSteps(state, new Pace());
    this.#addresses = typeof addresses === 'function' ? addresses(state) : assignAddresses(state, addresses, this.#addresses);
    const translation = yield* this.#env.translate(state, { gatewayAddresses: this.#addresses, portOffset, bind });
    yield* this.#sessions.prepare(translation.snapshots);
    if (this.#closed) return;
    this.#pushed = translation.snapshots;
    this.#sessions.push(this.#withNewest(translation.snapshots));
    this.#tell(state, translation);
    this.#ended();
  }

  #ended(): void {
    this.#current = undefined;
    if (this.#pending !== undefined) setImmediate(() => this.#rebuild());
  }

  #rejoinSoon(): void {
    if (this.#rejoining || this.#closed) return;
    this.#rejoining = true;
    setImmediate(() => {
      this.#rejoining = false;
      if (!this.#closed) this.#env.heard?.();
      const before = this.#report;
      // Most of what proxies say is that they took what they were sent, each of them for itself: nothing that a status tells.
      if (before === undefined || this.#closed || sameRejections(before.rejections, this.#rejections().all)) return;
      this.#tell(before.state, before.translation);
    });
  }

  #rejections(): { readonly own: readonly Rejection[]; readonly all: readonly Rejection[] } {
    const own = this.#sessions.rejections();
    const { rejections } = this.#hearsay;
    if (rejections.length === 0) return { own, all: own };
    // A proxy that has come here since is asked itself.
    const here = new Set(this.#sessions.progress().map(({ proxy }) => proxy.id));
    return { own, all: [...own, ...rejections.filter(({ proxy }) => !here.has(proxy.id))] };
  }

  #tell(state: ClusterState, translation: Translation): void {
    const { own, all: rejections } = this.#rejections();
    const { statuses, problems } = joinShortfalls(joinFeedback(translation, rejections), this.#hearsay.shortfalls, translation);
    this.#report = { state, translation, rejections, own, statuses, problems };
    this.#env.changed(this.#report);
  }
}

function sameRejections(a: readonly Rejection[], b: readonly Rejection[]): boolean {
  const same = (one: Rejection, other: Rejection | undefined): boolean =>
    other !== undefined && one.proxy === other.proxy && one.type === other.type && one.name === other.name && one.reason === other.reason;
  return a.length === b.length && a.every((one, index) => same(one, b[index]));
}

function onlyEndpointsDiffer(before: ClusterState, after: ClusterState): boolean {
  const differing = (Object.keys(after) as (keyof ClusterState)[]).filter((map) => before[map] !== after[map]);
  return differing.length > 0 && differing.every((map) => map === 'pods' || map === 'endpointSlices');
}
