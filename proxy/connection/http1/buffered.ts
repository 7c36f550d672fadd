import { PacedConnection } from '../paced.ts';
import { PartialHead } from '../partial-head.ts';

/** A connection that keeps what was read of it and can't be used yet. */
export abstract class BufferedConnection extends PacedConnection {
  /** Part of a head, or what was sent ahead. */
  protected input: Buffer | undefined = undefined;
  /** The same while a head comes in pieces. */
  protected partial: PartialHead | undefined = undefined;
  /** Of what waits for its client while the same is held back, when that was last asked. Bytes. */
  #untaken = Infinity;

  protected takeInput(): Buffer | undefined {
    const { input } = this;
    this.input = undefined;
    this.#untaken = Infinity;
    return input;
  }

  /** Whether its client has taken some of what waits for it since the last call, while the same is held back. `untaken`: bytes that wait now. */
  protected takesOn(untaken: number): boolean {
    const before = this.#untaken;
    this.#untaken = untaken;
    return untaken < before;
  }

  /** What was held back and what has come. */
  protected join(bytes: Buffer): Buffer {
    return this.input === undefined ? bytes : Buffer.concat([this.input, bytes]);
  }

  /** The same of a head. Undefined: it is not worth a look yet. */
  protected joinHead(bytes: Buffer, maxHeadBytes: number): Buffer | undefined {
    if (this.input === undefined) return bytes;
    this.partial ??= PartialHead.ofSpent(this.input, maxHeadBytes);
    return this.partial.appendSpent(bytes);
  }

  /** Nobody will look at it. */
  protected dropRead(): void {
    this.input = this.partial = undefined;
    this.dropUnread();
  }
}
