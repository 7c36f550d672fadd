import type { Socket } from 'node:net';
import { Timer } from '../connection/timer.ts';
import { endAfterWrites, isBroken, reset } from '../sockets/index.ts';
import type { Lifetime, SpliceEnd } from '../types.ts';
import { bulkBytes, sliceBytes, type TimerWheel, type Turns, type Waiter, type WheelTimer } from '../time/index.ts';

export interface SpliceOptions {
  readonly wheel: TimerWheel;
  readonly turns: Turns;
  now(): number;
  readonly lifetime: Lifetime;
  /** For the last bytes of a connection whose time is over. Milliseconds. */
  readonly endingMs: number;
  /** What was read of either side before. */
  readonly ahead?: { readonly client?: Uint8Array; readonly upstream?: Uint8Array };
  /** Called once, when both sides are closed. */
  ended(end: SpliceEnd): void;
}

/** Of connections of which no policy says anything: databases keep theirs for days. */
export const endless: Lifetime = { idleMs: 0, endsAt: Infinity };

const nothing = new Uint8Array(0);
/** Looks per idle time. */
const looks = 4;

/**
 * Joins two open connections: bytes pass as they are, no faster than the other side takes them; each direction ends by itself; a reset on
 * one side is one on the other.
 */
export class Splice implements WheelTimer {
  wheelNext: WheelTimer | undefined = undefined;
  wheelPrev: WheelTimer | undefined = undefined;
  wheelSlot = -1;
  dueAt = 0;
  readonly #sides: readonly [client: Socket, upstream: Socket];
  readonly #options: SpliceOptions;
  readonly #bytes: [fromClient: number, fromUpstream: number] = [0, 0];
  #open = 2;
  #moved = false;
  /** Looks in a row at which nothing had moved. */
  #still = 0;
  #broken: SpliceEnd['broken'];
  #cut = false;
  /** Where there is a limit. */
  #age: Timer | undefined;

  constructor(client: Socket, upstream: Socket, options: SpliceOptions) {
    this.#sides = [client, upstream];
    this.#options = options;
    for (const side of this.#sides) side.on('error', ignore);
    client.once('close', (hadError: boolean) => this.#closed(client, upstream, hadError));
    upstream.once('close', (hadError: boolean) => this.#closed(upstream, client, hadError));
    this.#pass(0, options.ahead?.client ?? nothing);
    this.#pass(1, options.ahead?.upstream ?? nothing);
    this.#watch();
    const { wheel, lifetime } = options;
    if (lifetime.endsAt === Infinity) return;
    const age = (this.#age = new Timer(() => this.#grownOld(age)));
    wheel.schedule(age, lifetime.endsAt);
  }

  /** Ends both sides at once. */
  cut(): void {
    this.#cut = true;
    for (const side of this.#sides) reset(side);
  }

  expired(): void {
    this.#still = this.#moved ? 0 : this.#still + 1;
    this.#moved = false;
    if (this.#still < looks) return this.#watch();
    this.#broken = 'idle';
    this.cut();
  }

  #watch(): void {
    const { wheel, lifetime, now } = this.#options;
    if (lifetime.idleMs > 0 && this.#open > 0) wheel.schedule(this, now() + lifetime.idleMs / looks);
  }

  /** What was read still leaves, then our sides end; what else comes is dropped. A side that has not taken its part, or has not ended in time, is cut. */
  #grownOld(age: Timer): void {
    if (this.#broken !== undefined) return this.cut();
    const { wheel, endingMs, now } = this.#options;
    // Hands over what waited for a slow reader.
    for (const side of this.#sides) while (side.read() !== null);
    this.#broken = 'age';
    wheel.cancel(this);
    wheel.schedule(age, now() + endingMs);
    for (const side of this.#sides) {
      endAfterWrites(side);
      // Unread bytes would make a reset of the end.
      side.resume();
    }
  }

  #pass(direction: 0 | 1, ahead: Uint8Array): void {
    const from = this.#sides[direction];
    const to = this.#sides[direction === 0 ? 1 : 0];
    if (ahead.length > 0) this.#write(direction, from, to, ahead);
    // A side that ended before says so no more.
    if (from.readableEnded) {
      passEnd(from, to);
      return;
    }
    const reader = new PacedReader(this.#options.turns, from, to);
    from.on('data', (bytes: Buffer) => {
      if (this.#broken !== undefined) return;
      reader.read(bytes.length);
      this.#write(direction, from, to, bytes);
    });
    from.on('end', () => passEnd(from, to));
    to.on('drain', () => {
      this.#moved = true;
      reader.resume();
    });
    if (!to.writableNeedDrain) from.resume();
  }

  #write(direction: 0 | 1, from: Socket, to: Socket, bytes: Uint8Array): void {
    this.#moved = true;
    this.#bytes[direction] += bytes.length;
    if (!to.write(bytes)) from.pause();
  }

  #closed(one: Socket, other: Socket, hadError: boolean): void {
    // An orderly close has been passed on as an end; anything else must not look like one.
    if (hadError || !one.readableEnded || !one.writableFinished) {
      if (!this.#cut) this.#broken ??= one === this.#sides[0] ? 'client' : 'upstream';
      // In the end that its age brings, each side has its time.
      if (this.#broken !== 'age' || this.#cut) reset(other);
    }
    this.#open -= 1;
    if (this.#open > 0) return;
    this.#options.wheel.cancel(this);
    if (this.#age !== undefined) this.#options.wheel.cancel(this.#age);
    this.#options.ended({ bytesIn: this.#bytes[0], bytesOut: this.#bytes[1], broken: this.#broken });
  }
}

/** Reads one side as fast as the other takes it, and after much of it no more until others had their turn. */
class PacedReader implements Waiter {
  awaitsTurn = false;
  readonly #turns: Turns;
  readonly #from: Socket;
  readonly #to: Socket;
  #bulk = 0;

  constructor(turns: Turns, from: Socket, to: Socket) {
    this.#turns = turns;
    this.#from = from;
    this.#to = to;
  }

  read(length: number): void {
    if (length < bulkBytes || (this.#bulk += length) < sliceBytes) return;
    this.#bulk = 0;
    this.#from.pause();
    this.#turns.add(this);
  }

  takeTurn(): void {
    this.resume();
  }

  resume(): void {
    if (!this.awaitsTurn && !this.#to.writableNeedDrain && !this.#from.destroyed) this.#from.resume();
  }
}

function passEnd(from: Socket, to: Socket): void {
  if (isBroken(from)) from.destroy(new Error('ECONNRESET'));
  else endAfterWrites(to);
}

/** What is to be said about an error, `close` says. */
function ignore(): void {}
