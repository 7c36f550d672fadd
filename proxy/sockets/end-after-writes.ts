import type { Socket } from 'node:net';

const nothing = Buffer.alloc(0);

/**
 * Ends our side, but not before all has left that was written. With an end that waits behind bytes a connection can't be reset any more (libuv), only closed:
 * the other side would get its end in the midst of them, as if that were all.
 */
export function endAfterWrites(socket: Socket): void {
  if (socket.writableEnded) return;
  if (socket.writableLength === 0) socket.end();
  else socket.write(nothing, () => void socket.end());
}
