import { channelPair, decodeRequest, decodeResponse, resourceKinds, type Channel, type ControllerChannel, type DeltaRequest, type DeltaResponse, type ResourceKind, type VersionedResource } from '#snapshot';
import { readHoldings, writeHoldings, type Holdings } from './store.ts';

export interface LastGoodOptions {
  /** Where the last good snapshot is kept; on a volume that outlives the process. */
  readonly file: string;
  /** Opens a stream to the controller. */
  dial(): Promise<ControllerChannel> | ControllerChannel;
  /** Chance for the jitter, 0 ≤ x < 1. */
  random(): number;
  /** How long the first dial may take before the kept snapshot is served. Milliseconds, 500 unless set. */
  readonly patienceMs?: number;
  /** Milliseconds from a change until it is written, 500 unless set. */
  readonly saveMs?: number;
  /** How long what an earlier run held is kept without being asked for. Milliseconds, ten minutes unless set. */
  readonly unusedMs?: number;
  /** From a write that failed to the next try, 10,000 unless set. */
  readonly retryMs?: number;
  failed?(message: string): void;
}

export interface LastGood {
  /** To be given to the proxy as its way to the controller. */
  dial(): Promise<ControllerChannel>;
  /** What an earlier run took, as long as this one has taken nothing in its place. From then on it is kept again. */
  lastGood(type: ResourceKind, name: string): VersionedResource | undefined;
  /** From where the proxy is served. */
  source(): 'none' | 'kept' | 'controller';
  /** Writes what is still to be written. Never rejects. */
  flush(): Promise<void>;
  /** The same, at the end. */
  close(): Promise<void>;
}

/** What an earlier run held and this one has not asked for in so long is no longer kept. Milliseconds. */
const unusedMs = 600_000;
/** Waits between dials while the kept snapshot is served: full jitter below so many milliseconds. */
const redialMs = 3000;

/**
 * Keeps on disk what the controller sent and the proxy took, and serves the proxy from there when it starts while the controller is away.
 * As soon as that answers, the proxy is handed over; it resumes with the versions that it has.
 */
export function keepLastGood(options: LastGoodOptions): LastGood {
  return new Keeper(options);
}

class Keeper implements LastGood {
  readonly #options: LastGoodOptions;
  readonly #holdings = new Map<ResourceKind, Map<string, VersionedResource>>(resourceKinds.map((kind) => [kind, new Map()]));
  readonly #read: Promise<Holdings | undefined>;
  /** Of an earlier run, but for what this one was told anew. */
  readonly #earlier = new Map<ResourceKind, Map<string, VersionedResource>>();
  #source: 'none' | 'kept' | 'controller' = 'none';
  /** A stream that was opened while the kept snapshot was served; the next dial takes it. */
  #ready: ControllerChannel | undefined;
  #saving: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Asked for in this run, by kind. */
  readonly #wanted = new Map<ResourceKind, Set<string>>(resourceKinds.map((kind) => [kind, new Set()]));
  #closed = false;

