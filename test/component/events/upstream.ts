import { createServer, type AddressInfo, type Socket } from 'node:net';
import { readRequest } from '../../strict/request.ts';

/** An endpoint that does with each attempt at a request what the request's path says, and sees to it that its connections are used as they may be. */

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const headOf = (id: string, lines: string, status = '200 OK'): string => `HTTP/1.1 ${status}\r\nx-id: ${id}\r\n${lines}\r\n`;
const answerOf = (id: string, lines = '', status?: string): string => headOf(id, `content-length: ${id.length}\r\n${lines}`, status) + id;
const largeBytes = 300_000;

/** One request on a connection. */
interface Turn {
  readonly id: string;
  readonly write: (text: string) => void;
  readonly socket: Socket;
  /** When all of it is there. */
  readonly whole: Promise<void>;
  /** What the connection was given can't be followed by another request. */
  spend(): void;
}

/** True: the request is answered in full, and another may follow. */
type Behaviour = (turn: Turn) => Promise<boolean>;

const whenWhole = (act: Behaviour): Behaviour => async (turn) => {
  await turn.whole;
  return act(turn);
};
const unfinished = (status: string): Behaviour => async ({ id, write }) => {
  write(headOf(id, 'content-length: 10\r\n', status) + 'abc');
  return false;
};

export const behaviours = {
  ok: whenWhole(async ({ id, write }) => (write(answerOf(id)), true)),
  slow: whenWhole(async ({ id, write }) => (await pause(20), write(answerOf(id)), true)),
  chunked: whenWhole(async ({ id, write }) => {
    write(headOf(id, 'transfer-encoding: chunked\r\n'));
    for (const piece of ['3\r\nabc\r\n', '4\r\ndefg\r\n', '0\r\n\r\n']) {
      await pause(2);
      write(piece);
    }
    return true;
  }),
  large: whenWhole(async ({ id, write }) => (write(headOf(id, `content-length: ${largeBytes}\r\n`) + 'x'.repeat(largeBytes)), true)),
  interim: async ({ id, write, whole }) => {
    write('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n');
    await whole;
    write(`HTTP/1.1 103 Early Hints\r\nlink: y\r\n\r\n${answerOf(id)}`);
    return true;
  },
  early: async ({ id, write, whole }) => (write(answerOf(id)), await whole, true),
  deaf: async ({ id, write, socket, whole }) => {
    socket.pause();
    await pause(20);
    socket.resume();
    await whole;
    write(answerOf(id));
    return true;
  },
  busy: whenWhole(async ({ id, write }) => (write(answerOf(id, '', '503 Service Unavailable')), true)),
  busyEarly: async ({ id, write, whole }) => (write(answerOf(id, '', '503 Service Unavailable')), await whole, true),
  busyForEver: whenWhole(unfinished('503 Service Unavailable')),
  silent: async () => false,
  hang: whenWhole(unfinished('200 OK')),
  reset: async ({ socket }) => (socket.resetAndDestroy(), false),
  resetWhole: whenWhole(async ({ socket }) => (socket.resetAndDestroy(), false)),
  end: whenWhole(async ({ socket }) => (socket.end(), false)),
  cut: whenWhole(async (turn) => (await unfinished('200 OK')(turn), turn.socket.end(), false)),
  twice: whenWhole(async ({ id, write, spend }) => (spend(), write(answerOf(id) + answerOf('unasked')), true)),
  last: whenWhole(async ({ id, write, socket, spend }) => (spend(), write(answerOf(id, 'connection: close\r\n')), socket.end(), true)),
  untilClose: whenWhole(async ({ id, write, socket, spend }) => (spend(), write(`${headOf(id, '')}some`), socket.end(), true)),
  /** Says nothing of it: the next request may already be on its way. */
  leaves: whenWhole(async ({ id, write, socket }) => (write(answerOf(id)), socket.end(), false)),
  switches: async ({ write, spend }) => {
    spend();
    write('HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\nwelcome');
    return false;
  },
} satisfies Record<string, Behaviour>;

