import type { WheelTimer } from '../time/index.ts';

/** A timer for objects that need several. */
export class Timer implements WheelTimer {
  wheelNext: WheelTimer | undefined = undefined;
  wheelPrev: WheelTimer | undefined = undefined;
  wheelSlot = -1;
  dueAt = 0;
  readonly expired: (now: number) => void;

  constructor(expired: (now: number) => void) {
    this.expired = expired;
  }
}
