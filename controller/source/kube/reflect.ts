import { backoff, pause } from '../../kube/backoff.ts';
import { ApiError, fieldsOf, isStream, SilentError, TooLongError, type KubeApi } from '../../kube/types.ts';
import { listPages, type RawObject } from './list.ts';

export type { RawObject };

/** What a reflector keeps in line with the API server. */
export interface Mirror<T> {
  /** Turns a raw object into what is kept of it, so that a long list is never held whole. Total. */
  read(raw: RawObject): T;
  /** Exactly these are there. */
  replace(all: readonly T[]): void;
  set(one: T): void;
  remove(raw: RawObject): void;
  /** The server has no such kind; there are no objects of it. */
  absent(): void;
  /** From here on it hears of every change. */
  following(): void;
  /** The mirror may lag behind; what it holds stays. */
  failed(reason: string): void;
}

export interface ReflectEnvironment<T> {
  readonly api: KubeApi;
  /** The path of the collection; undefined where the server has none. */
  locate(): Promise<string | undefined>;
  readonly fieldSelector?: string;
  readonly labelSelector?: string;
  readonly mirror: Mirror<T>;
  random(): number;
  /** Milliseconds of a clock that never goes back. */
  now(): number;
  readonly signal: AbortSignal;
  readonly limits?: Partial<ReflectLimits>;
}

export interface ReflectLimits {
  /** Objects asked for in one answer. */
  readonly page: number;
  /** Milliseconds; the whole of one page. */
  readonly listTimeoutMs: number;
  /**
   * A watch without an event, not even a bookmark, for so long is opened again, for its connection may be dead. Bookmarks come about once a
   * minute, but none of a kind that nothing has happened to since the API server began (its cache hears of progress from etcd alone).
   * Milliseconds.
   */
  readonly idleMs: number;
  /** How soon it is looked again whether an absent kind is there. Milliseconds. */
  readonly absentMs: number;
  readonly backoff: { readonly base: number; readonly max: number };
}

const defaults: ReflectLimits = { page: 500, listTimeoutMs: 60_000, idleMs: 100_000, absentMs: 10_000, backoff: { base: 250, max: 30_000 } };
/** The server is asked to end a watch after so many seconds, and as many again at random, so that watches spread over its replicas. */
const watchSeconds = 300;
/** Whatever a server asks for in Retry-After, it is asked again after so long. Milliseconds. */
const longestRetryAfterMs = 60_000;
/** A watch that has lived so long was a working one. Milliseconds. */
const provenMs = 5000;
/** An API server that begins may not know its CRDs for a moment: a kind that was there and now is not is looked for so often before its objects go. */
const looksForAbsence = 4;
/** Watches that fail in a row until the collection is listed again. */
const watchTries = 3;

/** Mirrors a collection until the signal is aborted: lists it, watches from there, and lists it again where the watch can't go on. */
export async function reflect<T>(env: ReflectEnvironment<T>): Promise<void> {
  await new Reflector(env).run();
}

class Reflector<T> {
  readonly #env: ReflectEnvironment<T>;
  readonly #limits: ReflectLimits;
  #page: number;
  /** Failures since it last worked. */
  #failures = 0;
  /** How often it is still looked whether a kind that was there is really gone. */
  #doubts = 0;

  constructor(env: ReflectEnvironment<T>) {
    this.#env = env;
    this.#limits = { ...defaults, ...env.limits };
    this.#page = this.#limits.page;
  }

