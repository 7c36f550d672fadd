import type { Socket } from 'node:net';
import type { ClientValidation, Listener } from '#snapshot';
import type { Certificates } from '../configuration/certificates.ts';
import { Sections, type Section } from '../configuration/sections.ts';
import { tablelessSettings, type RequestSettings } from '../configuration/tables.ts';
import type { Context } from '../context.ts';
import type { FailureCode } from '../failures.ts';
import { reset } from '../sockets/index.ts';
import { decodeErrorAlert, Ledger, passingSettings, peekHello, plainAddress, StreamConnection, type Peeked } from '../streams/index.ts';
import type { StreamProtocol } from '../telemetry/index.ts';
import { acceptClient } from './clients.ts';
import type { Party } from './closing.ts';
import { GatewayBinding } from './gateway.ts';
import { replyWithoutTls } from './greeting.ts';
import { httpProtocols, SecureServer, trustedAuthorities } from './secure.ts';
import type { Port } from './server.ts';

/**
 * One TCP port of a gateway. Its sections say what it carries: HTTP, HTTPS, bytes (TCP), or TLS by server name, with HTTPS among it. Only
 * the last is looked at before TLS is ended or passed through: the most specific hostname over all sections decides which one has it.
 */
export class GatewayPort implements Port {
  readonly #context: Context;
  readonly #certificates: Certificates;
  #sections: Sections;
  /** Of requests that get no route; released once. */
  readonly #unrouted: RequestSettings;
  #http: GatewayBinding;
  /** For clients of before the port changed what it carries, or whom it lets in. */
  readonly #former = new Set<GatewayBinding>();
  #https: SecureServer | undefined;
  #terminating: SecureServer | undefined;
  readonly #streams = new Set<StreamConnection>();
  /** Not yet known what they are, or TLS not yet ended. */
  readonly #waiting = new Set<Socket>();
  #number = 0;
  #isClosing = false;
  #hasEnded = false;

  constructor(context: Context, certificates: Certificates, listener: Listener) {
    this.#context = context;
    this.#certificates = certificates;
    this.#sections = new Sections(listener);
    this.#unrouted = tablelessSettings(context.metrics, listener.name, '');
    this.#http = new GatewayBinding(context, this.#sections, this.#unrouted);
  }

