import { createServer, type Server } from 'node:net';

/**
 * A share of the loopback network that no other run has at the same time: `127.{lane}.…`. Cases write addresses as `127.0.…`, and
 * the lane takes the place of the zero. IPv6 has one loopback address only: there cases write the port 61000, to which the lane is added.
 */
export interface Lane {
  readonly number: number;
  /** Puts the lane into a case's addresses. */
  place(text: string): string;
  release(): Promise<void>;
}

const first = 16;
const last = 239;
const lockPort = 64_999;

/** Undefined where the system has no loopback address but 127.0.0.1 (macOS). */
export async function takeLane(): Promise<Lane | undefined> {
  const start = first + (process.pid * 7) % (last - first);
  for (let step = 0; step <= last - first; step += 1) {
    const number = first + ((start - first + step) % (last - first + 1));
    const lock = await tryLock(`127.${number}.255.254`);
    if (lock === 'no such address') return undefined;
    if (lock !== 'taken') return laneOf(number, lock);
  }
  throw new Error('every share of the loopback network is in use');
}

/** Whether this system has the loopback address of IPv6. */
export async function hasIPv6(): Promise<boolean> {
  const server = createServer();
  const found = await new Promise<boolean>((resolve) => server.once('error', () => resolve(false)).listen(0, '::1', () => resolve(true)));
  server.close();
  return found;
}

function laneOf(number: number, lock: Server): Lane {
  return {
    number,
    place: (text) => text.replaceAll(/\b127\.0\.(\d+\.\d+)\b/g, `127.${number}.$1`).replaceAll(/\b61000\b/g, String(61_000 + number)),
    release: () => new Promise((resolve) => lock.close(() => resolve())),
  };
}

function tryLock(address: string): Promise<Server | 'taken' | 'no such address'> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve('taken');
      else if (error.code === 'EADDRNOTAVAIL') resolve('no such address');
      else reject(error);
    });
    server.listen(lockPort, address, () => resolve(server.unref()));
  });
}
