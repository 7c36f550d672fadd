import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';

/** The sockets that this process has opened or accepted since then: a test's own, and those of the proxy that it looks for. */
export class Sockets {
  readonly #all = new Set<Socket>();
  readonly #seen = (message: unknown): void => void this.#all.add((message as { readonly socket: Socket }).socket);

  constructor() {
    for (const channel of ['net.server.socket', 'net.client.socket']) subscribe(channel, this.#seen);
  }

  #find(localPort: number | undefined, remotePort: number | undefined): Socket | undefined {
    if (localPort === undefined || remotePort === undefined) return undefined;
    return [...this.#all].find((socket) => !socket.connecting && socket.localPort === localPort && socket.remotePort === remotePort);
  }

  /** The proxy's side of a connection that `client` has opened to its port. */
  toClient(port: number, client: Socket): Socket | undefined {
    return this.#find(port, client.localPort);
  }

  /** The proxy's side of a connection that a server has accepted. */
  toServer(server: Socket): Socket | undefined {
    return this.#find(server.remotePort, server.localPort);
  }

  forget(): void {
    for (const socket of this.#all) if (socket.destroyed) this.#all.delete(socket);
  }

  close(): void {
    for (const channel of ['net.server.socket', 'net.client.socket']) unsubscribe(channel, this.#seen);
  }
}
