import { familyOf, type Listener, type Steps } from '#snapshot';
import { Backends } from './configuration/backends.ts';
import { Certificates } from './configuration/certificates.ts';
import { RoutingTable } from './configuration/tables.ts';
import { Context } from './context.ts';
import { GatewayPort } from './listening/gateway-port.ts';
import { IntakeBinding } from './listening/intake.ts';
import { OutboundBinding } from './listening/outbound.ts';
import { Acceptor, OutboundPort } from './listening/server.ts';
import { RetryBudgets } from './retry/index.ts';
import { StreamRouting, UdpPort } from './streams/index.ts';
import { driveWheel, type DrivenWheel } from './time/index.ts';
import { defaultLimits, type Bound, type BoundListener, type EndpointAside, type Intake, type IntakeOptions, type OutboundOptions, type Proxy, type ProxyEnvironment, type Refusal, type ResourceUpdate } from './types.ts';

/** A proxy without configuration or listeners. */
export function createProxy(environment: ProxyEnvironment): Proxy {
  return new Runtime(environment);
}

class Runtime implements Proxy {
  readonly #context: Context;
  readonly #wheel: DrivenWheel;
  readonly #certificates = new Certificates();
  readonly #budgets = new RetryBudgets();
  readonly #bound = new Set<Acceptor | UdpPort | IntakeBinding>();
  /** Sockets that are being bound. */
  readonly #binding = new Set<Promise<void>>();
  #isEnding = false;

  constructor(environment: ProxyEnvironment) {
    this.#wheel = driveWheel({ now: () => environment.now(), onError: (error) => this.#context.fault(error) });
    const backends = new Backends({ now: () => environment.now(), random: () => environment.random(), families: environment.addresses?.map(familyOf) ?? ['IPv4', 'IPv6'], asideChanged: (by) => environment.metrics.move('upstream_endpoints_aside', by), ejected: (code) => environment.metrics.ejected(code), certificate: (name) => this.#certificates.get(name) });
    this.#context = new Context(environment, { ...defaultLimits, ...environment.options }, { wheel: this.#wheel.wheel, backends });
  }

  *applyInSteps(update: ResourceUpdate): Steps<readonly Refusal[]> {
    const { tables, streamTables, backends, metrics, environment } = this.#context;
    const { changed: certificates = [], removed: certificatesGone = [] } = update.certificates ?? {};
    const refusals: Refusal[] = [];
    for (const certificate of certificates) {
      const reason = this.#certificates.set(certificate);
      if (reason !== undefined) refusals.push({ kind: 'Certificate', name: certificate.name, reason });
      // To read one takes a step of its own.
      yield;
    }
    if (certificates.length > 0) backends.certificatesChanged(new Set(certificates.map(({ name }) => name)));
    refusals.push(...(yield* backends.applyInSteps(update.backends ?? {}, update.endpoints ?? {})));
    // In one turn: who sees one of them new sees all of them new.
    for (const table of update.routeTables?.changed ?? []) {
      const before = tables.get(table.name);
      const after = new RoutingTable(table, { metrics, budgets: this.#budgets });
      tables.set(table.name, after);
      before?.release(after);
    }
    for (const name of update.routeTables?.removed ?? []) {
      tables.get(name)?.release();
      tables.delete(name);
    }
    for (const table of update.streamTables?.changed ?? []) {
      const before = streamTables.get(table.name);
      const after = new StreamRouting(table, metrics);
      streamTables.set(table.name, after);
      before?.release(after);
    }
    for (const name of update.streamTables?.removed ?? []) {
      streamTables.get(name)?.release();
      streamTables.delete(name);
    }
    for (const name of certificatesGone) this.#certificates.delete(name);
    // Only then: without a secret for their keys, session tickets of before are worth nothing afterwards.
    if (certificates.length + certificatesGone.length > 0) for (const acceptor of this.#bound) acceptor.refreshCertificate();
    this.#budgets.retain(backends.names());
    if (refusals.length === 0) metrics.count('config_updates');
    else metrics.count('config_refused', refusals.length);
    metrics.set('last_config_timestamp_seconds', environment.wallClock() / 1000);
    return refusals;
  }

  countRefused(): void {
    this.#context.metrics.count('config_refused');
  }

  async listen(listener: Listener): Promise<BoundListener> {
    if (listener.transport === 'udp') {
      const port = new UdpPort(this.#context, listener);
      return { ...(await this.#bind(port, listener.port)), update: (next) => port.update(next) };
    }
    const port = new GatewayPort(this.#context, this.#certificates, listener);
    const bound = await this.#bind(new Acceptor(this.#context, port, listener.address), listener.port);
    return { ...bound, update: (next) => port.update(next) };
  }

  async listenOutbound(options: OutboundOptions): Promise<Bound> {
    const port = new OutboundPort(this.#context, new OutboundBinding(this.#context, options), options.address);
    return this.#bind(new Acceptor(this.#context, port, options.address), options.port);
  }

  intake(options: IntakeOptions): Intake {
    const binding = new IntakeBinding(this.#context, options);
    this.#bound.add(binding);
    return binding;
  }

  useTicketSecret(secret: Uint8Array): void {
    this.#context.ticketSecret = secret;
    for (const acceptor of this.#bound) acceptor.refreshCertificate();
  }

  setAside(): readonly EndpointAside[] {
    return this.#context.backends.setAside(this.#context.now(), 100);
  }

  retire(): void {
    this.#context.draining = true;
    this.#context.metrics.set('draining', 1);
  }

  async drain(ms: number): Promise<void> {
    // One that was retired before ends with its process.
    const isLast = ms > 0 && this.#context.draining;
    this.retire();
    this.#isEnding = true;
    await Promise.all([...this.#bound].map((each) => (isLast && each instanceof Acceptor ? each.finish(ms) : each.close(ms))));
    await Promise.allSettled(this.#binding);
    this.#stop();
  }

  async close(): Promise<void> {
    await this.drain(0);
  }

  async #bind(acceptor: Acceptor | UdpPort, port: number): Promise<Bound> {
    const binding = acceptor.bind(port);
    this.#binding.add(binding);
    try {
      await binding;
    } finally {
      this.#binding.delete(binding);
    }
    if (this.#isEnding) {
      await acceptor.close(0);
      throw new Error('the proxy is ending');
    }
    this.#bound.add(acceptor);
    // Certificates may have come while it was being bound.
    acceptor.refreshCertificate();
    return {
      address: acceptor.address,
      port: acceptor.port,
      close: async (drainMs) => {
        await acceptor.close(drainMs);
        this.#bound.delete(acceptor);
      },
    };
  }

  #stop(): void {
    const { backends, tables, streamTables } = this.#context;
    backends.close();
    // Numbers may outlive the proxy: other proxies of the process have them as well.
    for (const inForce of [tables, streamTables]) {
      for (const table of inForce.values()) table.release();
      inForce.clear();
    }
    this.#wheel.stop();
  }
}
