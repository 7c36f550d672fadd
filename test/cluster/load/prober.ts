import { connect, type Socket } from 'node:net';

/** Asks until the answer's Location ends with `value`. */
export interface WatchOrder {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly value: string;
  /** From one question to the next; the error of the time that is told. Milliseconds. */
  readonly everyMs: number;
  readonly timeoutMs: number;
}

export interface Seen {
  /** Milliseconds since 1970, when the answer was there; all Pods of one machine share the clock. */
  readonly at: number;
}

/**
 * Rejects where it does not come in time. `now`: milliseconds since 1970. Speaks HTTP by hand: twenty who ask fifty times a second must not
 * be what keeps the machine busy. Of an answer no more is read than its first bytes: a redirect's head comes as one.
 */
export function watch(order: WatchOrder, now: () => number): Promise<Seen> {
  const { host, port, path, value, everyMs, timeoutMs } = order;
  const until = now() + timeoutMs;
  const question = `GET ${path} HTTP/1.1\r\nhost: ${host}\r\n\r\n`;
  const sought = `/${value}\r\n`;
  return new Promise((resolve, reject) => {
    let socket: Socket | undefined;
    let last = 'nothing came';
    let waits = false;
    const end = (): void => {
      clearInterval(timer);
      socket?.destroy();
    };
    const open = (): Socket => {
      const opened = connect(port, host);
      waits = false;
      opened.setNoDelay(true).setEncoding('latin1');
      opened.on('data', (text: string | Buffer) => {
        waits = false;
        last = String(text);
        if (!last.includes(sought)) return;
        resolve({ at: now() });
        end();
      });
      opened.on('error', (error) => (last = error.message));
      opened.on('close', () => (socket = undefined));
      return opened;
    };
    const ask = (): void => {
      if (now() > until) {
        reject(new Error(`${value} was not served within ${timeoutMs} ms: ${last.slice(0, 200)}`));
        return end();
      }
      socket ??= open();
      // One question at a time.
      if (waits) return;
      waits = true;
      socket.write(question);
    };
    const timer = setInterval(ask, everyMs);
    ask();
  });
}
