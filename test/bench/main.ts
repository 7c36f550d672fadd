import { execFileSync } from 'node:child_process';
import { cpus, loadavg } from 'node:os';
import { withBench, type Bench } from './bench.ts';
import { installTools } from './programs/install.ts';
import { cores } from './programs/program.ts';
import { costTable, goalTable } from './report/cost-table.ts';
import { figureTable } from './report/figure-table.ts';
import { costRows } from './rows/cost.ts';
import { measureLatency } from './rows/latency.ts';
import { measureCost, startGroup, type Rounds } from './rows/measure.ts';
import { busyMemory, measureMemory } from './rows/memory.ts';
import { measureStart } from './rows/start.ts';
import { measureSwap } from './rows/swap.ts';
import type { CostResult, Figure } from './rows/types.ts';

/** `npm run bench -- [--short] [--rounds N] [--seconds S] [--only ID,ID] [--dry]`: see README.md here. */

function option(name: string): string | undefined {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? undefined : (process.argv[at + 1] ?? '');
}

const only = option('only')?.split(',');

function wanted(id: string): boolean {
  return only === undefined || only.includes(id);
}

interface Results {
  readonly costs: readonly CostResult[];
  readonly figures: readonly Figure[];
}

/** Rows of one scenario after the other: only its proxies are up meanwhile. */
async function measureAll(bench: Bench, rounds: Rounds): Promise<Results> {
  const costs: CostResult[] = [];
  const figures: Figure[] = [];
  const rows = costRows.filter(({ id }) => wanted(id));
  for (const scenario of ['plain', 'routes', 'grpc', 'tls', 'terminate'] as const) {
    const ofScenario = rows.filter((row) => row.scenario === scenario);
    const rates = scenario === 'plain' ? [1000, 5000].filter((rate) => wanted(`latency-${rate}`)) : [];
    if (ofScenario.length === 0 && rates.length === 0) continue;
    const group = await startGroup(bench, scenario, ofScenario.length === 0 ? ['nginx', 'HAProxy', 'Envoy'] : [...new Set(ofScenario.flatMap(({ peers }) => peers))]);
    for (const row of ofScenario) {
      console.error(`${row.title} …`);
      costs.push(await measureCost(bench, row, group, rounds));
    }
    for (const rate of rates) {
      console.error(`latency at ${rate} requests/s …`);
      figures.push(...(await measureLatency(bench, group, rate, rounds)));
    }
    await group.stop();
  }
  return { costs, figures: [...figures, ...(await measureRest(bench, costs))] };
}

async function measureRest(bench: Bench, costs: readonly CostResult[]): Promise<readonly Figure[]> {
  const figures: Figure[] = [];
  const first = costs.find(({ row }) => row.id === 'keep-alive');
  console.error('memory, start, changes …');
  if (wanted('memory')) figures.push(...(await measureMemory(bench)));
  if (first !== undefined) figures.push(busyMemory(first));
  if (wanted('start')) figures.push(...(await measureStart(bench, 7)));
  if (wanted('swap')) figures.push(await measureSwap(bench));
  return figures;
}

const tools = installTools({ envoy: 'yes' });
for (const line of tools.missing) console.log(`left out: ${line}`);
// This process waits while others work, and must not do that on the core of the program under test.
execFileSync('taskset', ['-cp', cores.load, String(process.pid)], { stdio: 'ignore' });
await withBench(tools, async (bench) => {
  const rounds = { rounds: Number(option('rounds') ?? 5), seconds: Number(option('seconds') ?? 3) };
  const { costs, figures } = await measureAll(bench, rounds);
  const lines = [`${cpus()[0]?.model}, load ${loadavg().map((value) => value.toFixed(1)).join(' ')}`, ...goalTable(costs), '', ...costTable(costs), '', ...figureTable(figures)];
  console.log(lines.join('\n'));
  for (const { row, leftOut } of costs) for (const line of leftOut) console.log(`${row.id}: ${line}`);
});
