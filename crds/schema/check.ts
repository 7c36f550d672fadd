import type { FieldError, FieldPath } from '../result.ts';
import { isObject, own, put, type JsonObject } from './record.ts';
import { numberFault, stringFault } from './scalar.ts';
import type { Schema } from './schema.ts';
import { describe, nearest, quote } from './words.ts';

/** What becomes of a field that the schema does not have: an error, left out of the result, or kept unchecked. */
export type UnknownFields = 'refuse' | 'leave-out' | 'keep';

export interface Checked {
  /** Defaulted, and without what the schema does not have. Meaningless where there are errors. */
  readonly value: unknown;
  readonly errors: readonly FieldError[];
}

/** After this many faults in one object no more are looked for. */
const mostErrors = 64;

/**
 * Checks a value against a structural schema and gives it its defaults, as the API server does: `null` where a field is not
 * nullable means that the field is absent; a default is itself completed by the defaults below it. Total: takes any value.
 * CEL rules are not part of it (`rules.ts`).
 */
export function check(schema: Schema, raw: unknown, unknownFields: UnknownFields): Checked {
  const checker = new Checker(unknownFields);
  const value = checker.value(schema, raw);
  return { value, errors: checker.errors };
}

class Checker {
  readonly errors: FieldError[] = [];
  readonly #unknownFields: UnknownFields;
  readonly #path: (string | number)[] = [];

  constructor(unknownFields: UnknownFields) {
    this.#unknownFields = unknownFields;
  }

  value(schema: Schema, raw: unknown): unknown {
    if (raw === null && schema.nullable === true) return null;
    const value = this.#typed(schema, raw);
    if (value === undefined) return undefined;
    if (schema.enum !== undefined && !schema.enum.includes(value)) this.#refuseChoice(schema.enum, value);
    if (schema.const !== undefined && schema.const !== value) this.#refuse(`must be ${JSON.stringify(schema.const)}, but is ${describe(value)}`);
    this.#combined(schema, value);
    return value;
  }

