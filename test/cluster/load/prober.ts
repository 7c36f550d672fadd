import { Agent, request } from 'node:http';

/** Asks until the answer's Location ends with `value`. */
export interface WatchOrder {
  readonly url: string;
  readonly host?: string;
  readonly value: string;
  /** From one question to the next; the error of the time that is told. Milliseconds. */
  readonly everyMs: number;
  readonly timeoutMs: number;
}

export interface Seen {
  /** Milliseconds since 1970, when the answer was there; all Pods of one machine share the clock. */
  readonly at: number;
  /** Answers that were neither the new nor an old redirect. */
  readonly others: Readonly<Record<string, number>>;
}

const agent = new Agent({ keepAlive: true });

/** Rejects where it does not come in time. `now`: milliseconds since 1970. */
export async function watch(order: WatchOrder, now: () => number): Promise<Seen> {
  const until = now() + order.timeoutMs;
  const others = new Map<string, number>();
  for (;;) {
    const asked = now();
    const { status, location } = await ask(order);
    const at = now();
    if (location.endsWith(order.value)) return { at, others: Object.fromEntries(others) };
    if (status !== 302) others.set(String(status), (others.get(String(status)) ?? 0) + 1);
    if (at > until) throw new Error(`${order.value} was not served within ${order.timeoutMs} ms: ${status} ${location}`);
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, order.everyMs - (at - asked))));
  }
}

function ask({ url, host }: WatchOrder): Promise<{ readonly status: number; readonly location: string }> {
  return new Promise((resolve) => {
    const sent = request(url, { agent, headers: host === undefined ? {} : { host }, timeout: 5000 }, (answer) => {
      answer.resume();
      answer.on('error', () => resolve({ status: 0, location: '' }));
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, location: answer.headers.location ?? '' }));
    });
    sent.on('timeout', () => sent.destroy());
    sent.on('error', () => resolve({ status: 0, location: '' }));
    sent.end();
  });
}
