import { applyChanges, emptyState, groupOf, type ClusterState, type KindDefinition, type KindRegistry, type KubernetesObject } from '#crds';
import type { KubeApi } from '../../kube/types.ts';
import type { Problem } from '../../types.ts';
import { locateReferred, pathOf, type Location } from './locate.ts';
import { reflect, type ReflectLimits } from './reflect.ts';
import { referencesOf, type Reference } from './references.ts';
import { KindStore, type ChangeLog, type Entry, type LiveObject } from './store.ts';

export interface KubeSourceEnvironment {
  readonly api: KubeApi;
  readonly registry: KindRegistry;
  /** With the first state once every kind is synced, then after every change; several changes close together come as one. */
  changed(state: ClusterState): void;
  /** Statuses, problems or the health of a kind changed; called soon after, once for many. */
  touched?(): void;
  random(): number;
  /** Milliseconds of a clock that never goes back. */
  now(): number;
  /** Ends everything. */
  readonly signal: AbortSignal;
  readonly limits?: Partial<ReflectLimits>;
}

/** How it stands with one kind, or with one object that another refers to. */
export interface KindHealth {
  readonly kind: string;
  /** `absent`: the API server does not serve the kind. */
  readonly sync: 'waiting' | 'synced' | 'absent';
  readonly objects: number;
  /** Why it may lag behind at present. */
  readonly failure?: string;
}

export interface KubeSource {
  /** Undefined until every kind has been read once. */
  state(): ClusterState | undefined;
  kinds(): readonly KindHealth[];
  /** Objects that can't be read. */
  problems(): readonly Problem[];
  /** Every object that has a status of ours or could have one, as last heard. */
  live(): Iterable<LiveObject>;
  find(object: { readonly apiVersion: string; readonly kind: string; readonly namespace: string; readonly name: string }): LiveObject | undefined;
}

/** Read only where something refers to them. */
const byReference = new Set(['Secret', 'ConfigMap', 'ClusterTrustBundle']);
/** Changes are taken together until none has come for `quiet` milliseconds, or for `longest` at most. */
const quietMs = 5;
const longestMs = 50;
/** How long a change waits for the Secrets that it newly refers to, so that they are not taken for missing. Milliseconds. */
const referenceMs = 1000;

/** Lists and watches every kind of the registry. Secrets and ConfigMaps are read one by one, as far as a Gateway names them. */
export function openCluster(env: KubeSourceEnvironment): KubeSource {
  return new Source(env);
}

interface Collection {
  readonly store: KindStore;
  readonly kind: string;
  readonly name: string;
  readonly since: number;
  sync: KindHealth['sync'];
  failure: string | undefined;
  readonly stop: AbortController;
}

