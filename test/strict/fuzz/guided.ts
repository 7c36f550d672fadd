import { Session } from 'node:inspector';

/**
 * Coverage-guided fuzzing in a few lines: an input that makes code run which none has run before is kept, and bent further. V8 says which
 * blocks have run; that is asked for after every batch, and of a batch that has something new each input is run once more by itself.
 */

export interface GuidedTarget {
  readonly name: string;
  /** Of the time that there is. */
  readonly share: number;
  readonly seeds: readonly Buffer[];
  /** What is put in as a whole, now and then. */
  readonly words: readonly Buffer[];
  /** Throws where something is wrong. */
  readonly run: (input: Buffer) => void;
}

export interface GuidedResult {
  readonly runs: number;
  /** Inputs that were kept. */
  readonly kept: number;
  /** Blocks of ours that have run. */
  readonly blocks: number;
}

const batchSize = 400;
const maxInput = 4096;
const ours = /\/(proxy|routing|snapshot)\//;

/** Numbers in [0, 1) from a seed (mulberry32). */
function numbersFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

class Coverage {
  readonly #session = new Session();
  readonly #seen = new Set<string>();

  constructor() {
    this.#session.connect();
    this.#session.post('Profiler.enable');
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  get size(): number {
    return this.#seen.size;
  }

  /** Of what has run since the last time, what never had before. `mark`: it counts as seen from now on. */
  fresh(mark: 'mark' | 'look'): number {
    let found = 0;
    this.#session.post('Profiler.takePreciseCoverage', (_error, { result }) => {
      for (const { url, functions } of result) {
        if (!ours.test(url)) continue;
        for (const { ranges } of functions) {
          for (const { startOffset, endOffset, count } of ranges) {
            const key = `${url}:${startOffset}-${endOffset}`;
            if (count === 0 || this.#seen.has(key)) continue;
            found++;
            if (mark === 'mark') this.#seen.add(key);
          }
        }
      }
    });
    return found;
  }

  end(): void {
    this.#session.post('Profiler.stopPreciseCoverage');
    this.#session.disconnect();
  }
}

const telling = [0, 1, 5, 9, 10, 13, 32, 58, 63, 64, 127, 128, 191, 255];

function bend(input: Buffer, corpus: readonly Buffer[], words: readonly Buffer[], random: () => number): Buffer {
  const below = (bound: number): number => Math.floor(random() * bound);
  let bytes = Buffer.from(input);
  for (let change = 1 + below(4); change > 0; change--) {
    const at = below(bytes.length + 1);
    const put = (middle: Buffer, skipped: number): void => {
      bytes = Buffer.concat([bytes.subarray(0, at), middle, bytes.subarray(Math.min(bytes.length, at + skipped))]);
    };
    switch (below(7)) {
      case 0:
        if (at < bytes.length) bytes[at]! ^= 1 << below(8);
        break;
      case 1:
        if (at < bytes.length) bytes[at] = telling[below(telling.length)]!;
        break;
      case 2:
        put(Buffer.from([below(256)]), 0);
        break;
      case 3:
        put(Buffer.alloc(0), 1 + below(8));
        break;
      case 4:
        put(words[below(words.length)] ?? Buffer.alloc(0), random() < 0.5 ? 0 : below(8));
        break;
      case 5:
        put(bytes.subarray(at, at + below(40)), 0);
        break;
      default: {
        const other = corpus[below(corpus.length)]!;
        put(other.subarray(below(other.length)), bytes.length);
      }
    }
  }
  return bytes.subarray(0, maxInput);
}

/** Those of the inputs that make new code run, by halves: asking what has run costs more than running. */
function whoIsNew(inputs: readonly Buffer[], attempt: (input: Buffer) => void, coverage: Coverage): readonly Buffer[] {
  for (const input of inputs) attempt(input);
  if (coverage.fresh(inputs.length === 1 ? 'mark' : 'look') === 0) return [];
  const middle = inputs.length >> 1;
  return inputs.length === 1 ? inputs : [...whoIsNew(inputs.slice(0, middle), attempt, coverage), ...whoIsNew(inputs.slice(middle), attempt, coverage)];
}

/** Runs a target for its share of the time. Throws with the input, in Base64, that something is wrong with. */
export function fuzzGuided({ name, share, seeds, words, run }: GuidedTarget, { seconds, seed }: { readonly seconds: number; readonly seed: number }): GuidedResult {
  const random = numbersFrom(seed);
  const coverage = new Coverage();
  const corpus = [...seeds];
  let runs = 0;
  const attempt = (input: Buffer): void => {
    runs++;
    // What is run may keep or change what it gets.
    const own = Buffer.from(input);
    try {
      run(own);
    } catch (error) {
      throw new Error(`${name}, seed ${seed}: ${String(error)}; input ${input.toString('base64')}`, { cause: error });
    }
  };
  try {
    for (const each of seeds) attempt(each);
    coverage.fresh('mark');
    for (const end = performance.now() + seconds * share * 1000; performance.now() < end; ) {
      // The newest have been bent least.
      const batch = Array.from({ length: batchSize }, () => bend(corpus[Math.floor(corpus.length * Math.sqrt(random()))]!, corpus, words, random));
      for (const input of batch) attempt(input);
      if (coverage.fresh('look') === 0) continue;
      corpus.push(...whoIsNew(batch, attempt, coverage));
    }
    return { runs, kept: corpus.length - seeds.length, blocks: coverage.size };
  } finally {
    coverage.end();
  }
}
