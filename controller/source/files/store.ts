import { emptyState, groupOf, readManifestsInSteps, stateOf, type ClusterState, type IgnoredObject, type KubernetesObject, type ManifestProblem, type Manifests } from '#crds';
import { Pace, runSteps, type Steps } from '#snapshot';
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

  /** Takes the newest text of every file. Of files whose text has changed, documents whose text has not are not parsed again. */
  update(texts: ReadonlyMap<string, string>): Loaded {
    return runSteps(this.updateInSteps(texts));
  }

  /** `update`, giving way. Runs to its end before the next begins. */
  *updateInSteps(texts: ReadonlyMap<string, string>, pace = new Pace()): Steps<Loaded> {
    const files = new Map<string, Read>();
    for (const [file, text] of texts) files.set(file, yield* this.#read(file, text, pace));
    this.#files = files;
    const reads = [...files.values()];
    const placed = yield* placeAll(reads.map(({ objects }) => objects), pace);
    yield;
    this.#state = withSameMaps(stateOf(placed.objects), this.#state);
    return {
      state: this.#state,
      problems: [...reads.flatMap(({ manifests }) => manifests.problems), ...placed.duplicates],
      ignored: reads.flatMap(({ manifests }) => manifests.ignored),
      kept: reads.flatMap(({ kept }) => kept),
    };
  }

  *#read(file: string, text: string, pace: Pace): Steps<Read> {
    const before = this.#files.get(file);
    if (before?.text === text) return before;
    const manifests = yield* readManifestsInSteps([{ file, text }], knownKinds, { pace, before: before?.manifests });
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
function* placeAll(files: readonly (readonly KubernetesObject[])[], pace: Pace): Steps<Placed> {
  const first = new Map<string, KubernetesObject>();
  const duplicates: ManifestProblem[] = [];
  for (const objects of files) {
    for (const object of objects) {
      const identity = identityOf(object);
      const known = first.get(identity);
      if (known === undefined) first.set(identity, object);
      else duplicates.push(...duplicate(object, known));
      if (pace.spend()) yield;
    }
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
