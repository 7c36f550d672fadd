import { publicIO } from '../../sockets/index.ts';
import { TimerWheel, Turns } from '../../time/index.ts';
import { ClientSession } from '../connection/client.ts';
import { ServerSession } from '../connection/server.ts';
import type { Session } from '../connection/session.ts';
import { nobody, type Stream } from '../connection/stream.ts';
import type { Acceptor, Http2Environment, Keeper, ResponseUser, StreamUser, Transport } from '../connection/types.ts';
import { Collector, type HeaderBlock } from '../fields/index.ts';
import { frameType, preface } from '../frames/index.ts';
import { HeaderEncoder } from '../hpack/index.ts';
import { defaultHttp2Limits, type Http2Limits } from '../limits.ts';
import { Slabs } from '../transport/slabs.ts';
import { Turn } from '../transport/turn.ts';

/** Parts for tests: sessions over memory, with a clock and turns that the test moves itself. */

export class Bench {
  time = 0;
  readonly errors: unknown[] = [];
  readonly environment: Http2Environment;
  /** What a look at the clock takes. Milliseconds. */
  lookMs = 0;
  #callbacks: (() => void)[] = [];

  constructor(limits: Partial<Http2Limits> = {}) {
    const merged = { ...defaultHttp2Limits, ...limits };
    this.environment = {
      now: () => this.now(),
      wheel: new TimerWheel({ now: 0 }),
      io: publicIO,
      turn: new Turn((callback) => this.#callbacks.push(callback)),
      turns: new Turns(() => this.now(), (callback) => this.#callbacks.push(callback)),
      slabs: new Slabs(),
      collector: new Collector(merged),
      limits: merged,
      openHeads: { bytes: 0 },
      onError: (error) => this.errors.push(error),
    };
  }

  now(): number {
    return (this.time += this.lookMs);
  }

  /** Ends the event loop's turn, and the turns that follow from it. */
  turn(): void {
    while (this.#callbacks.length > 0) {
      const callbacks = this.#callbacks;
      this.#callbacks = [];
      for (const callback of callbacks) callback();
    }
  }

  advance(ms: number): void {
    this.time += ms;
    this.environment.wheel.advance(this.time);
    this.turn();
  }
}

/** Keeps what is written, or passes it on at once. */
export class MemoryTransport implements Transport {
  written: Buffer[] = [];
  pending = 0;
  congested = false;
  paused = false;
  state: 'open' | 'ended' | 'destroyed' = 'open';
  /** Bytes it takes before it is congested; what it takes then stays pending. */
  room = Infinity;
  target: Session | undefined;
  readonly #slabs: Slabs;

  constructor(slabs: Slabs) {
    this.#slabs = slabs;
  }

  write(slab: Buffer, length: number): void {
    const bytes = Buffer.from(slab.subarray(0, length));
    slab.fill(0xee);
    this.#slabs.give(slab);
    this.written.push(bytes);
    if (this.room < Infinity) {
      this.pending += length;
      this.congested = this.pending >= this.room;
    }
    this.target?.receive(bytes, 0, bytes.length);
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  deafen(): void {
    this.paused = true;
  }

  end(): void {
    if (this.state === 'open') this.state = 'ended';
  }

  destroy(): void {
    this.state = 'destroyed';
  }

  /** The peer takes all of it. */
  drain(session: Session): void {
    this.pending = 0;
    this.congested = false;
    session.drained();
  }

  /** What was written since the last time, as frames. */
  frames(): Frame[] {
    const bytes = Buffer.concat(this.written);
    this.written = [];
    return framesOf(bytes);
  }
}

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly payload: Buffer;
}

export function framesOf(bytes: Buffer): Frame[] {
  const frames: Frame[] = [];
  let p = bytes.subarray(0, preface.length).equals(preface) ? preface.length : 0;
  while (p < bytes.length) {
    const length = bytes.readUIntBE(p, 3);
    frames.push({ type: bytes[p + 3]!, flags: bytes[p + 4]!, id: bytes.readUInt32BE(p + 5), payload: bytes.subarray(p + 9, p + 9 + length) });
    p += 9 + length;
  }
  return frames;
}

export function frame(type: number, flags: number, id: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(id, 5);
  return Buffer.concat([head, payload]);
}

export function uint32(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value >>> 0, 4 * index);
  return bytes;
}

/** The code of the GOAWAY among these frames. */
export function goawayCode(frames: readonly Frame[]): number | undefined {
  return frames.find(({ type }) => type === frameType.goaway)?.payload.readUInt32BE(4);
}

export function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}

const encoder = new HeaderEncoder();

export function requestBlock(fields: Readonly<Record<string, string>> = {}, method = 'GET'): Buffer {
  encoder.begin().method(method).scheme('http').authority('shop').path('/a');
  for (const [name, value] of Object.entries(fields)) encoder.put(name, value);
  return encoder.copy();
}

