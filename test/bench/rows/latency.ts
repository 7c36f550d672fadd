import { stolenMs } from '../../stolen.ts';
import type { Bench } from '../bench.ts';
import { runClient } from '../loads/client.ts';
import { median, spread } from '../statistics.ts';
import { smallBytes } from '../targets/backends.ts';
import type { Target, TargetName } from '../targets/types.ts';
import { reasonOf, type Group, type Rounds } from './measure.ts';
import type { Figure } from './types.ts';

/** Microseconds. */
interface Quantiles {
  readonly p50: number;
  readonly p99: number;
}

/** A p99 of one second is that of its ten worst milliseconds; so there are many rounds, and one that something else spoiled is not the median. */
const leastRounds = 9;
/** Until V8 has compiled what is used, of the proxy, and of the client, which begins anew each time. Seconds. */
const [warmUpSeconds, clientWarmUpSeconds] = [4, 2];
/** A run during which the host took more than this says how busy the host is: it is made again, so many times at most. Milliseconds of all cores, in a second. */
const stolenAtMost = 10;
const triesAtMost = 5;

/**
 * Latency above that of the backend alone, at a fixed rate over 16 connections. Client and backend share a core, where they go before all others:
 * else who waits for that core shows, with a p99 of 1 to 3 ms of the backend alone (0.15 ms so).
 */
export async function measureLatency(bench: Bench, { targets }: Group, perSecond: number, { rounds: asked, seconds: longest }: Rounds): Promise<readonly Figure[]> {
  const [rounds, seconds] = [Math.max(asked, leastRounds), Math.min(longest, 1)];
  const compared = targets.filter(({ name }) => ['Weft', 'nginx', 'HAProxy', 'Envoy'].includes(name));
  const added = new Map<TargetName, Quantiles[]>(compared.map(({ name }) => [name, []]));
  const [alone, stolen]: [number[], number[]] = [[], []];
  const measure = async (port: number): Promise<Quantiles> => {
    const run = await leastDisturbed(stolenAtMost * seconds, async () => (await runClient('rate.ts', [port, perSecond, seconds, 16, smallBytes, clientWarmUpSeconds], 'first')) as Quantiles);
    stolen.push(run.stolen);
    return run.result;
  };
  try {
    for (const { port } of compared) await runClient('rate.ts', [port, perSecond, warmUpSeconds, 16, smallBytes, 0]);
    await bench.backend.first(async () => {
      for (let round = 0; round < rounds; round++) {
        const direct = await measure(bench.backends.http);
        alone.push(direct.p99);
        for (const target of ordered(compared, round)) {
          const { p50, p99 } = await measure(target.port);
          added.get(target.name)!.push({ p50: p50 - direct.p50, p99: p99 - direct.p99 });
        }
      }
    });
  } catch (error) {
    return [{ id: `latency-${perSecond}`, title: `latency at ${perSecond} requests/s`, values: {}, atMost: '', verdict: 'not measured', note: reasonOf(error) }];
  }
  const disturbed = stolen.filter((ms) => ms > stolenAtMost * seconds).length;
  const note = `${rounds} rounds of ${seconds} s for each; p99 of the backend alone ${median(alone).toFixed(0)} µs (${spread(alone, 0)}); of ${stolen.length} runs ${disturbed} were disturbed by the host ${triesAtMost} times in a row (the least of these counts: it took ${median(stolen).toFixed(0)} ms in the median run, ${Math.max(...stolen).toFixed(0)} in the worst)`;
  return [figureOf(added, 'p50', perSecond), { ...figureOf(added, 'p99', perSecond), note }];
}

interface Undisturbed<Result> {
  readonly result: Result;
  /** What the host took meanwhile. Milliseconds of all cores. */
  readonly stolen: number;
}

/** The first run during which the host took no more than so many milliseconds, else the one with the least: chosen by that, never by what was measured. */
async function leastDisturbed<Result>(atMostMs: number, run: () => Promise<Result>): Promise<Undisturbed<Result>> {
  let best: Undisturbed<Result> | undefined;
  for (let tries = 0; tries < triesAtMost && (best === undefined || best.stolen > atMostMs); tries++) {
    const before = stolenMs();
    const result = await run();
    const stolen = stolenMs() - before;
    if (best === undefined || stolen < best.stolen) best = { result, stolen };
  }
  return best!;
}

function ordered(targets: readonly Target[], round: number): readonly Target[] {
  return round % 2 === 0 ? targets : targets.toReversed();
}

function figureOf(added: ReadonlyMap<TargetName, readonly Quantiles[]>, quantile: 'p50' | 'p99', perSecond: number): Figure {
  const of = (name: TargetName): readonly number[] => (added.get(name) ?? []).map((one) => one[quantile]);
  const [ours, against] = [median(of('Weft')), median(of(quantile === 'p50' ? 'Envoy' : 'nginx'))];
  const limit = quantile === 'p50' ? against : against * 1.15;
  return {
    id: `latency-${perSecond}-${quantile}`,
    title: `${quantile} added at ${perSecond.toLocaleString('en-US')} requests/s, µs`,
    values: Object.fromEntries([...added.keys()].map((name) => [name, `${median(of(name)).toFixed(0)} (${spread(of(name), 0)})`])),
    atMost: quantile === 'p50' ? "Envoy's" : "nginx's + 15 %",
    verdict: Number.isNaN(ours) || Number.isNaN(limit) ? 'not measured' : ours <= limit ? 'met' : 'missed',
  };
}
