import { createServer, type AddressInfo, type Server, type ServerOpts, type Socket } from 'node:net';
import { boundUnsent, somebodyWaits } from '../sockets/index.ts';

const backlog = 4096;
/** Of one port. */
const socketsPerPort = 4;
/** For those that wait to be accepted, at the end. Where one comes after the other there is none in which nobody does. Milliseconds. */
const emptyingMs = 1000;

export interface ListeningOptions {
  readonly address: string;
  /** Other processes bind the same port. */
  readonly isShared: boolean;
  /** Open at a time, of all sockets together. */
  readonly maxConnections: number;
  /** Of the connections. */
  readonly connections: ServerOpts;
  accept(socket: Socket): void;
  /** A connection was turned away. */
  refused(): void;
}

/**
 * The sockets that accept connections to one port. Of each, one connection is accepted in a turn of the event loop (libuv), so that a new one stands
 * behind a flood for as many turns as that has connections. There are several, over which the kernel spreads connections (SO_REUSEPORT,
 * docs/decisions/0014); one where it does not know that.
 */
export class ListeningSockets {
  readonly #options: ListeningOptions;
  #servers: readonly Server[] = [];
  #open = 0;
  #isFull = false;
  /** Connections so far, also those that were turned away. */
  readonly #taken = new Map<Server, number>();
  readonly #left = (): void => this.#moved(-1);

  constructor(options: ListeningOptions) {
    this.#options = options;
  }

  /** Returns the port that was bound, also where 0 was asked for. Rejects where that can't be done; then nothing is bound. */
  async bind(port: number): Promise<number> {
    const { isShared } = this.#options;
    // Where any port will do, the kernel gives one that nobody has, whatever the options.
    const number = isShared || port === 0 ? port : await this.#probe(port);
    const servers: Server[] = [];
    try {
      while (servers.length < socketsPerPort) servers.push(await this.#listen(servers.length === 0 ? number : portOf(servers[0]!), 'several'));
    } catch (error) {
      for (const server of servers) server.close();
      if (isShared || servers.length > 0) throw error;
      servers.push(await this.#listen(port, 'one'));
    }
    this.#servers = servers;
    return portOf(servers[0]!);
  }

  /** Accepts no more. Fulfils when all connections are closed. */
  async close(): Promise<void> {
    await Promise.all(this.#servers.map(close));
  }

  /**
   * Accepts who waits, for at most `ms` milliseconds, and then no more: to these the connection is open, and the kernel resets it when the socket
   * closes. Each socket closes when a look at it (one in a turn of the event loop) has found nobody. Fulfils then.
   */
  async stopEmpty(ms: number): Promise<void> {
    let isOver = false;
    const timer = setTimeout(() => (isOver = true), Math.min(ms, emptyingMs));
    await Promise.all(
      this.#servers.map(async (server) => {
        // What is left of this turn.
        await turn();
        for (let before = -1; !isOver && (before !== this.#taken.get(server) || somebodyWaits(server)); await turn()) before = this.#taken.get(server) ?? 0;
        server.close();
      }),
    );
    clearTimeout(timer);
  }

  /** With SO_REUSEPORT alone, another program of the same user that has the port would go unnoticed, and share its connections with us. */
  async #probe(port: number): Promise<number> {
    const probe = createServer((socket) => socket.destroy());
    await listen(probe, { host: this.#options.address, port });
    const number = portOf(probe);
    await close(probe);
    return number;
  }

  async #listen(port: number, sockets: 'one' | 'several'): Promise<Server> {
    const { address, connections, accept, refused } = this.#options;
    const server = createServer(connections, (socket) => {
      taken();
      this.#moved(1);
      socket.on('close', this.#left);
      accept(socket);
    });
    this.#taken.set(server, 0);
    const taken = (): void => void this.#taken.set(server, (this.#taken.get(server) ?? 0) + 1);
    server.on('drop', () => {
      taken();
      refused();
    });
    await listen(server, { host: address, port, reusePort: sockets === 'several' });
    boundUnsent(server);
    // Of single connections (EMFILE while accepting): the server goes on.
    server.on('error', refused);
    return server;
  }

  #moved(by: number): void {
    this.#open += by;
    const isFull = this.#open >= this.#options.maxConnections;
    if (isFull === this.#isFull) return;
    this.#isFull = isFull;
    // Each server counts its own connections only. Those that it drops cost little.
    for (const server of this.#servers) server.maxConnections = isFull ? 0 : Infinity;
  }
}

function listen(server: Server, place: { readonly host: string; readonly port: number; readonly reusePort?: boolean }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ ...place, backlog }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}
