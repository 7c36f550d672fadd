import { readdirSync } from 'node:fs';
import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench } from '../bench.ts';
import { runClient } from '../loads/client.ts';
import { browserHeaders, wrk } from '../loads/wrk.ts';
import { cores, taskCpuNs } from '../programs/program.ts';
import { median, spread } from '../statistics.ts';
import { smallBytes } from '../targets/backends.ts';
import type { WeftTarget } from '../targets/weft.ts';
import { reasonOf, settleMs, type Rounds } from './measure.ts';
import type { Figure } from './types.ts';

/** So many that the kernel's choice of a worker for each evens out. */
const connections = 256;
/** Requests per second of one worker where it is derived: a load that two processes, the load and the backend have room for on two cores. */
const perSecond = 2500;
const title = 'two workers on one port, requests of one';
const atMost = 'at least 1.8 ×';

/**
 * Two workers on one port (SO_REUSEPORT) against one. With four cores the requests per second are compared. With fewer there is no room for
 * load and backend beside two full cores; then bounds are derived, and where 1.8 lies between them, two cores can't tell.
 */
export async function measureWorkers(bench: Bench, { rounds, seconds }: Rounds): Promise<Figure> {
  const enough = cpus().length >= 4;
  const about = { id: 'workers', title: enough ? title : `${title} (bounds, derived)`, atMost };
  try {
    const one = await bench.weft('plain', { cores: cores.tested });
    const two = await bench.weft('plain', { cores: enough ? '0,1' : cores.tested, env: { WEFT_WORKERS: '2' } });
    await sleep(settleMs);
    const figure = enough ? await direct(bench, { one, two }, { rounds, seconds }) : await derived({ one, two }, { rounds, seconds });
    await Promise.all([one.stop(), two.stop()]);
    return { ...about, ...figure };
  } catch (error) {
    return { ...about, values: {}, verdict: 'not measured', note: reasonOf(error) };
  }
}

interface Setups {
  readonly one: WeftTarget;
  readonly two: WeftTarget;
}

type Found = Pick<Figure, 'values' | 'verdict' | 'note'>;

/** Two cores for the workers, two for the load. */
async function direct(bench: Bench, { one, two }: Setups, { rounds, seconds }: Rounds): Promise<Found> {
  const rateOf = async ({ port }: WeftTarget): Promise<number> => {
    const { requests, seconds: took } = await wrk({ url: `http://127.0.0.1:${port}/product/1?view=full`, connections, seconds, headers: browserHeaders, bodyBytes: smallBytes, script: bench.scripts.one, cores: '2,3' });
    return requests / took;
  };
  for (const weft of [one, two]) await rateOf(weft);
  const found: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const single = await rateOf(one);
    const before = byTask(two);
    found.push((await rateOf(two)) / single);
    busierSince(two, before);
  }
  return { values: { Weft: `${median(found).toFixed(2)} (${spread(found, 2)})` }, verdict: median(found) >= 1.8 ? 'met' : 'missed' };
}

/**
 * One worker and two have the same core, and loads of fixed rates. Two cores serve twice what one does, where a request costs no more with two
 * workers, less what the busier one has more than its half; that a request costs less with two says nothing, so that no more than 2 comes out.
 * A request costs half as much again on a core that wakes for each as on one that is busy. So two workers with one's load between them, which
 * wake for less each, are the lower bound; two with as much load each, which keep the core busier than the one does, the upper one.
 */
async function derived({ one, two }: Setups, { rounds, seconds }: Rounds): Promise<Found> {
  const costOf = async ({ port, program }: WeftTarget, rate: number): Promise<number> => {
    const before = program.cpuNs();
    await runClient('rate.ts', [port, rate, seconds, connections, smallBytes, 0]);
    return (program.cpuNs() - before) / (rate * seconds);
  };
  for (const weft of [one, two]) await costOf(weft, perSecond);
  const shared: Bound = { factor: 1, times: [], costs: [] };
  const full: Bound = { factor: 2, times: [], costs: [] };
  for (let round = 0; round < rounds; round++) {
    const single = await costOf(one, perSecond);
    for (const { factor, times, costs } of [shared, full]) {
      const before = byTask(two);
      const cost = (await costOf(two, factor * perSecond)) / single;
      costs.push(cost);
      times.push(1 / (Math.max(1, cost) * busierSince(two, before)));
    }
  }
  const [least, most] = [median(shared.times), median(full.times)];
  const costs = ({ costs: all }: Bound): string => `${median(all).toFixed(2)} × (${spread(all, 2)})`;
  return {
    values: { Weft: `${least.toFixed(2)}–${most.toFixed(2)}` },
    // Bounds that cross say that the rounds differ by more than what is looked for.
    verdict: least > most ? 'not measured' : least >= 1.8 ? 'met' : most < 1.8 ? 'missed' : 'not measured',
    note: `two cores only give bounds: with two workers a request costs ${costs(shared)} what it costs with one where they share its load, ${costs(full)} where each has as much; with four cores it is measured`,
  };
}

interface Bound {
  /** The load, as a multiple of the one worker's. */
  readonly factor: number;
  /** Of the requests of one worker, what two can serve. */
  readonly times: number[];
  /** Of a request, as a multiple of that with one worker. */
  readonly costs: number[];
}

/** The share of the busier of two workers, by the processor time since. Throws where only one worked. */
function busierSince(weft: WeftTarget, before: ReadonlyMap<string, number>): number {
  const [first = 0, second = 0] = [...byTask(weft)].map(([task, ns]) => ns - (before.get(task) ?? 0)).toSorted((a, b) => b - a);
  if (second < 0.1 * first) throw new Error('only one worker did any work');
  return first / (first + second);
}

function byTask({ program }: WeftTarget): ReadonlyMap<string, number> {
  return new Map(program.members().flatMap((pid) => readdirSync(`/proc/${pid}/task`).map((task) => [`${pid}/${task}`, taskCpuNs(pid, task)] as const)));
}
