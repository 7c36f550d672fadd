/**
 * Structural checks of decoded JSON. A check returns why the value does not fit, or undefined where it does.
 *
 * What a newer peer says of itself may be left unread (`envelope`). What it says of a resource may not (`object`): a field that nobody reads
 * may be the one that restricts. So an unknown field is refused like an unknown value, but for those that are made to be left unread (decision 0020).
 *
 * A fault begins with the way to it (`.rules[3].name: not a string`), which is put together from the inside outwards once there is one: to
 * carry it inwards cost more than all comparisons, on tables of thousands of routes.
 */
export type Check = (value: unknown) => string | undefined;

export interface OptionalCheck {
  readonly optional: Check;
}

/** One check per field of T, so that a field added to the type without a check does not compile. */
export type Shape<T> = { readonly [K in keyof T]-?: undefined extends T[K] ? OptionalCheck : Check };

export const maxText = 1 << 20;
export const maxName = 1024;
export const maxItems = 200_000;

export function text(limit: number = maxText): Check {
  return (value) => (typeof value !== 'string' ? ': not a string' : value.length > limit ? `: longer than ${limit}` : undefined);
}

export function integer(from: number, to: number): Check {
  return (value) => (Number.isInteger(value) && (value as number) >= from && (value as number) <= to ? undefined : `: not an integer from ${from} to ${to}`);
}

export const number: Check = (value) => (Number.isFinite(value) ? undefined : ': not a number');

export const flag: Check = (value) => (typeof value === 'boolean' ? undefined : ': not a boolean');

export function oneOf(...values: readonly string[]): Check {
  return (value) => (values.includes(value as string) ? undefined : `: ${worded(value)} is not one of ${values.join(', ')}`);
}

/** As a fault shows it: bounded, and without characters that a terminal would act on. */
function worded(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 40)) : value === undefined ? 'nothing' : `a value of type ${typeof value}`;
}

export function list(item: Check, limit: number = maxItems): Check {
  return (value) => {
    if (!Array.isArray(value)) return ': not a list';
    if (value.length > limit) return `: more than ${limit} items`;
    for (let i = 0; i < value.length; i++) {
      const fault = item(value[i]);
      if (fault !== undefined) return `[${i}]${fault}`;
    }
    return undefined;
  };
}

export function record(item: Check, limit: number = maxItems): Check {
  return (value) => {
    if (!isObject(value)) return ': not an object';
    const entries = Object.entries(value);
    if (entries.length > limit) return `: more than ${limit} entries`;
    for (const [key, entry] of entries) {
      if (key.length > maxName) return `: a key is longer than ${maxName}`;
      const fault = item(entry);
      if (fault !== undefined) return `.${key}${fault}`;
    }
    return undefined;
  };
}

export function optional(check: Check): OptionalCheck {
  return { optional: check };
}

/** Of a part of a resource: other fields are refused, unless their name says that they may be left unread. */
export function object<T>(shape: Shape<T>): Check {
  return fieldsOf(shape, 'refuse');
}

/** Of a message: other fields are left unread. */
export function envelope<T>(shape: Shape<T>): Check {
  return fieldsOf(shape, 'leave unread');
}

function fieldsOf<T>(shape: Shape<T>, others: 'refuse' | 'leave unread'): Check {
  const fields = Object.entries(shape) as [string, Check | OptionalCheck][];
  return (value) => {
    if (!isObject(value)) return ': not an object';
    let known = 0;
    for (const [name, check] of fields) {
      const isThere = Object.hasOwn(value, name);
      const field = isThere ? value[name] : undefined;
      if (isThere) known += 1;
      if (typeof check !== 'function' && field === undefined) continue;
      const fault = (typeof check === 'function' ? check : check.optional)(field);
      if (fault !== undefined) return `.${name}${fault}`;
    }
    if (others === 'leave unread') return undefined;
    // To count all costs next to nothing; to look each one up, or to list them, as much as all other checks.
    let all = 0;
    for (const _name in value) all += 1;
    return all > known ? strangerIn(value, shape) : undefined;
  };
}

/** Whoever does not know a field of such a name does right without it. */
const mayBeLeftUnread = /Hint$/;

function strangerIn(value: Record<string, unknown>, shape: object): string | undefined {
  const name = Object.keys(value).find((each) => !Object.hasOwn(shape, each) && !mayBeLeftUnread.test(each));
  return name === undefined ? undefined : `: has a field ${worded(name)}, which is not known here`;
}

/** A tagged union: the field `tag` says which of the variants it is. */
export function variants(tag: string, checks: Readonly<Record<string, Check>>): Check {
  const known = new Map(Object.entries(checks));
  return (value) => {
    if (!isObject(value)) return ': not an object';
    const check = typeof value[tag] === 'string' ? known.get(value[tag]) : undefined;
    return check === undefined ? `.${tag}: ${worded(value[tag])} is not one of ${[...known.keys()].join(', ')}` : check(value);
  };
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
