import { Agent, request } from 'node:http';

/** An open loop: requests leave at their time, whether earlier ones were answered or not. */
export interface LoadOrder {
  readonly url: string;
  /** Per second. */
  readonly rate: number;
  /** Connections kept alive; a request that finds none free waits for one. */
  readonly connections?: number;
  /** Requests without an answer; one that would be more is not sent, and counts as failed. */
  readonly maxInFlight?: number;
  /** Milliseconds. */
  readonly timeoutMs?: number;
  /** It ends by itself after so many seconds. */
  readonly maxSeconds?: number;
}

export interface LoadFailure {
  /** Milliseconds since the start at which the request was sent, and at which it failed. */
  readonly sentAt: number;
  readonly failedAt: number;
  readonly reason: string;
}

export interface LoadReport {
  readonly sent: number;
  readonly answered: number;
  readonly failed: number;
  /** How often each reason came. */
  readonly reasons: Readonly<Record<string, number>>;
  /** The first of them. */
  readonly failures: readonly LoadFailure[];
  /** Milliseconds, of those that were answered with 200. */
  readonly latency: { readonly median: number; readonly p99: number; readonly max: number };
  /** Answers by the Pod that gave them. */
  readonly pods: Readonly<Record<string, number>>;
  readonly seconds: number;
}

const tickMs = 5;
const keptFailures = 30;

/** Sends GET requests at a steady rate, and never sends one a second time: what fails has failed. */
export class Load {
  readonly #order: Required<LoadOrder>;
  readonly #agent: Agent;
  readonly #now: () => number;
  readonly #startedAt: number;
  readonly #reasons = new Map<string, number>();
  readonly #pods = new Map<string, number>();
  readonly #failures: LoadFailure[] = [];
  readonly #times: number[] = [];
  readonly #timer: NodeJS.Timeout;
  #sent = 0;
  #inFlight = 0;
  #failed = 0;
  #endedAt: number | undefined;
  #idle: (() => void) | undefined;

  constructor(order: LoadOrder, now: () => number) {
    this.#order = { connections: 32, maxInFlight: 1000, timeoutMs: 10_000, maxSeconds: 300, ...order };
    this.#agent = new Agent({ keepAlive: true, maxSockets: this.#order.connections, scheduling: 'fifo' });
    this.#now = now;
    this.#startedAt = now();
    this.#timer = setInterval(() => this.#tick(), tickMs);
  }

  /** Sends no more, waits for the answers that are due. */
  async stop(): Promise<LoadReport> {
    this.#end();
    if (this.#inFlight > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
    this.#agent.destroy();
    return this.report();
  }

  report(): LoadReport {
    const times = this.#times.toSorted((a, b) => a - b);
    const at = (share: number): number => Math.round((times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0) * 10) / 10;
    return {
      sent: this.#sent,
      answered: times.length,
      failed: this.#failed,
      reasons: Object.fromEntries(this.#reasons),
      failures: this.#failures,
      latency: { median: at(0.5), p99: at(0.99), max: at(1) },
      pods: Object.fromEntries(this.#pods),
      seconds: Math.round(((this.#endedAt ?? this.#now()) - this.#startedAt) / 100) / 10,
    };
  }

  #end(): void {
    this.#endedAt ??= this.#now();
    clearInterval(this.#timer);
  }

  #tick(): void {
    const elapsed = this.#now() - this.#startedAt;
    if (elapsed > this.#order.maxSeconds * 1000) return this.#end();
    const due = Math.floor((elapsed / 1000) * this.#order.rate);
    while (this.#sent < due) {
      this.#sent++;
      if (this.#inFlight >= this.#order.maxInFlight) this.#fail(elapsed, 'not sent: too many in flight');
      else this.#send();
    }
  }

  #send(): void {
    const sentAt = this.#now();
    let over = false;
    const settle = (reason?: string): void => {
      if (over) return;
      over = true;
      this.#inFlight--;
      if (reason === undefined) this.#times.push(this.#now() - sentAt);
      else this.#fail(sentAt - this.#startedAt, reason);
      if (this.#inFlight === 0) this.#idle?.();
    };
    this.#inFlight++;
    const sent = request(this.#order.url, { agent: this.#agent, signal: AbortSignal.timeout(this.#order.timeoutMs) }, (answer) => {
      let body = '';
      answer.setEncoding('utf8').on('data', (text: string) => (body += text));
      answer.on('error', (error) => settle(`answer cut off: ${codeOf(error)}`));
      answer.on('end', () => {
        const { statusCode = 0, headers } = answer;
        if (statusCode !== 200) return settle(`${statusCode} ${String(headers['x-weft-error'] ?? '')}`.trim());
        this.#count(this.#pods, /"pod":"([^"]*)"/.exec(body)?.[1] ?? '');
        settle();
      });
    });
    sent.on('error', (error) => settle(`${codeOf(error)}${sent.reusedSocket ? ' on a connection used before' : ''}`));
    sent.end();
  }

  #fail(sentAt: number, reason: string): void {
    this.#failed++;
    this.#count(this.#reasons, reason);
    if (this.#failures.length < keptFailures) this.#failures.push({ sentAt: Math.round(sentAt), failedAt: Math.round(this.#now() - this.#startedAt), reason });
  }

  #count(counts: Map<string, number>, key: string): void {
    // Pods come and go; a number of them that no test has would be a fault of the answer.
    if (counts.size < 1000) counts.set(key, (counts.get(key) ?? 0) + 1);
  }
}

function codeOf(error: Error): string {
  if (error.name === 'TimeoutError' || error.name === 'AbortError') return 'no answer in time';
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message;
}
