import type { FieldError } from '../result.ts';
import { expressionOf } from './cel.ts';
import { isObject, own, put, type JsonObject } from './record.ts';
import type { Schema, ValidationRule } from './schema.ts';

/** Names that CEL reserves; an expression writes such a field as `__name__` (Kubernetes' escaping). */
const reserved = new Set(
  'true false null in as break const continue else for function if import let loop package namespace return var void while'.split(' '),
);

/** After this many broken rules in one object no more are evaluated. */
const mostErrors = 64;

/**
 * Evaluates the CEL rules of a schema and of everything below it on a value that passed `check`. A rule that can't be
 * evaluated for this value counts as broken, as in Kubernetes. Rules on transitions (`oldSelf`) have nothing to say here.
 */
export function checkRules(schema: Schema, value: unknown): readonly FieldError[] {
  const visit = new Visit();
  if (hasRules(schema)) visit.view(schema, value);
  return visit.errors;
}

/** The rules that the CEL library can't evaluate, for tests and documentation. */
export function unevaluableRules(schema: Schema): readonly string[] {
  const own = (schema['x-kubernetes-validations'] ?? []).filter((rule) => !isTransition(rule) && expressionOf(rule.rule) === undefined);
  return [...own.map((rule) => rule.rule), ...parts(schema).flatMap(unevaluableRules)];
}

class Visit {
  readonly errors: FieldError[] = [];
  readonly #path: (string | number)[] = [];

  /**
   * Evaluates the rules from the leaves up, and returns the value as CEL sees it: integers are `int` (bigint), reserved names
   * have their escaped twin. The value itself where nothing differs.
   */
  view(schema: Schema, value: unknown): unknown {
    const seen = this.#seen(schema, value);
    const rules = schema['x-kubernetes-validations'];
    if (rules !== undefined && this.errors.length < mostErrors) for (const rule of rules) this.#evaluate(rule, seen);
    return seen;
  }

  #seen(schema: Schema, value: unknown): unknown {
    if (typeof value === 'number') return isWhole(schema, value) ? BigInt(value) : value;
    if (Array.isArray(value)) return this.#list(schema.items ?? {}, value);
    return isObject(value) ? this.#object(schema, value) : value;
  }

  #list(items: Schema, value: readonly unknown[]): readonly unknown[] {
    let copy: unknown[] | undefined;
    for (const [index, item] of value.entries()) {
      const seen = this.#below(items, item, index);
      if (seen !== item) (copy ??= [...value])[index] = seen;
    }
    return copy ?? value;
  }

  #object(schema: Schema, value: JsonObject): JsonObject {
    let copy: JsonObject | undefined;
    for (const key of Object.keys(value)) {
      const field = own(schema.properties, key);
      const fieldSchema = field ?? (typeof schema.additionalProperties === 'object' ? schema.additionalProperties : {});
      const seen = this.#below(fieldSchema, value[key], key);
      if (seen !== value[key]) put((copy ??= { ...value }), key, seen);
      // Map keys are data, and are not escaped.
      if (field !== undefined && reserved.has(key)) (copy ??= { ...value })[`__${key}__`] = seen;
    }
    return copy ?? value;
  }

  #below(schema: Schema, value: unknown, step: string | number): unknown {
    this.#path.push(step);
    const seen = this.view(schema, value);
    this.#path.pop();
    return seen;
  }

  #evaluate(rule: ValidationRule, self: unknown): void {
    const expression = isTransition(rule) ? undefined : expressionOf(rule.rule);
    if (expression === undefined || holds(expression, self)) return;
    this.errors.push({ path: [...this.#path, ...stepsOf(rule.fieldPath)], message: messageOf(rule, self) });
  }
}

function holds(expression: (self: unknown) => unknown, self: unknown): boolean {
  try {
    return expression(self) === true;
  } catch {
    return false;
  }
}

function messageOf(rule: ValidationRule, self: unknown): string {
  try {
    const text = rule.messageExpression === undefined ? undefined : expressionOf(rule.messageExpression)?.(self);
    if (typeof text === 'string' && text !== '') return text;
  } catch {
    // Kubernetes falls back on `message` as well.
  }
  return rule.message ?? `breaks the rule ${rule.rule}`;
}

/** Such a rule compares with the stored object and applies to updates only. */
function isTransition(rule: ValidationRule): boolean {
  return /\boldSelf\b/.test(rule.rule);
}

function isWhole(schema: Schema, value: number): boolean {
  return (schema.type === 'integer' || schema['x-kubernetes-int-or-string'] === true) && Number.isSafeInteger(value);
}

function stepsOf(fieldPath: string | undefined): string[] {
  return fieldPath === undefined ? [] : fieldPath.split('.').filter((step) => step !== '');
}

const known = new WeakMap<Schema, boolean>();

function hasRules(schema: Schema): boolean {
  let found = known.get(schema);
  if (found === undefined) {
    found = schema['x-kubernetes-validations'] !== undefined || parts(schema).some(hasRules);
    known.set(schema, found);
  }
  return found;
}

function parts(schema: Schema): readonly Schema[] {
  const values = typeof schema.additionalProperties === 'object' ? [schema.additionalProperties] : [];
  return [...Object.values(schema.properties ?? {}), ...(schema.items === undefined ? [] : [schema.items]), ...values];
}
