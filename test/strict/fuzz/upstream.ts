import { createServer, type AddressInfo, type Socket } from 'node:net';
import { readUpstream } from '../judge.ts';
import type { ReadRequest } from '../request.ts';

/** A server that reads whatever comes as the judge does, and keeps nothing of it but what is not a whole request yet. */
export interface FuzzUpstream {
  readonly port: number;
  /** What was unsafe since the last call. */
  faults(): readonly string[];
  close(): Promise<void>;
}

/** `answer` is told each request once all of it is there. */
export async function fuzzUpstream(answer: (socket: Socket, request: ReadRequest) => void): Promise<FuzzUpstream> {
  const faults: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    let unread = '';
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    socket.on('end', () => socket.end());
    socket.on('data', (bytes) => {
      const read = readUpstream(unread + bytes.toString('latin1'));
      unread = read.rest;
      for (const request of read.requests) answer(socket, request);
      if (read.faults.length === 0) return;
      faults.push(...read.faults);
      unread = '';
      socket.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    faults: () => faults.splice(0),
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}
