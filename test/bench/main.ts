import { execFileSync } from 'node:child_process';
import { cpus, loadavg } from 'node:os';
import { withBench, type Bench } from './bench.ts';
import { installTools } from './programs/install.ts';
import { cores } from './programs/program.ts';
import { costTable, goalTable } from './report/cost-table.ts';
import { costRows } from './rows/cost.ts';
import { measureCost, startGroup, type Rounds } from './rows/measure.ts';
import type { CostResult, CostRow } from './rows/types.ts';

/** `npm run bench -- [--short] [--rounds N] [--seconds S] [--only ID,ID] [--dry]`: see README.md here. */

function option(name: string): string | undefined {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? undefined : (process.argv[at + 1] ?? '');
}

const only = option('only')?.split(',');

async function measureCosts(bench: Bench, rounds: Rounds): Promise<readonly CostResult[]> {
  const results: CostResult[] = [];
  const rows = costRows.filter(({ id }) => only === undefined || only.includes(id));
  for (const [scenario, ofScenario] of Map.groupBy(rows, (row: CostRow) => row.scenario)) {
    const group = await startGroup(bench, scenario, [...new Set(ofScenario.flatMap(({ peers }) => peers))]);
    for (const row of ofScenario) {
      console.error(`${row.title} …`);
      results.push(await measureCost(bench, row, group, rounds));
    }
    await group.stop();
  }
  return results;
}

const tools = installTools({ envoy: 'yes' });
for (const line of tools.missing) console.log(`left out: ${line}`);
// This process waits while others work, and must not do that on the core of the program under test.
execFileSync('taskset', ['-cp', cores.load, String(process.pid)], { stdio: 'ignore' });
await withBench(tools, async (bench) => {
  const rounds = { rounds: Number(option('rounds') ?? 5), seconds: Number(option('seconds') ?? 3) };
  const results = await measureCosts(bench, rounds);
  console.log([`${cpus()[0]?.model}, load ${loadavg().map((value) => value.toFixed(1)).join(' ')}`, ...goalTable(results), '', ...costTable(results)].join('\n'));
  for (const { row, leftOut } of results) for (const line of leftOut) console.log(`${row.id}: ${line}`);
});
