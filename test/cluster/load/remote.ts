import { spawn, type ChildProcess } from 'node:child_process';
import type { LoadOrder, LoadReport } from './generator.ts';
import type { Seen, WatchOrder } from './prober.ts';

/** A load generator elsewhere. */
export class Remote {
  readonly #origin: string;
  readonly #child: ChildProcess | undefined;

  constructor(origin: string, child?: ChildProcess) {
    this.#origin = origin;
    this.#child = child;
  }

  async start(order: LoadOrder): Promise<void> {
    await this.#ask('POST', '/start', JSON.stringify(order));
  }

  async stop(): Promise<LoadReport> {
    return (await this.#ask('POST', '/stop')) as LoadReport;
  }

  async report(): Promise<LoadReport> {
    return (await this.#ask('GET', '/report')) as LoadReport;
  }

  async watch(order: WatchOrder): Promise<Seen> {
    return (await this.#ask('POST', '/watch', JSON.stringify(order))) as Seen;
  }

  close(): void {
    this.#child?.kill();
  }

  async #ask(method: string, path: string, body?: string): Promise<unknown> {
    const answer = await fetch(this.#origin + path, { method, signal: AbortSignal.timeout(60_000), ...(body === undefined ? {} : { body }) });
    const text = await answer.text();
    if (answer.status !== 200) throw new Error(`the load generator: ${answer.status} ${text}`);
    return JSON.parse(text);
  }
}

/** One beside the test, outside of the mesh: a process of its own, because kubectl calls hold the test's up. */
export async function startBeside(): Promise<Remote> {
  const child = spawn(process.execPath, ['test/cluster/load/main.ts', '0', 'while-attached'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const port = await new Promise<string>((resolve, reject) => {
    child.stdout.once('data', (line: Buffer) => resolve(line.toString('utf8').trim()));
    child.once('exit', () => reject(new Error('the load generator ended')));
  });
  return new Remote(`http://127.0.0.1:${port}`, child);
}

/** A sentence about what went wrong; empty where nothing did. */
export function faultsOf(name: string, { sent, failed, reasons, failures }: LoadReport): string {
  if (failed === 0) return '';
  const first = failures.slice(0, 5).map(({ sentAt, failedAt, reason }) => `${reason} (sent at ${sentAt} ms, failed at ${failedAt} ms)`);
  return `${name}: ${failed} of ${sent} failed: ${JSON.stringify(reasons)}; the first: ${first.join('; ')}`;
}
