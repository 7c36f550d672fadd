import { hostPort, type Destination, type Subscriber } from '#snapshot';

export interface DestinationsOptions {
  readonly subscriber: Pick<Subscriber, 'want' | 'unwant' | 'live' | 'answered' | 'refusal'>;
  /** Milliseconds of a clock that never goes back. */
  now(): number;
  /** Names kept subscribed; the one not dialled for the longest time makes way. */
  readonly maxNames: number;
  /** How long a request waits for a name that is dialled for the first time. Milliseconds. */
  readonly timeoutMs: number;
  /** For how long a name that could not be resolved is refused at once. Milliseconds. */
  readonly refusalMs: number;
}

interface Waiting {
  readonly promise: Promise<Destination>;
  readonly resolve: (destination: Destination) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

interface Known {
  waiting: Waiting | undefined;
  refusedUntil: number;
}

/** The controller has said what is there, and this sidecar can't carry that out: nothing else may take its place. */
export class RefusedDestination extends Error {}

/** What the workload dials, by `{host}:{port}`. A name is asked for when it is first dialled, and followed from then on. */
export class Destinations {
  readonly #options: DestinationsOptions;
  /** In the order of the last use. */
  readonly #known = new Map<string, Known>();

  constructor(options: DestinationsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#known.size;
  }

  /** The destination, from memory where it is known. Rejects where the controller knows none, does not answer in time, or said what is refused. */
  resolve(host: string, port: number): Destination | Promise<Destination> {
    const name = hostPort(host, port);
    const known = this.#use(name);
    const live = this.#options.subscriber.live('Destination', name);
    if (live?.kind === 'Destination') return live;
    const refused = this.#refused(name);
    if (refused !== undefined) return Promise.reject(refused);
    if (known.waiting !== undefined) return known.waiting.promise;
    if (this.#options.now() < known.refusedUntil) return Promise.reject(new Error(`${name} could not be resolved a moment ago`));
    known.waiting = this.#wait(name, known);
    return known.waiting.promise;
  }

  /** To be called when destinations have come or changed. */
  arrived(destinations: readonly Destination[]): void {
    for (const destination of destinations) {
      const known = this.#known.get(destination.name);
      if (known?.waiting === undefined) continue;
      clearTimeout(known.waiting.timer);
      known.waiting.resolve(destination);
      known.waiting = undefined;
    }
  }

  /** Refuses all that wait. */
  close(): void {
    for (const { waiting } of this.#known.values()) {
      clearTimeout(waiting?.timer);
      waiting?.reject(new Error('the sidecar is ending'));
    }
    this.#known.clear();
  }

  #use(name: string): Known {
    let known = this.#known.get(name);
    if (known === undefined) {
      known = { waiting: undefined, refusedUntil: 0 };
      this.#known.set(name, known);
      this.#options.subscriber.want('Destination', name);
      this.#makeRoom();
      return known;
    }
    this.#known.delete(name);
    this.#known.set(name, known);
    return known;
  }

  #makeRoom(): void {
    if (this.#known.size <= this.#options.maxNames) return;
    for (const [name, { waiting }] of this.#known) {
      if (waiting !== undefined) continue;
      this.#known.delete(name);
      this.#options.subscriber.unwant('Destination', name);
      return;
    }
  }

  #wait(name: string, known: Known): Waiting {
    const { promise, resolve, reject } = Promise.withResolvers<Destination>();
    // Requests that gave up waiting leave nobody to take the rejection.
    promise.catch(() => {});
    const timer = setTimeout(() => {
      const live = this.#options.subscriber.live('Destination', name);
      known.waiting = undefined;
      if (live?.kind === 'Destination') return resolve(live);
      const refused = this.#refused(name);
      if (refused !== undefined) return reject(refused);
      known.refusedUntil = this.#options.now() + this.#options.refusalMs;
      const absent = this.#options.subscriber.answered('Destination', name) === 'absent';
      reject(new Error(absent ? `the controller knows no destination ${name}` : `the controller did not say in time what ${name} is`));
    }, this.#options.timeoutMs).unref();
    return { promise, resolve, reject, timer };
  }

  #refused(name: string): RefusedDestination | undefined {
    const reason = this.#options.subscriber.refusal('Destination', name);
    return reason === undefined ? undefined : new RefusedDestination(`${name} is refused: ${reason}`);
  }
}
