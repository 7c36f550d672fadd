import type { Socket } from 'node:net';
import { plainAddress, readClientHello, reset, type Intake, type Metrics, type Place } from '#proxy';
import type { Dialled } from './dial.ts';
import { sniff } from './sniff.ts';
import { ignore } from './sockets.ts';

/** What is at the place a captured connection was going to. */
export interface Way {
  /**
   * `http`: HTTP unless its first bytes say otherwise. `tcp`: not looked at. `tls`: looked at for its server name. `detect`: as `http`, but
   * either side may speak first.
   */
  readonly protocol: 'http' | 'tcp' | 'tls' | 'detect';
  /** Whether HTTP/2 without TLS is HTTP here, or passes as it is. */
  readonly http2: boolean;
  /** Whether TLS goes where its server name says. */
  readonly byServerName: boolean;
  /** A connection for one whose bytes pass as they are. `serverName`: of TLS that goes by it, empty without one. */
  open(request: { readonly signal: AbortSignal; readonly serverName?: string; readonly client: string }): Promise<Dialled>;
}

type Seen = { readonly kind: 'more' | 'http' } | { readonly kind: 'opaque'; readonly serverName?: string };

export interface CaptureEnvironment {
  readonly intake: Intake;
  readonly metrics: Metrics;
  /** How long a client may be silent before its destination gets the chance to speak first. Milliseconds. */
  readonly silenceMs: number;
}

/** For the first byte of HTTP, and from there to the end of the first line. Milliseconds, as a proxy's `idle` and `requestHeaders`. */
const firstByteMs = 60_000;
const firstLineMs = 10_000;
const nothing = Buffer.alloc(0);

/**
 * One captured connection until it is known what it is. `sniffing`: the client's first bytes are looked at; after a silence of the client
 * there is a connection to the destination too, and who speaks first decides. `opening`: bytes will pass as they are. `passed`: to the HTTP
 * engine or a splice, which see it to its end.
 */
export class CapturedConnection {
  readonly #client: Socket;
  readonly #place: Place;
  readonly #way: Way;
  readonly #env: CaptureEnvironment;
  readonly #ended: () => void;
  readonly #given = new AbortController();
  #phase: 'sniffing' | 'opening' | 'passed' | 'closed' = 'sniffing';
  #ahead: Buffer = nothing;
  #timer: NodeJS.Timeout | undefined;
  /** The connection to the destination, perhaps opened before anybody spoke. */
  #early: Promise<Dialled> | undefined;
  #stopHearing: () => void = ignore;