  async run(): Promise<void> {
    const { signal, mirror } = this.#env;
    while (!signal.aborted) {
      try {
        const path = await this.#env.locate();
        if (signal.aborted) return;
        if (path === undefined) {
          if (this.#doubts > 0) {
            await this.#failed(new Error('the server says that it has no such kind any more'));
            this.#doubts -= 1;
            continue;
          }
          mirror.absent();
          this.#failures = 0;
          await pause(this.#limits.absentMs * (0.75 + this.#env.random() / 2), signal);
          continue;
        }
        const version = await this.#list(path);
        this.#doubts = looksForAbsence;
        await this.#watch(path, version);
      } catch (error) {
        await this.#failed(error);
      }
    }
  }

  /** Tells of the failure and waits. */
  async #failed(error: unknown): Promise<void> {
    const { signal, mirror, random } = this.#env;
    if (signal.aborted) return;
    this.#failures += 1;
    if (error instanceof TooLongError) this.#page = Math.max(1, Math.floor(this.#page / 4));
    mirror.failed(error instanceof Error ? error.message : String(error));
    const asked = error instanceof ApiError ? Math.min(error.retryAfterMs ?? 0, longestRetryAfterMs) : 0;
    await pause(asked + backoff(this.#failures, this.#limits.backoff, random), signal);
  }

  /** Gives the mirror the whole collection, once all pages are there, and returns the version to watch from. */
  async #list(path: string): Promise<string> {
    const { api, mirror, signal } = this.#env;
    const all: T[] = [];
    const options = { page: this.#page, timeoutMs: this.#limits.listTimeoutMs, signal, ...this.#selectors() };
    const version = await listPages(api, path, options, (raw) => all.push(mirror.read(raw)));
    signal.throwIfAborted();
    mirror.replace(all);
    return version;
  }

  #selectors(): { readonly fieldSelector?: string; readonly labelSelector?: string } {
    const { fieldSelector, labelSelector } = this.#env;
    return { ...(fieldSelector === undefined ? {} : { fieldSelector }), ...(labelSelector === undefined ? {} : { labelSelector }) };
  }

  /** Follows the collection. Ends where it has to be listed again. */
  async #watch(path: string, from: string): Promise<void> {
    let version = from;
    let tries = 0;
    while (!this.#env.signal.aborted) {
      const started = this.#env.now();
      let events = 0;
      const position = {
        version,
        passed: () => {
          events += 1;
          this.#failures = 0;
        },
      };
      let failure: unknown;
      try {
        if ((await this.#follow(path, position)) === 'expired') return await this.#failed(new Error(`watch of ${path}: the version to go on from is gone`));
      } catch (error) {
        failure = error;
      }
      version = position.version;
      // Silence is no news either, unless the watch then can't be opened.
      const worked = events > 0 || failure instanceof SilentError || (failure === undefined && this.#env.now() - started >= provenMs);
      if (worked) {
        this.#failures = 0;
        tries = 0;
      }
      if (worked && failure === undefined) continue;
      // Connections break now and then; that alone is no news.
      if (worked) {
        await pause(backoff(1, this.#limits.backoff, this.#env.random), this.#env.signal);
        continue;
      }
      tries += 1;
      // A collection that is not there any more has to be found again.
      if (tries >= watchTries || (failure instanceof ApiError && failure.status === 404)) throw failure ?? new Error(`watch of ${path}: ended at once, ${tries} times`);
      await this.#failed(failure ?? new Error(`watch of ${path}: ended at once`));
    }
  }

  async #follow(path: string, position: { version: string; passed(): void }): Promise<'ended' | 'expired'> {
    const { api, signal, random } = this.#env;
    const query = {
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion: position.version,
      timeoutSeconds: String(Math.floor(watchSeconds * (1 + random()))),
      ...this.#selectors(),
    };
    const opened = await api.stream({ path, query, signal, idleMs: this.#limits.idleMs });
    if (!isStream(opened)) {
      if (opened.status === 410) return 'expired';
      throw new ApiError(`watch of ${path}`, opened);
    }
    this.#env.mirror.following();
    for await (const line of opened.lines) {
      if (signal.aborted) return 'ended';
      if (line === '') continue;
      if (this.#event(path, fieldsOf(JSON.parse(line)), position) === 'expired') return 'expired';
    }
    return 'ended';
  }

  #event(path: string, { type, object: value }: RawObject, position: { version: string; passed(): void }): 'ended' | 'expired' | undefined {
    const { mirror } = this.#env;
    const object = fieldsOf(value);
    switch (type) {
      case 'ADDED':
      case 'MODIFIED':
        mirror.set(mirror.read(object));
        break;
      case 'DELETED':
        mirror.remove(object);
        break;
      case 'BOOKMARK':
        break;
      case 'ERROR':
        if (object['code'] === 410) return 'expired';
        throw new ApiError(`watch of ${path}`, { status: Number(object['code'] ?? 0), body: object });
      default:
        return undefined;
    }
    const { resourceVersion } = fieldsOf(object['metadata']);
    if (typeof resourceVersion === 'string' && resourceVersion !== '') position.version = resourceVersion;
    position.passed();
    return undefined;
  }
}