  update(listener: Listener): void {
    const before = this.#sections;
    const after = (this.#sections = new Sections(listener));
    const isSame = before.secure === after.secure && (before.carries === 'http') === (after.carries === 'http');
    if (isSame && sameValidation(validationOf(before, 'HTTPS'), validationOf(after, 'HTTPS'))) this.#http.sections = after;
    else this.#replaceHttp();
    if (!sameValidation(validationOf(before, 'TLS'), validationOf(after, 'TLS'))) this.#terminating = undefined;
    this.refreshCertificate();
  }

  accept(socket: Socket): void {
    const { carries } = this.#sections;
    if (carries === 'http') {
      acceptClient(this.#context, this.#http, socket, '');
      return;
    }
    socket.on('error', ignore);
    if (carries === 'https') this.#secureHttp(socket);
    else if (carries === 'tcp') this.#stream(socket, this.#sections.initial!, { protocol: 'tcp', serverName: '' });
    else this.#peek(socket);
  }

  bound(port: number): void {
    this.#number = this.#http.port = port;
  }

  closing(): void {
    this.#isClosing = true;
    this.#http.closing = true;
  }

  *parties(): Iterable<Party> {
    for (const binding of [this.#http, ...this.#former]) yield* binding.clients;
    yield* this.#streams;
    for (const socket of this.#waiting) yield { closeIdle: ignore, cut: () => void socket.destroy() };
  }

  ended(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#context.metrics.release(this.#unrouted.series);
  }

  refreshCertificate(): void {
    this.#https?.refresh();
    this.#terminating?.refresh();
  }

  #replaceHttp(): void {
    const former = this.#http;
    former.closing = true;
    for (const binding of this.#former) if (binding.clients.size === 0) this.#former.delete(binding);
    this.#former.add(former);
    for (const client of former.clients) client.closeIdle();
    this.#https = undefined;
    this.#http = new GatewayBinding(this.#context, this.#sections, this.#unrouted);
    this.#http.port = this.#number;
    this.#http.closing = this.#isClosing;
  }

  #peek(socket: Socket): void {
    const { wheel, limits } = this.#context;
    this.#wait(socket);
    peekHello(socket, { wheel, now: () => this.#context.now(), timeoutMs: limits.tlsHandshakeMs }, (peeked) => {
      this.#waiting.delete(socket);
      this.#guard(socket, () => (peeked.kind === 'hello' ? this.#pass(socket, peeked.serverName) : this.#refuseHello(socket, peeked)));
    });
  }

  /** A fault of ours ends one connection. */
  #guard(socket: Socket, turn: () => void): void {
    try {
      turn();
    } catch (error) {
      this.#context.fault(error);
      socket.destroy();
    }
  }

  #pass(socket: Socket, serverName: string): void {
    const found = this.#sections.find(serverName);
    const { protocol, mode, routes } = found?.section ?? {};
    // No alert: what refuses a connection that no route is for is its end, which clients (and the conformance tests) tell from a fault of TLS.
    if (found === undefined || (protocol !== 'HTTPS' && protocol !== 'TLS')) this.#refuse(socket, serverName, { failure: 'no-listener' });
    else if (protocol === 'HTTPS') this.#secureHttp(socket);
    else if (mode === 'Passthrough' || this.#context.streamTables.get(routes!)?.refusesAll(serverName) !== false) this.#stream(socket, found, { protocol: 'tls', serverName });
    else this.#terminate(socket);
  }

  #secureHttp(socket: Socket): void {
    const validation = validationOf(this.#sections, 'HTTPS');
    const http = this.#http;
    this.#https ??= this.#secureServer(httpProtocols, validation, (secured, serverName) => {
      // The handshake was by the rules of before: whom the port lets in, or what it carries, has changed.
      if (http === this.#http) acceptClient(this.#context, http, secured, serverName);
      else secured.destroy();
    });
    this.#wait(socket);
    this.#https.accept(socket);
  }

  #terminate(socket: Socket): void {
    this.#terminating ??= this.#secureServer([], validationOf(this.#sections, 'TLS'), (secured, serverName) => {
      const found = this.#sections.find(serverName);
      // It may have become one that passes through meanwhile: what was in the TLS must not go there in the clear.
      if (found?.section.protocol === 'TLS' && found.section.mode !== 'Passthrough') this.#stream(secured, found, { protocol: 'tls', serverName });
      else this.#refuse(secured, serverName, { failure: 'no-listener' });
    });
    this.#wait(socket);
    this.#terminating.accept(socket);
  }

  #secureServer(protocols: readonly string[], validation: ClientValidation | undefined, secured: (socket: Socket, serverName: string) => void): SecureServer {
    const named = (serverName: string): readonly string[] => this.#sections.find(serverName)?.section.certificates ?? [];
    return new SecureServer(this.#context, {
      name: this.#sections.listener.name,
      protocols,
      validation,
      choose: (serverName) => this.#certificates.choose(named(serverName), serverName, validation === undefined ? undefined : trustedAuthorities(validation)),
      withoutServerName: () => named('').flatMap((name) => this.#certificates.get(name) ?? [])[0],
      secured: (socket, serverName) => this.#guard(socket, () => secured(socket, serverName)),
    });
  }

  #stream(socket: Socket, { section }: Section, about: { readonly protocol: StreamProtocol; readonly serverName: string }): void {
    const { metrics } = this.#context;
    metrics.count('client_connections_accepted');
    metrics.move('client_connections_active', 1);
    const way = { streams: section.routes, source: this.#sections.listener.name, ...about };
    const connection = new StreamConnection(this.#context, socket, {
      way,
      ended: (ended) => {
        this.#streams.delete(ended);
        metrics.move('client_connections_active', -1);
      },
    });
    this.#streams.add(connection);
  }

  #refuseHello(socket: Socket, peeked: Exclude<Peeked, { kind: 'hello' }>): void {
    const { kind, reason } = peeked;
    // Whoever only looks whether the port is there is no client that failed.
    if (kind === 'gone') {
      socket.destroy();
      return;
    }
    this.#context.metrics.count('client_hellos_refused');
    const takesHttps = this.#sections.listener.sections.some(({ protocol }) => protocol === 'HTTPS');
    const told = kind === 'malformed' ? decodeErrorAlert : kind === 'foreign' && takesHttps ? replyWithoutTls(peeked.first) : undefined;
    if (told !== undefined) socket.write(told);
    this.#refuse(socket, '', { failure: 'client-hello', reason, orderly: told !== undefined });
  }

  #refuse(socket: Socket, serverName: string, why: { readonly failure: FailureCode; readonly reason?: string; readonly orderly?: boolean }): void {
    const ledger = new Ledger(this.#context, passingSettings(this.#context, this.#sections.listener.name), { protocol: 'tls', serverName, client: plainAddress(socket.remoteAddress ?? '') });
    ledger.fail(why.failure, why.reason);
    ledger.end();
    if (why.orderly === true) socket.destroySoon();
    else reset(socket);
  }

  #wait(socket: Socket): void {
    if (this.#waiting.has(socket)) return;
    this.#waiting.add(socket);
    socket.once('close', () => this.#waiting.delete(socket));
  }
}

function validationOf({ listener }: Sections, protocol: 'HTTPS' | 'TLS'): ClientValidation | undefined {
  return listener.sections.find((section) => section.protocol === protocol && section.clientValidation !== undefined)?.clientValidation;
}

function sameValidation(a: ClientValidation | undefined, b: ClientValidation | undefined): boolean {
  return a?.mode === b?.mode && a?.authorities === b?.authorities;
}

function ignore(): void {}
