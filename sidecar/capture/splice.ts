import type { Socket } from 'node:net';

/** What was read of each side before it was known where it goes. */
export interface Ahead {
  readonly client: Buffer;
  readonly upstream: Buffer;
}

export interface SpliceEnd {
  /** From whoever opened the connection. Bytes. */
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/**
 * Joins two open connections: bytes pass as they are, no faster than the other side takes them; each direction ends by itself; a reset on
 * one side is one on the other. `ended` is called once, when both are closed. No time limit: databases keep connections for days.
 */
export function splice(client: Socket, upstream: Socket, ahead: Ahead, ended: (end: SpliceEnd) => void): void {
  let open = 2;
  const closed = (one: Socket, other: Socket, hadError: boolean): void => {
    // An orderly close has been passed on by `pipe` as an end; anything else must not look like one.
    if (hadError || !one.readableEnded || !one.writableFinished) reset(other);
    open -= 1;
    if (open === 0) ended({ bytesIn: client.bytesRead, bytesOut: client.bytesWritten });
  };
  client.once('close', (hadError) => closed(client, upstream, hadError));
  upstream.once('close', (hadError) => closed(upstream, client, hadError));
  client.on('error', ignore);
  upstream.on('error', ignore);
  join(client, upstream, ahead.client);
  join(upstream, client, ahead.upstream);
}

function join(from: Socket, to: Socket, ahead: Buffer): void {
  if (ahead.length > 0) to.write(ahead);
  // A side that ended before says so no more.
  if (from.readableEnded) to.end();
  else from.pipe(to);
}

/** Closes at once, with a reset where the state of the socket allows one. */
export function reset(socket: Socket): void {
  if (socket.destroyed) return;
  // While a shutdown is under way, libuv refuses to reset, and Node would leak the handle.
  if (socket.writableEnded || socket.connecting) socket.destroy();
  else socket.resetAndDestroy();
}

/** What is to be said about an error, `close` says. */
export function ignore(): void {}
