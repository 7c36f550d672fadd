import { createServer, type Server, type TLSSocket } from 'node:tls';
import type { AddressInfo } from 'node:net';
import { decodeHello, WireChannel, type Channel, type DeltaRequest, type ProxyNode } from '#snapshot';
import type { ServingCertificate } from './authority.ts';

/** The answer to a hello. */
export type Admission = { readonly ok: true; readonly node: ProxyNode } | { readonly ok: false; readonly reason: string };

export interface StreamServerEnvironment {
  /** All of this machine unless set. */
  readonly address?: string;
  readonly port: number;
  readonly certificate: ServingCertificate;
  /** Says who the proxy with this token is. */
  admit(token: string, instance: string | undefined, signal: AbortSignal): Promise<Admission>;
  /** A proxy that has been admitted. Whatever it says of itself, the channel says `node`. */
  accept(channel: Channel, node: ProxyNode): void;
  refused?(reason: string, from: string): void;
  /** Milliseconds of a clock that never goes back. */
  now(): number;
  random(): number;
}

export interface StreamServer {
  readonly port: number;
  /** Proxies connected, and connections that have not said yet who they are. */
  counts(): { readonly proxies: number; readonly greeting: number };
  /** For the connections from now on. */
  renew(certificate: ServingCertificate): void;
  close(): Promise<void>;
}

/** Milliseconds from the connection to the end of the greeting. */
const greetingMs = 10_000;
/** Connections that have not said yet who they are; further ones are closed. */
const maxGreeting = 2000;
/** Reviews of tokens at once; others wait for their turn. */
const maxReviews = 16;
/** Bytes of one message of a proxy: names and reasons, no resources. */
const maxReceived = 32 << 20;
/** A stream is ended after about so long; the proxy comes back with a token of that day, and goes on where it was. Milliseconds. */
const sessionMs = 3_600_000;

/** Serves the stream to proxies over TLS 1.3. Rejects where it can't bind. */
export async function serveStream(env: StreamServerEnvironment): Promise<StreamServer> {
  const { chain: cert, key } = env.certificate;
  const server = createServer({ cert, key, minVersion: 'TLSv1.3', handshakeTimeout: greetingMs, ALPNProtocols: ['weft-stream'] });
  const connections = new Connections(env);
  server.on('secureConnection', (socket) => connections.greet(socket));
  server.on('tlsClientError', (error, socket) => {
    env.refused?.(`TLS: ${error.message}`, socket.remoteAddress ?? '');
    socket.destroy();
  });
  await listen(server, env);
  return {
    port: (server.address() as AddressInfo).port,
    counts: () => connections.counts(),
    renew: (certificate) => server.setSecureContext({ cert: certificate.chain, key: certificate.key, minVersion: 'TLSv1.3' }),
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      connections.close();
      await closed;
    },
  };
}

function listen(server: Server, { address, port }: StreamServerEnvironment): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, address, () => {
      server.off('error', reject);
      // Accepting may fail for want of file descriptors; that must not end the process.
      server.on('error', () => {});
      resolve();
    });
  });
}

class Connections {
  readonly #env: StreamServerEnvironment;
  readonly #greeting = new Set<WireChannel>();
  readonly #proxies = new Set<WireChannel>();
  readonly #turns: (() => void)[] = [];
  #reviews = 0;

  constructor(env: StreamServerEnvironment) {
    this.#env = env;
  }

  counts(): { readonly proxies: number; readonly greeting: number } {
    return { proxies: this.#proxies.size, greeting: this.#greeting.size };
  }

  close(): void {
    for (const channel of [...this.#greeting, ...this.#proxies]) channel.close();
  }

  greet(socket: TLSSocket): void {
    socket.setNoDelay(true);
    const from = socket.remoteAddress ?? '';
    if (this.#greeting.size >= maxGreeting) {
      socket.on('error', () => {});
      socket.destroy();
      return this.#env.refused?.(`more than ${maxGreeting} connections that have not said who they are`, from);
    }
    const channel = new WireChannel(socket, { now: () => this.#env.now(), maxReceived });
    const ended = new AbortController();
    const timer = setTimeout(() => this.#refuse(channel, from, `no hello within ${greetingMs} ms`), greetingMs);
    this.#greeting.add(channel);
    channel.onClose(() => {
      clearTimeout(timer);
      ended.abort();
      this.#greeting.delete(channel);
    });
    let greeted = false;
    channel.onFrame(({ type, text }) => {
      if (greeted) return channel.close();
      greeted = true;
      const hello = type === 'hello' ? decodeHello(text) : `a frame of type ${type} in place of the hello`;
      if (typeof hello === 'string') return this.#refuse(channel, from, hello);
      void this.#admit(hello.token, hello.instance, ended.signal).then((admission) => {
        if (ended.signal.aborted) return;
        clearTimeout(timer);
        if (admission.ok) this.#open(channel, admission.node);
        else this.#refuse(channel, from, admission.reason);
      });
    });
  }

  async #admit(token: string, instance: string | undefined, signal: AbortSignal): Promise<Admission> {
    if (this.#reviews >= maxReviews) await new Promise<void>((resolve) => this.#turns.push(resolve));
    else this.#reviews += 1;
    try {
      return signal.aborted ? { ok: false, reason: 'gone' } : await this.#env.admit(token, instance, signal);
    } catch (error) {
      return { ok: false, reason: error instanceof Error ? error.message : String(error) };
    } finally {
      const next = this.#turns.shift();
      if (next === undefined) this.#reviews -= 1;
      else next();
    }
  }

  #refuse(channel: WireChannel, from: string, reason: string): void {
    channel.sendFrame('refused', reason.slice(0, 1000));
    channel.close();
    this.#env.refused?.(reason, from);
  }

  #open(wire: WireChannel, node: ProxyNode): void {
    this.#greeting.delete(wire);
    this.#proxies.add(wire);
    const renewal = setTimeout(() => wire.close(), sessionMs * (0.75 + this.#env.random() / 4));
    renewal.unref();
    wire.sendFrame('welcome');
    wire.open();
    const channel = speakingFor(wire, node);
    this.#env.accept(
      {
        ...channel,
        onClose: (listener) =>
          wire.onClose(() => {
            clearTimeout(renewal);
            this.#proxies.delete(wire);
            listener();
          }),
      },
      node,
    );
  }
}

/** The channel, with `node` in the place of what the proxy says of itself in its first message. */
function speakingFor(wire: Channel, node: ProxyNode): Channel {
  let introduced = false;
  return {
    send: (message) => wire.send(message),
    onClose: (listener) => wire.onClose(listener),
    close: () => wire.close(),
    onMessage: (listener) =>
      wire.onMessage((message) => {
        listener(introduced ? message : introduce(message, node));
        introduced = true;
      }),
  };
}

function introduce(message: string, node: ProxyNode): string {
  try {
    const request = JSON.parse(message) as DeltaRequest;
    return typeof request === 'object' && request !== null ? JSON.stringify({ ...request, node }) : message;
  } catch {
    // Whoever decodes it will find the same.
    return message;
  }
}
