import type { Schema } from '../schema/schema.ts';

/** What is kept of one CustomResourceDefinition: facts, no prose. Written as JSON to `generated/schemas/`. */
export interface KindFacts {
  readonly group: string;
  readonly kind: string;
  readonly namespaced: boolean;
  /** Served versions, the one that the types describe first. */
  readonly versions: readonly string[];
  /** The distinct schemas; `schemaOf` tells which one a version has. */
  readonly schemas: readonly Schema[];
  readonly schemaOf: Readonly<Record<string, number>>;
}

/** The part of a CustomResourceDefinition that we read. */
export interface Crd {
  readonly spec: {
    readonly group: string;
    readonly scope: 'Namespaced' | 'Cluster';
    readonly names: { readonly kind: string };
    readonly versions: readonly { readonly name: string; readonly served: boolean; readonly schema: { readonly openAPIV3Schema: Schema } }[];
  };
}

export function factsOf(crd: Crd): KindFacts {
  const served = crd.spec.versions.filter((version) => version.served);
  const texts: string[] = [];
  const schemaOf: Record<string, number> = {};
  for (const version of served) {
    const text = JSON.stringify(withoutProse(version.schema.openAPIV3Schema));
    if (!texts.includes(text)) texts.push(text);
    schemaOf[version.name] = texts.indexOf(text);
  }
  return {
    group: crd.spec.group,
    kind: crd.spec.names.kind,
    namespaced: crd.spec.scope === 'Namespaced',
    versions: served.map((version) => version.name).sort(byMaturity),
    schemas: texts.map((text) => JSON.parse(text) as Schema),
    schemaOf,
  };
}

/** Kubernetes' version priority: v2 > v1 > v1beta2 > v1beta1 > v1alpha1. */
function byMaturity(a: string, b: string): number {
  return rank(b) - rank(a);
}

function rank(version: string): number {
  const [, major = '0', stage, minor = '0'] = /^v(\d+)(alpha|beta)?(\d+)?$/.exec(version) ?? [];
  return (stage === undefined ? 2_000_000 : stage === 'beta' ? 1_000_000 : 0) + Number(major) * 1000 + Number(minor);
}

/** A property may itself be called `description`; only the keyword is prose. */
function withoutProse(schema: Schema): Schema {
  const kept: Record<string, unknown> = {};
  for (const [keyword, value] of Object.entries(schema)) {
    if (keyword === 'description') continue;
    if (keyword === 'properties') kept[keyword] = mapValues(value as Record<string, Schema>, withoutProse);
    else if (keyword === 'items' || (keyword === 'additionalProperties' && typeof value === 'object')) kept[keyword] = withoutProse(value as Schema);
    else if (keyword === 'oneOf' || keyword === 'anyOf' || keyword === 'allOf') kept[keyword] = (value as Schema[]).map(withoutProse);
    else if (keyword === 'not') kept[keyword] = withoutProse(value as Schema);
    else kept[keyword] = value;
  }
  return kept;
}

function mapValues<T, U>(record: Readonly<Record<string, T>>, change: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
}
