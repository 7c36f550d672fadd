import type { Socket } from 'node:net';

/** Closes at once, with a reset where the state of the socket allows one. */
export function reset(socket: Socket): void {
  if (socket.destroyed) return;
  // While a shutdown is under way, libuv refuses to reset, and Node would leak the handle. TLS that ends without its goodbye is no end.
  if (socket.writableEnded || socket.connecting || 'encrypted' in socket) socket.destroy();
  else socket.resetAndDestroy();
}
