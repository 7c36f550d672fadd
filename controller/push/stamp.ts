import type { ObjectStatus } from '../types.ts';

/**
 * Gives every condition its `lastTransitionTime`: `now` (RFC 3339) where its status changed or it is new, else the one that it had
 * in `before`. Conditions are matched by where they stand (the listener's name, the parentRef, the ancestorRef) and their type.
 */
export function stampTimes(statuses: readonly ObjectStatus[], before: readonly ObjectStatus[], now: string): readonly ObjectStatus[] {
  const known = new Map(before.map((status) => [keyOf(status), status.status] as const));
  return statuses.map((status) => ({ ...status, status: stampObject(status.status, known.get(keyOf(status)), now) }));
}

type Fields = Readonly<Record<string, unknown>>;

function stampObject(value: Fields, before: unknown, now: string): Fields {
  const old: Fields = isObject(before) ? before : {};
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, name === 'conditions' ? stampConditions(field, old[name], now) : stamp(field, old[name], now)]));
}

function stamp(value: unknown, before: unknown, now: string): unknown {
  if (Array.isArray(value)) {
    const old = new Map(Array.isArray(before) ? before.map((item: unknown, index) => [identityOf(item, index), item] as const) : []);
    return value.map((item: unknown, index) => stamp(item, old.get(identityOf(item, index)), now));
  }
  return isObject(value) ? stampObject(value, before, now) : value;
}

function stampConditions(value: unknown, before: unknown, now: string): unknown {
  if (!Array.isArray(value)) return value;
  const old = Array.isArray(before) ? before.filter(isObject) : [];
  return value.map((condition: unknown) => {
    if (!isObject(condition)) return condition;
    const same = old.find(({ type, status }) => type === condition['type'] && status === condition['status']);
    return { ...condition, lastTransitionTime: same?.['lastTransitionTime'] ?? now };
  });
}

function identityOf(item: unknown, index: number): string {
  if (!isObject(item)) return String(index);
  const { name, parentRef, ancestorRef, controllerName } = item;
  return parentRef === undefined && ancestorRef === undefined && name === undefined ? String(index) : JSON.stringify([name, parentRef, ancestorRef, controllerName]);
}

function keyOf({ apiVersion, kind, namespace, name }: ObjectStatus): string {
  return JSON.stringify([apiVersion, kind, namespace, name]);
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
