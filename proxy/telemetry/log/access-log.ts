import { JsonMember, jsonText } from './json.ts';
import type { AccessRecord, FailedAttempt, StreamRecord } from './record.ts';
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

/** Characters (all ASCII, so bytes) at which a batch leaves. */
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
  readonly #members: Members = {
    method: new JsonMember('method', 32),
    host: new JsonMember('host', 256),
    client: new JsonMember('client', 64),
    endpoint: new JsonMember('endpoint', 64),
  };
  #batch = '';
  #lines = 0;
  #writing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: AccessLogOptions) {
    this.#options = options;
    this.#sample = options.random === undefined ? 1 : (options.sample ?? 1);
    this.#clock = new LogClock(options.now);
  }

  write(record: AccessRecord): void {
    if (this.#sample < 1 && record.failure === undefined && record.status < 500 && this.#options.random!() >= this.#sample) return;
    if (this.#hasRoom()) this.#add(line(record, this.#clock.text(), this.#members));
  }

  /** Of a connection whose bytes pass as they are, or a UDP flow. */
  writeStream(record: StreamRecord): void {
    if (this.#sample < 1 && record.failure === undefined && this.#options.random!() >= this.#sample) return;
    if (this.#hasRoom()) this.#add(streamLine(record, this.#clock.text(), this.#members));
  }

  #hasRoom(): boolean {
    if (this.#batch.length < backlogBytes) return true;
    this.#lost(1);
    return false;
  }

  #add(text: string): void {
    this.#batch += text;
    this.#lines++;
    if (this.#batch.length >= batchBytes) void this.flush();
    else this.#timer ??= setTimeout(() => void this.flush(), batchMs).unref();
  }

  /** Writes what waits. One write at a time, so lines keep their order. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#writing !== undefined || this.#lines === 0) return this.#writing;
    this.#writing = this.#drain();
    return this.#writing;
  }

  /** Writes what is left and closes the sink. */
  async close(): Promise<void> {
    await this.flush();
    await this.flush();
    await this.#options.sink.close();
  }

  async #drain(): Promise<void> {
    const text = this.#batch;
    const lines = this.#lines;
    this.#batch = '';
    this.#lines = 0;
    try {
      await this.#options.sink.write(text);
      this.#options.onLines?.('written', lines);
    } catch {
      this.#lost(lines);
    }
    this.#writing = undefined;
    if (this.#batch.length >= batchBytes) void this.flush();
    else if (this.#lines > 0) this.#timer ??= setTimeout(() => void this.flush(), batchMs).unref();
  }

  #lost(lines: number): void {
    this.dropped += lines;
    this.#options.onLines?.('dropped', lines);
  }
}

const protocols = { 'HTTP/1.0': ',"protocol":"HTTP/1.0"', 'HTTP/1.1': ',"protocol":"HTTP/1.1"', 'HTTP/2': ',"protocol":"HTTP/2"' } as const;

/** One line, newline included. Few pieces, for each costs again when the batch is flattened. */
function line(record: AccessRecord, start: string, members: Members): string {
  let text =
    start + ',"id":' + jsonText(record.id, 128) + protocols[record.protocol] + members.method.of(record.method) + members.host.of(record.host) +
    ',"path":' + jsonText(record.path, 1024) +
    ',"status":' + record.status + (record.grpcStatus < 0 ? '' : ',"grpcStatus":' + record.grpcStatus) + ',"durationMs":' + milliseconds(record.durationMs) +
    ',"bytesIn":' + record.bytesIn + ',"bytesOut":' + record.bytesOut +
    members.client.of(record.client) + record.target;
  if (record.endpoint !== '') text += members.endpoint.of(record.endpoint);
  if (record.attempts !== 1) text += ',"attempts":' + record.attempts;
  if (record.failedAttempts !== undefined) text += ',"failedAttempts":[' + record.failedAttempts.map(failedAttempt).join(',') + ']';
  if (record.failure !== undefined) text += ',"failure":"' + record.failure + '"';
  if (record.failureReason !== undefined) text += ',"reason":' + jsonText(record.failureReason, 256);
  if (record.traceId !== '') text += ',"traceId":' + jsonText(record.traceId, 32);
  return text + '}\n';
}

function streamLine(record: StreamRecord, start: string, members: Members): string {
  let text = `${start},"protocol":"${record.protocol}"`;
  if (record.serverName !== '') text += ',"serverName":' + jsonText(record.serverName, 256);
  text += `,"durationMs":${milliseconds(record.durationMs)},"bytesIn":${record.bytesIn},"bytesOut":${record.bytesOut}` + members.client.of(record.client) + record.target;
  if (record.endpoint !== '') text += members.endpoint.of(record.endpoint);
  if (record.attempts > 1) text += ',"attempts":' + record.attempts;
  if (record.failure !== undefined) text += ',"failure":"' + record.failure + '"';
  if (record.failureReason !== undefined) text += ',"reason":' + jsonText(record.failureReason, 256);
  return text + '}\n';
}

interface Members {
  readonly method: JsonMember;
  readonly host: JsonMember;
  readonly client: JsonMember;
  readonly endpoint: JsonMember;
}

function failedAttempt(attempt: FailedAttempt): string {
  const why = typeof attempt.why === 'number' ? attempt.why : `"${attempt.why}"`;
  return `{"endpoint":${jsonText(attempt.endpoint, 64)},"why":${why},"durationMs":${milliseconds(attempt.durationMs)}}`;
}

const thousandths: readonly string[] = Array.from({ length: 1000 }, (_, value) => String(value).padStart(3, '0'));

/** Three decimals, by way of integers: half the cost of a double's shortest text. */
function milliseconds(value: number): string {
  const micros = Math.round(value * 1000);
  if (!(micros >= 0 && micros < 2 ** 53)) return '0';
  const whole = Math.floor(micros / 1000);
  return whole + '.' + thousandths[micros - whole * 1000]!;
}

/** The beginning of a line: now in ISO 8601. The seconds' part is made once a second. */
class LogClock {
  readonly #now: () => number;
  #second = NaN;
  #prefix = '';

  constructor(now: () => number) {
    this.#now = now;
  }

  text(): string {
    const now = Math.floor(this.#now());
    const second = Math.floor(now / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#prefix = `{"time":"${new Date(second * 1000).toISOString().slice(0, 20)}`;
    }
    return this.#prefix + thousandths[now - second * 1000]! + 'Z"';
  }
}