export function responseBlock(status: number, fields: Readonly<Record<string, string>> = {}): Buffer {
  encoder.begin().status(status);
  for (const [name, value] of Object.entries(fields)) encoder.put(name, value);
  return encoder.copy();
}

export function trailerBlock(fields: Readonly<Record<string, string>>): Buffer {
  encoder.begin();
  for (const [name, value] of Object.entries(fields)) encoder.put(name, value);
  return encoder.copy();
}

/** Notes what it is told. */
export class Recorder implements ResponseUser {
  readonly events: string[] = [];
  bytes = 0;
  body = '';
  stream: Stream | undefined;
  onReceived: (stream: Stream) => void = () => {};

  received(stream: Stream, bytes: Buffer, start: number, end: number): void {
    this.bytes += end - start;
    if (this.bytes < 1000) this.body += bytes.toString('latin1', start, end);
    this.onReceived(stream);
  }

  trailers(_stream: Stream, block: HeaderBlock): void {
    this.events.push(`trailers ${JSON.stringify(block.entries())}`);
  }

  ended(): void {
    this.events.push('ended');
  }

  failed(_stream: Stream, code: number, reason: string): void {
    this.events.push(`failed ${code} ${reason}`);
  }

  drained(): void {
    this.events.push('drained');
  }

  interim(_stream: Stream, block: HeaderBlock): void {
    this.events.push(`interim ${block.status}`);
  }

  responded(_stream: Stream, block: HeaderBlock): void {
    this.events.push(`responded ${block.status}`);
  }
}

/** Gives each request a recorder, and notes what else it is told. */
export class RecordingAcceptor implements Acceptor {
  readonly events: string[] = [];
  readonly requests: Recorder[] = [];
  onRequest: (stream: Stream, block: HeaderBlock) => StreamUser | undefined = () => undefined;

  request(stream: Stream, block: HeaderBlock): StreamUser {
    const recorder = new Recorder();
    recorder.stream = stream;
    this.requests.push(recorder);
    this.events.push(`${block.method} ${block.path}`);
    return this.onRequest(stream, block) ?? recorder;
  }

  excessive(stream: Stream, block: HeaderBlock): StreamUser {
    this.events.push(block.excess);
    stream.headers(responseBlock(431));
    stream.end();
    return nobody;
  }

  refused(_session: ServerSession, fault: string): void {
    this.events.push(`refused ${fault}`);
  }

  closed(_session: ServerSession, code: number, reason: string): void {
    this.events.push(`closed ${code} ${reason}`);
  }
}

export class RecordingKeeper implements Keeper {
  readonly events: string[] = [];

  ready(): void {
    this.events.push('ready');
  }

  available(): void {
    this.events.push('available');
  }

  leaving(): void {
    this.events.push('leaving');
  }

  closed(_session: ClientSession, code: number, reason: string): void {
    this.events.push(`closed ${code} ${reason}`);
  }
}

/** A server session that has had the client's preface, and a hand to send it frames. */
export function serverBench(limits: Partial<Http2Limits> = {}) {
  const bench = new Bench(limits);
  const transport = new MemoryTransport(bench.environment.slabs);
  const acceptor = new RecordingAcceptor();
  const session = new ServerSession(bench.environment, transport, acceptor);
  const send = (...pieces: readonly Uint8Array[]): Frame[] => {
    const bytes = Buffer.concat(pieces);
    session.receive(bytes, 0, bytes.length);
    bench.turn();
    return transport.frames();
  };
  send(preface, frame(4, 0, 0), frame(4, 1, 0));
  return { bench, transport, acceptor, session, send };
}

export function clientBench(limits: Partial<Http2Limits> = {}) {
  const bench = new Bench(limits);
  const transport = new MemoryTransport(bench.environment.slabs);
  const keeper = new RecordingKeeper();
  const session = new ClientSession(bench.environment, transport, keeper);
  const send = (...pieces: readonly Uint8Array[]): Frame[] => {
    const bytes = Buffer.concat(pieces);
    session.receive(bytes, 0, bytes.length);
    bench.turn();
    return transport.frames();
  };
  bench.turn();
  return { bench, transport, keeper, session, send };
}

/** Both sides, joined. */
export function pairBench(limits: Partial<Http2Limits> = {}) {
  const bench = new Bench(limits);
  const { environment } = bench;
  const up = new MemoryTransport(environment.slabs);
  const down = new MemoryTransport(environment.slabs);
  const acceptor = new RecordingAcceptor();
  const keeper = new RecordingKeeper();
  const server = new ServerSession(environment, down, acceptor);
  const client = new ClientSession(environment, up, keeper);
  up.target = server;
  down.target = client;
  bench.turn();
  return { bench, up, down, acceptor, keeper, server, client };
}
