import type { Socket } from 'node:net';
import type { Intake, Metrics, Place } from '#proxy';
import type { Dialled } from './dial.ts';
import { sniff } from './sniff.ts';
import { ignore, reset, splice } from './splice.ts';

/** What is at the place a captured connection was going to. */
export interface Way {
  /** `http`: HTTP unless its first bytes say otherwise. `tcp`: not looked at. `detect`: as `http`, but either side may speak first. */
  readonly protocol: 'http' | 'tcp' | 'detect';
  /** A connection for one whose bytes pass as they are. */
  open(signal: AbortSignal): Promise<Dialled>;
}

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
    this.#dropEarly();
    this.#ended();
  };

  readonly #data = (bytes: Buffer): void => {
    const first = this.#ahead.length === 0;
    this.#ahead = first ? bytes : Buffer.concat([this.#ahead, bytes]);
    const verdict = sniff(this.#ahead);
    if (verdict === 'http') this.#serve();
    else if (verdict === 'opaque') this.#pass(nothing);
    else if (first) this.#after(firstLineMs, () => this.#pass(nothing));
  };

  readonly #end = (): void => this.#pass(nothing);

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
    const early = this.#way.open(this.#given.signal);
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

  /** `fromUpstream`: what the destination has said already. */
  #pass(fromUpstream: Buffer): void {
    this.#stopLooking();
    this.#phase = 'opening';
    this.#early ??= this.#way.open(this.#given.signal);
    this.#early.then(
      (dialled) => this.#join(dialled, fromUpstream),
      () => {
        if (this.#phase === 'opening') this.#fail();
      },
    );
  }

  #join({ socket, endpoint }: Dialled, fromUpstream: Buffer): void {
    if (this.#phase !== 'opening') return;
    if (socket.destroyed) {
      this.#fail();
      return;
    }
    this.#phase = 'passed';
    const { metrics } = this.#env;
    metrics.count('tcp_connections');
    metrics.move('tcp_connections_active', 1);
    const ahead = { client: this.#ahead, upstream: fromUpstream };
    this.#ahead = nothing;
    splice(this.#client, socket, ahead, ({ bytesIn, bytesOut }) => {
      endpoint?.release();
      metrics.move('tcp_connections_active', -1);
      metrics.count('tcp_bytes_in', bytesIn);
      metrics.count('tcp_bytes_out', bytesOut);
      this.#ended();
    });
  }

  #dropEarly(): void {
    void this.#early?.then(({ socket, endpoint }) => {
      socket.destroy();
      endpoint?.release();
    }, ignore);
  }

  #fail(): void {
    this.#env.metrics.count('tcp_connections_failed');
    reset(this.#client);
  }
}
