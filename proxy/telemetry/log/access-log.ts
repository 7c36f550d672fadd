import { bytesOf, LineBuffer } from './line.ts';
import { boundOf, putLine, putStreamLine, usualBound } from './lines.ts';
import type { AccessRecord, StreamRecord } from './record.ts';
import type { LogSink } from './sink.ts';

export interface AccessLogOptions {
  readonly sink: LogSink;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Share (0..1) of requests that get a line, 1 unless set. Failures and statuses from 500 on always do. */
  readonly sample?: number;
  /** In [0, 1); needed for a sample below 1. */
  readonly random?: () => number;
  /** Lines that left, lines that were lost. */
  readonly onLines?: (result: 'written' | 'dropped', lines: number) => void;
}

/** Bytes at which a batch leaves. */
const batchBytes = 65_536;
const batchMs = 250;
/** What may wait behind a slow disk before lines are dropped. */
const backlogBytes = 4 * 1024 * 1024;

/**
 * The access log: one JSON object a line, in batches. It never throws and never makes a request wait: what the sink can't take is
 * dropped and counted.
 */
export class AccessLog {
  /** Lines lost so far. */
  dropped = 0;
  readonly #options: AccessLogOptions;
  readonly #sample: number;
  readonly #clock: LogClock;
  #current: LineBuffer | undefined;
  /** Full, in order; and how many bytes they hold. */
  #full: LineBuffer[] = [];
  #waiting = 0;
  /** The one that was written last, for the next lines. */
  #spare: LineBuffer | undefined;
  #writing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: AccessLogOptions) {
    this.#options = options;
    this.#sample = options.random === undefined ? 1 : (options.sample ?? 1);
    this.#clock = new LogClock(options.now);
  }

  write(record: AccessRecord): void {
    if (this.#sample < 1 && record.failure === undefined && record.status < 500 && this.#options.random!() >= this.#sample) return;
    const buffer = this.#bufferFor(record);
    if (buffer === undefined) return;
    this.#clock.put(buffer);
    putLine(buffer, record);
    this.#added(buffer);
  }

  /** Of a connection whose bytes pass as they are, or a UDP flow. */
  writeStream(record: StreamRecord): void {
    if (this.#sample < 1 && record.failure === undefined && this.#options.random!() >= this.#sample) return;
    const buffer = this.#bufferFor(record);
    if (buffer === undefined) return;
    this.#clock.put(buffer);
    putStreamLine(buffer, record);
    this.#added(buffer);
  }

  #bufferFor(record: AccessRecord | StreamRecord): LineBuffer | undefined {
    if (this.#waiting + (this.#current?.length ?? 0) >= backlogBytes) {
      this.#lost(1);
      return undefined;
    }
    const bound = boundOf(record);
    if (this.#current !== undefined && this.#current.length + bound > this.#current.capacity) this.#seal();
    this.#current ??= this.#emptyBuffer(bound);
    return this.#current;
  }

  #emptyBuffer(bound: number): LineBuffer {
    const spare = this.#spare;
    if (spare === undefined || spare.capacity < bound) return new LineBuffer(Math.max(batchBytes + usualBound, bound));
    this.#spare = undefined;
    return spare;
  }

  #added(buffer: LineBuffer): void {
    buffer.lines++;
    if (buffer.length >= batchBytes) {
      this.#seal();
      void this.flush();
    } else this.#timer ??= setTimeout(() => void this.flush(), batchMs).unref();
  }

  #seal(): void {
    const current = this.#current;
    if (current === undefined || current.lines === 0) return;
    this.#full.push(current);
    this.#waiting += current.length;
    this.#current = undefined;
  }

  /** Writes what waits. One write at a time, so lines keep their order. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#writing !== undefined) return this.#writing;
    this.#seal();
    if (this.#full.length > 0) this.#writing = this.#drain();
    return this.#writing;
  }

  /** Writes what is left and closes the sink. */
  async close(): Promise<void> {
    await this.flush();
    await this.flush();
    await this.#options.sink.close();
  }

  async #drain(): Promise<void> {
    const batch = this.#full;
    this.#full = [];
    this.#waiting = 0;
    let written = 0;
    try {
      for (const buffer of batch) {
        await this.#options.sink.write(buffer.view());
        written++;
        this.#options.onLines?.('written', buffer.lines);
      }
    } catch {
      this.#lost(batch.slice(written).reduce((lines, buffer) => lines + buffer.lines, 0));
    }
    this.#reuse(batch.at(-1)!);
    this.#writing = undefined;
    if (this.#full.length > 0) void this.flush();
    else if (this.#current !== undefined) this.#timer ??= setTimeout(() => void this.flush(), batchMs).unref();
  }

  #reuse(buffer: LineBuffer): void {
    if (buffer.capacity > batchBytes + usualBound) return;
    buffer.clear();
    this.#spare = buffer;
  }

  #lost(lines: number): void {
    this.dropped += lines;
    this.#options.onLines?.('dropped', lines);
  }
}

const clockEnd = bytesOf('Z"');

/** The beginning of a line: now in ISO 8601. The seconds' part is made once a second. */
class LogClock {
  readonly #now: () => number;
  #second = NaN;
  #prefix = bytesOf('');

  constructor(now: () => number) {
    this.#now = now;
  }

  put(to: LineBuffer): void {
    const now = Math.floor(this.#now());
    const second = Math.floor(now / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#prefix = bytesOf(`{"time":"${new Date(second * 1000).toISOString().slice(0, 20)}`);
    }
    to.constant(this.#prefix);
    to.threeDigits(now - second * 1000);
    to.constant(clockEnd);
  }
}
