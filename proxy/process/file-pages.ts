import { readFile } from 'node:fs/promises';

/** Part of the address space: start and length in bytes. */
export interface Range {
  readonly start: number;
  readonly length: number;
}

/** `MADV_DONTNEED` of `<bits/mman-linux.h>`. */
const dontNeed = 4;
const longestAddress = Number.MAX_SAFE_INTEGER;

type MemoryAdvice = (address: number, length: number, advice: number) => number;

/**
 * Gives back the pages of programs and libraries that only the start needed: two thirds of node's 55 MiB. They are the file's own and
 * come from there again when they are touched (madvise(2)); no page is given back that this process has changed. Resolves to the number
 * of ranges; rejects where there is no such call.
 */
export async function releaseFilePages(): Promise<number> {
  const ranges = unchangedRanges(await readFile('/proc/self/smaps', 'latin1'));
  const { default: koffi } = await import('koffi');
  const madvise = koffi.load(null).func('int madvise(uintptr_t, size_t, int)') as unknown as MemoryAdvice;
  return ranges.filter(({ start, length }) => madvise(start, length, dontNeed) === 0).length;
}

/** Of `/proc/PID/smaps` (proc_pid_smaps(5)): private mappings of files that can't be written, of which no page has a copy of its own. */
export function unchangedRanges(smaps: string): readonly Range[] {
  const ranges: Range[] = [];
  let range: Range | undefined;
  for (const line of smaps.split('\n')) {
    const head = /^([0-9a-f]+)-([0-9a-f]+) r-[x-]p [0-9a-f]+ [0-9a-f]+:[0-9a-f]+ [0-9]+ +(\/)?/.exec(line);
    if (head !== null) {
      const [start, end] = [Number.parseInt(head[1]!, 16), Number.parseInt(head[2]!, 16)];
      range = head[3] === '/' && end <= longestAddress ? { start, length: end - start } : undefined;
      continue;
    }
    // Any other mapping's head.
    if (/^[0-9a-f]+-[0-9a-f]+ /.test(line)) range = undefined;
    // RELRO looks like the rest, but holds what the loader wrote: without its copy it would be zeros.
    const anonymous = /^Anonymous: +([0-9]+) kB/.exec(line);
    if (anonymous === null || range === undefined) continue;
    if (anonymous[1] === '0') ranges.push(range);
    range = undefined;
  }
  return ranges;
}
