import { Socket } from 'node:net';
import { give, stop } from './stopping.ts';
import { receiverOf, setReceiver, type Receiver, type SocketIO } from './types.ts';

/** By what Node documents: the default. */
export const publicIO: SocketIO = {
  mode: 'public',
  receive(socket, receiver) {
    setReceiver(socket, receiver);
    // Other streams may wait for their `push` to note that what they were asked for has come.
    if (socket instanceof Socket) socket.push = push;
  },
  // Node does it.
  lend() {},
  stop,
  release(socket) {
    setReceiver(socket, undefined);
    if (socket instanceof Socket) socket.push = Socket.prototype.push;
  },
  write: (socket, bytes) => socket.write(bytes),
};

/**
 * What a socket receives it hands to its own `push`. While it flows and holds nothing back, that goes straight to the receiver: the stream's
 * bookkeeping of each chunk costs as much as the parse of a head. All else comes by the event, as it would if a socket did not use `push`.
 */
function push(this: Socket, chunk: unknown, encoding?: BufferEncoding): boolean {
  const receiver: Receiver | undefined = receiverOf(this);
  if (receiver === undefined || chunk === null || this.readableFlowing !== true || this.readableLength > 0) return Socket.prototype.push.call(this, chunk, encoding);
  return give(this, receiver, chunk as Buffer);
}
