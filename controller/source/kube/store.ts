import { formatPath, objectKey, parseObject, type KindDefinition, type KindRegistry, type KubernetesObject } from '#crds';
import { fieldsOf } from '../../kube/types.ts';
import type { Problem } from '../../types.ts';
import { isStatusOurs } from './authors.ts';
import type { Location } from './locate.ts';
import type { RawObject } from './reflect.ts';

/** The status of an object as it stands on the API server. */
export interface LiveObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly generation?: number;
  readonly status: Readonly<Record<string, unknown>>;
  /** What it says without naming an author (an Ingress's addresses, conditions of a Gateway or ListenerSet) nobody has set since we did. */
  readonly statusIsOurs: boolean;
  /** Where the API server serves its kind. */
  readonly location: Location;
}

/** What is kept of one object. */
export interface Entry {
  /** As `objectKey` gives it. */
  readonly key: string;
  readonly uid: string;
  readonly resourceVersion: string;
  /** The last version that could be read; undefined where none could. */
  readonly object: KubernetesObject | undefined;
  /** What says whether anything but the status changed. */
  readonly stamp: string;
  readonly live: LiveObject | undefined;
  readonly problems: readonly Problem[];
}

/** Where stores report what changed, for all kinds together. */
export interface ChangeLog {
  applied(object: KubernetesObject): void;
  removed(object: KubernetesObject): void;
  /** A status or a problem; the state stays as it is. */
  touched(): void;
}

export interface StoreOptions {
  readonly definition: KindDefinition;
  readonly registry: KindRegistry;
  readonly log: ChangeLog;
  /** Whether statuses are written to objects of the kind. */
  readonly status: 'keep' | 'drop';
}

/** The objects of one collection, each in the last version that could be read. */
export class KindStore {
  readonly #options: StoreOptions;
  readonly #entries = new Map<string, Entry>();
  /** Those that can't be read. */
  readonly #faulty = new Set<string>();
  #location: Location | undefined;

  constructor(options: StoreOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#entries.size;
  }

  located(location: Location): void {
    this.#location = location;
  }

  entries(): Iterable<Entry> {
    return this.#entries.values();
  }

  find(key: string): Entry | undefined {
    return this.#entries.get(key);
  }

  /** Asked after every change of any object: as long as there are faults, not as there are objects. */
  problems(): readonly Problem[] {
    return [...this.#faulty].flatMap((key) => this.#entries.get(key)?.problems ?? []);
  }

  read(raw: RawObject): Entry {
    const { definition, registry, status } = this.#options;
    const { managedFields, ...metadata } = fieldsOf(raw['metadata']);
    const name = text(metadata['name']);
    const namespace = definition.namespaced ? text(metadata['namespace']) : '';
    const key = objectKey({ metadata: { namespace, name } });
    const before = this.#entries.get(key);
    const uid = text(metadata['uid']);
    const resourceVersion = text(metadata['resourceVersion']);
    const apiVersion = this.#location?.apiVersion ?? definition.apiVersions[0];
    const { kind } = definition;
    const generation = typeof metadata['generation'] === 'number' ? { generation: metadata['generation'] } : {};
    const live: LiveObject | undefined =
      status === 'drop' || this.#location === undefined
        ? undefined
        : { apiVersion, kind, namespace, name, uid, resourceVersion, ...generation, status: fieldsOf(raw['status']), statusIsOurs: isStatusOurs(kind, managedFields), location: this.#location };
    const stamp = status === 'drop' ? '' : stampOf(metadata);
    // A status that was written, as a rule by us, changes nothing of what is translated: the object stays the same one.
    if (before?.object !== undefined && before.uid === uid && stamp !== '' && before.stamp === stamp && before.problems.length === 0) return { ...before, resourceVersion, live };
    const parsed = parseObject({ ...raw, apiVersion, kind: definition.kind, metadata: withoutCopies(metadata) }, registry);
    const base = { key, uid, resourceVersion, stamp, live };
    if (parsed.ok) return { ...base, object: parsed.value, problems: [] };
    const last = before?.uid === uid ? before.object : undefined;
    const goesOn = last === undefined ? 'it is ignored' : 'its last version that could be read goes on';
    const problems = parsed.error.map(({ path, message }): Problem => {
      const object = { apiVersion, kind: definition.kind, namespace, name };
      return { severity: 'error', object, path, reason: 'InvalidObject', message: `${formatPath(path)}${path.length === 0 ? '' : ': '}${message}; ${goesOn}` };
    });
    return { ...base, object: last, problems };
  }

  replace(all: readonly Entry[]): void {
    const keys = new Set(all.map(({ key }) => key));
    for (const key of this.#entries.keys()) if (!keys.has(key)) this.#drop(key);
    for (const entry of all) this.set(entry);
  }

  set(entry: Entry): void {
    const { log } = this.#options;
    const before = this.#entries.get(entry.key);
    this.#entries.set(entry.key, entry);
    if (entry.problems.length > 0) this.#faulty.add(entry.key);
    else this.#faulty.delete(entry.key);
    if (before !== undefined && before.resourceVersion === entry.resourceVersion && before.object !== undefined) {
      // A list brought it again, parsed anew: the object that is known already stays, and with it all that was made of it.
      this.#entries.set(entry.key, { ...entry, object: before.object });
      return;
    }
    if (entry.object !== before?.object) {
      if (entry.object !== undefined) log.applied(entry.object);
      else if (before?.object !== undefined) log.removed(before.object);
    }
    log.touched();
  }

  remove(raw: RawObject): void {
    const metadata = fieldsOf(raw['metadata']);
    const namespace = this.#options.definition.namespaced ? text(metadata['namespace']) : '';
    this.#drop(objectKey({ metadata: { namespace, name: text(metadata['name']) } }));
  }

  clear(): void {
    for (const key of this.#entries.keys()) this.#drop(key);
  }

  #drop(key: string): void {
    const before = this.#entries.get(key);
    this.#faulty.delete(key);
    if (!this.#entries.delete(key)) return;
    if (before?.object !== undefined) this.#options.log.removed(before.object);
    this.#options.log.touched();
  }
}

/** The API server counts up the generation of our kinds with every change of the spec; labels and annotations have no count. */
function stampOf({ generation, labels, annotations, deletionTimestamp }: RawObject): string {
  return typeof generation === 'number' ? JSON.stringify([generation, labels, annotations, deletionTimestamp]) : '';
}

/** kubectl's copy of the whole object in an annotation is of no use here and would be kept. */
function withoutCopies(metadata: RawObject): RawObject {
  const annotations = fieldsOf(metadata['annotations']);
  if (!Object.hasOwn(annotations, copy)) return metadata;
  const { [copy]: _copy, ...others } = annotations;
  return { ...metadata, annotations: others };
}

const copy = 'kubectl.kubernetes.io/last-applied-configuration';

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
