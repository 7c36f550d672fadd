import type { Socket } from 'node:net';
import { ListeningSockets, plainAddress, reset } from '#proxy';
import { CapturedConnection, type CaptureEnvironment, type Way } from './connection.ts';
import type { Address, OriginalDestination } from './original-destination.ts';
import { ignore } from './sockets.ts';

export interface ListenerOptions extends CaptureEnvironment {
  readonly address: string;
  readonly port: number;
  readonly original: OriginalDestination;
  /** Whether the address is one of this process's own sockets: what goes there would come back. */
  isOwn(address: Address): boolean;
  /** What is there. Never rejects. */
  wayTo(address: Address): Way | Promise<Way>;
  readonly maxConnections: number;
}

/** Takes the connections that iptables redirects to one port. */
export class CaptureListener {
  readonly #options: ListenerOptions;
  readonly #sockets: ListeningSockets;
  readonly #connections = new Set<CapturedConnection>();
  /** Of which it is not known yet what is where they go. */
  readonly #resolving = new Set<Socket>();
  #port = 0;
  #isClosing = false;
  /** No connection is left, after it began to close. */
  readonly #empty = Promise.withResolvers<void>();

  constructor(options: ListenerOptions) {
    const { address, maxConnections, metrics } = options;
    this.#options = options;
    this.#sockets = new ListeningSockets({
      address,
      isShared: false,
      maxConnections,
      connections: { allowHalfOpen: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 },
      accept: (socket) => this.#accept(socket),
      refused: () => metrics.count('client_connections_refused'),
    });
  }

  get port(): number {
    return this.#port;
  }

  /** Rejects where the port can't be bound. */
  async bind(): Promise<void> {
    this.#port = await this.#sockets.bind(this.#options.port);
  }

  /** Accepts no more, waits at most `drainMs` for what is open, then cuts it. Connections of the HTTP engine are not its own any more. */
  async close(drainMs: number): Promise<void> {
    const over = new Promise((resolve) => setTimeout(resolve, drainMs).unref());
    if (drainMs > 0) await this.#sockets.stopEmpty(drainMs / 2);
    void this.#sockets.close();
    this.#isClosing = true;
    this.#left();
    if (drainMs > 0) await Promise.race([this.#empty.promise, over]);
    for (const connection of this.#connections) connection.cut();
    for (const socket of this.#resolving) reset(socket);
  }

  #accept(socket: Socket): void {
    socket.on('error', ignore);
    const { metrics, intake, original, isOwn, wayTo } = this.#options;
    intake.accepted();
    metrics.count('client_connections_accepted');
    const to = original(socket);
    // A connection that nobody redirected was going to this very port.
    if (to === undefined || isHere(socket, to) || isOwn(to)) {
      metrics.count('captures_refused');
      socket.destroy();
      return;
    }
    const way = wayTo(to);
    if (!(way instanceof Promise)) {
      this.#begin(socket, to, way);
      return;
    }
    this.#resolving.add(socket);
    void way.then((found) => {
      this.#resolving.delete(socket);
      if (socket.destroyed) this.#left();
      else this.#begin(socket, to, found);
    });
  }

  #begin(socket: Socket, to: Address, way: Way): void {
    let over = false;
    const ended = (): void => {
      over = true;
      this.#connections.delete(connection);
      this.#left();
    };
    const connection = new CapturedConnection(socket, to, { way, env: this.#options, ended });
    if (!over) this.#connections.add(connection);
  }

  #left(): void {
    if (this.#isClosing && this.#connections.size + this.#resolving.size === 0) this.#empty.resolve();
  }
}

function isHere(socket: Socket, to: Address): boolean {
  return to.port === socket.localPort && to.host === plainAddress(socket.localAddress ?? '');
}
