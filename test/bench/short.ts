import { readFileSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import type { Bench } from './bench.ts';
import { costRows } from './rows/cost.ts';
import { measureCost, startGroup, type Group, type Rounds } from './rows/measure.ts';
import type { CostResult, CostRow, Sample } from './rows/types.ts';
import { median, spread } from './statistics.ts';
import type { PeerName, TargetName } from './targets/types.ts';

/** Ratios of Weft's cost to a peer's, by row; what the short form compares with. */
export type Recorded = Readonly<Record<string, Readonly<Record<string, number>>>>;

const path = join(import.meta.dirname, 'ratios.json');
const allPeers = ['nginx', 'HAProxy'] as const;
const rowIds = ['keep-alive', 'large', 'new-connection'];

/** A ratio may be worse than the recorded one by so much. */
const tolerance = 1.2;
/**
 * The same on a machine that has other work: caches and cores are shared then, which costs Weft more than the others, and what lies between
 * the two is nobody's fault.
 */
const busyTolerance = 1.6;
/** A proxy that waited for its core for a larger share of its time was disturbed. */
const maxWaited = 0.3;
/** Rounds without disturbance that say more than all rounds together. */
const enoughRounds = 4;

interface Compared {
  readonly peer: PeerName;
  /** By round; of the undisturbed ones where there are enough. Empty: no figure. */
  readonly ratios: readonly number[];
  readonly machine: 'quiet' | 'busy';
}

type Verdict = 'passed' | 'failed' | 'left out';

/**
 * Three rows, nginx and HAProxy only; what is worse than recorded, or can't be told, is measured once more, and the better of both counts.
 * False where a ratio is worse than the recorded one by more than the tolerance.
 */
export async function runShort(bench: Bench, rounds: Rounds, record: 'compare' | 'record'): Promise<boolean> {
  const recorded = record === 'record' ? {} : (JSON.parse(readFileSync(path, 'utf8')) as Recorded);
  const peers = allPeers.filter((peer) => bench.tools[peer === 'nginx' ? 'nginx' : 'haproxy']);
  const rows = costRows.filter(({ id }) => rowIds.includes(id)).map((row): CostRow => ({ ...row, peers }));
  console.log(`load average ${loadavg().map((load) => load.toFixed(1)).join(', ')}`);
  const group = await startGroup(bench, 'plain', peers);
  for (const line of group.leftOut) console.log(`does not start: ${line}`);
  const fresh: Record<string, Record<string, number>> = {};
  const verdicts: Verdict[] = allPeers.filter((peer) => !peers.includes(peer)).flatMap(() => rows.map(() => 'left out' as const));
  for (const row of rows) {
    const judge = (one: Compared): Verdict => verdictOn(one, recorded[row.id]?.[one.peer]);
    let compared = await measureRow(bench, group, row, rounds);
    for (const one of compared) console.log(told(row, one, recorded));
    if (compared.some((one) => judge(one) !== 'passed')) {
      const again = await measureRow(bench, group, row, rounds);
      for (const one of again) console.log(`once more: ${told(row, one, recorded)}`);
      compared = compared.map((one, index) => better(one, again[index]!));
    }
    fresh[row.id] = Object.fromEntries(compared.map(({ peer, ratios }) => [peer, Number(median(ratios).toFixed(2))]));
    verdicts.push(...compared.map(judge));
  }
  if (record === 'record') writeFileSync(path, `${JSON.stringify(fresh, null, 2)}\n`);
  const count = (verdict: Verdict): number => verdicts.filter((each) => each === verdict).length;
  console.log(`benchmark: ${count('passed')} passed, ${count('failed')} failed, ${count('left out')} left out`);
  return count('failed') === 0;
}

/** What the short form says where nothing can be measured. */
export function leaveShortOut(): void {
  console.log(`benchmark: 0 passed, 0 failed, ${rowIds.length * allPeers.length} left out`);
}

/** Where there is no figure something is wrong with the benchmark or the proxy, and that must be seen. */
function verdictOn({ ratios, machine }: Compared, recorded: number | undefined): Verdict {
  if (ratios.length === 0) return 'failed';
  if (recorded === undefined || median(ratios) <= recorded * tolerance) return 'passed';
  return machine === 'busy' && median(ratios) <= recorded * busyTolerance ? 'left out' : 'failed';
}

function better(one: Compared, other: Compared): Compared {
  if (one.ratios.length === 0 || other.ratios.length === 0) return one.ratios.length === 0 ? other : one;
  return median(other.ratios) < median(one.ratios) ? other : one;
}

async function measureRow(bench: Bench, group: Group, row: CostRow, rounds: Rounds): Promise<readonly Compared[]> {
  const result: CostResult = await measureCost(bench, row, group, rounds);
  for (const line of result.leftOut) console.log(`${row.title}: ${line}`);
  return row.peers.map((peer) => compare(peer, samplesOf(result, 'Weft'), samplesOf(result, peer)));
}

function samplesOf({ samples }: CostResult, name: TargetName): readonly Sample[] {
  return samples.get(name) ?? [];
}

function compare(peer: PeerName, ours: readonly Sample[], theirs: readonly Sample[]): Compared {
  const rounds = ours.slice(0, theirs.length).map((own, round) => ({ ratio: own.us / theirs[round]!.us, waited: Math.max(own.waited, theirs[round]!.waited) }));
  const quiet = rounds.filter(({ waited }) => waited <= maxWaited);
  const machine = quiet.length >= enoughRounds ? 'quiet' : 'busy';
  return { peer, ratios: (machine === 'quiet' ? quiet : rounds).map(({ ratio }) => ratio), machine };
}

function told({ id, title }: CostRow, one: Compared, recorded: Recorded): string {
  const { peer, ratios, machine } = one;
  if (ratios.length === 0) return `${title}: no figure against ${peer}`;
  const before = recorded[id]?.[peer];
  const verdict = verdictOn(one, before);
  const outcome = verdict === 'passed' ? '' : verdict === 'failed' ? `: more than ${percentOver(machine)} worse` : ': more than 20 % worse, but the machine had other work';
  return `${title}: ${median(ratios).toFixed(2)} × ${peer} (${spread(ratios, 2)}, ${ratios.length} rounds${machine === 'busy' ? ', disturbed' : ''})${before === undefined ? '' : `, recorded ${before.toFixed(2)}${outcome}`}`;
}

function percentOver(machine: Compared['machine']): string {
  return `${Math.round(((machine === 'busy' ? busyTolerance : tolerance) - 1) * 100)} %`;
}
