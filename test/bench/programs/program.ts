import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** Cores: the program under test has the first to itself, as far as this benchmark goes. */
const spare = cpus().length;
export const cores = { tested: '0', load: '1', backend: spare > 2 ? '2' : '1' } as const;

/** Of chrt(1): the real-time class. Nothing of the others takes the core from who is in it. */
export const goesFirst = ['--rr', '1'] as const;
const goesAsOthers = ['--other', '0'] as const;

export interface ProgramOptions {
  readonly name: string;
  /** As taskset has it: `0`, `0,1`. */
  readonly cores: string;
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** A channel for messages, to a process of Node. */
  readonly messages?: 'yes';
}

/** A program of the benchmark, pinned to cores, with as many files open as the system lets it have. Its output goes nowhere. */
export class Program {
  readonly name: string;
  readonly child: ChildProcess;
  readonly spawnedAt = performance.now();
  #output = '';

  constructor({ name, cores: pinned, command, env, messages }: ProgramOptions) {
    this.name = name;
    const limits = 'ulimit -n "$(ulimit -Hn)"; exec "$@"';
    this.child = spawn('sh', ['-c', limits, 'sh', 'taskset', '-c', pinned, ...command], {
      stdio: ['ignore', 'ignore', 'pipe', ...(messages === undefined ? [] : (['ipc'] as const))],
      env: { ...process.env, ...env },
    });
    this.child.on('error', (error) => (this.#output += error.message));
    this.child.stderr?.on('data', (chunk: Buffer) => (this.#output = (this.#output + String(chunk)).slice(-4000)));
  }

  /** Resolves when the port answers; rejects with the program's last output when it does not within fifteen seconds. */
  async listening(port: number): Promise<void> {
    await this.until(() => answers(port), `does not listen on port ${port}`);
  }

  async until(test: () => Promise<boolean>, otherwise: string): Promise<void> {
    const deadline = performance.now() + 15_000;
    while (!(await test())) {
      if (this.child.exitCode !== null || performance.now() > deadline) throw new Error(`${this.name} ${otherwise}: ${this.#output}`);
      await sleep(5);
    }
  }

  /** Nanoseconds of CPU that the program and its children have used so far, all threads. */
  cpuNs(): number {
    return this.members().reduce((sum, pid) => sum + threadsCpuNs(pid), 0);
  }

  /** Nanoseconds that its threads were ready to run, and something else ran on their core. */
  waitNs(): number {
    return this.members().reduce((sum, pid) => sum + tasksOf(pid).reduce((all, task) => all + Number(read(`/proc/${pid}/task/${task}/schedstat`).split(' ')[1] ?? 0), 0), 0);
  }

  /** Resident memory in MiB. */
  residentMiB(): number {
    return this.members().reduce((sum, pid) => sum + residentKiB(pid), 0) / 1024;
  }

  /** In `work` it goes before all that does not. Rejects without the right to that (CAP_SYS_NICE). */
  async first<Result>(work: () => Promise<Result>): Promise<Result> {
    const schedule = ([policy, priority]: readonly [string, string]): void => {
      for (const pid of this.members()) execFileSync('chrt', ['--all-tasks', policy, '--pid', priority, String(pid)], { stdio: 'ignore' });
    };
    schedule(goesFirst);
    try {
      return await work();
    } finally {
      schedule(goesAsOthers);
    }
  }

  /** The process and all below it. */
  members(): readonly number[] {
    const members = [this.child.pid!];
    for (const pid of members) members.push(...childrenOf(pid));
    return members;
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null || this.child.pid === undefined) return;
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGTERM');
    // Proxies of a mesh wait before they go; nobody is served by that here.
    const forced = setTimeout(() => this.child.kill('SIGKILL'), 300);
    await ended;
    clearTimeout(forced);
  }
}

function threadsCpuNs(pid: number): number {
  return tasksOf(pid).reduce((sum, task) => sum + taskCpuNs(pid, task), 0);
}

/** Of one thread. */
export function taskCpuNs(pid: number, task: string): number {
  return Number(read(`/proc/${pid}/task/${task}/schedstat`).split(' ')[0]);
}

function residentKiB(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(read(`/proc/${pid}/status`))?.[1] ?? 0);
}

function childrenOf(pid: number): readonly number[] {
  return tasksOf(pid).flatMap((task) => read(`/proc/${pid}/task/${task}/children`).split(' ').filter((child) => child !== '').map(Number));
}

function tasksOf(pid: number): readonly string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return []; // ended meanwhile
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // ended meanwhile
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
