import { Socket } from 'node:net';

const owner = Symbol('owner');

/** Who listens to a socket. */
export interface Owned {
  /** A listener threw: a fault of ours must end one connection, not the process. */
  crash(error: unknown): void;
}

type Listener = (this: Socket, bytes?: Buffer) => void;

/** A listener that all sockets share: closures for each would be a good part of what a connection takes. */
export function guarded<T extends Owned>(turn: (connection: T, bytes: Buffer | undefined) => void): Listener {
  return function (bytes) {
    const connection = (this as Socket & { readonly [owner]: T })[owner];
    try {
      turn(connection, bytes);
    } catch (error) {
      connection.crash(error);
    }
  };
}

/** Listeners by event, and what takes the place of a socket's `push`. */
export interface Listeners {
  readonly events: Readonly<Record<string, Listener>> & { readonly data: Listener };
  readonly push: Socket['push'];
}

/**
 * What a socket receives it hands to its own `push`. While it flows and holds nothing back, that goes straight to the listener: the stream's
 * bookkeeping of each chunk costs as much as the parse of a head. All else comes by the event, as it would if a socket did not use `push`.
 */
export function listenersOf(events: Listeners['events']): Listeners {
  const { data } = events;
  const push = function (this: Socket, chunk: unknown, encoding?: BufferEncoding): boolean {
    if (chunk === null || this.readableFlowing !== true || this.readableLength > 0) return Socket.prototype.push.call(this, chunk, encoding);
    data.call(this, chunk as Buffer);
    return true;
  };
  return { events, push };
}

/** From now on the socket's events are for this owner. */
export function own(socket: Socket, connection: Owned, { events, push }: Listeners): void {
  (socket as Socket & { [owner]: Owned })[owner] = connection;
  for (const event in events) socket.on(event, events[event]!);
  // Other streams may wait for their `push` to note that what they were asked for has come.
  if (socket instanceof Socket) socket.push = push;
}

/** What the socket receives is another's from now on. */
export function disown(socket: Socket, { events }: Listeners): void {
  if (socket instanceof Socket) socket.push = Socket.prototype.push;
  socket.off('data', events.data);
}
