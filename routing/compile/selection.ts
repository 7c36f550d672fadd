import { sortInSteps, type Pace, type Steps } from '#snapshot';
import { queryValue } from '../request/query.ts';
import type { RequestView } from '../types.ts';
import { satisfies } from './entry.ts';
import type { Entry } from './entry.ts';

/**
 * Entries of which the first that fits wins. Many entries on one path usually differ by the value of one header (a tenant, a
 * version): such a list is split by that value, so that finding the entry does not cost a look at each.
 */
export interface Selection {
  /** Best first. An entry's position is its rank. */
  readonly order: readonly Entry[];
  readonly choice: Choice;
}

interface Choice {
  /** Ranks tested one by one, in order. */
  readonly ranks: readonly number[];
  readonly split: Split | undefined;
}

/** Entries that demand one value of `key`, by that value. Those without such a demand are in the choice's `rest`. */
interface Split {
  readonly key: Key;
  readonly byValue: ReadonlyMap<string, Choice>;
  readonly rest: Choice;
}

interface Key {
  readonly kind: 'method' | 'header' | 'query';
  readonly name: string;
}

/** Below this a loop is faster than a look-up. */
const smallList = 8;

/** Of the entries the one first that comes first in the comparison; of equal ones the one that is first in the list. */
export function* select(entries: readonly Entry[], compare: (a: Entry, b: Entry) => number, pace: Pace): Steps<Selection> {
  const order = yield* sortInSteps(entries, compare, pace);
  return yield* selectRanks(order, Array.from(order.keys()), pace);
}

/** A selection of some ranks of a longer order; ranks ascend. */
export function* selectRanks(order: readonly Entry[], ranks: readonly number[], pace: Pace): Steps<Selection> {
  return { order, choice: yield* choose(order, ranks, pace) };
}

/** The best rank below `limit` whose entry fits, else `limit`. */
export function bestRank(selection: Selection, request: RequestView, limit: number): number {
  return bestOf(selection.choice, selection.order, request, limit);
}

function bestOf(choice: Choice, order: readonly Entry[], request: RequestView, limit: number): number {
  let best = limit;
  for (let { split } = choice; split !== undefined; choice = split.rest, split = choice.split) {
    const value = keyValue(split.key, request);
    const inner = value === undefined ? undefined : split.byValue.get(value);
    if (inner !== undefined) best = bestOf(inner, order, request, best);
  }
  const { ranks } = choice;
  for (let index = 0; index < ranks.length; index += 1) {
    const rank = ranks[index]!;
    if (rank >= best) break;
    if (satisfies(order[rank]!, request)) return rank;
  }
  return best;
}

function keyValue(key: Key, request: RequestView): string | undefined {
  if (key.kind === 'method') return request.method;
  if (key.kind === 'header') return request.header(key.name);
  return request.query === undefined ? undefined : queryValue(request.query, key.name);
}

function* choose(order: readonly Entry[], ranks: readonly number[], pace: Pace): Steps<Choice> {
  const key = ranks.length <= smallList ? undefined : yield* bestKey(order, ranks, pace);
  if (key === undefined) return { ranks, split: undefined };
  const groups = new Map<string, number[]>();
  const rest: number[] = [];
  for (const rank of ranks) {
    const value = demanded(order[rank]!, key);
    if (value === undefined) rest.push(rank);
    else append(groups, value, rank);
    if (pace.spend()) yield;
  }
  const byValue = new Map<string, Choice>();
  for (const [value, group] of groups) {
    byValue.set(value, yield* choose(order, group, pace));
    if (pace.spend()) yield;
  }
  return { ranks: [], split: { key, byValue, rest: yield* choose(order, rest, pace) } };
}

export function append<K, V>(groups: Map<K, V[]>, key: K, value: V): void {
  const group = groups.get(key);
  if (group === undefined) groups.set(key, [value]);
  else group.push(value);
}

/** The value that the entry demands of the key, undefined where it demands none or only a pattern. */
function demanded(entry: Entry, key: Key): string | undefined {
  if (key.kind === 'method') return entry.method;
  const conditions = key.kind === 'header' ? entry.headers : entry.query;
  return conditions.find((condition) => condition.name === key.name && condition.pattern === undefined)?.value;
}

/** The key that leaves the fewest entries to look at, undefined where none spares a quarter of them. */
function* bestKey(order: readonly Entry[], ranks: readonly number[], pace: Pace): Steps<Key | undefined> {
  const tallies = new Map<string, { readonly key: Key; count: number; readonly values: Set<string> }>();
  const tally = (kind: Key['kind'], name: string, value: string): void => {
    const id = `${kind} ${name}`;
    let found = tallies.get(id);
    if (found === undefined) tallies.set(id, (found = { key: { kind, name }, count: 0, values: new Set() }));
    found.count += 1;
    found.values.add(value);
  };
  for (const rank of ranks) {
    const { method, headers, query } = order[rank]!;
    if (method !== undefined) tally('method', '', method);
    for (const { name, value, pattern } of headers) if (pattern === undefined) tally('header', name, value);
    for (const { name, value, pattern } of query) if (pattern === undefined) tally('query', name, value);
    if (pace.spend()) yield;
  }
  let best: Key | undefined;
  let fewest = ranks.length * 0.75;
  for (const { key, count, values } of tallies.values()) {
    const left = ranks.length - count + count / values.size;
    if (left >= fewest) continue;
    fewest = left;
    best = key;
  }
  return best;
}
