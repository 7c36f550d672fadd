import type { Context } from '../context.ts';
import type { FailureCode } from '../failures.ts';
import type { StreamProtocol, StreamRecord } from '../telemetry/index.ts';
import type { SpliceEnd } from '../types.ts';
import type { StreamSettings } from './routing.ts';

const breaks = { idle: 'stream-idle-timeout', age: 'max-connection-duration', client: 'client-closed', upstream: 'upstream-reset' } as const;

/** What one connection, or one UDP flow, comes to: counted when it begins, counted and logged when it ends. */
export class Ledger implements StreamRecord {
  readonly protocol: StreamProtocol;
  readonly serverName: string;
  readonly client: string;
  readonly target: string;
  bytesIn = 0;
  bytesOut = 0;
  datagramsIn = 0;
  datagramsOut = 0;
  durationMs = 0;
  endpoint = '';
  attempts = 0;
  failure: FailureCode | undefined;
  failureReason: string | undefined;
  readonly #context: Context;
  readonly #series: number;
  readonly #startedAt: number;
  #over = false;

  constructor(context: Context, settings: StreamSettings, about: { readonly protocol: StreamProtocol; readonly serverName: string; readonly client: string }) {
    this.#context = context;
    this.#series = settings.series;
    this.target = settings.description;
    this.protocol = about.protocol;
    this.serverName = about.serverName;
    this.client = about.client;
    this.#startedAt = context.now();
    context.metrics.streams.began(this.#series);
  }

  /** Why it ends; the first reason is the one. */
  fail(code: FailureCode, reason?: string): void {
    if (this.failure !== undefined) return;
    this.failure = code;
    this.failureReason = reason;
  }

  /** The connections that it is about are closed. */
  close({ bytesIn, bytesOut, broken }: SpliceEnd): void {
    this.bytesIn = bytesIn;
    this.bytesOut = bytesOut;
    if (broken !== undefined) this.fail(breaks[broken]);
    this.end();
  }

  /** It came to nothing, and is as if it had never been. */
  forget(): void {
    if (this.#over) return;
    this.#over = true;
    this.#context.metrics.streams.forgetOne(this.#series);
  }

  end(): void {
    if (this.#over) return;
    this.#over = true;
    const { metrics, accessLog } = this.#context;
    this.durationMs = this.#context.now() - this.#startedAt;
    metrics.streams.ended(this.#series, this.failure === undefined ? 'completed' : 'failed', this);
    if (this.failure !== undefined) metrics.failed(this.#series, this.failure);
    accessLog?.writeStream(this);
  }
}
