import type { RemoteInfo } from 'node:dgram';
import type { Turns, Waiter } from '../../time/index.ts';

/** Flows opened between two looks at other sockets. One costs a socket, about a tenth of a millisecond with all that goes with it. */
export const flowsPerTurn = 4;
/** Clients that may wait, and what they may have sent by then. What is beyond is dropped, as a network would. */
export const maxWaiting = 1024;
const maxWaitingBytes = 1_048_576;
const maxDatagrams = 16;

export interface Newcomer {
  readonly from: RemoteInfo;
  readonly datagrams: Buffer[];
}

export interface NewcomerInputs {
  readonly turns: Turns;
  /** Milliseconds on a monotonic clock. */
  readonly now: () => number;
  /** Flows per second that may be opened; as many may come at once. */
  readonly perSecond: number;
  /** Opens a flow, and sends on what there is. Must not throw. */
  readonly open: (key: string, newcomer: Newcomer) => void;
}

/**
 * Clients without a flow. A datagram of a few bytes costs the proxy a socket, so whoever sends under many addresses could make everybody wait:
 * a few are let in between two looks at other sockets, the others wait in the order in which they came, and so many a second at all.
 */
export class Newcomers implements Waiter {
  awaitsTurn = false;
  /** Sockets are opened behind it: however fast that was here, one share of them is enough for a turn of the loop. */
  readonly goesOn = true;
  readonly #inputs: NewcomerInputs;
  readonly #waiting = new Map<string, Newcomer>();
  #bytes = 0;
  /** Let in since the last turn. */
  #opened = 0;
  #tokens: number;
  #filledAt: number;

  constructor(inputs: NewcomerInputs) {
    this.#inputs = inputs;
    this.#tokens = inputs.perSecond;
    this.#filledAt = inputs.now();
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Takes a datagram of a client without a flow. False: there is no room for it. */
  add(key: string, datagram: Buffer, from: RemoteInfo): boolean {
    const known = this.#waiting.get(key);
    if (known === undefined) {
      if (this.#waiting.size >= maxWaiting || this.#bytes + datagram.length > maxWaitingBytes || !this.#takeToken()) return false;
      const newcomer = { from, datagrams: [datagram] };
      if (this.#waiting.size === 0 && this.#opened < flowsPerTurn) this.#open(key, newcomer);
      else {
        this.#waiting.set(key, newcomer);
        this.#bytes += datagram.length;
      }
      this.#inputs.turns.add(this);
      return true;
    }
    if (known.datagrams.length >= maxDatagrams || this.#bytes + datagram.length > maxWaitingBytes) return false;
    known.datagrams.push(datagram);
    this.#bytes += datagram.length;
    return true;
  }

  takeTurn(): void {
    this.#opened = 0;
    for (const [key, newcomer] of this.#waiting) {
      if (this.#opened >= flowsPerTurn) break;
      this.#waiting.delete(key);
      for (const { length } of newcomer.datagrams) this.#bytes -= length;
      this.#open(key, newcomer);
    }
    // Once more after the last ones: they count for the turn that comes.
    if (this.#opened > 0) this.#inputs.turns.add(this);
  }

  /** Nobody is let in any more. Returns how many datagrams are lost by it. */
  clear(): number {
    let lost = 0;
    for (const { datagrams } of this.#waiting.values()) lost += datagrams.length;
    this.#waiting.clear();
    this.#bytes = 0;
    return lost;
  }

  #open(key: string, newcomer: Newcomer): void {
    this.#opened++;
    this.#inputs.open(key, newcomer);
  }

  #takeToken(): boolean {
    const { now, perSecond } = this.#inputs;
    const time = now();
    this.#tokens = Math.min(perSecond, this.#tokens + ((time - this.#filledAt) / 1000) * perSecond);
    this.#filledAt = time;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