  #typed(schema: Schema, raw: unknown): unknown {
    if (schema['x-kubernetes-int-or-string'] === true) return this.#intOrString(schema, raw);
    switch (schema.type) {
      case 'object':
        return isObject(raw) ? this.#object(schema, raw) : this.#wrongType('an object', raw);
      case 'array':
        return Array.isArray(raw) ? this.#array(schema, raw) : this.#wrongType('a list', raw);
      case 'string':
        return typeof raw === 'string' ? this.#faultless(raw, stringFault(schema, raw)) : this.#wrongType('a string', raw);
      case 'integer':
      case 'number':
        return typeof raw === 'number' ? this.#faultless(raw, numberFault(schema, raw)) : this.#wrongType('a number', raw);
      case 'boolean':
        return typeof raw === 'boolean' ? raw : this.#wrongType('true or false', raw);
      default:
        return this.#untyped(schema, raw);
    }
  }

  /** A part of `oneOf` and its like names no type; its keywords speak of values of the type that they fit. */
  #untyped(schema: Schema, raw: unknown): unknown {
    if (isObject(raw) && (schema.properties !== undefined || schema.required !== undefined)) return this.#object(schema, raw);
    if (typeof raw === 'string') return this.#faultless(raw, stringFault(schema, raw));
    return typeof raw === 'number' ? this.#faultless(raw, numberFault(schema, raw)) : raw;
  }

  #intOrString(schema: Schema, raw: unknown): unknown {
    if (typeof raw === 'string') return this.#faultless(raw, stringFault(schema, raw));
    if (typeof raw === 'number') return this.#faultless(raw, numberFault({ ...schema, type: 'integer' }, raw));
    return this.#wrongType('a whole number or a string', raw);
  }

  #object(schema: Schema, raw: JsonObject): JsonObject {
    const value: JsonObject = {};
    for (const key of Object.keys(raw)) {
      const field = own(schema.properties, key);
      if (field !== undefined) this.#field(value, key, { schema: field, raw: raw[key] });
      else this.#unknownField(schema, value, { key, raw: raw[key] });
    }
    for (const key in schema.properties) {
      const field = schema.properties[key];
      if (field?.default !== undefined && !Object.hasOwn(value, key)) this.#field(value, key, { schema: field, raw: structuredClone(field.default) });
    }
    for (const key of schema.required ?? []) {
      if (!Object.hasOwn(value, key) && (raw[key] === null || raw[key] === undefined)) this.#at(key, () => this.#refuse('is required; add it'));
    }
    this.#counted(schema, { raw, count: Object.keys(value).length });
    return value;
  }

  #counted({ minProperties = 0, maxProperties = Infinity }: Schema, { raw, count }: { readonly raw: JsonObject; readonly count: number }): void {
    // Where all that was written is refused, what is wrong has been said.
    if (count < minProperties && Object.keys(raw).length < minProperties) this.#refuse(minProperties === 1 ? 'is empty; set a field of it, or remove it' : `must have at least ${minProperties} fields, has ${count}`);
    if (count > maxProperties) this.#refuse(`must have at most ${maxProperties} fields, has ${count}`);
  }

  #field(into: JsonObject, key: string, { schema, raw }: { readonly schema: Schema; readonly raw: unknown }): void {
    // Absent: defaulted or missed below.
    if (raw === undefined || (raw === null && schema.nullable !== true)) return;
    this.#at(key, () => put(into, key, this.value(schema, raw)));
  }

  #unknownField(schema: Schema, into: JsonObject, { key, raw }: { readonly key: string; readonly raw: unknown }): void {
    if (typeof schema.additionalProperties === 'object') this.#field(into, key, { schema: schema.additionalProperties, raw });
    else if (isOpen(schema) || this.#unknownFields === 'keep') put(into, key, raw);
    else if (this.#unknownFields === 'refuse') this.#at(key, () => this.#refuse(unknownField(key, schema)));
  }

  #array(schema: Schema, raw: readonly unknown[]): unknown[] | undefined {
    const { minItems = 0, maxItems = Infinity, items = {} } = schema;
    if (raw.length < minItems) this.#refuse(`must have at least ${minItems} ${minItems === 1 ? 'item' : 'items'}, has ${raw.length}`);
    if (raw.length > maxItems) {
      this.#refuse(`must have at most ${maxItems} ${maxItems === 1 ? 'item' : 'items'}, has ${raw.length}`);
      return undefined;
    }
    const value: unknown[] = [];
    for (let index = 0; index < raw.length && this.errors.length < mostErrors; index += 1) {
      this.#at(index, () => value.push(this.value(items, raw[index])));
    }
    this.#unique(schema, value);
    return value;
  }

  #unique(schema: Schema, items: readonly unknown[]): void {
    const keys = schema['x-kubernetes-list-type'] === 'map' ? (schema['x-kubernetes-list-map-keys'] ?? []) : undefined;
    if (keys === undefined && schema['x-kubernetes-list-type'] !== 'set' && schema.uniqueItems !== true) return;
    const seen = new Map<string, number>();
    for (const [index, item] of items.entries()) {
      const identity = keys === undefined ? JSON.stringify(item) : isObject(item) ? keys.map((key) => `${key} ${JSON.stringify(own(item, key))}`).join(', ') : undefined;
      if (identity === undefined) continue;
      const first = seen.get(identity);
      if (first === undefined) seen.set(identity, index);
      else this.#at(index, () => this.#refuse(`repeats item ${first}: ${identity} must occur once in the list`));
    }
  }

  #combined(schema: Schema, value: unknown): void {
    if (schema.allOf !== undefined) for (const part of schema.allOf) this.errors.push(...this.#faults(part, value));
    if (schema.anyOf !== undefined && !schema.anyOf.some((part) => this.#fits(part, value))) this.#refuse(`must have one of these forms: ${JSON.stringify(schema.anyOf)}`);
    if (schema.oneOf !== undefined && schema.oneOf.filter((part) => this.#fits(part, value)).length !== 1) {
      this.#refuse(this.#oneOfFault(schema.oneOf, value));
    }
    if (schema.not !== undefined && this.#fits(schema.not, value)) this.#refuse(`must not have this form: ${JSON.stringify(schema.not)}`);
  }

  #fits(schema: Schema, value: unknown): boolean {
    return check(schema, value, 'keep').errors.length === 0;
  }

  #faults(schema: Schema, value: unknown): FieldError[] {
    return check(schema, value, 'keep').errors.map((error) => ({ path: [...this.#path, ...error.path], message: error.message }));
  }

  /** The faults of the form that comes nearest: the one that refuses the fewest fields. */
  #oneOfFault(forms: readonly Schema[], value: unknown): string {
    const faults = forms.map((form) => this.#faults(form, value)).sort((a, b) => a.length - b.length)[0] ?? [];
    if (faults.length === 0) return 'fits more than one of its forms';
    return `fits none of its ${forms.length} forms; nearest: ${faults.map((fault) => `${String(fault.path.at(-1))} ${fault.message}`).join('; ')}`;
  }

  #at(step: string | number, then: () => void): void {
    this.#path.push(step);
    then();
    this.#path.pop();
  }

  #faultless<T>(value: T, fault: string | undefined): T {
    if (fault !== undefined) this.#refuse(fault);
    return value;
  }

  #wrongType(wanted: string, raw: unknown): undefined {
    const advice = wanted === 'a string' && (typeof raw === 'number' || typeof raw === 'boolean') ? '; put it in quotes' : wanted === 'a number' && typeof raw === 'string' && /^-?\d+$/.test(raw) ? '; remove the quotes' : '';
    this.#refuse(`must be ${wanted}, but is ${describe(raw)}${advice}`);
    return undefined;
  }

  #refuseChoice(choices: readonly unknown[], value: unknown): void {
    const similar = typeof value === 'string' ? nearest(value, choices.filter((choice) => typeof choice === 'string')) : undefined;
    const advice = similar === undefined ? '' : `; did you mean ${quote(similar)}?`;
    this.#refuse(`must be one of ${choices.map((choice) => JSON.stringify(choice)).join(', ')}, but is ${describe(value)}${advice}`);
  }

  #refuse(message: string): void {
    if (this.errors.length < mostErrors) this.errors.push({ path: [...this.#path] satisfies FieldPath, message });
  }
}

/** Kubernetes keeps every field of an object whose schema names none. */
function isOpen(schema: Schema): boolean {
  return schema['x-kubernetes-preserve-unknown-fields'] === true || schema.additionalProperties === true || (schema.type === undefined && schema.properties === undefined);
}

function sharedBeginning(a: string, b: string): number {
  let at = 0;
  while (at < a.length && a[at] === b[at]) at += 1;
  return at;
}

function unknownField(key: string, schema: Schema): string {
  const known = Object.keys(schema.properties ?? {});
  const similar = nearest(key, known) ?? known.find((name) => key.length > 3 && (name.startsWith(key) || sharedBeginning(name, key) >= Math.max(4, key.length - 2)));
  if (similar !== undefined) return `is not a field; did you mean ${similar}?`;
  return known.length === 0 ? 'is not a field; remove it' : `is not a field; remove it, or use one of ${known.join(', ')}`;
}
