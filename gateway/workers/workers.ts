/**
 * Further processes of one gateway: the kernel spreads connections over all that bind a port (SO_REUSEPORT). This one starts them, starts
 * anew what ends before its time, and answers for all of them at the admin port.
 */
export interface WorkersOptions {
  /** How many beside this process. */
  readonly count: number;
  /** Before one that has ended is started again. Never rejects. */
  prepare?(index: number): Promise<void>;
  /** Starts one; the first is 1. */
  spawn(index: number): WorkerProcess;
  log(level: 'info' | 'warn' | 'error', message: string, more?: Readonly<Record<string, string | number>>): void;
  /** Milliseconds of a clock that never goes back. */
  now(): number;
  random(): number;
  /** One ended before its time and is to be started again. */
  restarted?(): void;
}

/** A process as it is seen from here. */
export interface WorkerProcess {
  readonly pid: number | undefined;
  send(message: ToWorker): void;
  onMessage(listener: (message: unknown) => void): void;
  /** Called once. `how`: its exit code or the signal that ended it. */
  onExit(listener: (how: string) => void): void;
  kill(signal: 'SIGTERM' | 'SIGKILL'): void;
}

export type ToWorker =
  | { readonly kind: 'metrics'; readonly question: number }
  /** What keys of TLS session tickets are derived from, base64. */
  | { readonly kind: 'tickets'; readonly secret: string };

export type FromWorker =
  /** `reason`: why it is not ready; absent once it is. */
  | { readonly kind: 'ready'; readonly reason?: string }
  | { readonly kind: 'metrics'; readonly question: number; readonly text: string };

/** Wait before a worker is started again: doubles with each that did not live for long. Milliseconds. */
const firstWaitMs = 100;
const longestWaitMs = 10_000;
const longLifeMs = 30_000;
/** For the answer of a worker that is busy. Milliseconds. */
const answerMs = 2000;

interface Worker {
  readonly index: number;
  process: WorkerProcess | undefined;
  startedAt: number;
  /** Ends in a row after a short life. */
  failures: number;
  restarts: number;
  notReady: string | undefined;
  timer: NodeJS.Timeout | undefined;
}

export class Workers {
  readonly #options: WorkersOptions;
  readonly #workers: readonly Worker[];
  readonly #questions = new Map<number, (text: string) => void>();
  #lastQuestion = 0;
  #ticketSecret: string | undefined;
  #ending = false;
  #allEnded: (() => void) | undefined;

  constructor(options: WorkersOptions) {
    this.#options = options;
    this.#workers = Array.from({ length: options.count }, (_, index) => ({ index: index + 1, process: undefined, startedAt: 0, failures: 0, restarts: 0, notReady: 'not started', timer: undefined }));
  }

  start(): void {
    for (const worker of this.#workers) this.#spawn(worker);
  }

  /** Why one of them is not ready; undefined once all are. */
  notReady(): string | undefined {
    const waiting = this.#workers.find(({ notReady }) => notReady !== undefined);
    return waiting === undefined ? undefined : `worker ${waiting.index}: ${waiting.notReady}`;
  }

  /** Tells all of them, and who is started later, what keys of TLS session tickets are derived from. */
  shareTickets(secret: Uint8Array): void {
    this.#ticketSecret = Buffer.from(secret).toString('base64');
    for (const { process } of this.#workers) if (process !== undefined) this.#tellTickets(process);
  }

  summary(): readonly object[] {
    return this.#workers.map(({ index, process, restarts, notReady }) => ({ worker: index, pid: process?.pid, restarts, ready: notReady === undefined }));
  }

  /** Pages of metrics, by worker; of one that does not answer in time there is none. */
  async pages(): Promise<readonly { readonly worker: string; readonly text: string }[]> {
    const pages = await Promise.all(this.#workers.map(async ({ index, process }) => ({ worker: String(index), text: process === undefined ? undefined : await this.#ask(process) })));
    return pages.flatMap(({ worker, text }) => (text === undefined ? [] : [{ worker, text }]));
  }

  /** Tells all of them to end. */
  end(): void {
    this.#ending = true;
    for (const { process, timer } of this.#workers) {
      clearTimeout(timer);
      process?.kill('SIGTERM');
    }
  }

  /** Fulfils when all have ended after `end`; what has not after so many milliseconds is killed. */
  async ended(ms: number): Promise<void> {
    const gone = new Promise<void>((resolve) => {
      this.#allEnded = resolve;
      if (this.#workers.every(({ process }) => process === undefined)) resolve();
    });
    const timer = setTimeout(() => {
      for (const { process } of this.#workers) process?.kill('SIGKILL');
    }, ms);
    await gone;
    clearTimeout(timer);
  }

  #spawn(worker: Worker): void {
    const { spawn, now, log } = this.#options;
    const process = spawn(worker.index);
    worker.process = process;
    worker.startedAt = now();
    log('info', 'worker started', { worker: worker.index, pid: process.pid ?? 0 });
    this.#tellTickets(process);
    process.onMessage((message) => this.#heard(worker, message));
    process.onExit((how) => {
      worker.process = undefined;
      worker.notReady = 'not running';
      if (this.#ending) {
        if (this.#workers.every((each) => each.process === undefined)) this.#allEnded?.();
      } else this.#restart(worker, how);
    });
  }

  #tellTickets(process: WorkerProcess): void {
    if (this.#ticketSecret !== undefined) process.send({ kind: 'tickets', secret: this.#ticketSecret });
  }

  #restart(worker: Worker, how: string): void {
    const { now, random, log, restarted } = this.#options;
    worker.failures = now() - worker.startedAt >= longLifeMs ? 0 : worker.failures + 1;
    worker.restarts++;
    restarted?.();
    const limit = Math.min(longestWaitMs, firstWaitMs * 2 ** Math.min(worker.failures, 10));
    const wait = Math.round(limit / 2 + (random() * limit) / 2);
    log('error', 'worker ended before its time', { worker: worker.index, how, startedAgainInMs: wait });
    worker.timer = setTimeout(() => void this.#startAgain(worker), wait).unref();
  }

  async #startAgain(worker: Worker): Promise<void> {
    await this.#options.prepare?.(worker.index);
    if (!this.#ending) this.#spawn(worker);
  }

  #heard(worker: Worker, message: unknown): void {
    if (!isFromWorker(message)) return;
    if (message.kind === 'ready') worker.notReady = message.reason;
    else this.#questions.get(message.question)?.(message.text);
  }

  #ask(process: WorkerProcess): Promise<string | undefined> {
    const question = ++this.#lastQuestion;
    return new Promise((resolve) => {
      const settle = (text: string | undefined): void => {
        clearTimeout(timer);
        this.#questions.delete(question);
        resolve(text);
      };
      const timer = setTimeout(() => settle(undefined), answerMs);
      this.#questions.set(question, settle);
      process.send({ kind: 'metrics', question });
    });
  }
}

/** The processes are of one program; what another version says is passed over. */
function isFromWorker(message: unknown): message is FromWorker {
  if (typeof message !== 'object' || message === null || !('kind' in message)) return false;
  if (message.kind === 'ready') return !('reason' in message) || typeof message.reason === 'string';
  return message.kind === 'metrics' && 'question' in message && typeof message.question === 'number' && 'text' in message && typeof message.text === 'string';
}
