import type { KubernetesObject, SourcePosition } from '../object.ts';
import { parseObject } from '../parse.ts';
import { groupOf, type KindRegistry } from '../registry.ts';
import { formatPath, type FieldError, type FieldPath } from '../result.ts';
import { isObject, own } from '../schema/record.ts';
import { readDocuments, type WrittenObject } from './documents.ts';
import type { DocumentText } from './positions.ts';
import type { IgnoredObject, ManifestFile, ManifestProblem, Manifests, WrittenName } from './types.ts';

interface Origin {
  readonly document: DocumentText;
  readonly prefix: FieldPath;
}

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
  const reading = new Reading(registry);
  for (const file of files) {
    const { objects, problems } = readDocuments(file);
    reading.problems.push(...problems);
    for (const written of objects) reading.add(written);
  }
  return reading;
}

class Reading implements Manifests {
  readonly objects: KubernetesObject[] = [];
  readonly problems: ManifestProblem[] = [];
  readonly ignored: IgnoredObject[] = [];
  readonly #registry: KindRegistry;
  readonly #places = new Map<string, SourcePosition>();

  constructor(registry: KindRegistry) {
    this.#registry = registry;
  }

  add(written: WrittenObject): void {
    const name = nameOf(written.raw);
    const lookup = this.#registry.find(name.apiVersion, name.kind);
    if (lookup.found === 'nothing' && name.apiVersion !== '' && name.kind !== '') {
      this.ignored.push({ ...name, source: written.source });
      return;
    }
    const result = parseObject(written.raw, this.#registry);
    if (result.ok) this.#keep(result.value, written, name);
    else this.#refuse(result.error, written, { name, reason: lookup.found === 'version' ? 'UnknownVersion' : lookup.found === 'similar' ? 'UnknownKind' : 'InvalidObject' });
  }

  #keep(parsed: KubernetesObject, { source, document, prefix }: WrittenObject, name: WrittenName): void {
    const identity = `${groupOf(parsed.apiVersion)}/${parsed.kind}/${parsed.metadata.namespace}/${parsed.metadata.name}`;
    const first = this.#places.get(identity);
    if (first !== undefined) {
      const message = `${titleOf(name)} occurs twice, first in ${first.file}:${first.line}:${first.column}; remove one`;
      this.problems.push({ source, reason: 'Duplicate', message, object: name, path: [] });
      return;
    }
    this.#places.set(identity, source);
    const object = { ...parsed, source };
    origins.set(object, { document, prefix });
    this.objects.push(object);
  }

  #refuse(errors: readonly FieldError[], { document, prefix }: WrittenObject, { name, reason }: { readonly name: WrittenName; readonly reason: ManifestProblem['reason'] }): void {
    for (const { path, message } of errors) {
      const where = [titleOf(name), formatPath(path)].filter((part) => part !== '').join(': ');
      const source = document.position([...prefix, ...path]);
      this.problems.push({ source, reason, message: where === '' ? message : `${where}: ${message}`, object: name, path });
    }
  }
}

function nameOf(raw: unknown): WrittenName {
  const object = isObject(raw) ? raw : {};
  const metadata = isObject(own(object, 'metadata')) ? (own(object, 'metadata') as Record<string, unknown>) : {};
  return { apiVersion: text(own(object, 'apiVersion')), kind: text(own(object, 'kind')), namespace: text(own(metadata, 'namespace')), name: text(own(metadata, 'name')) };
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** `HTTPRoute shop/cart`, as far as it is known. */
function titleOf({ kind, namespace, name }: WrittenName): string {
  return [kind, namespace === '' ? name : `${namespace}/${name}`].filter((part) => part !== '').join(' ');
}
