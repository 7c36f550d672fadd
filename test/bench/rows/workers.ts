import { readdirSync } from 'node:fs';
import { cpus } from 'node:os';
import type { Bench } from '../bench.ts';
import { browserHeaders, wrk } from '../loads/wrk.ts';
import { taskCpuNs } from '../programs/program.ts';
import { median, spread } from '../statistics.ts';
import { smallBytes } from '../targets/backends.ts';
import type { WeftTarget } from '../targets/weft.ts';
import { reasonOf, type Rounds } from './measure.ts';
import type { Figure } from './types.ts';

/** So many that the kernel's choice of a worker for each evens out. */
const connections = 256;

/**
 * Two workers on one port (SO_REUSEPORT) against one. With four cores the requests per second are compared. With fewer there is no room for
 * load and backend beside two full cores; then it is what two cores could do: twice the requests per second of processor time, less what the
 * busier worker has more than its half.
 */
export async function measureWorkers(bench: Bench, { rounds, seconds }: Rounds): Promise<Figure> {
  const direct = cpus().length >= 4;
  const about = { id: 'workers', title: `two workers on one port, requests of one${direct ? '' : ' (derived)'}`, atMost: 'at least 1.8 ×' };
  try {
    const one = await bench.weft('plain', { cores: '0' });
    const two = await bench.weft('plain', { cores: '0,1', env: { WEFT_WORKERS: '2' } });
    const found: number[] = [];
    for (const weft of [one, two]) await load(bench, weft, 3);
    for (let round = 0; round < rounds; round++) {
      const [single, double] = [await measure(bench, one, seconds), await measure(bench, two, seconds)];
      if (double.shares.length < 2 || double.shares[1]! < 0.1) throw new Error('only one worker did any work');
      found.push(direct ? double.perSecond / single.perSecond : (single.us / double.us) / double.shares[0]!);
    }
    await Promise.all([one.stop(), two.stop()]);
    const middle = median(found);
    return { ...about, values: { Weft: `${middle.toFixed(2)} (${spread(found, 2)})` }, verdict: middle >= 1.8 ? 'met' : 'missed' };
  } catch (error) {
    return { ...about, values: {}, verdict: 'not measured', note: reasonOf(error) };
  }
}

interface Measured {
  readonly us: number;
  readonly perSecond: number;
  /** Of the two busiest threads, of what both used; the larger one first. */
  readonly shares: readonly number[];
}

async function load(bench: Bench, { port }: WeftTarget, seconds: number): Promise<{ readonly requests: number; readonly perSecond: number }> {
  const { requests, seconds: took } = await wrk({ url: `http://127.0.0.1:${port}/product/1?view=full`, connections, seconds, headers: browserHeaders, bodyBytes: smallBytes, script: bench.scripts.one, ...(cpus().length >= 4 ? { cores: '2,3' } : {}) });
  return { requests, perSecond: requests / took };
}

async function measure(bench: Bench, weft: WeftTarget, seconds: number): Promise<Measured> {
  const before = byTask(weft);
  const cpuBefore = weft.program.cpuNs();
  const { requests, perSecond } = await load(bench, weft, seconds);
  const used = [...byTask(weft)].map(([task, ns]) => ns - (before.get(task) ?? 0)).toSorted((a, b) => b - a).slice(0, 2);
  const both = used.reduce((sum, ns) => sum + ns, 0);
  return { us: (weft.program.cpuNs() - cpuBefore) / requests / 1000, perSecond, shares: used.map((ns) => ns / both) };
}

function byTask({ program }: WeftTarget): ReadonlyMap<string, number> {
  return new Map(program.members().flatMap((pid) => readdirSync(`/proc/${pid}/task`).map((task) => [`${pid}/${task}`, taskCpuNs(pid, task)] as const)));
}
