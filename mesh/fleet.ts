import type { EndpointAside, Proxy } from '#proxy';
import type { ControllerChannel } from '#snapshot';
import { startGateway, type GatewayProxy } from '#gateway';
import { outboundPort, startSidecar, type Sidecar } from '#sidecar';
import type { MeshProblem } from './problems.ts';
import type { Workload } from './workloads.ts';

export interface FleetOptions {
  /** A proxy for each gateway and sidecar. */
  createProxy(): Proxy;
  /** Opens a channel to the controller. */
  dial(): ControllerChannel;
  /** Milliseconds of a clock that never goes back. */
  now(): number;
  random(): number;
  readonly portOffset: number;
  /** How long a proxy that goes may finish what it has in flight. Milliseconds. */
  readonly drainMs: number;
  /** A proxy came, went, bound or failed to bind. */
  changed(): void;
}

interface RunningGateway {
  /** What the controller knows it by. */
  readonly id: string;
  readonly gateway: GatewayProxy;
}

interface RunningSidecar {
  workload: Workload;
  sidecar: Sidecar | undefined;
  /** Why it does not run; it is tried again. */
  failure: string | undefined;
  busy: boolean;
  retry: NodeJS.Timeout | undefined;
}

const retryMs = 1000;

/** The proxies of this machine: one per Gateway, one per injected Pod. They know the controller by their channel alone. */
export class Fleet {
  readonly #options: FleetOptions;
  readonly #gateways = new Map<string, RunningGateway>();
  readonly #sidecars = new Map<string, RunningSidecar>();
  /** By the id that the controller knows them by. */
  readonly #proxies = new Map<string, Proxy>();
  readonly #leaving = new Set<Promise<void>>();
  #instances = 0;
  #ended = false;

  constructor(options: FleetOptions) {
    this.#options = options;
  }

  gateway(key: string): GatewayProxy | undefined {
    return this.#gateways.get(key)?.gateway;
  }

  sidecar(key: string): Sidecar | undefined {
    return this.#sidecars.get(key)?.sidecar;
  }

  gateways(): ReadonlyMap<string, GatewayProxy> {
    return new Map([...this.#gateways].map(([key, { gateway }]) => [key, gateway] as const));
  }

  sidecars(): ReadonlyMap<string, Sidecar> {
    return new Map([...this.#sidecars].flatMap(([key, { sidecar }]) => (sidecar === undefined ? [] : [[key, sidecar] as const])));
  }

  /** Every proxy serves, or has said why it can't. */
  settled(): boolean {
    return [...this.#gateways.values()].every(({ gateway }) => gateway.ready()) && [...this.#sidecars.values()].every(({ busy, sidecar, failure }) => !busy && (sidecar !== undefined || failure !== undefined));
  }

  problems(): readonly MeshProblem[] {
    return [...this.#sidecars].flatMap(([key, { failure }]) =>
      failure === undefined ? [] : [{ severity: 'error', subject: `Pod ${key}`, reason: 'SidecarNotStarted', message: failure } as const],
    );
  }

  /** Endpoints that the proxy of that id has set aside. */
  setAside(id: string): readonly EndpointAside[] {
    return this.#proxies.get(id)?.setAside() ?? [];
  }

  /** Starts what is missing and ends, with grace, what is too many. */
  set(gateways: ReadonlySet<string>, workloads: ReadonlyMap<string, Workload>): void {
    if (this.#ended) return;
    for (const key of gateways) if (!this.#gateways.has(key)) this.#startGateway(key);
    for (const [key, { id, gateway }] of this.#gateways) {
      if (gateways.has(key)) continue;
      this.#gateways.delete(key);
      this.#proxies.delete(id);
      this.#leave(gateway);
    }
    for (const [key, workload] of workloads) this.#setSidecar(key, workload);
    for (const [key, running] of this.#sidecars) {
      if (workloads.has(key)) continue;
      this.#sidecars.delete(key);
      this.#proxies.delete(`sidecar/${key}`);
      clearTimeout(running.retry);
      if (running.sidecar !== undefined) this.#leave(running.sidecar);
    }
    this.#options.changed();
  }

  /** Lets every proxy finish what it has in flight for at most `ms` milliseconds. */
  async drain(ms: number): Promise<void> {
    this.#end();
    const start = this.#options.now();
    // Gateways first, sidecars last: a workload may need its sidecar to answer a request that is in flight at a gateway.
    await Promise.all([...this.#gateways.values()].map(({ gateway }) => gateway.drain(ms)));
    const left = Math.max(0, ms - (this.#options.now() - start));
    await Promise.all([...this.#sidecars.values()].map(async ({ sidecar }) => sidecar?.drain(left)));
    await Promise.all(this.#leaving);
  }

  async close(): Promise<void> {
    this.#end();
    await Promise.all([...this.gateways().values(), ...this.sidecars().values()].map((proxy) => proxy.close()));
  }

  #end(): void {
    this.#ended = true;
    for (const { retry } of this.#sidecars.values()) clearTimeout(retry);
  }

  /** The proxy of that id; until another one has it. */
  #createProxy(id: string): Proxy {
    const proxy = this.#options.createProxy();
    this.#proxies.set(id, proxy);
    return proxy;
  }

  #leave(proxy: GatewayProxy | Sidecar): void {
    const gone = proxy.drain(this.#options.drainMs).finally(() => this.#leaving.delete(gone));
    this.#leaving.add(gone);
  }

  #startGateway(key: string): void {
    const [namespace = '', name = ''] = key.split('/');
    const { dial, now, random, drainMs, changed } = this.#options;
    // A number that is never used again: the last gateway of that name may still be draining.
    const id = `gateway/${key}/${++this.#instances}`;
    const gateway = startGateway({ node: { id, role: 'gateway', namespace, name }, proxy: this.#createProxy(id), dial, now, random, drainMs, changed });
    this.#gateways.set(key, { id, gateway });
  }

  #setSidecar(key: string, workload: Workload): void {
    const running = this.#sidecars.get(key) ?? { workload, sidecar: undefined, failure: undefined, busy: false, retry: undefined };
    const moved = running.workload.podIP !== workload.podIP;
    running.workload = workload;
    this.#sidecars.set(key, running);
    if (moved && running.sidecar !== undefined) {
      this.#leave(running.sidecar);
      running.sidecar = undefined;
    }
    if (running.sidecar === undefined) void this.#startSidecar(key, running);
  }

  async #startSidecar(key: string, running: RunningSidecar): Promise<void> {
    if (running.busy || this.#ended) return;
    clearTimeout(running.retry);
    running.busy = true;
    const { workload } = running;
    const { dial, now, random, portOffset, drainMs } = this.#options;
    const node = { id: `sidecar/${key}`, role: 'sidecar', namespace: workload.namespace, name: workload.name } as const;
    let started: Sidecar | undefined;
    try {
      started = await startSidecar({ node, proxy: this.#createProxy(node.id), dial, now, random, address: workload.podIP, port: outboundPort + portOffset });
      running.failure = undefined;
    } catch (error) {
      running.failure = error instanceof Error ? error.message : String(error);
    }
    running.busy = false;
    const current = this.#sidecars.get(key) === running && !this.#ended;
    if (current && running.workload.podIP === workload.podIP) running.sidecar = started;
    else void started?.drain(drainMs);
    if (current && running.sidecar === undefined) running.retry = setTimeout(() => void this.#startSidecar(key, running), running.failure === undefined ? 0 : retryMs).unref();
    this.#options.changed();
  }
}
