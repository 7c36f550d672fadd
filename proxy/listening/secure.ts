import type { Socket } from 'node:net';
import { createServer, type SecureContext, type Server, type TLSSocket } from 'node:tls';
import type { Certificate, ClientValidation } from '#snapshot';
import type { Context } from '../context.ts';
import { normalServerName } from '../streams/index.ts';

/** What HTTPS offers by ALPN. */
export const httpProtocols: readonly string[] = ['h2', 'http/1.1'];

export interface SecureOptions {
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
 * Ends TLS on connections that were accepted elsewhere. One for each way in which clients are validated: its session tickets are its own, so
 * that a session from before a change of that is worth nothing after it.
 */
export class SecureServer {
  readonly #options: SecureOptions;
  readonly #server: Server;

  constructor(context: Context, options: SecureOptions) {
    const { metrics, limits } = context;
    const { validation, protocols } = options;
    this.#options = options;
    this.#server = createServer(
      {
        minVersion: 'TLSv1.2',
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
    this.#server.emit('connection', socket);
  }

  /** After certificates or sections changed: Node asks for a certificate by server name only, so what a client without one gets is set beforehand. */
  refresh(): void {
    const { validation } = this.#options;
    const certificate = this.#options.withoutServerName();
    this.#server.setSecureContext({
      minVersion: 'TLSv1.2',
      ...(certificate === undefined ? {} : { cert: certificate.chain, key: certificate.key }),
      ...(validation === undefined ? {} : { ca: trustedAuthorities(validation) || [], allowPartialTrustChain: true }),
    });
  }
}

/**
 * PEM; none where everybody is let in: a certificate whose issuer has the name of an authority but not its key would leave an error in OpenSSL's
 * queue, which Node then takes for one of the connection.
 */
export function trustedAuthorities({ mode, authorities }: ClientValidation): string {
  return mode === 'AllowInsecureFallback' ? '' : authorities;
}
