/**
 * One coarse timer wheel in place of a `setTimeout` per request. Measured: a timeout that never fires (nearly all) must cost
 * nanoseconds; therefore timers are fields of the object that waits, and lists are intrusive.
 *
 * Three wheels of 256 slots, each slot of the second worth a turn of the first, and so on. A timer sits in a slot that comes up at or
 * before its time; when the slot comes up and the time has not, the timer moves to a finer slot. This makes postponing free: only
 * `dueAt` changes. A timer never fires early, and at most one tick late, as long as `advance` is called each tick; where more are due at once
 * than may fire in one `advance`, the rest follow in the next ones.
 */
export interface WheelTimer {
  /** The wheel's own; undefined where the timer isn't scheduled. */
  wheelNext: WheelTimer | undefined;
  wheelPrev: WheelTimer | undefined;
  /** The wheel's own; -1 where the timer isn't scheduled. */
  wheelSlot: number;
  /** Milliseconds on the wheel's clock. Set it through `schedule`. */
  dueAt: number;
  /** Called once per schedule, when the time has come. May schedule or cancel any timer. */
  expired(now: number): void;
}

const slots = 256;
const mask = slots - 1;
const levels = 3;
/** Ticks until the third wheel has turned: 46 hours at 10 ms. What is due later waits there in rounds. */
const span = slots ** levels;

export interface WheelOptions {
  /** Milliseconds. */
  readonly tickMs?: number;
  /** Start of the clock. */
  readonly now: number;
  /** An `expired` threw. The wheel goes on. */
  readonly onError?: (error: unknown) => void;
  /** Timers that fire in one `advance`; all that are due unless set. */
  readonly maxAtOnce?: number;
  /** Asked after each that fired: whether the others are to wait for the next `advance`. */
  readonly isEnough?: () => boolean;
  /** A timer was scheduled that is due before anything was: the driver has to wake up earlier. */
  readonly onEarlier?: (wakeAt: number) => void;
}

export class TimerWheel {
  readonly tickMs: number;
  /** Timers scheduled. */
  size = 0;
  /** The number of the last tick that was worked off. */
  #tick: number;
  readonly #heads: (WheelTimer | undefined)[] = Array.from({ length: slots * levels }, () => undefined);
  /** Timers per level. */
  readonly #counts = new Uint32Array(levels);
  /** Nothing comes up before this time. */
  #wakeAt = Infinity;
  /** The last tick has timers left to fire. */
  #behind = false;
  readonly #maxAtOnce: number;
  /** Of them, in this `advance`. */
  #left = Infinity;
  readonly #isEnough: () => boolean;
  readonly #onError: (error: unknown) => void;
  readonly #onEarlier: (wakeAt: number) => void;

  constructor(options: WheelOptions) {
    this.tickMs = options.tickMs ?? 10;
    this.#tick = Math.floor(options.now / this.tickMs);
    this.#maxAtOnce = options.maxAtOnce ?? Infinity;
    this.#isEnough = options.isEnough ?? (() => false);
    this.#onError = options.onError ?? (() => {});
    this.#onEarlier = options.onEarlier ?? (() => {});
  }

  /** Fires at `dueAt`, or up to a tick later; what is in the past fires on the next tick. A scheduled timer is moved. */
  schedule(timer: WheelTimer, dueAt: number): void {
    if (timer.wheelSlot >= 0) {
      if (dueAt >= timer.dueAt) {
        timer.dueAt = dueAt;
        return;
      }
      this.#unlink(timer);
    }
    timer.dueAt = dueAt;
    this.#link(timer);
  }

  /** Does nothing to a timer that isn't scheduled. */
  cancel(timer: WheelTimer): void {
    if (timer.wheelSlot >= 0) this.#unlink(timer);
  }

  /** Whether there was more due than may fire at once: `advance` is to be called again soon. */
  get behind(): boolean {
    return this.#behind;
  }

