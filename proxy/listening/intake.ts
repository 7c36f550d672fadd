import type { Socket } from 'node:net';
import type { Destination } from '#snapshot';
import { OutsidePlaces } from '../configuration/outside.ts';
import { tablelessSettings, type RequestSettings } from '../configuration/tables.ts';
import { ClientConnection } from '../connection/client.ts';
import type { Client } from '../connection/sides.ts';
import type { Context } from '../context.ts';
import type { Exchange } from '../exchange/exchange.ts';
import { emptyReply } from '../exchange/replies.ts';
import { timeoutDefaults, type TimeoutSettings } from '../retry/index.ts';
import { chooseStream, Ledger, lifetimeOf, openStream, Splice } from '../streams/index.ts';
import type { Intake, IntakeOptions, JoinParts, OpenedStream, PickedEndpoint, Place, StreamRequest } from '../types.ts';
import type { PooledEndpoint } from '../configuration/backends.ts';
import type { Binding } from './binding.ts';
import { closeClients, closeIdleSoon } from './closing.ts';

/** HTTP on connections that were accepted elsewhere: where they were going decides, whatever the request's host says. */
export class IntakeBinding implements Binding, Intake {
  readonly role = 'mesh';
  readonly trustedHops = 0;
  readonly scheme = 'http';
  readonly unrouted: RequestSettings;
  readonly port = 0;
  closing = false;
  readonly #context: Context;
  readonly #options: IntakeOptions;
  readonly #clients = new Map<Client, Place>();
  readonly #outside: OutsidePlaces;
  readonly #outsideSettings: RequestSettings;
  #hasEnded = false;
  /** No client is left, after it began to close. */
  readonly #empty = Promise.withResolvers<void>();

  constructor(context: Context, options: IntakeOptions) {
    this.#context = context;
    this.#options = options;
    this.#outside = new OutsidePlaces(context.backends, context.limits.maxPassthroughHosts);
    this.unrouted = tablelessSettings(context.metrics, options.source, '');
    this.#outsideSettings = tablelessSettings(context.metrics, options.source, 'passthrough');
  }

  accepted(): void {
    this.#context.turns.accepted();
  }

  serve(socket: Socket, place: Place): void {
    const { metrics } = this.#context;
    metrics.move('client_connections_active', 1);
    this.#clients.set(new ClientConnection(this.#context, this, socket, ''), place);
    // It was stopped to look at its first bytes.
    socket.resume();
  }

  servesHttp2(routes: string): boolean {
    const { tables, backends } = this.#context;
    return tables.get(routes)?.carriesHttp2((name) => backends.get(name)?.protocol === 'http2') === true;
  }

  servesNameless(streams: string): boolean {
    return this.#context.streamTables.get(streams)?.refusesAll('') === false;
  }

  async open({ streams, protocol, serverName, client }: StreamRequest, signal: AbortSignal): Promise<OpenedStream> {
    const context = this.#context;
    const choice = chooseStream(context, { streams, source: this.#options.source, protocol, serverName });
    const ledger = new Ledger(context, choice.settings, { protocol, serverName, client });
    const lifetime = lifetimeOf(context, choice, { idleMs: 0 });
    const { socket, release } = await openStream(context, choice, ledger, { signal });
    return {
      socket,
      lifetime,
      ended: (end) => {
        release();
        ledger.close(end);
      },
      unused: () => {
        release();
        ledger.forget();
      },
    };
  }

  pick(backend: string, tried: readonly PickedEndpoint[]): PickedEndpoint | undefined {
    const state = this.#context.backends.get(backend);
    if (state === undefined) return undefined;
    const before = tried.filter((one): one is Picked => one instanceof Picked).map(({ state: endpoint }) => endpoint);
    const endpoint = state.balancer.pick(state.endpoints, before);
    if (endpoint === undefined || before.includes(endpoint)) return undefined;
    const startedAt = this.#context.now();
    return new Picked(endpoint, {
      refused: (reason) => state.attemptFailed(endpoint, { code: 'connect-failed', reason }, startedAt),
      connected: () => state.endpoints.succeeded(endpoint),
    });
  }

  join({ client, upstream, ...parts }: JoinParts): void {
    const context = this.#context;
    new Splice(client, upstream, { wheel: context.wheel, turns: context.turns, now: () => context.now(), endingMs: context.limits.streamEndingMs, ...parts });
  }

  initialTimeouts(): TimeoutSettings {
    return timeoutDefaults;
  }

  begin(exchange: Exchange): void {
    const head = this.#context.requestHead;
    if (head.form === 'authority') {
      exchange.fail('connect-refused-method', 'connect');
      return;
    }
    if (head.serverWide) {
      exchange.answer(emptyReply);
      return;
    }
    const place = this.#clients.get(exchange.downstream.client)!;
    let destination: Destination | Promise<Destination>;
    try {
      destination = this.#options.resolve(place.host, place.port);
    } catch {
      exchange.fail('config-missing', 'resolve');
      return;
    }
    if (!(destination instanceof Promise)) {
      this.#send(exchange, destination, place);
      return;
    }
    const { serial } = exchange;
    const isCurrent = (): boolean => exchange.active && exchange.serial === serial && !exchange.responseStarted;
    destination.then(
      (found) => {
        if (isCurrent()) exchange.repeat(() => this.#send(exchange, found, place));
      },
      () => {
        if (isCurrent()) exchange.fail('config-missing', 'resolve');
      },
    ).catch((error: unknown) => this.#context.fault(error));
  }

  replaced(before: Client, after: Client): void {
    this.#clients.set(after, this.#clients.get(before)!);
    this.#clients.delete(before);
  }

  closed(client: Client): void {
    if (!this.#clients.delete(client)) return;
    this.#context.metrics.move('client_connections_active', -1);
    if (this.closing && this.#clients.size === 0) this.#empty.resolve();
  }

  retire(): void {
    closeIdleSoon(() => this.#clients.keys());
  }

  async close(drainMs: number): Promise<void> {
    this.closing = true;
    if (this.#clients.size === 0) this.#empty.resolve();
    await closeClients(() => this.#clients.keys(), this.#empty.promise, drainMs);
    this.#outside.close();
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    for (const { series } of [this.unrouted, this.#outsideSettings]) this.#context.metrics.release(series);
  }

  refreshCertificate(): void {}

  #send(exchange: Exchange, { target }: Destination, place: Place): void {
    if (target.kind === 'passthrough') {
      exchange.settings = this.#outsideSettings;
      exchange.forward(this.#outside.at(place.host, place.port));
      return;
    }
    const table = this.#context.tables.get(target.routes);
    if (table === undefined) exchange.fail('config-missing', target.routes);
    else exchange.route(table);
  }
}

/** A connection to an endpoint that the balancer counts though it is not HTTP. */
class Picked implements PickedEndpoint {
  readonly state: PooledEndpoint;
  readonly address: string;
  readonly port: number;
  readonly #tell: { refused(reason: string | undefined): void; connected(): void };
  #released = false;

  constructor(state: PooledEndpoint, tell: { refused(reason: string | undefined): void; connected(): void }) {
    this.state = state;
    this.address = state.endpoint.address;
    this.port = state.endpoint.port;
    this.#tell = tell;
    state.active++;
  }

  connected(): void {
    this.#tell.connected();
  }

  refused(reason: string | undefined): void {
    this.#tell.refused(reason);
    this.release();
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.state.active--;
  }
}
