import { parseMetadata } from './metadata.ts';
import type { KubernetesObject } from './object.ts';
import type { Completable, KindDefinition, KindRegistry } from './registry.ts';
import type { FieldError, Result } from './result.ts';
import { check, type UnknownFields } from './schema/check.ts';
import { isObject, type JsonObject } from './schema/record.ts';
import { checkRules } from './schema/rules.ts';
import type { Schema } from './schema/schema.ts';

/**
 * Checks an object of a kind that the registry knows, gives it its defaults, and turns any served version into the one that
 * our types describe. Total: never throws. Errors name the field, what is wrong with it, and what to do.
 */
export function parseObject(raw: unknown, registry: KindRegistry): Result<KubernetesObject, readonly FieldError[]> {
  if (!isObject(raw)) return refuse([], 'must be an object with apiVersion, kind and metadata');
  const { apiVersion, kind } = raw;
  if (typeof apiVersion !== 'string' || apiVersion === '') return refuse(['apiVersion'], 'is required; add the group and version, such as gateway.networking.k8s.io/v1');
  if (typeof kind !== 'string' || kind === '') return refuse(['kind'], 'is required; add it');
  const lookup = registry.find(apiVersion, kind);
  switch (lookup.found) {
    case 'kind':
      return parseKind(raw, apiVersion, lookup.definition);
    case 'version':
      return refuse(['apiVersion'], `${apiVersion} is not a version of ${kind} that is read here; use ${lookup.definition.apiVersions.join(' or ')}`);
    case 'similar':
      return refuse(['kind'], `${kind} is not a kind of ${apiVersion}; did you mean ${lookup.definition.kind}?`);
    case 'elsewhere':
      return refuse(['apiVersion'], `${apiVersion} has no kind ${kind}; use ${lookup.definition.apiVersions[0]}`);
    case 'nothing':
      return refuse(['kind'], `${kind} of ${apiVersion} is not a kind that is read here`);
  }
}

function parseKind(raw: JsonObject, apiVersion: string, definition: KindDefinition): Result<KubernetesObject, readonly FieldError[]> {
  const { unknownFields = 'refuse' } = definition;
  const schema = partsOf(typeof definition.schema === 'function' ? definition.schema(apiVersion) : definition.schema, unknownFields);
  const { apiVersion: _version, kind: _kind, metadata: rawMetadata, ...rest } = raw;
  if (schema.status !== undefined) delete rest['status'];

  const metadata = parseMetadata(rawMetadata, { kind: definition.kind, namespaced: definition.namespaced, unknownFields });
  const body = check(schema.body, rest, unknownFields);
  const errors = [...metadata.errors, ...body.errors];
  if (errors.length > 0) return { ok: false, error: errors };

  const value = { apiVersion: definition.apiVersions[0], kind: definition.kind, metadata: metadata.value, ...(body.value as JsonObject) } as Completable;
  const broken = [...checkRules(schema.body, body.value), ...(definition.complete?.(value) ?? [])];
  if (broken.length > 0) return { ok: false, error: broken };
  if (schema.status !== undefined) setStatus(value, schema.status, raw['status']);
  return { ok: true, value: value as unknown as KubernetesObject };
}

/** As at creation on a cluster, where the status that a user wrote is dropped before anything is checked. */
function setStatus(object: Completable, schema: Schema, raw: unknown): void {
  for (const candidate of [raw, schema.default]) {
    if (candidate === undefined || candidate === null) continue;
    const { value, errors } = check(schema, structuredClone(candidate), 'leave-out');
    if (errors.length > 0) continue;
    object['status'] = value;
    return;
  }
}

interface Parts {
  /** The schema of what the user writes, without the fields that every object has. */
  readonly body: Schema;
  /** Present where `status` is checked by itself. */
  readonly status?: Schema;
}

const known = new WeakMap<Schema, Parts>();

function partsOf(schema: Schema, unknownFields: UnknownFields): Parts {
  let parts = known.get(schema);
  if (parts === undefined) {
    const { apiVersion: _version, kind: _kind, metadata: _metadata, ...properties } = schema.properties ?? {};
    const { status, ...others } = properties;
    const apart = unknownFields === 'refuse' && status !== undefined;
    const required = (schema.required ?? []).filter((field) => !['apiVersion', 'kind', 'metadata', ...(apart ? ['status'] : [])].includes(field));
    parts = { body: { ...schema, type: 'object', properties: apart ? others : properties, required }, ...(apart ? { status } : {}) };
    known.set(schema, parts);
  }
  return parts;
}

function refuse(path: readonly string[], message: string): Result<never, readonly FieldError[]> {
  return { ok: false, error: [{ path, message }] };
}
