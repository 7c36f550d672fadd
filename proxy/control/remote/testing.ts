import { Session, type Profiler } from 'node:inspector';
import { setFlagsFromString } from 'node:v8';

/** For tests of how much is done in one turn: V8 counts, for time would tell it badly. */

/** Of the innermost block around a place: each comes after those that it is in. */
function countAt(ranges: readonly Profiler.CoverageRange[], offset: number): number {
  return ranges.findLast(({ startOffset, endOffset }) => startOffset <= offset && offset < endOffset)?.count ?? 0;
}

// Calls that optimised code has inlined are not counted.
setFlagsFromString('--no-opt');
setFlagsFromString('--no-maglev');

/** Where blocks of a function begin, as far as V8 has told: it leaves out a block that ran as often as the one around it. */
const known = new Map<string, Set<number>>();

// One session for all: blocks are counted of what is compiled while it lasts, and most of our code is when it runs for the first time.
const session = new Session();
session.connect();
session.post('Profiler.enable');
session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });

/** Counts how often each block of the code whose URL fits runs in one turn of the event loop, at most. */
export class Watch {
  readonly most = new Map<string, number>();
  readonly #code: RegExp;

  constructor(code: RegExp) {
    this.#code = code;
    session.post('Profiler.takePreciseCoverage');
  }

  /** Lets one turn pass and looks at what ran. */
  async turn(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    session.post('Profiler.takePreciseCoverage', (_error, { result }) => this.#look(result));
  }

  #look(scripts: readonly Profiler.ScriptCoverage[]): void {
    for (const { url, functions } of scripts) {
      if (!this.#code.test(url) || url.includes('.test.') || url.includes('/node_modules/')) continue;
      for (const { functionName, ranges } of functions) {
        const name = `${functionName} of ${url.split('/').slice(-2).join('/')}`;
        const begins = known.get(`${name} ${ranges[0]!.startOffset}`) ?? new Set();
        known.set(`${name} ${ranges[0]!.startOffset}`, begins);
        for (const { startOffset } of ranges) begins.add(startOffset);
        for (const begin of begins) this.#count(`${name}, offset ${begin}`, countAt(ranges, begin));
      }
    }
  }

  #count(block: string, count: number): void {
    if (count > (this.most.get(block) ?? 0)) this.most.set(block, count);
  }
}
