import { Departures } from './departures.ts';

/** Something that has more to do than may be done at once. */
export interface Waiter {
  /** `Turns`' own. */
  awaitsTurn: boolean;
  /** What its turn began goes on behind it, and is enough for a turn of the loop. */
  readonly goesOn?: boolean;
  /** Its turn: does a little, and adds itself again where there is more. Never throws. */
  takeTurn(): void;
}

/** How much one connection may cost before others have their turn. Milliseconds. */
export const sliceMs = 0.25;
/** The same in bytes that are passed on, which cost as much. */
export const sliceBytes = 131_072;
/** Reads of fewer bytes are not counted: there is not more behind them. */
export const bulkBytes = 16_384;
/** Reads of fewer bytes are looked at as they come, most requests among them. */
export const cheapBytes = 4096;

/** So many at most between two looks at all sockets; fewer where they take long. */
const perTurn = 2;
/** While connections are accepted one after the other, of so many turns of the loop one is for those that wait. */
const accepting = 8;

/**
 * The event loop serves connections one after the other, each with all that it has sent; so who sends much, or what costs much, makes all
 * others wait. Who has had its share is not read any more until it is its turn again, here: a few in each turn of the loop, first come first
 * served. What was read of those who have not, but is large, is looked at as long as all of that takes no more than a moment; then it waits as
 * well. So however many they are, between two looks at the other connections they take no more than a millisecond.
 *
 * Few connections are accepted in each turn of the loop (`ListeningSockets`), so that a new one stands behind all that came before it: while there
 * are any, turns are kept short.
 */
export class Turns {
  /** Of connections that end. */
  readonly departures: Departures;
  readonly #now: () => number;
  readonly #schedule: (callback: () => void) => void;
  #waiting: Waiter[] = [];
  #next = 0;
  #scheduled = false;
  /** When what is large has had its moment in this turn of the loop; undefined where there was none. */
  #momentEnds: number | undefined;
  /** A connection was accepted in this turn of the loop. */
  #accepted = false;
  /** Turns of the loop in which those that wait were passed over. */
  #passed = 0;
  readonly #run = (): void => this.#turn();

  /** `now` in milliseconds on a monotonic clock; `schedule`: `setImmediate`. */
  constructor(now: () => number, schedule: (callback: () => void) => void) {
    this.#now = now;
    this.#schedule = schedule;
    this.departures = new Departures(now, schedule);
  }

  add(waiter: Waiter): void {
    if (waiter.awaitsTurn) return;
    waiter.awaitsTurn = true;
    this.#waiting.push(waiter);
    this.#arm();
  }

  /** Whether something large that was read may be looked at now. Else its reader has to wait. */
  mayGoOn(): boolean {
    if (this.#accepted || this.#passed > 0) return false;
    const now = this.#now();
    if (this.#momentEnds === undefined) {
      this.#momentEnds = now + sliceMs;
      this.#arm();
      return true;
    }
    return now < this.#momentEnds;
  }

  /** A connection was accepted: others may stand behind it. */
  accepted(): void {
    this.#accepted = true;
    this.#arm();
  }

  #arm(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#schedule(this.#run);
  }

  #turn(): void {
    this.#scheduled = false;
    this.#momentEnds = undefined;
    const isAccepting = this.#accepted;
    this.#accepted = false;
    if (isAccepting && ++this.#passed < accepting) {
      if (this.#waiting.length > 0) this.#arm();
      return;
    }
    this.#passed = 0;
    const end = this.#now() + sliceMs;
    for (let count = 0; count < perTurn && this.#next < this.#waiting.length; count++) {
      const waiter = this.#waiting[this.#next++]!;
      waiter.awaitsTurn = false;
      waiter.takeTurn();
      if (waiter.goesOn === true || this.#now() >= end) break;
    }
    if (this.#next === this.#waiting.length || this.#next >= 1024) {
      // In one piece now and then: taken off one by one, each would move all that are behind it.
      this.#waiting = this.#waiting.slice(this.#next);
      this.#next = 0;
    }
    if (this.#waiting.length > 0) this.#arm();
  }
}