  /** `ended` is called once, when the connection is closed or the HTTP engine's. */
  constructor(client: Socket, place: Place, parts: { readonly way: Way; readonly env: CaptureEnvironment; readonly ended: () => void }) {
    this.#client = client;
    this.#place = place;
    this.#way = parts.way;
    this.#env = parts.env;
    this.#ended = parts.ended;
    client.once('close', this.#closed);
    // A client that ends before it says anything has done so already, and will not say so again.
    if (parts.way.protocol === 'tcp' || client.readableEnded) this.#pass(nothing);
    else this.#look();
  }

  /** Whatever is under way. */
  cut(): void {
    this.#given.abort();
    reset(this.#client);
  }

  readonly #closed = (): void => {
    clearTimeout(this.#timer);
    // The splice tells the end itself, after both sides.
    if (this.#phase === 'passed' || this.#phase === 'closed') return;
    this.#phase = 'closed';
    this.#stopHearing();
    this.#given.abort();
    // It has not ended in order: neither has what it said, which the destination has not got.
    this.#dropEarly(reset);
    this.#ended();
  };

  readonly #data = (bytes: Buffer): void => {
    const first = this.#ahead.length === 0;
    this.#ahead = first ? bytes : Buffer.concat([this.#ahead, bytes]);
    const seen = this.#recognize();
    if (seen.kind === 'http') this.#serve();
    else if (seen.kind === 'opaque') this.#pass(nothing, seen.serverName);
    else if (first) this.#after(firstLineMs, () => this.#pass(nothing));
  };

  readonly #end = (): void => this.#pass(nothing);

  #recognize(): Seen {
    const { protocol, http2, byServerName } = this.#way;
    if (protocol !== 'tls') {
      const verdict = sniff(this.#ahead);
      if (verdict === 'http' || (verdict === 'http2' && http2)) return { kind: 'http' };
      if (verdict === 'more') return { kind: 'more' };
    }
    if (!byServerName) return { kind: 'opaque' };
    const hello = readClientHello(this.#ahead);
    if (hello.kind === 'more') return { kind: 'more' };
    return hello.kind === 'hello' ? { kind: 'opaque', serverName: hello.serverName } : { kind: 'opaque' };
  }

  #open(serverName?: string): Promise<Dialled> {
    const client = plainAddress(this.#client.remoteAddress ?? '');
    return this.#way.open({ signal: this.#given.signal, client, ...(serverName === undefined ? {} : { serverName }) });
  }

  #look(): void {
    const client = this.#client;
    client.on('data', this.#data);
    client.on('end', this.#end);
    if (this.#way.protocol === 'detect') this.#after(this.#env.silenceMs, () => this.#listenToBoth());
    else this.#after(firstByteMs, () => client.destroy());
  }

  #after(ms: number, turn: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(turn, ms).unref();
  }

  /** Nobody is to wait for the other: the destination is dialled, and whoever speaks first says what it is. */
  #listenToBoth(): void {
    const early = this.#open();
    this.#early = early;
    early.then(
      ({ socket }) => {
        if (this.#phase === 'sniffing') this.#hear(socket);
      },
      () => {
        if (this.#phase === 'sniffing') this.#fail();
      },
    );
  }

  #hear(destination: Socket): void {
    const spoke = (bytes: Buffer): void => this.#pass(bytes);
    const ended = (): void => this.#pass(nothing);
    const closed = (): void => this.#fail();
    destination.on('data', spoke);
    destination.on('end', ended);
    destination.on('close', closed);
    this.#stopHearing = () => {
      destination.off('data', spoke);
      destination.off('end', ended);
      destination.off('close', closed);
      destination.pause();
    };
  }

  #stopLooking(): void {
    clearTimeout(this.#timer);
    this.#stopHearing();
    this.#client.off('data', this.#data);
    this.#client.off('end', this.#end);
    this.#client.pause();
  }

  #serve(): void {
    this.#stopLooking();
    this.#client.off('close', this.#closed);
    this.#phase = 'passed';
    this.#given.abort();
    this.#dropEarly();
    this.#client.unshift(this.#ahead);
    this.#ended();
    this.#env.intake.serve(this.#client, this.#place);
  }

  /** `fromUpstream`: what the destination has said already. `serverName`: present where that decides. */
  #pass(fromUpstream: Buffer, serverName?: string): void {
    this.#stopLooking();
    this.#phase = 'opening';
    if (serverName !== undefined) {
      this.#dropEarly();
      this.#early = undefined;
    }
    this.#early ??= this.#open(serverName);
    this.#early.then(
      (dialled) => this.#join(dialled, fromUpstream),
      () => {
        if (this.#phase === 'opening') this.#fail();
      },
    );
  }

  #join({ socket, lifetime, ended }: Dialled, fromUpstream: Buffer): void {
    if (this.#phase !== 'opening') return;
    if (socket.destroyed) {
      ended({ bytesIn: 0, bytesOut: 0, broken: 'upstream' });
      this.#fail();
      return;
    }
    this.#phase = 'passed';
    const { metrics } = this.#env;
    metrics.count('tcp_connections');
    metrics.move('tcp_connections_active', 1);
    const ahead = { client: this.#ahead, upstream: fromUpstream };
    this.#ahead = nothing;
    this.#env.intake.join({
      client: this.#client,
      upstream: socket,
      ahead,
      lifetime,
      ended: (end) => {
        ended(end);
        metrics.move('tcp_connections_active', -1);
        metrics.count('tcp_bytes_in', end.bytesIn);
        metrics.count('tcp_bytes_out', end.bytesOut);
        this.#ended();
      },
    });
  }

  #dropEarly(drop: (socket: Socket) => void = close): void {
    void this.#early?.then(({ socket, unused }) => {
      drop(socket);
      unused();
    }, ignore);
  }

  #fail(): void {
    this.#env.metrics.count('tcp_connections_failed');
    reset(this.#client);
  }
}

function close(socket: Socket): void {
  socket.destroy();
}
