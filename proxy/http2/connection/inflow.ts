import { bulkBytes, cheapBytes, sliceBytes, sliceMs, type Waiter } from '../../time/index.ts';
import type { Http2Environment, Transport } from './types.ts';

/** The clock is looked at before every so many frames, and after each that brought a request. */
const framesPerLook = 16;
/**
 * What is dropped of what comes after the end, the read included in which it ended; then the peer has to wait for the connection to close. Whatever
 * we read makes room in the kernel, which a peer that goes on fills again, in our time.
 */
const droppedBytes = 16_384;

/** What is read into. */
export interface InflowTarget {
  readonly reading: boolean;
  /** Returns the offset of what was not read, because `satisfied` said so. Never throws. */
  readSome(bytes: Buffer, from: number, to: number, now: number): number;
}

/**
 * When a connection is read, and how far. A client may fill one read with thousands of frames that cost something each: it is served for a
 * moment, and what is left is held back until the others had their turn. Who has taken too little of what was written to it is not read either.
 */
export class Inflow implements Waiter {
  awaitsTurn = false;
  readonly #environment: Http2Environment;
  readonly #transport: Transport;
  readonly #target: InflowTarget;
  readonly #shares: boolean;
  #held: Buffer | undefined;
  /** The read that it is of. */
  #heldOf: Buffer | undefined;
  #paused = false;
  #bulk = 0;
  #dropped = 0;
  #sliceEnd = Infinity;
  #untilLook = Infinity;

  /** Servers' frames are taken as they come, for it was us who asked for them, and their bytes may be lent. But who sends many waits as well. */
  constructor(environment: Http2Environment, transport: Transport, target: InflowTarget & { readonly role: 'server' | 'client' }) {
    this.#environment = environment;
    this.#transport = transport;
    this.#target = target;
    this.#shares = target.role === 'server';
  }

  /** Asked before each frame: enough for now? */
  get satisfied(): boolean {
    if (--this.#untilLook > 0) return false;
    this.#untilLook = framesPerLook;
    return this.#environment.now() >= this.#sliceEnd;
  }

  /** The frame at hand costs as much as many others. */
  lookSoon(): void {
    if (this.#shares) this.#untilLook = 0;
  }

  /** It cost as much as a moment allows: the rest waits for the next one. */
  enough(): void {
    if (!this.#shares) return;
    this.#sliceEnd = 0;
    this.#untilLook = 0;
  }

  take(bytes: Buffer, from: number, to: number): void {
    if (this.#held !== undefined) {
      const before = this.#heldOf!;
      this.#held = this.#heldOf = Buffer.concat([this.#held, bytes.subarray(from, to)]);
      this.#spend(before);
      this.#spend(bytes);
      return;
    }
    if (this.#shares && to - from >= cheapBytes && !this.#environment.turns.mayGoOn()) this.#hold(bytes, bytes.subarray(from, to));
    else this.#slice(bytes, from, to, bytes);
    if (!this.#target.reading) return;
    if (to - from >= bulkBytes) this.#bulk += to - from;
    if (this.#held === undefined && this.#bulk < sliceBytes) return;
    this.#bulk = 0;
    this.#transport.pause();
    this.#transport.stop?.();
    this.#environment.turns.add(this);
  }

  takeTurn(): void {
    if (!this.#target.reading) return;
    const held = this.#held;
    if (held !== undefined) {
      this.#held = undefined;
      this.#slice(held, 0, held.length, this.#heldOf!);
      if (!this.#target.reading) return;
    }
    if (this.#held !== undefined) this.#environment.turns.add(this);
    else this.goOn();
  }

  /** Reads on, unless there is a reason not to. */
  goOn(): void {
    if (!this.#paused && !this.awaitsTurn && this.#dropped <= droppedBytes) this.#transport.resume();
  }

  /** Nothing more is read until `resume`. */
  pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#transport.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.goOn();
  }

  /** Nobody wants what still comes. */
  end(): void {
    const isPaused = this.#paused || this.awaitsTurn;
    const held = this.#held?.length ?? 0;
    if (held > 0) this.#spend(this.#heldOf!);
    this.#held = this.#heldOf = undefined;
    this.#paused = false;
    this.#countDropped(held);
    if (isPaused && this.#dropped <= droppedBytes) this.#transport.resume();
  }

  /** A peer that has not read yet why the connection ends may still be writing. One that writes on and on costs no more than this. */
  drop(bytes: Buffer, from: number, to: number): void {
    this.#spend(bytes);
    this.#countDropped(to - from);
  }

  #countDropped(length: number): void {
    if (this.#dropped > droppedBytes) return;
    this.#dropped += length;
    if (this.#dropped > droppedBytes) this.#transport.deafen();
  }

  #hold(bytes: Buffer, part: Buffer): void {
    this.#held = part;
    this.#heldOf = bytes;
  }

  #spend(bytes: Buffer): void {
    if (this.#shares) this.#transport.spent?.(bytes);
  }

  /** `of`: the read that it is of. */
  #slice(bytes: Buffer, from: number, to: number, of: Buffer): void {
    const now = this.#environment.now();
    if (this.#shares) {
      this.#sliceEnd = now + sliceMs;
      this.#untilLook = framesPerLook;
    }
    const p = this.#target.readSome(bytes, from, to, now);
    if (p < to && this.#target.reading) this.#hold(of, bytes.subarray(p, to));
    else {
      this.#heldOf = undefined;
      this.#spend(of);
    }
    if (this.#shares && !this.#target.reading) this.#countDropped(to - from);
  }
}
