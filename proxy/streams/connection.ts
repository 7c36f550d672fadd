import type { Socket } from 'node:net';
import type { Context } from '../context.ts';
import { ProxyError } from '../failures.ts';
import { reset } from '../sockets/index.ts';
import type { StreamProtocol } from '../telemetry/index.ts';
import { plainAddress } from './address.ts';
import { dialBackend, type DialOptions, type Joined } from './dial.ts';
import { Ledger } from './ledger.ts';
import type { Lifetime } from '../types.ts';
import { unroutedSettings, type StreamChoice, type StreamSettings } from './routing.ts';
import { endless, Splice } from './splice.ts';

const keepAliveMs = 30_000;

/** Where a connection's bytes go. */
export interface StreamWay {
  /** Name of a StreamTable. */
  readonly streams: string;
  /** For connections while that table is not there: what they are counted under. */
  readonly source: string;
  readonly protocol: StreamProtocol;
  /** Lower case, no trailing dot; empty without one. */
  readonly serverName: string;
}

/** The route's choice for one connection. */
export function chooseStream(context: Context, { streams, source, serverName }: StreamWay): StreamChoice {
  const routing = context.streamTables.get(streams);
  if (routing === undefined) return { kind: 'refused', failure: 'config-missing', reason: streams, settings: passingSettings(context, source) };
  return routing.choose(serverName, () => context.environment.random());
}

/** Of a connection that no table in force counts. */
export function passingSettings({ metrics }: Context, source: string): StreamSettings {
  const settings = unroutedSettings(metrics, source);
  // Nobody else would: the connection itself keeps the series as long as it is open.
  metrics.release(settings.series);
  return settings;
}

/** Connects as chosen. The ledger is ended here where that fails. Rejects with a ProxyError. */
export async function openStream(context: Context, choice: StreamChoice, ledger: Ledger, options: Omit<DialOptions, 'connectMs'>): Promise<Joined> {
  try {
    if (choice.kind === 'refused') throw new ProxyError(choice.failure, choice.reason === undefined ? {} : { reason: choice.reason });
    return await dialBackend(context, choice.backend, ledger, { ...options, connectMs: choice.times.connectMs });
  } catch (error) {
    if (error instanceof ProxyError) ledger.fail(error.code, error.reason);
    else ledger.fail('internal-error');
    ledger.end();
    throw error;
  }
}

/** How long a connection that begins now may last. `idleMs`: where no policy says how long it may do without a byte. */
export function lifetimeOf(context: Context, choice: StreamChoice, { idleMs }: { readonly idleMs: number }): Lifetime {
  if (choice.kind === 'refused') return endless;
  const { times } = choice;
  return { idleMs: times.idleMs ?? idleMs, endsAt: times.maxMs > 0 ? context.now() + times.maxMs : Infinity };
}

/** One client's connection: joined to an endpoint of its route, or reset. What was read of it must have been put back (`unshift`). */
export class StreamConnection {
  readonly #context: Context;
  readonly #client: Socket;
  readonly #ended: () => void;
  readonly #given = new AbortController();
  readonly #ledger: Ledger;
  #splice: Splice | undefined;
  #over = false;

  /** `ended` is called once, when both sides are closed. */
  constructor(context: Context, client: Socket, parts: { readonly way: StreamWay; ended(connection: StreamConnection): void }) {
    this.#context = context;
    this.#client = client;
    this.#ended = () => parts.ended(this);
    const { way } = parts;
    const choice = chooseStream(context, way);
    const lifetime = lifetimeOf(context, choice, { idleMs: context.limits.streamConnectionIdleMs });
    this.#ledger = new Ledger(context, choice.settings, { protocol: way.protocol, serverName: way.serverName, client: plainAddress(client.remoteAddress ?? '') });
    client.on('error', ignore);
    // A client that is gone looks like one that only sends no more, until it is asked.
    client.setKeepAlive(true, keepAliveMs);
    client.once('close', this.#gone);
    const entrance = { address: plainAddress(client.localAddress ?? ''), port: client.localPort ?? 0 };
    openStream(context, choice, this.#ledger, { signal: this.#given.signal, entrance })
      .then((joined) => this.#join(joined, lifetime), () => reset(client))
      .catch((error: unknown) => context.fault(error));
  }

  /** There is no end that it waits for. */
  closeIdle(): void {}

  /** At once. */
  cut(): void {
    this.#ledger.fail('draining');
    if (this.#splice === undefined) reset(this.#client);
    else this.#splice.cut();
  }

  readonly #gone = (): void => {
    this.#given.abort();
    if (this.#splice === undefined) this.#finish();
  };

  #join({ socket, release }: Joined, lifetime: Lifetime): void {
    if (this.#client.destroyed) {
      reset(socket);
      release();
      this.#ledger.fail('client-closed');
      this.#ledger.end();
      return;
    }
    this.#splice = new Splice(this.#client, socket, {
      wheel: this.#context.wheel,
      turns: this.#context.turns,
      now: () => this.#context.now(),
      lifetime,
      endingMs: this.#context.limits.streamEndingMs,
      ended: (end) => {
        release();
        this.#ledger.close(end);
        this.#finish();
      },
    });
  }

  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    this.#ended();
  }
}

function ignore(): void {}
