import { connect, type Socket } from 'node:net';

/**
 * `node others.ts <address> <port>`, forked: another client, at an even pace. Told `start` it asks, told `stop` it waits for the last answers
 * and tells how long each took. Most requests go over connections that are kept, one in five over one of its own.
 */
export interface Taken {
  /** Milliseconds from when a request was due, on a connection that was there already, to the last byte of its answer. */
  readonly kept: readonly number[];
  /** The same, with opening a connection. */
  readonly fresh: readonly number[];
  /** What went wrong. */
  readonly failed: readonly string[];
}

const [address = '127.0.0.1', port = '0'] = process.argv.slice(2);
const perSecond = 600;
const lanes = 12;
const freshEvery = 5;
const patienceMs = 5000;
const request = Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n');

/** One connection, and at most one request on it. */
class Lane {
  readonly #socket: Socket;
  readonly #done: (fault: string | undefined, ms: number) => void;
  #text = '';
  #dueAt: number | undefined;

  constructor(done: (lane: Lane, fault: string | undefined, ms: number) => void) {
    this.#done = (fault, ms) => done(this, fault, ms);
    this.#socket = connect({ host: address, port: Number(port), noDelay: true });
    this.#socket.on('data', (bytes) => this.#read(bytes.toString('latin1')));
    this.#socket.on('error', (error) => this.#over(error.message));
    this.#socket.on('close', () => this.#over('closed'));
  }

  ask(dueAt: number): void {
    this.#dueAt = dueAt;
    this.#socket.write(request);
  }

  /** Undefined: it is not asking. */
  waitedMs(now: number): number | undefined {
    return this.#dueAt === undefined ? undefined : now - this.#dueAt;
  }

  leave(): void {
    this.#dueAt = undefined;
    this.#socket.destroy();
  }

  #read(part: string): void {
    this.#text += part;
    if (!this.#text.endsWith('\r\n\r\nok')) return;
    const fault = this.#text.startsWith('HTTP/1.1 200 ') ? undefined : this.#text.slice(0, 40);
    this.#text = '';
    this.#over(fault);
  }

  #over(fault: string | undefined): void {
    if (this.#dueAt === undefined) return;
    const ms = performance.now() - this.#dueAt;
    this.#dueAt = undefined;
    this.#done(fault, ms);
  }
}

class Client {
  readonly kept: number[] = [];
  readonly fresh: number[] = [];
  readonly failed: string[] = [];
  readonly #all = new Set<Lane>();
  readonly #free: Lane[] = [];
  readonly #due: number[] = [];
  readonly #start = performance.now();
  #count = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor() {
    for (let index = 0; index < lanes; index++) this.#free.push(this.#open());
    this.#timer = setInterval(() => this.#tick(), 1);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    const end = performance.now() + patienceMs;
    while ([...this.#all].some((lane) => lane.waitedMs(end) !== undefined) && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 10));
    for (const lane of this.#all) {
      if (lane.waitedMs(end) !== undefined) this.failed.push('no answer');
      lane.leave();
    }
  }

  #open(): Lane {
    const lane = new Lane((_, fault, ms) => {
      this.#told(this.kept, fault, ms);
      if (fault !== undefined) this.#all.delete(lane);
      const next = fault === undefined ? lane : this.#open();
      const dueAt = this.#due.shift();
      if (dueAt === undefined) this.#free.push(next);
      else next.ask(dueAt);
    });
    this.#all.add(lane);
    return lane;
  }

  #told(list: number[], fault: string | undefined, ms: number): void {
    if (fault === undefined) list.push(ms);
    else this.failed.push(fault);
  }

  #tick(): void {
    const now = performance.now();
    for (const due = ((now - this.#start) / 1000) * perSecond; this.#count < due; this.#count++) {
      if (this.#count % freshEvery === 0) this.#askFresh(now);
      else if (this.#free.length > 0) this.#free.shift()!.ask(now);
      else this.#due.push(now);
    }
  }

  #askFresh(now: number): void {
    const lane = new Lane((_, fault, ms) => {
      this.#told(this.fresh, fault, ms);
      this.#all.delete(lane);
      lane.leave();
    });
    this.#all.add(lane);
    lane.ask(now);
  }
}

let client: Client | undefined;
process.on('message', (told) => {
  if (told === 'start') client = new Client();
  else
    void client?.stop().then(() => {
      const { kept, fresh, failed } = client!;
      process.send!({ kept, fresh, failed } satisfies Taken);
    });
});
process.on('disconnect', () => process.exit());
process.send!('ready');
