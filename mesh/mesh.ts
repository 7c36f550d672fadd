import { createController, ManifestStore, stampTimesInSteps, translateInSteps, untimelyCertificates, watchFiles, type Controller, type FileFault, type FileSet, type FileWatch, type LoadedFiles, type ObjectStatus, type Report } from '#controller';
import type { ClusterState } from '#crds';
import { createExposition, createProxy, inSlices, Metrics, openSocketIO, type Exposition, type OpenedIO } from '#proxy';
import { channelPair, inTurns, type ControllerChannel, type Steps } from '#snapshot';
import type { GatewayProxy } from '#gateway';
import { compareInSteps } from './edits.ts';
import { Fleet } from './fleet.ts';
import { formatProblem, readingProblems, translationProblem, type MeshProblem } from './problems.ts';
import type { GatewayAddress, Mesh, MeshEnvironment, MeshOptions, SidecarAddress } from './types.ts';
import { injectedWorkloads, servedGateways, workloadProblems } from './workloads.ts';

const settleTimeoutMs = 10_000;

/** Starts a mesh; fulfils when it serves what the manifests say, as far as that can be served. */
export async function startMesh(options: MeshOptions, env: MeshEnvironment): Promise<Mesh> {
  const mesh = new EmbeddedMesh(options, env, await openSocketIO(options.socketIO ?? 'public'));
  await mesh.start();
  return mesh;
}

class EmbeddedMesh implements Mesh {
  readonly #options: MeshOptions;
  readonly #env: MeshEnvironment;
  readonly #store = new ManifestStore();
  readonly #controller: Controller;
  readonly #fleet: Fleet;
  readonly #metrics: () => Promise<Exposition>;
  #files: FileWatch | undefined;
  #fileTexts: FileSet = { texts: new Map(), faults: [] };
  #texts: ReadonlyMap<string, string>;
  #loaded: LoadedFiles | undefined;
  /** Since when there are texts that are not read. */
  #unreadSince: number | undefined;
  #reading = false;
  #statuses: readonly ObjectStatus[] = [];
  #unstamped: Report | undefined;
  #stamping = false;
  #internal: readonly MeshProblem[] = [];
  #told: ReadonlySet<string> = new Set();
  #waiting = new Set<() => void>();
  #changed = false;
  #closed = false;

