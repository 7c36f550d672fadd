/**
 * Structural checks of decoded JSON. A check returns why the value does not fit, or undefined where it does. Fields that no check
 * names are let through: a newer peer may send them. A variant that is not known is refused.
 */
export type Check = (value: unknown, at: string) => string | undefined;

export interface OptionalCheck {
  readonly optional: Check;
}

/** One check per field of T, so that a field added to the type without a check does not compile. */
export type Shape<T> = { readonly [K in keyof T]-?: undefined extends T[K] ? OptionalCheck : Check };

export const maxText = 1 << 20;
export const maxName = 1024;
export const maxItems = 200_000;

export function text(limit: number = maxText): Check {
  return (value, at) => (typeof value !== 'string' ? `${at}: not a string` : value.length > limit ? `${at}: longer than ${limit}` : undefined);
}

export function integer(from: number, to: number): Check {
  return (value, at) => (Number.isInteger(value) && (value as number) >= from && (value as number) <= to ? undefined : `${at}: not an integer from ${from} to ${to}`);
}

export const number: Check = (value, at) => (Number.isFinite(value) ? undefined : `${at}: not a number`);

export const flag: Check = (value, at) => (typeof value === 'boolean' ? undefined : `${at}: not a boolean`);

export function oneOf(...values: readonly string[]): Check {
  return (value, at) => (values.includes(value as string) ? undefined : `${at}: not one of ${values.join(', ')}`);
}

export function list(item: Check, limit: number = maxItems): Check {
  return (value, at) => {
    if (!Array.isArray(value)) return `${at}: not a list`;
    if (value.length > limit) return `${at}: more than ${limit} items`;
    for (let i = 0; i < value.length; i++) {
      const fault = item(value[i], `${at}[${i}]`);
      if (fault !== undefined) return fault;
    }
    return undefined;
  };
}

export function record(item: Check, limit: number = maxItems): Check {
  return (value, at) => {
    if (!isObject(value)) return `${at}: not an object`;
    const entries = Object.entries(value);
    if (entries.length > limit) return `${at}: more than ${limit} entries`;
    for (const [key, entry] of entries) {
      if (key.length > maxName) return `${at}: a key is longer than ${maxName}`;
      const fault = item(entry, `${at}.${key}`);
      if (fault !== undefined) return fault;
    }
    return undefined;
  };
}

export function optional(check: Check): OptionalCheck {
  return { optional: check };
}

export function object<T>(shape: Shape<T>): Check {
  const fields = Object.entries(shape) as [string, Check | OptionalCheck][];
  return (value, at) => {
    if (!isObject(value)) return `${at}: not an object`;
    for (const [name, check] of fields) {
      const field = Object.hasOwn(value, name) ? value[name] : undefined;
      if (typeof check !== 'function' && field === undefined) continue;
      const fault = (typeof check === 'function' ? check : check.optional)(field, `${at}.${name}`);
      if (fault !== undefined) return fault;
    }
    return undefined;
  };
}

/** A tagged union: the field `tag` says which of the variants it is. */
export function variants(tag: string, checks: Readonly<Record<string, Check>>): Check {
  const known = new Map(Object.entries(checks));
  return (value, at) => {
    if (!isObject(value)) return `${at}: not an object`;
    const check = typeof value[tag] === 'string' ? known.get(value[tag]) : undefined;
    return check === undefined ? `${at}.${tag}: not one of ${[...known.keys()].join(', ')}` : check(value, at);
  };
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
