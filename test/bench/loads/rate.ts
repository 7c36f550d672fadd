import { writeSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { Worker } from 'node:worker_threads';

/**
 * `node rate.ts PORT RATE SECONDS CONNECTIONS BYTES WARM-UP`: requests at fixed times, whatever the answers do (an open loop). A latency is counted
 * from the time at which its request was due: one that had to wait for a connection counts its wait. Prints quantiles in microseconds. Requests
 * of the warm-up (seconds, before the others) are sent and not counted: until V8 has compiled what is here, latencies are this program's own.
 */

const [port, rate, seconds, connections, bodyBytes, warmUpSeconds] = process.argv.slice(2).map(Number) as [number, number, number, number, number, number];
const request = Buffer.from('GET /product/1?view=full HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\nAccept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en-US,en;q=0.5\r\nCookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n\r\n');
const warmUp = rate * warmUpSeconds;
const total = warmUp + rate * seconds;
const latencies = new Float64Array(total);
const idle: Lane[] = [];
const waiting: number[] = [];
let [sent, done] = [0, 0];
/** When request 0 was due; of this thread's clock. */
let epoch = 0;

class Lane {
  readonly #socket: Socket;
  #index = 0;
  #missing = -1;
  #head = '';

  constructor(ready: () => void) {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true }, ready);
    this.#socket.on('data', (chunk: Buffer) => this.#take(chunk));
    this.#socket.on('error', fail);
    this.#socket.on('close', () => fail(new Error('a connection was closed')));
  }

  send(index: number): void {
    this.#index = index;
    this.#socket.write(request);
  }

  #take(chunk: Buffer): void {
    if (this.#missing < 0) {
      this.#head += chunk.toString('latin1');
      const end = this.#head.indexOf('\r\n\r\n');
      if (end < 0) return;
      const length = Number(/\r\ncontent-length: *(\d+)/i.exec(this.#head)?.[1]);
      if (!this.#head.startsWith('HTTP/1.1 200 ') || length !== bodyBytes) fail(new Error(`unexpected answer: ${this.#head.slice(0, 200)}`));
      this.#missing = length - (this.#head.length - end - 4);
      this.#head = '';
    } else this.#missing -= chunk.length;
    if (this.#missing > 0) return;
    this.#missing = -1;
    latencies[this.#index] = performance.now() - epoch - (this.#index * 1000) / rate;
    done += 1;
    if (done === total) return print();
    const next = waiting.shift();
    if (next === undefined) idle.push(this);
    else this.send(next);
  }
}

function fail(error: unknown): never {
  console.error(error);
  process.exit(1);
}

function print(): never {
  const counted = latencies.subarray(warmUp).toSorted();
  const at = (share: number): number => Math.round(counted[Math.min(counted.length - 1, Math.floor(counted.length * share))]! * 1000);
  writeSync(1, JSON.stringify({ p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) }));
  process.exit(0);
}

/** Timers of Node fire by the millisecond; a thread that sleeps on a futex wakes within some ten microseconds. */
const ticker = `
const { parentPort, workerData } = require('node:worker_threads');
const cell = new Int32Array(new SharedArrayBuffer(4));
const { period, total, start } = workerData;
const now = () => performance.timeOrigin + performance.now();
for (let turn = 0; turn < total; turn++) {
  const wait = start + turn * period - now();
  if (wait > 0) Atomics.wait(cell, 0, 0, wait);
  parentPort.postMessage(0);
}`;

await Promise.all(Array.from({ length: connections }, () => new Promise<void>((resolve) => idle.push(new Lane(resolve)))));
const startAt = performance.now() + 100;
epoch = startAt;
const worker = new Worker(ticker, { eval: true, workerData: { period: 1000 / rate, total, start: performance.timeOrigin + startAt } });
worker.on('error', fail);
worker.on('message', () => {
  const index = sent;
  sent += 1;
  const lane = idle.shift();
  if (lane === undefined) waiting.push(index);
  else lane.send(index);
});
