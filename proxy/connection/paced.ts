import { bulkBytes, sliceBytes, type Turns, type Waiter, type WheelTimer } from '../time/index.ts';

/** A connection of HTTP/1.1: has a timer, and when it was read much waits until the others had their turn. */
export abstract class PacedConnection implements WheelTimer, Waiter {
  wheelNext: WheelTimer | undefined = undefined;
  wheelPrev: WheelTimer | undefined = undefined;
  wheelSlot = -1;
  dueAt = 0;
  awaitsTurn = false;
  /** Bytes of large reads since it last waited. */
  #bulk = 0;

  abstract expired(now: number): void;
  /** A fault of ours must end one connection, not the process. */
  abstract crash(error: unknown): void;
  abstract pause(): void;
  abstract resume(): void;

  takeTurn(): void {
    try {
      this.goOn();
    } catch (error) {
      this.crash(error);
    }
  }

  protected hold(): void {
    this.pause();
  }

  protected goOn(): void {
    this.resume();
  }

  /** Not read any more until it is its turn. */
  protected waitForTurn(turns: Turns): void {
    this.#bulk = 0;
    this.hold();
    turns.add(this);
  }

  /** Counts what was read. True: it has had its share. */
  protected hasHadShare(length: number): boolean {
    return length >= bulkBytes && (this.#bulk += length) >= sliceBytes;
  }

  /** What follows has nothing to do with what came before. */
  protected beginShare(): void {
    this.#bulk = 0;
  }
}