  constructor(options: LastGoodOptions) {
    this.#options = options;
    this.#read = readHoldings(options.file).catch((error: unknown) => {
      // The controller has it all; only while that is away is it missed.
      options.failed?.(`the snapshot kept in ${options.file} is not used: ${messageOf(error)}`);
      return undefined;
    });
  }

  source(): 'none' | 'kept' | 'controller' {
    return this.#source;
  }

  async dial(): Promise<ControllerChannel> {
    const ready = this.#ready;
    this.#ready = undefined;
    if (ready !== undefined) return this.#recording(ready);
    const kept = this.#source === 'controller' ? undefined : await this.#read;
    for (const [kind, named] of kept ?? []) this.#earlier.set(kind, new Map(named));
    // A proxy that was connected once holds everything itself.
    if (kept === undefined) return this.#recording(await this.#options.dial());
    const dialled = Promise.resolve(this.#options.dial());
    const first = await Promise.race([dialled.catch(() => undefined), later(this.#options.patienceMs ?? 500)]);
    if (first === undefined) return this.#serveKept(kept, dialled);
    this.#forgetLater();
    return this.#recording(first);
  }

  lastGood(type: ResourceKind, name: string): VersionedResource | undefined {
    const found = this.#earlier.get(type)?.get(name);
    if (found === undefined) return undefined;
    this.#holdings.get(type)?.set(name, found);
    this.#saveSoon();
    return found;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#ready?.close();
    await this.flush();
  }

  async flush(): Promise<void> {
    if (this.#timer !== undefined) {
      clearTimeout(this.#timer);
      this.#saveNow();
    }
    await this.#saving;
  }

  #serveKept(kept: Holdings, dialled: Promise<ControllerChannel>): ControllerChannel {
    this.#source = 'kept';
    for (const [kind, named] of kept) this.#holdings.set(kind, new Map(named));
    const [proxySide, ourSide] = channelPair();
    let open = true;
    ourSide.onClose(() => (open = false));
    answerFrom(ourSide, kept, (fault) => this.#options.failed?.(`of the snapshot kept in ${this.#options.file} something is not used: ${fault}`));
    void (async () => {
      let next: Promise<ControllerChannel> = dialled;
      while (!this.#closed && open) {
        try {
          this.#ready = await next;
          break;
        } catch {
          await later(this.#options.random() * redialMs);
          next = Promise.resolve().then(() => this.#options.dial());
          next.catch(() => {});
        }
      }
      if (this.#closed) this.#ready?.close();
      this.#forgetLater();
      // The proxy dials again at once, and gets the stream that is ready.
      ourSide.close();
    })();
    return proxySide;
  }

  /** The stream, with an eye on what passes: what the proxy has acknowledged is what is worth keeping. */
  #recording(channel: ControllerChannel): ControllerChannel {
    this.#source = 'controller';
    const unanswered = new Map<string, DeltaResponse>();
    return {
      send: (message) => {
        const request = decodeRequest(message);
        if (request.ok) this.#sent(request.value, unanswered);
        channel.send(request.ok && request.value.subscribe.includes('*') ? this.#withEarlier(request.value) : message);
      },
      onMessage: (listener) =>
        channel.onMessage((message) => {
          const response = decodeResponse(message);
          if (response.ok) unanswered.set(response.value.nonce, response.value);
          // What was read is given on: the proxy gets the same objects, which nobody changes.
          listener(response);
        }),
      onClose: (listener) => channel.onClose(listener),
      close: () => channel.close(),
    };
  }

  /** For `*` a controller says only what there is, and of what a proxy says to hold what is gone: so that is all of an earlier run, in no version. */
  #withEarlier(request: DeltaRequest): string {
    const earlier = [...(this.#earlier.get(request.type)?.keys() ?? [])].map((name) => [name, ''] as const);
    return JSON.stringify({ ...request, initialVersions: { ...Object.fromEntries(earlier), ...request.initialVersions } });
  }

  #forgetLater(): void {
    setTimeout(() => this.#forgetUnused(), this.#options.unusedMs ?? unusedMs).unref();
  }

  #forgetUnused(): void {
    for (const [kind, named] of [...this.#holdings, ...this.#earlier]) {
      const wanted = this.#wanted.get(kind);
      if (wanted?.has('*') === true) continue;
      for (const name of named.keys()) if (wanted?.has(name) !== true) named.delete(name);
    }
    this.#saveSoon();
  }

  #sent({ type, nonce, subscribe, unsubscribe, rejected = {} }: DeltaRequest, unanswered: Map<string, DeltaResponse>): void {
    const named = this.#holdings.get(type);
    if (named === undefined) return;
    let changed = false;
    for (const name of subscribe) this.#wanted.get(type)?.add(name);
    for (const name of unsubscribe) {
      this.#wanted.get(type)?.delete(name);
      this.#earlier.get(type)?.delete(name);
      changed = named.delete(name) || changed;
    }
    const answered = nonce === undefined ? undefined : unanswered.get(nonce);
    if (nonce !== undefined) unanswered.delete(nonce);
    for (const name of answered?.removed ?? []) {
      this.#earlier.get(type)?.delete(name);
      changed = named.delete(name) || changed;
    }
    for (const resource of answered?.resources ?? []) {
      // What the proxy refuses must not take the place of what it works with.
      if (Object.hasOwn(rejected, resource.name)) continue;
      this.#earlier.get(type)?.delete(resource.name);
      named.set(resource.name, resource);
      changed = true;
    }
    if (changed) this.#saveSoon();
  }

  #saveSoon(ms = this.#options.saveMs ?? 500): void {
    if (this.#closed || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => this.#saveNow(), ms).unref();
  }

  /** One after the other. */
  #saveNow(): void {
    this.#timer = undefined;
    this.#saving = (this.#saving ?? Promise.resolve()).then(() => this.#save());
  }

  /** With what the controller may not have come to yet: it can go away in the middle of its first words. */
  #known(): Holdings {
    return new Map([...this.#holdings].map(([kind, named]) => [kind, new Map([...(this.#earlier.get(kind) ?? []), ...named])]));
  }

  async #save(): Promise<void> {
    try {
      await writeHoldings(this.#options.file, this.#known());
    } catch (error) {
      this.#options.failed?.(`the snapshot could not be kept in ${this.#options.file}: ${messageOf(error)}`);
      // The next change may be long in coming, and a start before it would go back to an older state.
      this.#saveSoon(this.#options.retryMs ?? 10_000);
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Answers with what is kept. What is not stays without an answer: only the controller can say that there is none. `refused`: what the proxy, perhaps of another version by now, does not take. */
function answerFrom(channel: Channel, kept: Holdings, refused: (fault: string) => void): void {
  let count = 0;
  channel.onMessage((message) => {
    const request = decodeRequest(message);
    if (!request.ok) return channel.close();
    const { type, subscribe, error } = request.value;
    if (error !== undefined) refused(error);
    const named = kept.get(type) ?? new Map<string, VersionedResource>();
    const resources = subscribe.includes('*') ? [...named.values()] : subscribe.flatMap((name) => named.get(name) ?? []);
    if (resources.length > 0) channel.send(JSON.stringify({ type, nonce: `kept-${++count}`, resources, removed: [] }));
  });
}

function later(milliseconds: number): Promise<undefined> {
  return new Promise((resolve) => setTimeout(() => resolve(undefined), milliseconds).unref());
}
