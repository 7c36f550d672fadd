import { Socket } from 'node:net';
import type { Receiver } from './types.ts';

const nothing = Buffer.alloc(0);

/** Whose receiver wants no more of it for now. Holds within one read. */
let stopped: Socket | undefined;

export function stop(socket: Socket): void {
  stopped = socket;
}

/** Gives the receiver what was read. False: nothing more is to be read until the socket is resumed. */
export function give(socket: Socket, receiver: Receiver, bytes: Buffer): boolean {
  stopped = undefined;
  receiver.call(socket, bytes);
  if (!wantsNoMore(socket) || socket.readableFlowing !== false || socket.destroyed) return true;
  socket.once('resume', goesOn);
  return false;
}

function wantsNoMore(socket: Socket): boolean {
  return stopped === socket;
}

/** What its receiver was given the stream was not, and still waits for: it would not ask for more. */
function goesOn(this: Socket): void {
  if (!this.destroyed) Socket.prototype.push.call(this, nothing);
}