class Source implements KubeSource {
  readonly #env: KubeSourceEnvironment;
  readonly #kinds = new Map<string, Collection>();
  readonly #referenced = new Map<string, Collection>();
  readonly #applied = new Map<string, KubernetesObject>();
  readonly #removed = new Map<string, KubernetesObject>();
  readonly #log: ChangeLog;
  /** What others see. */
  #state: ClusterState = emptyState();
  /** With all that has come since. */
  #next: ClusterState = emptyState();
  #ready = false;
  #firstChange: number | undefined;
  /** Since when changes wait for what they newly refer to. */
  #heldSince: number | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(env: KubeSourceEnvironment) {
    this.#env = env;
    this.#log = {
      applied: (object) => {
        this.#removed.delete(identityOf(object));
        this.#applied.set(identityOf(object), object);
      },
      removed: (object) => {
        this.#applied.delete(identityOf(object));
        this.#removed.set(identityOf(object), object);
      },
      touched: () => this.#soon(),
    };
    for (const definition of env.registry.definitions) if (!byReference.has(definition.kind)) this.#kinds.set(keyOf(definition), this.#open(definition));
    env.signal.addEventListener('abort', () => clearTimeout(this.#timer), { once: true });
  }

  state(): ClusterState | undefined {
    return this.#ready ? this.#state : undefined;
  }

  kinds(): readonly KindHealth[] {
    return this.#collections().map(({ name, sync, failure, store }) => ({ kind: name, sync, objects: store.size, ...(failure === undefined ? {} : { failure }) }));
  }

  problems(): readonly Problem[] {
    return this.#collections().flatMap(({ store }) => store.problems());
  }

  *live(): Iterable<LiveObject> {
    for (const { store } of this.#kinds.values()) for (const { live } of store.entries()) if (live !== undefined) yield live;
  }

  find({ apiVersion, kind, namespace, name }: Parameters<KubeSource['find']>[0]): LiveObject | undefined {
    return this.#kinds.get(`${groupOf(apiVersion)}/${kind}`)?.store.find(namespace === '' ? name : `${namespace}/${name}`)?.live;
  }

  #collections(): readonly Collection[] {
    return [...this.#kinds.values(), ...this.#referenced.values()];
  }

  /** Begins to mirror a whole kind, or the one object of it that is referred to. */
  #open(definition: KindDefinition, reference?: Reference): Collection {
    const { api, registry, random, now, signal: all, limits } = this.#env;
    const store = new KindStore({ definition, registry, log: this.#log, status: hasStatus(definition) ? 'keep' : 'drop' });
    const stop = new AbortController();
    const signal = AbortSignal.any([all, stop.signal]);
    const name = reference === undefined ? definition.kind : `${definition.kind}/${reference.namespace === '' ? '' : `${reference.namespace}/`}${reference.name}`;
    const collection: Collection = { store, kind: definition.kind, name, since: now(), sync: 'waiting', failure: undefined, stop };
    let location: Location | undefined;
    const locate = async (): Promise<string | undefined> => {
      // Anew each time the kind is listed: CRDs come, go, and change their versions.
      location = await locateReferred(api, definition, signal);
      if (location === undefined) return undefined;
      store.located(location);
      return pathOf(location, reference === undefined ? {} : { namespace: reference.namespace });
    };
    void reflect<Entry>({
      api,
      locate,
      ...(reference === undefined ? {} : { fieldSelector: `metadata.name=${reference.name}` }),
      ...(limits === undefined ? {} : { limits }),
      random,
      now,
      signal,
      mirror: {
        read: (raw) => store.read(raw),
        replace: (entries) => {
          store.replace(entries);
          this.#became(collection, 'synced');
        },
        set: (entry) => store.set(entry),
        following: () => this.#became(collection, 'synced'),
        remove: (raw) => store.remove(raw),
        absent: () => {
          store.clear();
          this.#became(collection, 'absent');
        },
        failed: (reason) => {
          collection.failure = reason;
          this.#soon();
        },
      },
    });
    return collection;
  }

  #became(collection: Collection, sync: KindHealth['sync']): void {
    const changed = collection.sync !== sync || collection.failure !== undefined;
    collection.sync = sync;
    collection.failure = undefined;
    if (changed) this.#soon();
  }

  #soon(): void {
    if (this.#env.signal.aborted) return;
    const now = this.#env.now();
    this.#firstChange ??= now;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#flush(), Math.max(0, Math.min(quietMs, longestMs - (now - this.#firstChange))));
  }

  #flush(): void {
    if (this.#env.signal.aborted) return;
    this.#firstChange = undefined;
    this.#next = applyChanges(this.#next, this.#applied.values(), this.#removed.values());
    this.#applied.clear();
    this.#removed.clear();
    if ([...this.#kinds.values()].every(({ sync }) => sync !== 'waiting')) this.#tell(this.#next);
    this.#env.touched?.();
  }

  #tell(state: ClusterState): void {
    this.#follow(state);
    const now = this.#env.now();
    const patience = this.#ready ? referenceMs : 10 * referenceMs;
    // Counted from the first change that waits: one reference after the other that can't be read must not hold all the rest for good.
    const isOver = this.#heldSince !== undefined && now - this.#heldSince >= patience;
    if (!isOver && [...this.#referenced.values()].some(({ sync, since }) => sync === 'waiting' && now - since < patience)) {
      this.#heldSince ??= now;
      this.#timer = setTimeout(() => this.#flush(), 10 * quietMs);
      return;
    }
    this.#heldSince = undefined;
    if (this.#ready && state === this.#state) return;
    this.#state = state;
    this.#ready = true;
    this.#env.changed(state);
  }

  /** Watches what the state refers to, and nothing else of those kinds. */
  #follow(state: ClusterState): void {
    const wanted = referencesOf(state);
    for (const [key, collection] of this.#referenced) {
      if (wanted.has(key)) continue;
      collection.stop.abort();
      collection.store.clear();
      this.#referenced.delete(key);
    }
    for (const [key, reference] of wanted) {
      if (this.#referenced.has(key)) continue;
      const found = this.#env.registry.find(reference.apiVersion, reference.kind);
      if (found.found === 'kind') this.#referenced.set(key, this.#open(found.definition, reference));
    }
  }
}

/** The kinds of Gateway API and our own are told how they fare; the core kinds are not ours to speak of. */
function hasStatus({ apiVersions }: KindDefinition): boolean {
  return !['', 'discovery.k8s.io', 'certificates.k8s.io'].includes(groupOf(apiVersions[0]));
}

function keyOf({ apiVersions, kind }: KindDefinition): string {
  return `${groupOf(apiVersions[0])}/${kind}`;
}

function identityOf({ apiVersion, kind, metadata }: KubernetesObject): string {
  return JSON.stringify([groupOf(apiVersion), kind, metadata.namespace, metadata.name]);
}
