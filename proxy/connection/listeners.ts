import type { Socket } from 'node:net';
import type { SocketIO } from '../sockets/index.ts';

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

/** By event. */
export type Listeners = Readonly<Record<string, Listener>> & { readonly data: Listener };

/** From now on the socket's events are for this owner. */
export function own(socket: Socket, connection: Owned, listeners: Listeners, io: SocketIO): void {
  (socket as Socket & { [owner]: Owned })[owner] = connection;
  for (const event in listeners) socket.on(event, listeners[event]!);
  io.receive(socket, listeners.data);
}

/** What the socket receives is another's from now on. */
export function disown(socket: Socket, listeners: Listeners, io: SocketIO): void {
  io.release(socket);
  socket.off('data', listeners.data);
}
