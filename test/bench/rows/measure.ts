import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench } from '../bench.ts';
import type { PeerName, Scenario, Target, TargetName } from '../targets/types.ts';
import type { CostResult, CostRow, Sample } from './types.ts';

/** Five seconds after its start a proxy gives back pages that only that needed. Milliseconds. */
export const settleMs = 5500;

export interface Rounds {
  readonly rounds: number;
  /** Of one run. */
  readonly seconds: number;
}

/** All targets of a scenario, up at once and idle but for the one that is measured. */
export interface Group {
  readonly targets: readonly Target[];
  readonly leftOut: readonly string[];
  stop(): Promise<void>;
}

export async function startGroup(bench: Bench, scenario: Scenario, peers: readonly PeerName[]): Promise<Group> {
  const targets: Target[] = [];
  const leftOut: string[] = [];
  const start = async (name: TargetName, begin: () => Promise<Target | undefined>): Promise<void> => {
    try {
      const target = await begin();
      if (target !== undefined) targets.push(target);
    } catch (error) {
      leftOut.push(`${name}: ${reasonOf(error)}`);
    }
  };
  await start('Weft', () => bench.weft(scenario));
  for (const peer of peers) await start(peer, () => bench.peer(peer, scenario));
  await sleep(settleMs);
  return { targets, leftOut, stop: async () => void (await Promise.all(targets.map((target) => target.stop()))) };
}

/** One row: a warm-up of each target, then rounds; each round in the other order than the one before. */
export async function measureCost(bench: Bench, row: CostRow, { targets, leftOut }: Group, { rounds, seconds }: Rounds): Promise<CostResult> {
  const faults = [...leftOut];
  const rates = new Map<Target, number>();
  for (const target of targets.filter(({ name }) => name === 'Weft' || row.peers.some((peer) => peer === name))) {
    try {
      const { requests, seconds: took } = await row.load(bench, target, row.warmUpSeconds ?? 3, undefined);
      rates.set(target, requests / took);
    } catch (error) {
      faults.push(`${target.name}: ${reasonOf(error)}`);
    }
  }
  const samples = new Map<TargetName, Sample[]>([...rates.keys()].map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    const order = [...rates];
    for (const [target, rate] of round % 2 === 0 ? order : order.toReversed()) {
      const sample = await measureOnce(bench, row, target, seconds, rate).catch((error: unknown) => reasonOf(error));
      if (typeof sample !== 'string') samples.get(target.name)?.push(sample);
      else {
        // Without this round the others can't be compared round by round.
        faults.push(`${target.name}: ${sample}`);
        rates.delete(target);
        samples.delete(target.name);
      }
    }
  }
  return { row, samples, leftOut: faults };
}

async function measureOnce(bench: Bench, row: CostRow, target: Target, seconds: number, rate: number): Promise<Sample> {
  const { program } = target;
  const [cpuBefore, waitBefore] = [program.cpuNs(), program.waitNs()];
  const { requests, seconds: took } = await row.load(bench, target, seconds, rate);
  const [cpu, wait] = [program.cpuNs() - cpuBefore, program.waitNs() - waitBefore];
  return { us: cpu / requests / 1000, waited: wait / (cpu + wait), perSecond: requests / took, residentMiB: target.program.residentMiB() };
}

export function reasonOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).trim().replaceAll(/\s+/g, ' ').slice(0, 300);
}
