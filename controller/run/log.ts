export type Level = 'info' | 'warn' | 'error';

/** One JSON object a line. */
export type Log = (level: Level, message: string, fields?: Readonly<Record<string, unknown>>) => void;

export function createLog(write: (line: string) => void, now: () => number): Log {
  return (level, message, fields = {}) => write(`${JSON.stringify({ time: new Date(now()).toISOString(), level, message, ...fields })}\n`);
}

/** Tells what is new in a list that is given as a whole each time; of a very long one only the beginning. */
export class Newcomers {
  #known: ReadonlySet<string> = new Set();
  readonly #limit: number;

  constructor(limit = 1000) {
    this.#limit = limit;
  }

  take<T>(items: readonly T[], textOf: (item: T) => string): readonly T[] {
    const before = this.#known;
    const first = items.slice(0, this.#limit);
    this.#known = new Set(first.map(textOf));
    return first.filter((item) => !before.has(textOf(item)));
  }
}
