import { emptyState, groupOf, readManifests, stateOf, type ClusterState, type IgnoredObject, type KubernetesObject, type ManifestProblem, type Manifests } from '#crds';
import { knownKinds } from '../kinds.ts';

/** What the files say, as far as they can be read. */
export interface Loaded {
  readonly state: ClusterState;
  readonly problems: readonly ManifestProblem[];
  /** Objects of kinds that Weft does not read. */
  readonly ignored: readonly IgnoredObject[];
  /** Files and objects that are broken now and go on as they last were, as `file` or `file: Kind namespace/name`. */
  readonly kept: readonly string[];
}

interface Read {
  readonly text: string;
  readonly manifests: Manifests;
  /** What counts for this file: its objects, with the last good version in the place of a broken one. */
  readonly objects: readonly KubernetesObject[];
  readonly kept: readonly string[];
}

/**
 * Manifests over time. A file that can't be parsed goes on as it last was, as a whole; an object that its schema refuses goes on as
 * that object last was (an API server would have refused the change). An object whose file or document is gone is gone, but not while
 * something else in the file can't be read: that may be what has become of it (a misspelt kind or name, half of a file being written).
 */
export class ManifestStore {
  #files: ReadonlyMap<string, Read> = new Map();
  #state: ClusterState = emptyState();

  /** Takes the newest text of every file. Files whose text has not changed are not parsed again. */
  update(texts: ReadonlyMap<string, string>): Loaded {
    this.#files = new Map([...texts].map(([file, text]) => [file, this.#read(file, text)]));
    const placed = placeAll([...this.#files.values()].flatMap(({ objects }) => objects));
    const reads = [...this.#files.values()];
    this.#state = withSameMaps(stateOf(placed.objects), this.#state);
    return {
      state: this.#state,
      problems: [...reads.flatMap(({ manifests }) => manifests.problems), ...placed.duplicates],
      ignored: reads.flatMap(({ manifests }) => manifests.ignored),
      kept: reads.flatMap(({ kept }) => kept),
    };
  }

  #read(file: string, text: string): Read {
    const before = this.#files.get(file);
    if (before?.text === text) return before;
    const manifests = readManifests([{ file, text }], knownKinds);
    return { text, manifests, ...withLastGood(file, manifests, before?.objects ?? []) };
  }
}

function withLastGood(file: string, { objects, problems }: Manifests, before: readonly KubernetesObject[]): Pick<Read, 'objects' | 'kept'> {
  if (before.length === 0 || problems.length === 0) return { objects, kept: [] };
  if (problems.some(({ reason }) => reason === 'SyntaxError' || reason === 'TooLarge')) return { objects: before, kept: [file] };
  if (problems.every(({ reason }) => reason === 'Duplicate')) return { objects, kept: [] };
  const present = new Set(objects.map(identityOf));
  const kept = before.filter((object) => !present.has(identityOf(object)));
  return { objects: [...objects, ...kept], kept: kept.map(({ kind, metadata }) => `${file}: ${kind} ${metadata.namespace === '' ? '' : `${metadata.namespace}/`}${metadata.name}`) };
}

/** Takes the old map where a kind has the same objects: what is computed from a map alone stays valid. */
function withSameMaps(state: ClusterState, before: ClusterState): ClusterState {
  const maps = Object.entries(state) as [keyof ClusterState, ReadonlyMap<string, KubernetesObject>][];
  return Object.fromEntries(maps.map(([name, map]) => [name, sameObjects(map, before[name]) ? before[name] : map])) as unknown as ClusterState;
}

function sameObjects(a: ReadonlyMap<string, KubernetesObject>, b: ReadonlyMap<string, KubernetesObject>): boolean {
  return a.size === b.size && [...a].every(([key, object]) => b.get(key) === object);
}

interface Placed {
  readonly objects: readonly KubernetesObject[];
  readonly duplicates: readonly ManifestProblem[];
}

/** The first of several objects with one name counts; within a file the reader has seen to that. */
function placeAll(objects: readonly KubernetesObject[]): Placed {
  const first = new Map<string, KubernetesObject>();
  const duplicates: ManifestProblem[] = [];
  for (const object of objects) {
    const known = first.get(identityOf(object));
    if (known === undefined) first.set(identityOf(object), object);
    else duplicates.push(...duplicate(object, known));
  }
  return { objects: [...first.values()], duplicates };
}

function duplicate(object: KubernetesObject, { source: first }: KubernetesObject): readonly ManifestProblem[] {
  const { apiVersion, kind, metadata, source } = object;
  if (source === undefined) return [];
  const { namespace, name } = metadata;
  const place = first === undefined ? '' : `, first in ${first.file}:${first.line}:${first.column}`;
  const message = `${kind} ${namespace === '' ? name : `${namespace}/${name}`} occurs twice${place}; remove one`;
  return [{ source, reason: 'Duplicate', message, object: { apiVersion, kind, namespace, name }, path: [] }];
}

function identityOf(object: KubernetesObject): string {
  return key({ apiVersion: object.apiVersion, kind: object.kind, name: object.metadata.name }, object.metadata.namespace);
}

function key({ apiVersion, kind, name }: { readonly apiVersion: string; readonly kind: string; readonly name: string }, namespace: string): string {
  return JSON.stringify([groupOf(apiVersion), kind, namespace, name]);
}
