import type { Socket } from 'node:net';
import { hostPort, normalAddress } from '#snapshot';
import type { Context } from '../context.ts';
import type { Bound } from '../types.ts';
import { acceptClient } from './clients.ts';
import { closeClients, type Party } from './closing.ts';
import type { OutboundBinding } from './outbound.ts';
import { ListeningSockets } from './sockets.ts';

/** What takes the connections of a socket. */
export interface Port {
  accept(socket: Socket): void;
  /** The port that was bound. */
  bound(port: number): void;
  /** Is about to accept no more; who is still accepted, or whose handshake is still under way, is served once. */
  closing(): void;
  /** All that is open. */
  parties(): Iterable<Party>;
  /** All of it is closed, or the port could not be bound. */
  ended(): void;
  /** Certificates have changed. */
  refreshCertificate(): void;
}

/** Accepts TCP connections for a port. */
export class Acceptor implements Bound {
  readonly address: string;
  #port = 0;
  readonly #behind: Port;
  readonly #sockets: ListeningSockets;

  constructor(context: Context, behind: Port, address: string) {
    this.#behind = behind;
    this.address = address;
    this.#sockets = new ListeningSockets({
      address,
      isShared: context.environment.sharesPorts === true,
      maxConnections: context.limits.maxConnections,
      connections: { allowHalfOpen: true, noDelay: true },
      accept: (socket) => {
        context.turns.accepted();
        try {
          behind.accept(socket);
        } catch (error) {
          context.fault(error);
          socket.destroy();
        }
      },
      refused: () => context.metrics.count('client_connections_refused'),
    });
  }

  get port(): number {
    return this.#port;
  }

  refreshCertificate(): void {
    this.#behind.refreshCertificate();
  }

  /** Rejects where the address can't be bound. */
  async bind(port: number): Promise<void> {
    try {
      this.#port = await this.#sockets.bind(port);
    } catch (error) {
      this.#behind.ended();
      throw error;
    }
    this.#behind.bound(this.#port);
  }

  close(drainMs: number): Promise<void> {
    return this.#close(this.#sockets.close(), drainMs);
  }

  /** The same, of a process that ends: who waits to be accepted is served as well. Where a port goes by itself, another may be about to bind it. */
  finish(drainMs: number): Promise<void> {
    return this.#close(this.#sockets.stopEmpty(drainMs / 2).then(() => this.#sockets.close()), drainMs);
  }

  async #close(closed: Promise<void>, drainMs: number): Promise<void> {
    this.#behind.closing();
    await closeClients(() => this.#behind.parties(), closed, drainMs);
    this.#behind.ended();
  }
}

/** The sidecar's outbound side, for workloads of this machine. */
export class OutboundPort implements Port {
  readonly #context: Context;
  readonly #binding: OutboundBinding;
  readonly #address: string;

  constructor(context: Context, binding: OutboundBinding, address: string) {
    this.#context = context;
    this.#binding = binding;
    this.#address = address;
  }

  accept(socket: Socket): void {
    acceptClient(this.#context, this.#binding, socket, '');
  }

  bound(port: number): void {
    this.#binding.port = port;
    this.#context.outboundPlaces.add(this.#place());
  }

  closing(): void {
    this.#binding.closing = true;
    this.#context.outboundPlaces.delete(this.#place());
  }

  parties(): Iterable<Party> {
    return this.#binding.clients;
  }

  ended(): void {
    this.#binding.ended();
  }

  refreshCertificate(): void {}

  #place(): string {
    return hostPort(normalAddress(this.#address), this.#binding.port);
  }
}
