import { isIP } from 'node:net';
import type { Destination } from '#snapshot';
import { OutsidePlaces } from '../configuration/outside.ts';
import { tablelessSettings, type RequestSettings } from '../configuration/tables.ts';
import type { Client } from '../connection/sides.ts';
import type { Context } from '../context.ts';
import type { Exchange } from '../exchange/exchange.ts';
import { emptyReply } from '../exchange/replies.ts';
import { timeoutDefaults, type TimeoutSettings } from '../retry/index.ts';
import { chooseStream, type StreamTimes } from '../streams/index.ts';
import type { OutboundOptions } from '../types.ts';
import type { Binding } from './binding.ts';

/** A sidecar's outbound side: what the workload dials decides where the request goes. */
export class OutboundBinding implements Binding {
  readonly role = 'mesh';
  readonly trustedHops = 0;
  readonly scheme = 'http';
  readonly unrouted: RequestSettings;
  port = 0;
  closing = false;
  readonly clients = new Set<Client>();
  readonly #context: Context;
  readonly #options: OutboundOptions;
  /** Hosts outside of the mesh. */
  readonly #outside: OutsidePlaces;
  readonly #passthroughSettings: RequestSettings;
  /** Of tunnels to Services that no route of connections is attached to, by backend. */
  readonly #tunnelSettings = new Map<string, RequestSettings>();
  #hasEnded = false;

  constructor(context: Context, options: OutboundOptions) {
    this.#context = context;
    this.#options = options;
    this.#outside = new OutsidePlaces(context.backends, context.limits.maxPassthroughHosts);
    this.unrouted = tablelessSettings(context.metrics, 'mesh', '');
    this.#passthroughSettings = tablelessSettings(context.metrics, 'mesh', 'passthrough');
  }

  initialTimeouts(): TimeoutSettings {
    return timeoutDefaults;
  }

  begin(exchange: Exchange): void {
    const head = this.#context.requestHead;
    const { host } = head.authority;
    // Of the proxy itself. HTTP/2 has no absolute form: there it is the authority's server that is meant.
    if (head.form === 'asterisk' && exchange.downstream.protocol !== 'HTTP/2') {
      exchange.answer(emptyReply);
      return;
    }
    if (host === '') {
      exchange.fail('bad-request', 'no-destination');
      return;
    }
    const port = head.authority.port ?? 80;
    const isTunnel = head.form === 'authority';
    if (isTunnel && exchange.downstream.tunnels === undefined) {
      exchange.fail('connect-refused-method', 'http2');
      return;
    }
    // RFC 9110, 9.3.6: there is none; it would go ahead as the tunnel's first bytes.
    if (isTunnel && !exchange.requestComplete) {
      exchange.keepAlive = false;
      exchange.fail('bad-request', 'connect-content');
      return;
    }
    let destination: Destination | Promise<Destination>;
    try {
      destination = this.#options.resolve(bareHost(host), port);
    } catch {
      exchange.fail('config-missing', 'resolve');
      return;
    }
    if (!(destination instanceof Promise)) {
      this.#send(exchange, destination, { host, port, isTunnel });
      return;
    }
    const { serial } = exchange;
    const isCurrent = (): boolean => exchange.active && exchange.serial === serial && !exchange.responseStarted;
    destination.then(
      (found) => {
        if (isCurrent()) exchange.repeat(() => this.#send(exchange, found, { host, port, isTunnel }));
      },
      () => {
        if (isCurrent()) exchange.fail('config-missing', 'resolve');
      },
    ).catch((error: unknown) => this.#context.fault(error));
  }

  replaced(before: Client, after: Client): void {
    this.clients.delete(before);
    this.clients.add(after);
  }

  closed(client: Client): void {
    this.clients.delete(client);
    this.#context.metrics.move('client_connections_active', -1);
  }

  /** Nobody is left. */
  ended(): void {
    this.#outside.close();
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    for (const { series } of [this.unrouted, this.#passthroughSettings, ...this.#tunnelSettings.values()]) this.#context.metrics.release(series);
  }

  #send(exchange: Exchange, destination: Destination, dialled: { host: string; port: number; isTunnel: boolean }): void {
    const { target } = destination;
    if (target.kind === 'passthrough') {
      const backend = this.#outside.at(bareHost(dialled.host), dialled.port);
      if (dialled.isTunnel) exchange.connect(backend, this.#passthroughSettings);
      else {
        exchange.settings = this.#passthroughSettings;
        exchange.forward(backend);
      }
      return;
    }
    if (dialled.isTunnel) {
      this.#tunnel(exchange, target, bareHost(dialled.host));
      return;
    }
    const table = this.#context.tables.get(target.routes);
    if (table === undefined) exchange.fail('config-missing', target.routes);
    else exchange.route(table);
  }

  /** A server name is not known yet: the one that a client of TLS will send is the host that it dials; none, where that is an address (RFC 6066, 3). */
  #tunnel(exchange: Exchange, { service, port, backend: own, streams, protocol }: Extract<Destination['target'], { kind: 'service' }>, host: string): void {
    let name = own ?? `${service.namespace}/${service.name}:${port}`;
    let settings: RequestSettings | undefined;
    if (streams !== undefined) {
      const choice = chooseStream(this.#context, { streams, source: 'mesh', protocol: 'tcp', serverName: protocol === 'tls' && isIP(host) === 0 ? host : '' });
      settings = { ...this.#passthroughSettings, ...choice.settings };
      exchange.settings = settings;
      if (choice.kind === 'refused') {
        exchange.fail(choice.failure, choice.reason);
        return;
      }
      name = choice.backend;
      settings = { ...settings, timeouts: tunnelTimeouts(choice.times) };
    }
    const backend = this.#context.backends.get(name);
    if (backend === undefined) exchange.fail('config-missing', name);
    else exchange.connect(backend, settings ?? this.#settingsOf(name));
  }

  #settingsOf(backend: string): RequestSettings {
    let settings = this.#tunnelSettings.get(backend);
    if (settings === undefined) this.#tunnelSettings.set(backend, (settings = tablelessSettings(this.#context.metrics, 'mesh', backend)));
    return settings;
  }
}

function tunnelTimeouts({ connectMs, idleMs = timeoutDefaults.streamIdle, maxMs }: StreamTimes): TimeoutSettings {
  return { ...timeoutDefaults, connect: connectMs, streamIdle: idleMs, maxConnectionDuration: maxMs };
}

/** An IPv6 address without its brackets. */
function bareHost(host: string): string {
  return host.startsWith('[') ? host.slice(1, -1) : host;
}
