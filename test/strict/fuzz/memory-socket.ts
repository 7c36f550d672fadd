import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';

/** As much of a socket as a session needs: takes everything, says nothing. */
export class MemorySocket extends EventEmitter {
  readonly writableLength = 0;
  readonly readableLength = 0;
  destroyed = false;
  writableEnded = false;

  asSocket(): Socket {
    return this as unknown as Socket;
  }

  write(_bytes: Buffer, written?: () => void): boolean {
    written?.();
    return true;
  }

  pause(): void {}

  resume(): void {}

  end(): void {
    this.writableEnded = true;
  }

  destroy(): void {
    this.destroyed = true;
  }
}