export type BehaviourName = keyof typeof behaviours;
export const behaviourNames = Object.keys(behaviours) as readonly BehaviourName[];

/** What each attempt gets; the last of them for all that follow. */
export const pathOf = (rule: string, id: string, script: readonly BehaviourName[]): string => `/${rule}/${id}/${script.join('-')}`;

export interface EventUpstream {
  readonly port: number;
  /** How a connection was used that must not be. */
  readonly faults: string[];
  /** Attempts at a request that arrived, by its id. */
  readonly attempts: Map<string, number>;
  insteadOf(name: string): BehaviourName;
  close(): Promise<void>;
}

class Connection {
  readonly #socket: Socket;
  readonly #upstream: EventUpstream;
  #text = '';
  #isWhole: (() => void) | undefined;
  /** A request is there that was not answered in full. */
  #isBusy = false;
  #isSpent = false;
  #isEarly = false;
  /** Bytes pass as they are. */
  #isRaw = false;

  constructor(socket: Socket, upstream: EventUpstream) {
    this.#socket = socket;
    this.#upstream = upstream;
    socket.on('data', (bytes) => this.#take(bytes.toString('latin1')));
    socket.on('end', () => socket.end());
    socket.on('error', () => {});
  }

  #take(text: string): void {
    if (this.#isRaw) {
      if (!text.includes('bye')) this.#socket.write(text);
      else if (text.includes('!')) this.#socket.resetAndDestroy();
      else this.#socket.end();
      return;
    }
    this.#text += text;
    if (this.#isWhole === undefined && this.#text.includes('\r\n\r\n')) this.#begin();
    const read = readRequest(this.#text, 0);
    if (read.kind === 'refused') this.#upstream.faults.push(`${read.reason}: ${JSON.stringify(this.#text.slice(0, 200))}`);
    if (read.kind !== 'request') return;
    this.#text = this.#text.slice(read.end);
    this.#isWhole!();
    this.#isWhole = undefined;
    if (this.#text === '') return;
    // What was answered early may be followed as soon as it is whole.
    if (this.#isEarly) setImmediate(() => this.#take(''));
    else this.#upstream.faults.push(`sent ahead: ${JSON.stringify(this.#text.slice(0, 200))}`);
  }

  #begin(): void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#isWhole = resolve;
    const [, path = ''] = this.#text.split(' ');
    if (this.#isBusy || this.#isSpent) this.#upstream.faults.push(`${path} on a connection that is ${this.#isSpent ? 'spent' : 'busy'}`);
    this.#isBusy = true;
    const [, , id = '', script = ''] = path.split('/');
    const attempt = this.#upstream.attempts.get(id) ?? 0;
    this.#upstream.attempts.set(id, attempt + 1);
    const names = script.split('-');
    const name = this.#upstream.insteadOf(names[attempt] ?? names.at(-1)!);
    this.#isEarly = name.toLowerCase().endsWith('early');
    if (name === 'switches') this.#isRaw = true;
    const socket = this.#socket;
    const write = (text: string): void => void (socket.writable && socket.write(text, 'latin1'));
    const turn: Turn = { id, write, socket, whole: promise, spend: () => (this.#isSpent = true) };
    // In the turn in which a response is whole the next request may come.
    void (behaviours[name] ?? behaviours.silent)(turn).then((isOver) => (this.#isBusy = !isOver && name !== 'leaves'));
  }
}

const atOnce: Partial<Record<string, BehaviourName>> = { silent: 'resetWhole', hang: 'cut', busyForEver: 'cut', early: 'ok', busyEarly: 'busy' };

/** `restless`: what would be waited for in vain ends at once. */
export async function eventUpstream(kind: 'patient' | 'restless'): Promise<EventUpstream> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket.once('close', () => sockets.delete(socket)));
    new Connection(socket, upstream);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const upstream: EventUpstream = {
    port: (server.address() as AddressInfo).port,
    faults: [],
    attempts: new Map(),
    insteadOf: (name) => (kind === 'restless' ? (atOnce[name] ?? (name as BehaviourName)) : (name as BehaviourName)),
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
  return upstream;
}
