import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench } from '../bench.ts';
import { cores } from '../programs/program.ts';
import { smallBytes } from '../targets/backends.ts';
import type { TargetName } from '../targets/types.ts';
import { reasonOf, startGroup } from './measure.ts';
import type { CostResult, Figure } from './types.ts';

export const idleConnections = 9900;

/** Resident memory of fresh proxies: idle, then with idle connections that have made one request each. */
export async function measureMemory(bench: Bench): Promise<readonly Figure[]> {
  const group = await startGroup(bench, 'plain', ['nginx', 'HAProxy', 'Envoy']);
  const idle = new Map<TargetName, number>();
  const crowded = new Map<TargetName, number>();
  const notes = [...group.leftOut];
  await sleep(1500);
  for (const { name, program } of group.targets) idle.set(name, program.residentMiB());
  for (const { name, port, program } of group.targets) {
    try {
      await withIdleConnections(port, async () => {
        await sleep(1500);
        crowded.set(name, program.residentMiB());
      });
    } catch (error) {
      notes.push(`${name}: ${reasonOf(error)}`);
    }
  }
  await group.stop();
  const [ours, envoys] = [crowded.get('Weft'), crowded.get('Envoy')];
  return [
    { id: 'memory-idle', title: 'resident memory idle, MiB', values: mib(idle), atMost: '55 MiB', verdict: within(idle.get('Weft'), 55), ...(notes.length === 0 ? {} : { note: notes.join('; ') }) },
    { id: 'memory-connections', title: `… with ${idleConnections.toLocaleString('en-US')} idle connections, MiB`, values: mib(crowded), atMost: '0.45 × Envoy', verdict: within(ours, envoys === undefined ? undefined : envoys * 0.45) },
  ];
}

/** Resident memory at the end of the rounds of the first row. */
export function busyMemory({ samples }: CostResult): Figure {
  const most = new Map([...samples].map(([name, all]) => [name, Math.max(...all.map(({ residentMiB }) => residentMiB))] as const));
  return { id: 'memory-busy', title: '… under 64 busy connections, MiB', values: mib(most), atMost: '90 MiB', verdict: within(most.get('Weft'), 90) };
}

export function within(value: number | undefined, limit: number | undefined): Figure['verdict'] {
  if (value === undefined || limit === undefined) return 'not measured';
  return value <= limit ? 'met' : 'missed';
}

function mib(values: ReadonlyMap<TargetName, number>): Figure['values'] {
  return Object.fromEntries([...values].map(([name, value]) => [name, value.toFixed(0)]));
}

async function withIdleConnections(port: number, work: () => Promise<void>): Promise<void> {
  const client = spawn('sh', ['-c', 'ulimit -n "$(ulimit -Hn)"; exec "$@"', 'sh', 'taskset', '-c', cores.load, process.execPath, join(import.meta.dirname, '../loads/idle.ts'), String(port), String(idleConnections), String(smallBytes)], { stdio: ['pipe', 'pipe', 'pipe'] });
  let errors = '';
  client.stderr.on('data', (chunk: Buffer) => (errors += String(chunk)));
  const ended = new Promise<void>((resolve) => client.once('close', () => resolve()));
  const ready = new Promise<void>((resolve) => client.stdout.once('data', () => resolve()));
  const timer = setTimeout(() => client.kill('SIGKILL'), 60_000);
  try {
    await Promise.race([ready, ended.then(() => Promise.reject(new Error(`connections could not be opened: ${errors.trim().slice(-300)}`)))]);
    await work();
  } finally {
    clearTimeout(timer);
    client.stdin.end();
    await ended;
  }
}
