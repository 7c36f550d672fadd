import { spent } from '../sockets/index.ts';
import { bulkBytes, cheapBytes, sliceBytes, type Turns, type Waiter, type WheelTimer } from '../time/index.ts';

/** A connection of HTTP/1.1: has a timer, and when it was read much waits until the others had their turn. */
export abstract class PacedConnection implements WheelTimer, Waiter {
  wheelNext: WheelTimer | undefined = undefined;
  wheelPrev: WheelTimer | undefined = undefined;
  wheelSlot = -1;
  dueAt = 0;
  awaitsTurn = false;
  /** Bytes of large reads since it last waited. */
  #bulk = 0;
  /** What was read, and waits for a turn. */
  #unread: Buffer | undefined = undefined;

  abstract expired(now: number): void;
  /** A fault of ours must end one connection, not the process. */
  abstract crash(error: unknown): void;
  abstract pause(): void;
  abstract resume(): void;

  takeTurn(): void {
    const unread = this.takeUnread();
    try {
      if (unread !== undefined) this.readLate(unread);
      if (!this.awaitsTurn) this.goOn();
    } catch (error) {
      this.crash(error);
    }
  }

  /** Called while what was read is looked at, or in a turn. */
  protected hold(): void {
    this.pause();
  }

  protected goOn(): void {
    this.resume();
  }

  /** What waited for its turn. */
  protected readLate(_bytes: Buffer): void {}

  /** Whether this read is large, and has to wait for a turn; it then comes by `readLate`. */
  protected comesLate(bytes: Buffer, turns: Turns): boolean {
    if (bytes.length < cheapBytes || turns.mayGoOn()) return false;
    this.#unread = bytes;
    this.waitForTurn(turns);
    return true;
  }

  /** What waits for a turn, behind `before`: its caller's from now on. */
  protected takeUnread(before?: Buffer): Buffer | undefined {
    const unread = this.#unread;
    this.#unread = undefined;
    return before === undefined ? unread : unread === undefined ? before : Buffer.concat([before, unread]);
  }

  /** Nobody will look at what waits for a turn. */
  protected dropUnread(): void {
    const unread = this.takeUnread();
    if (unread !== undefined) spent(unread);
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
