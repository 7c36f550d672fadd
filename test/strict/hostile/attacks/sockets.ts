import { connect, type Socket } from 'node:net';

export interface Place {
  readonly address: string;
  readonly port: number;
}

export interface Targets {
  readonly http: Place;
  readonly https: Place;
  readonly udp: Place;
}

/** Counts and milliseconds, by what they are. */
export type Told = Readonly<Record<string, number>>;
export type Attack = (targets: Targets) => Promise<Told>;

export interface Attacker {
  readonly socket: Socket;
  text: string;
  closedAfterMs: number | undefined;
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** So many connections; `leave`: what comes is not read. */
export async function attackers(place: Place, count: number, send: (socket: Socket) => void, read: 'read' | 'leave' = 'read'): Promise<readonly Attacker[]> {
  const all: Attacker[] = [];
  for (let index = 0; index < count; index++) {
    const start = performance.now();
    const socket = connect({ host: place.address, port: place.port });
    const attacker: Attacker = { socket, text: '', closedAfterMs: undefined };
    all.push(attacker);
    socket.on('error', () => {});
    const closed = (): void => {
      attacker.closedAfterMs ??= performance.now() - start;
    };
    socket.on('close', closed).on('end', closed);
    if (read === 'read') socket.on('data', (bytes) => (attacker.text += bytes.toString('latin1').slice(0, Math.max(0, 65_536 - attacker.text.length))));
    socket.on('connect', () => send(socket));
    if (index % 50 === 49) await sleep(5);
  }
  return all;
}

/** Waits until all are closed, then leaves. Returns how many were, and the slowest of them; Infinity is told as -1. */
export async function allClosed(all: readonly Attacker[], withinMs: number): Promise<{ readonly closed: number; readonly slowestMs: number }> {
  const start = performance.now();
  while (all.some(({ closedAfterMs }) => closedAfterMs === undefined) && performance.now() - start < withinMs) await sleep(50);
  for (const { socket } of all) socket.destroy();
  const times = all.flatMap(({ closedAfterMs }) => (closedAfterMs === undefined ? [] : [closedAfterMs]));
  return { closed: times.length, slowestMs: Math.round(Math.max(-1, ...times)) };
}

/** Writes the same again and again, as fast as it is taken, until the connection is gone. Counts in `sent`. */
export function pour(socket: Socket, bytes: () => Buffer, sent: (length: number) => void): void {
  const more = (): void => {
    for (let index = 0; index < 100 && socket.writable; index++) {
      const piece = bytes();
      sent(piece.length);
      if (!socket.write(piece)) return;
    }
    if (socket.writable) setImmediate(more);
  };
  socket.on('drain', more);
  more();
}
