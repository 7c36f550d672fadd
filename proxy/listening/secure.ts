import type { Socket } from 'node:net';
import { createServer, type SecureContext, type Server, type TLSSocket } from 'node:tls';
import type { Certificate, ClientValidation } from '#snapshot';
import { serverCiphers } from '../configuration/certificates.ts';
import type { Context } from '../context.ts';
import { normalServerName } from '../streams/index.ts';
import { Greeting } from './greeting.ts';
import { ticketKeys, ticketKeysMs } from './tickets.ts';

/** What HTTPS offers by ALPN. Clients that want HTTP/1.0 may offer that alone. */
export const httpProtocols: readonly string[] = ['h2', 'http/1.1', 'http/1.0'];

/** The keys tell sessions of one server from those of another; OpenSSL wants this besides where clients are validated. Node's would depend on the command line. */
const sessionIdContext = 'weft';

export interface SecureOptions {
  /** Of the listener. */
  readonly name: string;
  /** Offered by ALPN; empty: no ALPN. */
  readonly protocols: readonly string[];
  readonly validation: ClientValidation | undefined;
  /** What a handshake is answered with; undefined refuses it. `serverName`: lower case, no trailing dot. */
  choose(serverName: string): SecureContext | undefined;
  /** For clients that send no server name. */
  withoutServerName(): Certificate | undefined;
  /** TLS has been ended. */
  secured(socket: TLSSocket, serverName: string): void;
}

/**
 * Ends TLS on connections that were accepted elsewhere. One for each way in which clients are validated: its session tickets have keys of their
 * own, so that a session from before a change of that is worth nothing after it.
 */
export class SecureServer {
  readonly #context: Context;
  readonly #options: SecureOptions;
  readonly #server: Server;
  #refreshedAt = 0;

  constructor(context: Context, options: SecureOptions) {
    const { metrics, limits } = context;
    const { validation, protocols } = options;
    this.#context = context;
    this.#options = options;
    this.#server = createServer(
      {
        ...serverCiphers,
        ...(protocols.length === 0 ? {} : { ALPNProtocols: [...protocols] }),
        handshakeTimeout: limits.tlsHandshakeMs,
        requestCert: validation !== undefined,
        // One that is missing ends in an alert; one that is not trusted in a closed connection, for Node verifies after OpenSSL is done.
        rejectUnauthorized: validation?.mode === 'AllowValidOnly',
        // Without a context the handshake goes on with what a client without server name gets, or ends in an alert.
        SNICallback: (serverName, done) => {
          try {
            done(null, options.choose(normalServerName(serverName)));
          } catch (error) {
            done(error instanceof Error ? error : new Error('no context'));
          }
        },
      },
      (socket) => {
        socket.allowHalfOpen = true;
        if (validation?.mode === 'AllowValidOnly' && socket.isSessionReused() && this.#hasExpired(socket)) {
          metrics.count('client_tls_handshakes_failed');
          socket.destroy();
          return;
        }
        metrics.count('client_tls_handshakes');
        options.secured(socket, normalServerName(typeof socket.servername === 'string' ? socket.servername : ''));
      },
    );
    this.#server.on('tlsClientError', (_error, socket) => {
      metrics.count('client_tls_handshakes_failed');
      socket.destroy();
    });
    this.refresh();
  }

  /** What was read of the socket must have been put back. It needs an error listener. */
  accept(socket: Socket): void {
    // Who ends its side before the handshake is done can't finish it, and would be kept until it ran out of time.
    socket.allowHalfOpen = false;
    new Greeting(this.#context, socket, () => this.#begin(socket));
  }

  /**
   * After certificates, sections or the secret of tickets changed: Node asks for a certificate by server name only, so what a client without one
   * gets is set beforehand.
   */
  refresh(): void {
    const { validation } = this.#options;
    const { ticketSecret } = this.#context;
    const certificate = this.#options.withoutServerName();
    this.#refreshedAt = this.#context.now();
    this.#server.setSecureContext({
      ...serverCiphers,
      // Else Node draws some.
      ...(ticketSecret === undefined ? {} : { ticketKeys: ticketKeys(ticketSecret, this.#options), sessionIdContext }),
      ...(certificate === undefined ? {} : { cert: certificate.chain, key: certificate.key }),
      ...(validation === undefined ? {} : { ca: [...trustedAuthorities(validation)], allowPartialTrustChain: true }),
    });
  }

  #begin(socket: Socket): void {
    const { ticketSecret } = this.#context;
    if (ticketSecret === undefined && this.#context.now() - this.#refreshedAt >= ticketKeysMs) this.refresh();
    this.#server.emit('connection', socket);
  }

  /** OpenSSL looks at a client's certificate in full handshakes only. */
  #hasExpired(socket: TLSSocket): boolean {
    const until = socket.getPeerX509Certificate()?.validToDate;
    return until === undefined || until.getTime() < this.#context.environment.wallClock();
  }
}

/**
 * PEM; none where everybody is let in: a certificate whose issuer has the name of an authority but not its key would leave an error in OpenSSL's
 * queue, which Node then takes for one of the connection.
 */
export function trustedAuthorities({ mode, authorities }: ClientValidation): readonly string[] {
  return mode === 'AllowInsecureFallback' ? [] : [authorities];
}
