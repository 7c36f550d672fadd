import { spawn, type ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** A program of the benchmark, pinned to one core. */
export class Program {
  readonly name: string;
  readonly #child: ChildProcess;
  #output = '';

  constructor(name: string, core: number, command: readonly string[]) {
    this.name = name;
    this.#child = spawn('taskset', ['-c', String(core), ...command], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child.on('error', (error) => (this.#output += error.message));
    for (const stream of [this.#child.stdout, this.#child.stderr]) stream?.on('data', (chunk: Buffer) => (this.#output = (this.#output + String(chunk)).slice(-4000)));
  }

  /** Resolves when the port answers; rejects with the program's last output when it does not within ten seconds. */
  async listening(port: number): Promise<void> {
    for (let attempt = 0; attempt < 200; attempt++) {
      if (await answers(port)) return;
      await sleep(50);
    }
    throw new Error(`${this.name} does not listen on port ${port}: ${this.#output}`);
  }

  /** Nanoseconds of CPU that the program and its children have used so far. */
  cpuNs(): number {
    return family(this.#child.pid!).reduce((sum, pid) => sum + threadsCpuNs(pid), 0);
  }

  /** Resident memory in MiB. */
  residentMiB(): number {
    return family(this.#child.pid!).reduce((sum, pid) => sum + Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0), 0) / 1024;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.pid === undefined) return;
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGTERM');
    const forced = setTimeout(() => this.#child.kill('SIGKILL'), 5000);
    await ended;
    clearTimeout(forced);
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

function family(root: number): number[] {
  const children = readdirSync('/proc').filter((name) => /^\d+$/.test(name)).flatMap((name) => {
    const parent = parentOf(Number(name));
    return parent === undefined ? [] : [{ pid: Number(name), parent }];
  });
  const members = [root];
  for (const member of members) members.push(...children.filter((child) => child.parent === member).map((child) => child.pid));
  return members;
}

function parentOf(pid: number): number | undefined {
  try {
    return Number(/PPid:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  } catch {
    return undefined; // ended meanwhile
  }
}

function threadsCpuNs(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/task`).reduce((sum, task) => sum + Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]), 0);
  } catch {
    return 0; // ended meanwhile
  }
}
