import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { versionOf, type Tools } from '../programs/install.ts';
import { profileLines, type Profiled } from '../profile/profile.ts';
import type { CostResult, Figure } from '../rows/types.ts';
import { costTable, goalTable } from './cost-table.ts';
import { figureTable } from './figure-table.ts';
import { handshakeLines } from './handshakes.ts';
import { paceLines } from './pace.ts';

export interface Results {
  readonly costs: readonly CostResult[];
  readonly figures: readonly Figure[];
  readonly profiles: readonly Profiled[];
}

export interface Surroundings {
  readonly tools: Tools;
  readonly rounds: string;
  /** Load averages before the first round. */
  readonly loadBefore: readonly number[];
}

const root = join(import.meta.dirname, '../../..');
const [begin, end] = ['<!-- npm run bench: from here -->', '<!-- npm run bench: to here -->'];

/** All that was measured, as Markdown. */
export function pageOf({ costs, figures, profiles }: Results, surroundings: Surroundings): readonly string[] {
  const leftOut = [...surroundings.tools.missing, ...costs.flatMap(({ row, leftOut: lines }) => lines.map((line) => `${row.title}: ${line}`))];
  return [
    ...machine(surroundings),
    '',
    '## Cost',
    ...goalTable(costs),
    '',
    ...costTable(costs),
    ...paceLines(costs),
    ...handshakeLines(costs),
    '',
    '## Latency, memory, start, changes',
    ...figureTable(figures),
    ...(leftOut.length === 0 ? [] : ['', '## Left out', ...leftOut.map((line) => `- ${line}`)]),
    ...(profiles.length === 0 ? [] : ['', '## Where the time goes', ...profileLines(profiles, 15)]),
  ];
}

function machine({ tools, rounds, loadBefore }: Surroundings): readonly string[] {
  const load = (values: readonly number[]): string => values.map((value) => value.toFixed(1)).join(', ');
  const versions = [
    `Node ${process.versions.node}`,
    ...(tools.nginx ? [versionOf('nginx', '-v').replace('nginx version: ', '')] : []),
    ...(tools.haproxy ? [versionOf('haproxy', '-v').replace(/ - http.*/, '')] : []),
    ...(tools.envoy === undefined ? [] : [`Envoy ${versionOf(tools.envoy, '--version').split('/').at(-4) ?? ''}`]),
  ];
  return [
    `Measured ${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC at commit ${commit()}; ${rounds}.`,
    `${cpus().length} × ${cpus()[0]?.model.trim()}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB, Linux ${release()}; load average before ${load(loadBefore)}, after ${load(loadavg())}.`,
    `${versions.join('; ')}.`,
    // The benchmark itself keeps about two cores busy.
    ...(Math.max(loadBefore[0] ?? 0, (loadavg()[0] ?? 0) - 2) > 1 ? ['', '**The machine was busy with other work**: ratios of cost are rough, latencies, start and delay say nothing. To be measured again on one that is idle.'] : []),
  ];
}

function commit(): string {
  try {
    const git = (...words: readonly string[]): string => execFileSync('git', ['-C', root, ...words], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
    const changed = git('status', '--porcelain', '--', 'proxy', 'routing', 'snapshot', 'gateway').length > 0;
    return `${git('rev-parse', '--short=12', 'HEAD')}${changed ? ' with changes' : ''}`;
  } catch {
    return process.env['WEFT_COMMIT'] ?? 'unknown';
  }
}

/** Replaces what stands between the marks of docs/performance.md. */
export function writePage(lines: readonly string[]): string {
  const path = join(root, 'docs/performance.md');
  const page = readFileSync(path, 'utf8');
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${path} has not the two marks ${begin} and ${end}`);
  writeFileSync(path, `${page.slice(0, from + begin.length)}\n${lines.join('\n')}\n${page.slice(to)}`);
  return path;
}
