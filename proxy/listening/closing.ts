import type { FailureCode } from '../failures.ts';

/** Something with a connection to a client. */
export interface Party {
  /** Closes it if it waits for nothing but a next request. */
  closeIdle(): void;
  /** At once. `why`: for the log and the metrics. */
  cut(why: FailureCode): void;
}

/** A client that is about to send its next request gets an orderly last response instead of a closed connection. */
const idleGraceMs = 200;
/** As long at least has who comes while others are finished, its handshake was under way: the first request may be a round trip behind that. */
const newcomerGraceMs = 1000;

/** Lets clients finish what they have in flight for at most `drainMs` milliseconds, then cuts them. Fulfils when `closed` does. */
export async function closeClients(clients: () => Iterable<Party>, closed: Promise<void>, drainMs: number): Promise<void> {
  // A connection that is not read any more, and waits for its time alone, does not keep the process: it would end with what comes behind this undone.
  const alive = setInterval(() => {}, 60_000);
  try {
    if (drainMs > 0) await closeAsIdle(clients, Promise.race([closed, wait(drainMs)]));
    for (const client of clients()) client.cut('draining');
    await closed;
  } finally {
    clearInterval(alive);
  }
}

async function closeAsIdle(clients: () => Iterable<Party>, over: Promise<void>): Promise<void> {
  let isOver = false;
  void over.then(() => (isOver = true));
  let known = new Set(clients());
  for (let graceMs = idleGraceMs; !isOver; graceMs = newcomerGraceMs) {
    await Promise.race([over, wait(graceMs)]);
    for (const client of known) client.closeIdle();
    known = new Set(clients());
  }
}

/** Of clients that others may still join. */
export function closeIdleSoon(clients: () => Iterable<Party>): void {
  void wait(idleGraceMs).then(() => {
    for (const client of clients()) client.closeIdle();
  });
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
