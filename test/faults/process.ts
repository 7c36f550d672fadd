import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sleep } from './rig.ts';

const launcher = fileURLToPath(new URL('../../cli/weft.mjs', import.meta.url));

export interface WeftUp {
  readonly child: ChildProcess;
  readonly exit: Promise<number | null>;
  /** At once, if it still runs, with its files. */
  kill(): Promise<void>;
  /** Resident memory, MiB. Undefined where the system does not tell. */
  memory(): number | undefined;
}

export interface WeftUpOptions {
  readonly words?: readonly string[];
  /** Makes of a command line one that runs it elsewhere, or before others. */
  readonly launch?: (command: readonly string[]) => readonly [string, readonly string[]];
}

/** `weft up` with these manifests, once it is ready. The caller has to `kill` it. */
export async function weftUp(manifests: string, { words = [], launch = ([file, ...rest]) => [file!, rest] }: WeftUpOptions = {}): Promise<WeftUp> {
  const folder = await mkdtemp(join(tmpdir(), 'weft-faults-'));
  await writeFile(join(folder, 'all.yaml'), manifests);
  const child = spawn(...launch([process.execPath, launcher, 'up', '-f', folder, ...words]), { stdio: ['ignore', 'pipe', 'pipe'] });
  let told = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (part: string) => (told += part));
  const exit = new Promise<number | null>((resolve) => child.on('exit', resolve));
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL');
    await exit;
    await rm(folder, { recursive: true, force: true });
  };
  for (let waited = 0; !/^ready/m.test(told); waited += 20) {
    if (waited > 20_000 || child.exitCode !== null) {
      await kill();
      throw new Error(`not ready: ${told}`);
    }
    await sleep(20);
  }
  return { child, exit, kill, memory: () => residentMemory(child.pid) };
}

function residentMemory(pid: number | undefined): number | undefined {
  try {
    const pages = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return pages === undefined ? undefined : Number(pages) / 1024;
  } catch {
    return undefined;
  }
}