  /** Fires what is due. `now` never runs backwards. */
  advance(now: number): void {
    const target = Math.floor(now / this.tickMs);
    this.#left = this.#maxAtOnce;
    if (this.#behind) this.#fire(this.#tick & mask, now);
    while (this.#tick < target && !this.#behind) {
      if (this.size === 0) {
        this.#tick = target;
        break;
      }
      if (this.#counts[0] === 0) {
        // Nothing in the finest wheel: go to the end of its turn, where the next one hands down.
        const turnEnd = this.#tick | mask;
        if (turnEnd >= target) {
          this.#tick = target;
          break;
        }
        this.#tick = turnEnd;
      }
      this.#tick++;
      if ((this.#tick & mask) === 0) this.#handDown();
      this.#fire(this.#tick & mask, now);
    }
    this.#wakeAt = this.nextWake();
  }

  /** When `advance` has to be called next for no timer to be late; Infinity when none is scheduled. */
  nextWake(): number {
    if (this.size === 0) return Infinity;
    if (this.#behind) return this.#tick * this.tickMs;
    if (this.#counts[0]! > 0) {
      for (let step = 1; step <= slots; step++) {
        const tick = this.#tick + step;
        // Beyond the turn's end a coarser wheel hands down first.
        if (this.#heads[tick & mask] !== undefined || (tick & mask) === 0) return tick * this.tickMs;
      }
    }
    const turn = Math.floor(this.#tick / slots);
    for (let step = 1; step <= slots; step++) {
      if (this.#heads[slots + ((turn + step) & mask)] !== undefined || ((turn + step) & mask) === 0) return (turn + step) * slots * this.tickMs;
    }
    return (turn + 1) * slots * this.tickMs;
  }

  #link(timer: WheelTimer): void {
    // Rounded up, so that the tick's beginning is not before the time.
    let tick = Math.ceil(timer.dueAt / this.tickMs);
    if (!(tick > this.#tick)) tick = this.#tick + 1;
    const ahead = tick - this.#tick;
    if (ahead >= span) tick = this.#tick + span - 1;
    this.#place(timer, tick);
    const wakeAt = tick * this.tickMs;
    if (wakeAt < this.#wakeAt) {
      this.#wakeAt = wakeAt;
      this.#onEarlier(wakeAt);
    }
  }

  #place(timer: WheelTimer, tick: number): void {
    const ahead = tick - this.#tick;
    const level = ahead < slots ? 0 : ahead < slots * slots ? 1 : 2;
    const slot = level * slots + (Math.floor(tick / slots ** level) & mask);
    const head = this.#heads[slot];
    timer.wheelSlot = slot;
    timer.wheelPrev = undefined;
    timer.wheelNext = head;
    if (head !== undefined) head.wheelPrev = timer;
    this.#heads[slot] = timer;
    this.#counts[level]!++;
    this.size++;
  }

  #unlink(timer: WheelTimer): void {
    const { wheelNext: next, wheelPrev: previous, wheelSlot: slot } = timer;
    if (previous === undefined) this.#heads[slot] = next;
    else previous.wheelNext = next;
    if (next !== undefined) next.wheelPrev = previous;
    timer.wheelNext = undefined;
    timer.wheelPrev = undefined;
    timer.wheelSlot = -1;
    this.#counts[slot >> 8]!--;
    this.size--;
  }

  /** A turn of the finest wheel begins: timers of the coarser ones that fall into it move down. */
  #handDown(): void {
    const turn = Math.floor(this.#tick / slots);
    if ((turn & mask) === 0) this.#spread(2 * slots + (Math.floor(turn / slots) & mask));
    this.#spread(slots + (turn & mask));
  }

  #spread(slot: number): void {
    let timer = this.#heads[slot];
    while (timer !== undefined) {
      const next: WheelTimer | undefined = timer.wheelNext;
      this.#unlink(timer);
      this.#place(timer, Math.min(this.#tick + span - 1, Math.max(Math.ceil(timer.dueAt / this.tickMs), this.#tick)));
      timer = next;
    }
  }

  /** Pops one at a time: an `expired` may cancel or schedule its neighbours. What it schedules goes to a later tick. */
  #fire(slot: number, now: number): void {
    this.#behind = false;
    for (let timer = this.#heads[slot]; timer !== undefined; timer = this.#heads[slot]) {
      if (this.#left-- <= 0) {
        this.#behind = true;
        return;
      }
      this.#unlink(timer);
      if (timer.dueAt > this.#tick * this.tickMs) {
        this.#link(timer);
        continue;
      }
      try {
        timer.expired(now);
      } catch (error) {
        this.#onError(error);
      }
      if (this.#isEnough()) this.#left = 0;
    }
  }
}
