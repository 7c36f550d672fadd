import { Pace, runSteps, type Steps } from '#snapshot';
import { createSlot } from '../memo.ts';
import type { ObjectStatus } from '../types.ts';

/**
 * Gives every condition its `lastTransitionTime`: `now` (RFC 3339) where its status changed or it is new, else the one that it had
 * in `before`. Conditions are matched by where they stand (the listener's name, the parentRef, the ancestorRef) and their type.
 */
export function stampTimes(statuses: readonly ObjectStatus[], before: readonly ObjectStatus[], now: string): readonly ObjectStatus[] {
  return runSteps(stampTimesInSteps(statuses, before, now));
}

/** What a stamped status was made of: while that is the same object, so is the stamped one. */
const drafts = createSlot<ObjectStatus, ObjectStatus>();

export function* stampTimesInSteps(statuses: readonly ObjectStatus[], before: readonly ObjectStatus[], now: string): Steps<readonly ObjectStatus[]> {
  const pace = new Pace(statusesAtOnce);
  const known = new Map<string, ObjectStatus>();
  for (const status of before) known.set(keyOf(status), status);
  yield;
  const stamped: ObjectStatus[] = [];
  for (const status of statuses) {
    const old = known.get(keyOf(status));
    if (old !== undefined && drafts.find(old) === status) {
      stamped.push(old);
      continue;
    }
    const made = { ...status, status: stampObject(status.status, old?.status, now) };
    drafts.keep(made, status);
    stamped.push(made);
    if (pace.spend()) yield;
  }
  return stamped;
}

/** In one step; each is looked through to its last condition. */
const statusesAtOnce = 20;

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
  return `${apiVersion} ${kind} ${namespace}/${name}`;
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
