import type { Socket } from 'node:net';

const nothing = Buffer.alloc(0);

/**
 * Ends our side, but not before all has left that was written. With an end that waits behind bytes a connection can't be reset any more (libuv), only closed:
 * the other side would get its end in the midst of them, as if that were all. `done` is called once it has ended, or is gone.
 */
export function endAfterWrites(socket: Socket, done?: () => unknown): void {
  if (socket.writableEnded || socket.writableLength === 0) socket.end(done);
  else socket.write(nothing, () => void socket.end(done));
}
