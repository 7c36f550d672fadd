import type { Socket } from 'node:net';

export const socketModes = ['public', 'raw'] as const;

/** `public`: by what Node documents. `raw`: by the handles behind its sockets, which it does not. */
export type SocketMode = (typeof socketModes)[number];

/** Takes what a socket received; the bytes are its own. */
export type Receiver = (this: Socket, bytes: Buffer) => void;

/** Takes what was read into memory that others are read into as well; it is lent for the call. */
export type Reader = (memory: Buffer, length: number) => void;

/**
 * How the bytes of busy sockets come and go. All else is the socket's own affair in both modes: it opens and closes, pauses and resumes, ends,
 * fails, and tells by its events.
 */
export interface SocketIO {
  readonly mode: SocketMode;
  /**
   * From now on what comes while the socket flows may go straight to `receiver`, which is a listener of its event `data` as well: what comes at
   * other times, it gets by that.
   */
  receive(socket: Socket, receiver: Receiver): void;
  /** The same of a socket that was opened with `onread`, once it is connected; `memory` and `reader` are what it was given. */
  lend(socket: Socket, memory: Buffer, reader: Reader): void;
  /**
   * For a receiver that was given bytes just now, and has paused the socket: nothing more is read of it until it is resumed. Else a paused socket is read
   * until it holds 64 KiB. Its end, or a reset, is heard only then as well.
   */
  stop(socket: Socket): void;
  /** What comes from now on comes by the event alone. */
  release(socket: Socket): void;
  /**
   * As `socket.write`, but that a cork may hold back only what waits behind other bytes. Where `socket.writableLength` is 0 afterwards the bytes have left, and their memory may be used again; else not before
   * it is 0 again.
   */
  write(socket: Socket, bytes: Buffer): boolean;
}

const receiverKey = Symbol('receiver');

type Received = Socket & { [receiverKey]?: Receiver | undefined };

export function receiverOf(socket: Socket): Receiver | undefined {
  return (socket as Received)[receiverKey];
}

export function setReceiver(socket: Socket, receiver: Receiver | undefined): void {
  (socket as Received)[receiverKey] = receiver;
}
