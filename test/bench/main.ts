import { execFileSync } from 'node:child_process';
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { withBench, type Bench } from './bench.ts';
import { profileRow, type Profiled } from './profile/profile.ts';
import { installTools, type Tools } from './programs/install.ts';
import { cores } from './programs/program.ts';
import { pageOf, writePage, type Results } from './report/page.ts';
import { costRows } from './rows/cost.ts';
import { measureLatency } from './rows/latency.ts';
import { measureCost, reasonOf, startGroup, type Rounds } from './rows/measure.ts';
import { busyMemory, measureMemory } from './rows/memory.ts';
import { measureStart } from './rows/start.ts';
import { measureSwap } from './rows/swap.ts';
import type { CostResult, Figure } from './rows/types.ts';
import { measureWorkers } from './rows/workers.ts';
import { leaveShortOut, runShort } from './short.ts';

/**
 * `npm run bench -- [--rounds N] [--seconds S] [--only ID,ID] [--dry]`, `npm run bench -- --short [--record]`: see README.md here.
 * `--dry` writes no page; nor does `--only`.
 */
interface Options {
  readonly short: boolean;
  readonly record: boolean;
  readonly dry: boolean;
  readonly rounds: number | undefined;
  readonly seconds: number | undefined;
  readonly only: readonly string[] | undefined;
}

const figureIds = ['latency-1000', 'latency-5000', 'memory', 'start', 'swap', 'workers', 'profile'];

/** Throws, saying what is wrong, where an option is unknown or a value is none. */
function optionsOf(words: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...words],
    options: { short: { type: 'boolean', default: false }, record: { type: 'boolean', default: false }, dry: { type: 'boolean', default: false }, rounds: { type: 'string' }, seconds: { type: 'string' }, only: { type: 'string' } },
  });
  const known = [...costRows.map(({ id }) => id), ...figureIds];
  const unknown = values.only?.split(',').find((id) => !known.includes(id));
  if (unknown !== undefined) throw new Error(`--only: there is no row "${unknown}"; there are ${known.join(', ')}`);
  return { ...values, rounds: countOf('rounds', values.rounds), seconds: countOf('seconds', values.seconds), only: values.only?.split(',') };
}

function countOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[1-9]\d{0,3}$/.test(text)) throw new Error(`--${name}: "${text}" is no whole number from 1 to 9999`);
  return Number(text);
}

function readOptions(): Options {
  try {
    return optionsOf(process.argv.slice(2));
  } catch (error) {
    console.error(`${reasonOf(error)}\ntest/bench/README.md says what there is`);
    process.exit(2);
  }
}

const options = readOptions();
const wanted = (id: string): boolean => options.only === undefined || options.only.includes(id);
const profiled = ['keep-alive', 'new-connection'];

/** Rows of one scenario after the other: only its proxies are up meanwhile. */
async function measureAll(bench: Bench, rounds: Rounds): Promise<Results> {
  const costs: CostResult[] = [];
  const figures: Figure[] = [];
  for (const scenario of ['plain', 'routes', 'grpc', 'tls', 'terminate'] as const) {
    const rows = costRows.filter((row) => row.scenario === scenario && wanted(row.id));
    const rates = scenario === 'plain' ? [1000, 5000].filter((rate) => wanted(`latency-${rate}`)) : [];
    if (rows.length === 0 && rates.length === 0) continue;
    const group = await startGroup(bench, scenario, rows.length === 0 ? ['nginx', 'HAProxy', 'Envoy'] : [...new Set(rows.flatMap(({ peers }) => peers))]);
    for (const row of rows) {
      console.error(`${row.title} …`);
      costs.push(await measureCost(bench, row, group, rounds));
    }
    for (const rate of rates) {
      console.error(`latency at ${rate} requests/s …`);
      figures.push(...(await measureLatency(bench, group, rate, rounds)));
    }
    await group.stop();
  }
  figures.push(...(await measureRest(bench, costs, rounds)));
  return { costs, figures, profiles: await measureProfiles(bench) };
}

async function measureRest(bench: Bench, costs: readonly CostResult[], rounds: Rounds): Promise<readonly Figure[]> {
  const figures: Figure[] = [];
  const first = costs.find(({ row }) => row.id === 'keep-alive');
  console.error('memory, start, changes, workers …');
  if (wanted('memory')) figures.push(...(await measureMemory(bench)));
  if (first !== undefined) figures.push(busyMemory(first));
  if (wanted('start')) figures.push(...(await measureStart(bench, 7)));
  if (wanted('swap')) figures.push(await measureSwap(bench));
  if (wanted('workers')) figures.push(await measureWorkers(bench, rounds));
  return figures;
}

async function measureProfiles(bench: Bench): Promise<readonly Profiled[]> {
  const profiles: Profiled[] = [];
  if (!wanted('profile')) return profiles;
  for (const id of profiled) {
    console.error(`profile: ${id} …`);
    try {
      profiles.push(await profileRow(bench, id, 4));
    } catch (error) {
      console.error(`profile of ${id}: ${reasonOf(error)}`);
    }
  }
  return profiles;
}

/** What nothing works without. */
function usable(tools: Tools): boolean {
  for (const line of tools.missing) console.log(`left out: ${line}`);
  if (process.platform === 'linux' && tools.nginx && tools.wrk && tools.taskset && cpus().length >= 2) return true;
  console.log(`${options.short ? 'left out: ' : ''}the benchmark needs Linux, two cores, taskset, wrk and nginx (its backend): apt-get install util-linux wrk nginx-light`);
  return false;
}

async function run(): Promise<boolean> {
  const tools = options.short ? installTools({ envoy: 'no', only: ['nginx', 'haproxy', 'wrk', 'taskset'] }) : installTools({ envoy: 'yes' });
  if (!usable(tools)) {
    if (options.short) leaveShortOut();
    return options.short && !options.record;
  }
  // This process waits while others work, and must not do that on the core of the program under test.
  execFileSync('taskset', ['-cp', cores.load, String(process.pid)], { stdio: 'ignore' });
  const loadBefore = loadavg();
  let fine = true;
  await withBench(tools, async (bench) => {
    if (options.short) {
      fine = await runShort(bench, { rounds: options.rounds ?? 7, seconds: options.seconds ?? 1 }, options.record ? 'record' : 'compare');
      return;
    }
    const rounds = { rounds: options.rounds ?? 5, seconds: options.seconds ?? 3 };
    const lines = pageOf(await measureAll(bench, rounds), { tools, rounds: `${rounds.rounds} rounds of ${rounds.seconds} s`, loadBefore });
    console.log(lines.join('\n'));
    if (options.only === undefined && !options.dry) console.log(`\nwritten to ${writePage(lines)}`);
  });
  return fine;
}

if (!(await run())) process.exitCode = 1;
