import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type SecureContext, type Server as TlsServer, type TLSSocket } from 'node:tls';
import type { Certificate } from '#snapshot';
import { ClientConnection } from '../connection/client.ts';
import type { Context } from '../context.ts';
import type { Bound } from '../types.ts';
import { closeClients } from './closing.ts';
import type { GatewayBinding } from './gateway.ts';
import type { OutboundBinding } from './outbound.ts';

type AnyBinding = GatewayBinding | OutboundBinding;

const backlog = 4096;

/** What a TLS handshake is answered with; undefined refuses it. */
export interface ServerCertificates {
  choose(serverName: string): SecureContext | undefined;
  /** For clients that send no server name. */
  withoutServerName(): Certificate | undefined;
}

/** Accepts connections for a binding. */
export class Acceptor implements Bound {
  readonly address: string;
  readonly #context: Context;
  readonly #binding: AnyBinding;
  readonly #server: Server;
  readonly #refresh: () => void = () => {};

  constructor(context: Context, binding: AnyBinding, options: { readonly address: string; readonly certificates?: ServerCertificates }) {
    this.#context = context;
    this.#binding = binding;
    this.address = options.address;
    const { certificates } = options;
    if (certificates === undefined) this.#server = this.#plainServer();
    else {
      const server = this.#tlsServer(certificates);
      this.#server = server;
      this.#refresh = () => {
        const certificate = certificates.withoutServerName();
        server.setSecureContext({ minVersion: 'TLSv1.2', ...(certificate === undefined ? {} : { cert: certificate.chain, key: certificate.key }) });
      };
      this.#refresh();
    }
    this.#server.maxConnections = context.limits.maxConnections;
    this.#server.on('drop', () => context.metrics.count('client_connections_refused'));
  }

  /** After certificates or sections changed: Node asks for a certificate by server name only, so what a client without one gets is set beforehand. */
  refreshCertificate(): void {
    this.#refresh();
  }

  get port(): number {
    return this.#binding.port;
  }

  /** Rejects where the address can't be bound. */
  async bind(port: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host: this.address, port, backlog }, () => {
        this.#server.off('error', reject);
        // Later ones concern single connections (EMFILE while accepting): the server goes on.
        this.#server.on('error', () => this.#context.metrics.count('client_connections_refused'));
        resolve();
      });
    });
    this.#binding.port = (this.#server.address() as AddressInfo).port;
    if (this.#binding.role === 'mesh') this.#context.outboundPlaces.add(this.#place());
  }

  async close(drainMs: number): Promise<void> {
    const { clients } = this.#binding;
    this.#binding.closing = true;
    this.#context.outboundPlaces.delete(this.#place());
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    await closeClients(() => clients, closed, drainMs);
  }

  #place(): string {
    return `${this.address}:${this.#binding.port}`;
  }

  #plainServer(): Server {
    return createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket, ''));
  }

  #tlsServer(certificates: ServerCertificates): TlsServer {
    const { metrics, limits } = this.#context;
    const server = createTlsServer(
      {
        allowHalfOpen: true,
        noDelay: true,
        minVersion: 'TLSv1.2',
        ALPNProtocols: ['http/1.1'],
        handshakeTimeout: limits.tlsHandshakeMs,
        // Without a context the handshake goes on with what a client without server name gets, or ends in an alert.
        SNICallback: (serverName, done) => done(null, certificates.choose(normalServerName(serverName))),
      },
      (socket: TLSSocket) => {
        metrics.count('client_tls_handshakes');
        this.#accept(socket, normalServerName(typeof socket.servername === 'string' ? socket.servername : ''));
      },
    );
    server.on('tlsClientError', (_error, socket) => {
      metrics.count('client_tls_handshakes_failed');
      socket.destroy();
    });
    // Before the handshake is over nobody else listens to it.
    server.on('connection', (socket) => socket.on('error', () => {}));
    return server;
  }

  #accept(socket: Socket, serverName: string): void {
    const { metrics } = this.#context;
    if (this.#binding.closing) {
      socket.on('error', () => {});
      socket.destroy();
      return;
    }
    metrics.count('client_connections_accepted');
    metrics.move('client_connections_active', 1);
    this.#binding.clients.add(new ClientConnection(this.#context, this.#binding, socket, serverName));
  }
}

function normalServerName(name: string): string {
  const lower = name.toLowerCase();
  return lower.endsWith('.') ? lower.slice(0, -1) : lower;
}
