/**
 * Work in steps: what runs a generator to its end may let others have their turn at each `yield`. How long a step may be is counted in items
 * (routes, entries, nodes), a few microseconds each, so that a test can count too.
 */
export type Steps<T> = Generator<undefined, T>;

/** Items that one step takes. */
export const stepLength = 100;

/** Counts the items of a step; shared by all parts of one piece of work, so that many small parts make one step. */
export class Pace {
  readonly #length: number;
  #count = 0;

  constructor(length = stepLength) {
    this.#length = length;
  }

  /** Whether the step is long enough with these. */
  spend(items = 1): boolean {
    this.#count += items;
    if (this.#count < this.#length) return false;
    this.#count = 0;
    return true;
  }
}

/** All at once. */
export function runSteps<T>(steps: Steps<T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

/** `toSorted` in steps, stable too. */
export function* sortInSteps<T>(items: readonly T[], compare: (a: T, b: T) => number, pace: Pace): Steps<readonly T[]> {
  let runs: (readonly T[])[] = [];
  for (let start = 0; start < items.length; start += stepLength) {
    const run = items.slice(start, start + stepLength).sort(compare);
    runs.push(run);
    if (pace.spend(run.length)) yield;
  }
  while (runs.length > 1) {
    const merged: (readonly T[])[] = [];
    for (let index = 0; index < runs.length; index += 2) {
      const [one, other] = [runs[index]!, runs[index + 1]];
      merged.push(other === undefined ? one : yield* merge(one, other, { compare, pace }));
    }
    runs = merged;
  }
  return runs[0] ?? [];
}

function* merge<T>(one: readonly T[], other: readonly T[], { compare, pace }: { readonly compare: (a: T, b: T) => number; readonly pace: Pace }): Steps<readonly T[]> {
  // What was in order before is the usual case.
  if (compare(one.at(-1)!, other[0]!) <= 0) return one.concat(other);
  const merged: T[] = [];
  let [left, right] = [0, 0];
  while (left < one.length && right < other.length) {
    merged.push(compare(one[left]!, other[right]!) <= 0 ? one[left++]! : other[right++]!);
    if (pace.spend()) yield;
  }
  return merged.concat(one.slice(left), other.slice(right));
}
