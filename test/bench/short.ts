import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import type { Bench } from './bench.ts';
import { ratiosTo } from './report/cost-table.ts';
import { costRows } from './rows/cost.ts';
import { measureCost, startGroup, type Group, type Rounds } from './rows/measure.ts';
import type { CostResult, CostRow } from './rows/types.ts';
import { median, spread } from './statistics.ts';
import type { TargetName } from './targets/types.ts';

/** Ratios of Weft's cost to a peer's, by row; what the short form compares with. */
export type Recorded = Readonly<Record<string, Readonly<Record<string, number>>>>;

const path = join(import.meta.dirname, 'ratios.json');
const peers = ['nginx', 'HAProxy'] as const;
const rows = costRows.filter(({ id }) => ['keep-alive', 'large', 'new-connection'].includes(id)).map((row): CostRow => ({ ...row, peers }));
/** A ratio may be worse by so much; on a machine that has more to do than this and two cores, what is measured says less. */
const tolerance = loadavg()[0]! - 2 > cpus().length ? 1.6 : 1.2;

interface Compared {
  readonly row: CostRow;
  readonly peer: string;
  /** By round. */
  readonly measured: readonly number[];
  /** Of the cheapest round of each: other work on the machine only ever adds. */
  readonly best: number;
  readonly recorded: number | undefined;
}

/** Three rows, nginx and HAProxy only. False where a ratio is worse than the recorded one by more than the tolerance, twice in a row. */
export async function runShort(bench: Bench, rounds: Rounds, record: 'compare' | 'record'): Promise<boolean> {
  const recorded = record === 'record' ? {} : (JSON.parse(readFileSync(path, 'utf8')) as Recorded);
  if (tolerance > 1.2) console.log(`load average ${loadavg()[0]!.toFixed(1)}: only what is ${Math.round((tolerance - 1) * 100)} % worse counts`);
  const group = await startGroup(bench, 'plain', peers);
  const fresh: Record<string, Record<string, number>> = {};
  let fine = group.targets.length === 1 + peers.length;
  for (const line of group.leftOut) console.log(`left out: ${line}`);
  for (const row of rows) {
    let compared = await measureRow(bench, group, row, rounds, recorded);
    if (compared.some(isWorse)) {
      console.log(`${row.title}: worse than recorded; once more`);
      compared = await measureRow(bench, group, row, rounds, recorded);
    }
    fresh[row.id] = Object.fromEntries(compared.map(({ peer, measured, best }) => [peer, Number(Math.min(median(measured), best).toFixed(2))]));
    if (compared.some(({ measured }) => measured.length === 0) || compared.some(isWorse)) fine = false;
  }
  if (record === 'record') writeFileSync(path, `${JSON.stringify(fresh, null, 2)}\n`);
  return fine;
}

/** A change for the worse shows in the median and in the best rounds; a busy machine seldom in both. */
function isWorse({ measured, best, recorded }: Compared): boolean {
  return recorded !== undefined && Math.min(median(measured), best) > recorded * tolerance;
}

function cheapest({ samples }: CostResult, name: TargetName): number {
  return Math.min(...(samples.get(name) ?? []).map(({ us }) => us));
}

async function measureRow(bench: Bench, group: Group, row: CostRow, rounds: Rounds, recorded: Recorded): Promise<readonly Compared[]> {
  const result: CostResult = await measureCost(bench, row, group, rounds);
  for (const line of result.leftOut) console.log(`${row.title}: ${line}`);
  const compared = peers.map((peer): Compared => ({ row, peer, measured: ratiosTo(result, peer), best: cheapest(result, 'Weft') / cheapest(result, peer), recorded: recorded[row.id]?.[peer] }));
  for (const one of compared) {
    const { measured, best, peer } = one;
    const against = one.recorded === undefined ? '' : `, recorded ${one.recorded.toFixed(2)}${isWorse(one) ? `: worse by more than ${Math.round((tolerance - 1) * 100)} %` : ''}`;
    console.log(measured.length === 0 ? `${row.title}: no figure against ${peer}` : `${row.title}: ${median(measured).toFixed(2)} × ${peer} (${spread(measured, 2)}; best rounds ${best.toFixed(2)})${against}`);
  }
  return compared;
}
