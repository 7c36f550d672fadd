import type { KubernetesObject, SourcePosition } from '../object.ts';
import { groupOf, type KindRegistry } from '../registry.ts';
import { formatPath, type FieldError, type FieldPath } from '../result.ts';
import type { Steps } from './documents.ts';
import { readPassages, type Origin, type Passage, type ReadObject } from './passages.ts';
import { TextFile } from './positions.ts';
import type { IgnoredObject, ManifestFile, ManifestProblem, Manifests, Pace, WrittenName } from './types.ts';
import { maxFileLength } from './yaml.ts';

const origins = new WeakMap<KubernetesObject, Origin>();

/**
 * Where a field of an object from `readManifests` begins: the key in a mapping, the item in a list. A field that is not
 * written (a default, say) has the position of what is around it. Undefined for objects from elsewhere.
 */
export function positionOf(object: KubernetesObject, path: FieldPath): SourcePosition | undefined {
  const origin = origins.get(object);
  return origin === undefined ? object.source : origin.document.position([...origin.prefix, ...path]);
}

/**
 * Reads files of YAML or JSON documents. Whatever is wrong becomes a problem with its position, and only the object it is in
 * is missing; objects of unknown kinds come back in `ignored`. Never throws. Does no I/O.
 */
export function readManifests(files: Iterable<ManifestFile>, registry: KindRegistry): Manifests {
  const steps = readManifestsInSteps(files, registry, { pace: { spend: () => false } });
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

/**
 * `readManifests`, giving way. `before`: an earlier result for the same registry, to be used no more: a document whose text it had gives the
 * same objects as then, whose positions are from now on the new ones.
 */
export function* readManifestsInSteps(files: Iterable<ManifestFile>, registry: KindRegistry, { pace, before }: { readonly pace: Pace; readonly before?: Manifests | undefined }): Steps<Manifests> {
  const reading = new Reading();
  const known = new Map(before instanceof Reading ? before.passages : []);
  for (const { file, text } of files) {
    const textFile = new TextFile(file, spacesForTabs(text));
    if (text.length > maxFileLength) {
      const message = `has ${text.length} characters; at most ${maxFileLength} are read: split it into several files`;
      reading.problems.push({ source: textFile.position(0), reason: 'TooLarge', message, path: [] });
      continue;
    }
    const passages = yield* readPassages(textFile, { registry, pace, known });
    for (const [, { place, faults }] of passages) {
      for (const { offset, message } of faults) reading.problems.push({ source: place.position(offset), reason: 'SyntaxError', message, path: [] });
    }
    for (const [words, passage] of passages) {
      reading.add(words, passage);
      if (pace.spend(passage.objects.length)) yield;
    }
  }
  return reading;
}

class Reading implements Manifests {
  readonly objects: KubernetesObject[] = [];
  readonly problems: ManifestProblem[] = [];
  readonly ignored: IgnoredObject[] = [];
  readonly #passages = new Map<string, Passage>();
  readonly #places = new Map<string, SourcePosition>();

  get passages(): ReadonlyMap<string, Passage> {
    return this.#passages;
  }

  add(text: string, passage: Passage): void {
    this.#passages.set(text, passage);
    for (const object of passage.objects) this.#addObject(object, passage.place.position(object.offset));
  }

  #addObject(read: ReadObject, source: SourcePosition): void {
    const { name, result } = read;
    if (result === undefined) this.ignored.push({ ...name, source });
    else if (result.ok) this.#keep(result.value, read, source);
    else this.#refuse(result.error, read);
  }

  #keep(object: KubernetesObject, read: ReadObject, source: SourcePosition): void {
    const { name, origin } = read;
    const identity = `${groupOf(object.apiVersion)}/${object.kind}/${object.metadata.namespace}/${object.metadata.name}`;
    const first = this.#places.get(identity);
    if (first !== undefined) {
      const message = `${titleOf(name)} occurs twice, first in ${first.file}:${first.line}:${first.column}; remove one`;
      this.problems.push({ source, reason: 'Duplicate', message, object: name, path: [] });
      return;
    }
    this.#places.set(identity, source);
    place(object, source);
    origins.set(object, origin);
    this.objects.push(object);
  }

  #refuse(errors: readonly FieldError[], { origin: { document, prefix }, name, reason }: ReadObject): void {
    for (const { path, message } of errors) {
      const where = [titleOf(name), formatPath(path)].filter((part) => part !== '').join(': ');
      const source = document.position([...prefix, ...path]);
      this.problems.push({ source, reason, message: where === '' ? message : `${where}: ${message}`, object: name, path });
    }
  }
}

/** Where an object stands is no part of it: what was worked out of it stays right when lines are added before it. */
function place(object: KubernetesObject, source: SourcePosition): void {
  const { source: before } = object;
  if (before?.file === source.file && before.line === source.line && before.column === source.column) return;
  (object as { source?: SourcePosition }).source = source;
}

/** `HTTPRoute shop/cart`, as far as it is known. */
function titleOf({ kind, namespace, name }: WrittenName): string {
  return [kind, namespace === '' ? name : `${namespace}/${name}`].filter((part) => part !== '').join(' ');
}

/** JSON may be indented with tabs, YAML may not; a JSON text has no other tabs. Positions stay. */
function spacesForTabs(text: string): string {
  if (!/^\s*[[{]/.test(text) || !text.includes('\t') || text.length > maxFileLength) return text;
  try {
    JSON.parse(text);
    return text.replaceAll('\t', ' ');
  } catch {
    return text;
  }
}