  constructor(options: MeshOptions, env: MeshEnvironment, { io, refused }: OpenedIO) {
    this.#options = options;
    this.#env = env;
    this.#texts = named(options.manifests ?? []);
    const portOffset = options.portOffset ?? 0;
    const metrics = new Metrics();
    this.#metrics = createExposition(metrics, () => env.now());
    metrics.set('raw_socket_io', io.mode === 'raw' ? 1 : 0);
    this.#controller = createController({
      translate: translateInSteps,
      addresses: { first: options.loopback ?? '127.0.0.1' },
      portOffset,
      changed: (report) => this.#reported(report),
      heard: () => this.#changedSoon(),
      failed: (message) => this.#failed(message),
      monotonic: () => env.now(),
    });
    this.#fleet = new Fleet({
      createProxy: () => createProxy({ ...env, metrics, io, ...(options.accessLog && { accessLog: options.accessLog }), ...(options.tracer && { tracer: options.tracer }) }),
      dial: () => this.#dial(),
      now: () => env.now(),
      random: () => env.random(),
      portOffset,
      drainMs: options.drainMs ?? 30_000,
      changed: () => this.#changedSoon(),
    });
    if (refused !== undefined) this.#failed(`raw socket I/O does not work here, the public one is used: ${refused}`);
  }

  async start(): Promise<void> {
    const { files } = this.#options;
    if (files !== undefined) {
      this.#files = await watchFiles({ paths: files, now: () => this.#env.wallClock(), changed: (set) => this.#setFiles(set) });
      this.#fileTexts = this.#files.first;
    }
    this.#load();
    // What can't be served in time is told as a problem; the rest serves.
    await this.settled().catch((error: unknown) => this.#failed(error instanceof Error ? error.message : String(error)));
  }

  async apply(manifests: string | readonly string[]): Promise<void> {
    this.#texts = named(manifests);
    this.#load();
    await this.settled();
  }

  settled(timeoutMs = settleTimeoutMs): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const look = (): void => {
      if (!this.#isSettled() && !this.#closed) return;
      clearTimeout(timer);
      this.#waiting.delete(look);
      resolve();
    };
    const timer = setTimeout(() => {
      this.#waiting.delete(look);
      reject(new Error(`not everything was in force after ${timeoutMs} ms: ${this.#laggards()}`));
    }, timeoutMs);
    this.#waiting.add(look);
    this.#changedSoon();
    return promise;
  }

  statuses(): readonly ObjectStatus[] {
    return this.#statuses;
  }

  problems(): readonly MeshProblem[] {
    const report = this.#controller.report();
    return [
      ...(this.#loaded === undefined ? [] : readingProblems(this.#loaded)),
      ...(report === undefined ? [] : problemsOf(report, this.#env.wallClock())),
      ...this.#fleet.problems(),
      ...this.#internal,
    ];
  }

  gateway(key: string): GatewayAddress | undefined {
    const gateway = this.#fleet.gateway(key);
    return gateway === undefined ? undefined : this.#addressOf(key, gateway);
  }

  sidecar(key: string): SidecarAddress | undefined {
    const sidecar = this.#fleet.sidecar(key);
    return sidecar === undefined ? undefined : { address: sidecar.address, port: sidecar.port };
  }

  gateways(): ReadonlyMap<string, GatewayAddress> {
    return new Map([...this.#fleet.gateways()].map(([key, gateway]) => [key, this.#addressOf(key, gateway)] as const));
  }

  sidecars(): ReadonlyMap<string, SidecarAddress> {
    return new Map([...this.#fleet.sidecars()].map(([key, { address, port }]) => [key, { address, port }] as const));
  }

  metrics(): Promise<Exposition> {
    return this.#metrics();
  }

  config(): unknown {
    return {
      gateways: Object.fromEntries([...this.gateways()].map(([key, { address, ports }]) => [key, { address, ports }])),
      sidecars: Object.fromEntries(this.sidecars()),
      proxies: this.#controller.progress().map(({ proxy, types, current }) => ({
        id: proxy.id,
        current,
        setAside: this.#fleet.setAside(proxy.id),
        resources: Object.fromEntries([...types].map(([type, { acked, rejected }]) => [type, { versions: Object.fromEntries(acked), rejected: Object.fromEntries(rejected) }])),
      })),
    };
  }

  async drain(ms: number): Promise<void> {
    this.#files?.close();
    await this.#fleet.drain(ms);
    await this.close();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#files?.close();
    await this.#fleet.close();
    this.#controller.close();
    this.#changedSoon();
  }

  #dial(): ControllerChannel {
    const [ours, theirs] = channelPair();
    this.#controller.accept(theirs);
    return inSlices(ours, () => this.#env.now());
  }

  #setFiles(set: FileSet): void {
    if (this.#closed) return;
    this.#fileTexts = set;
    this.#load();
  }

  /** What is short is read at once, the rest in turns; of texts that come meanwhile only the newest. */
  #load(): void {
    this.#unreadSince ??= this.#env.now();
    if (!this.#reading) inTurns(this.#read(), { monotonic: () => this.#env.now(), failed: (error) => this.#unreadable(error) });
  }

  #unreadable(error: unknown): void {
    this.#reading = false;
    this.#failed(`reading failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  }

  *#read(): Steps<void> {
    this.#reading = true;
    for (let since = this.#unreadSince; since !== undefined && !this.#closed; since = this.#unreadSince) {
      this.#unreadSince = undefined;
      const before = this.#loaded?.state;
      const faults: readonly FileFault[] = this.#fileTexts.faults;
      this.#loaded = { ...(yield* this.#store.updateInSteps(new Map([...this.#texts, ...this.#fileTexts.texts]))), faults };
      const { state } = this.#loaded;
      this.#controller.setState(state);
      if (before !== undefined) yield* this.#follow(before, state, since);
    }
    this.#reading = false;
    this.#changedSoon();
  }

  /** Tells of the edit once it is in force. */
  *#follow(before: ClusterState, after: ClusterState, since: number): Steps<void> {
    const { onEdit } = this.#options;
    if (onEdit === undefined) return;
    const edit = yield* compareInSteps(before, after);
    if (edit.added.length + edit.changed.length + edit.removed.length === 0) return;
    this.settled()
      .then(() => this.#closed || onEdit({ ...edit, tookMs: this.#env.now() - since }))
      .catch((error: unknown) => this.#failed(error instanceof Error ? error.message : String(error)));
  }

  #reported(report: Report): void {
    this.#unstamped = report;
    if (!this.#stamping) inTurns(this.#stamp(), { monotonic: () => this.#env.now(), failed: (error) => this.#unstampable(error) });
    if (!this.#closed) this.#fleet.set(servedGateways(report), injectedWorkloads(report.state));
    this.#changedSoon();
  }

  #unstampable(error: unknown): void {
    this.#stamping = false;
    this.#failed(`statuses have no times: ${String(error)}`);
  }

  /** Gives the newest statuses their times, for ten thousand routes in more than one turn. */
  *#stamp(): Steps<void> {
    this.#stamping = true;
    for (let report = this.#unstamped; report !== undefined; report = this.#unstamped) {
      this.#unstamped = undefined;
      this.#statuses = yield* stampTimesInSteps(report.statuses, this.#statuses, timestamp(this.#env.wallClock()));
    }
    this.#stamping = false;
    this.#changedSoon();
  }

  #failed(message: string): void {
    const problem: MeshProblem = { severity: 'error', subject: '', reason: 'Internal', message };
    // The newest few are enough to see what is wrong.
    this.#internal = [...this.#internal.filter((each) => each.message !== message), problem].slice(-20);
    this.#changedSoon();
  }

  /** Tells once what happens in one turn of the event loop. */
  #changedSoon(): void {
    if (this.#changed) return;
    this.#changed = true;
    setImmediate(() => {
      this.#changed = false;
      this.#tell();
      for (const look of this.#waiting) look();
    });
  }

  #tell(): void {
    if (this.#closed) return;
    const problems = new Map(this.problems().map((problem) => [formatProblem(problem), problem]));
    const fresh = [...problems].filter(([text]) => !this.#told.has(text));
    this.#told = new Set(problems.keys());
    for (const [, problem] of fresh) this.#options.onProblem?.(problem);
    this.#options.onChange?.();
  }

  #isSettled(): boolean {
    const report = this.#controller.report();
    if (report === undefined || report.state !== this.#loaded?.state || this.#stamping || this.#reading) return false;
    return this.#fleet.settled() && this.#controller.current() && this.#heard(report);
  }

  /** The controller knows of every socket that could not be bound, and of no other. */
  #heard({ rejections }: Report): boolean {
    const known = new Set(rejections.flatMap(({ type, name }) => (type === 'Listener' ? [name] : [])));
    const failed = [...this.#fleet.gateways().values()].flatMap((gateway) => [...gateway.failures().keys()]);
    return known.size === failed.length && failed.every((name) => known.has(name));
  }

  #laggards(): string {
    const behind = this.#controller.progress().filter(({ current }) => !current);
    const unbound = [...this.#fleet.gateways()].filter(([, gateway]) => !gateway.ready());
    return [...behind.map(({ proxy }) => proxy.id), ...unbound.map(([key]) => `gateway ${key} has not bound its listeners`)].join(', ');
  }

  #addressOf(key: string, gateway: GatewayProxy): GatewayAddress {
    const sockets = gateway.sockets();
    const listeners = this.#controller.report()?.translation.snapshots.listeners.get(key) ?? [];
    const ports = listeners.flatMap((listener) => {
      const socket = sockets.get(listener.name);
      const port = Number(listener.name.split('/')[2]);
      return socket === undefined ? [] : [{ address: socket.address, port, bound: socket.port, listeners: listener.sections.map(({ name }) => name) }];
    });
    return {
      address: [...sockets.values()][0]?.address ?? listeners[0]?.address ?? '',
      ports,
      port: (listener) => {
        const found = ports.find(({ port, listeners: names }) => port === listener || names.includes(String(listener)));
        if (found === undefined) throw new Error(`Gateway ${key} has no bound listener ${listener}`);
        return found.bound;
      },
    };
  }
}

function named(manifests: string | readonly string[]): ReadonlyMap<string, string> {
  return new Map((typeof manifests === 'string' ? [manifests] : manifests).map((text, index) => [`manifests[${index}]`, text]));
}

/** As Kubernetes writes times: RFC 3339, whole seconds. */
function timestamp(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace(/\.\d+Z$/, 'Z');
}

/** What is wrong with what was written. `now`: milliseconds since 1970. */
function problemsOf({ state, translation, problems }: Report, now: number): readonly MeshProblem[] {
  const written = [...problems, ...untimelyCertificates(state, translation.snapshots, now)];
  return [...written.map((problem) => translationProblem(problem, state)), ...workloadProblems(state)];
}
