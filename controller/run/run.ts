import type { ProxyNode, Steps } from '#snapshot';
import { pause } from '../kube/backoff.ts';
import { takePart } from '../kube/lease.ts';
import type { KubeApi } from '../kube/types.ts';
import { fieldsOf } from '../kube/types.ts';
import { createProvisioner, gatewayOf, provisionedAddresses, type Provisioner } from '../provision/index.ts';
import { createController, type Controller } from '../push/index.ts';
import { keepBundles, nodeOf, publishBundle, reviewToken, type Admission, type Bearer, type BundleKeeper, type PodFacts } from '../serve/index.ts';
import { knownKinds } from '../source/kinds.ts';
import { openCluster, type KubeSource } from '../source/kube/index.ts';
import { createStatusWriter, type StatusWriter } from '../status/writer/index.ts';
import { translateInSteps } from '../translate.ts';
import { reportBarePods } from './bare.ts';
import { serveAdmin, serveHealth, type HealthServer } from './health.ts';
import { Newcomers, type Log } from './log.ts';
import { createMetrics, type ControllerMetrics } from './metrics.ts';
import type { Options } from './options.ts';
import { proxyReports } from './proxies.ts';
import { readRefusals, writeRefusals, type RefusalWriter } from './refusals.ts';
import { openStream, type Stream } from './stream.ts';

export interface RunEnvironment {
  readonly options: Options;
  readonly api: KubeApi;
  readonly log: Log;
  /** Milliseconds since 1970. */
  now(): number;
  /** Milliseconds of a clock that never goes back. */
  monotonic(): number;
  random(): number;
  /** Ends it all, in good order. */
  readonly signal: AbortSignal;
}

/** The control plane of a cluster, until the signal is aborted. Rejects where it can't begin. */
export async function runController(env: RunEnvironment): Promise<void> {
  await new Replica(env).run();
}

class Replica {
  readonly #env: RunEnvironment;
  readonly #controller: Controller;
  readonly #source: KubeSource;
  readonly #writer: StatusWriter;
  /** Absent where no image of proxies is told: then others provide them. */
  readonly #provisioner: Provisioner | undefined;
  readonly #metrics: ControllerMetrics;
  readonly #problems = new Newcomers();
  readonly #failures = new Newcomers();
  readonly #refusals: RefusalWriter;
  readonly #bundles: BundleKeeper;
  #stream: Stream | undefined;
  #opening = false;
  #term: AbortController | undefined;

  constructor(env: RunEnvironment) {
    this.#env = env;
    const { api, log, now, monotonic, random, signal } = env;
    this.#metrics = createMetrics({
      kinds: () => this.#source.kinds(),
      leads: () => this.#term !== undefined,
      proxies: () => {
        const progress = this.#controller.progress();
        return { connected: progress.length, current: progress.filter(({ current }) => current).length };
      },
      problems: () => {
        const all = this.#controller.report()?.problems ?? [];
        const error = all.filter(({ severity }) => severity === 'error').length;
        return { error, warning: all.length - error };
      },
    });
    this.#controller = createController({
      translate: (state, environment) => this.#timed(translateInSteps(state, environment)),
      // A Gateway has no address before its Service is given one.
      addresses: provisionedAddresses,
      portOffset: 0,
      bind: 'any',
      changed: (report) => {
        this.#writer.want(report.statuses);
        this.#provisioner?.want(report.state, report.translation.snapshots.listeners);
        this.#refusals.want(report.own);
        this.#bundles.look();
        this.#openStream();
      },
      failed: (message) => log('error', message),
      now,
      monotonic,
    });
    this.#writer = createStatusWriter({
      api,
      live: () => this.#source.live(),
      now,
      random,
      answered: (status) => this.#metrics.statusAnswered(status),
      failed: (message) => log('warn', message),
      signal,
    });
    const { gateways } = env.options;
    this.#provisioner = gateways === undefined ? undefined : createProvisioner({ api, config: gateways, prepare: (namespace, term) => this.#prepare(namespace, term), now: monotonic, random, failed: (message) => log('warn', message), lacking: (shortfalls) => this.#controller.hear({ shortfalls }), signal });
    this.#refusals = writeRefusals(this.#shared(signal));
    this.#bundles = keepBundles({ ...this.#shared(signal), leads: () => this.#term !== undefined, bundle: () => this.#stream?.bundle(), state: () => this.#source.state() });
    this.#source = openCluster({
      api,
      registry: knownKinds,
      changed: (state) => this.#controller.setState(state),
      touched: () => this.#touched(),
      random,
      now: monotonic,
      signal,
    });
  }

  /** Tells how long all steps took together, without what came between them. */
  *#timed<T>(steps: Steps<T>): Steps<T> {
    for (let seconds = 0; ; ) {
      const started = this.#env.monotonic();
      const { done, value } = steps.next();
      seconds += (this.#env.monotonic() - started) / 1000;
      if (done === true) {
        this.#metrics.translated(seconds);
        return value;
      }
      yield;
    }
  }

  async run(): Promise<void> {
    const { options, log, signal } = this.#env;
    const health = await serveHealth({ ...(options.address === undefined ? {} : { address: options.address }), port: options.healthPort, unready: () => this.#unready(), metrics: () => this.#metrics.render() });
    const admin = await this.#serveAdmin();
    log('info', 'started', { identity: options.identity, healthPort: health.port, adminPort: admin?.port });
    const election = this.#takePart();
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    log('info', 'ending');
    this.#controller.close();
    await Promise.all([election, this.#stream?.close(), this.#refusals.close()]);
    health.close();
    admin?.close();
  }

  /** Nothing but `weft status` needs it, so the controller goes on without where the port is taken. */
  async #serveAdmin(): Promise<HealthServer | undefined> {
    const { options, log } = this.#env;
    try {
      return await serveAdmin({ port: options.adminPort, proxies: () => ({ controller: options.identity, leads: this.#term !== undefined, proxies: proxyReports(this.#controller.progress()) }) });
    } catch (error) {
      log('warn', `weft status gets no answer from here: ${error instanceof Error ? error.message : String(error)}`);
      return undefined;
    }
  }

  #unready(): string | undefined {
    if (this.#env.signal.aborted) return 'ending';
    const waiting = this.#source.kinds().filter(({ sync }) => sync === 'waiting');
    if (waiting.length > 0) return `not read yet: ${waiting.map(({ kind, failure }) => (failure === undefined ? kind : `${kind} (${failure})`)).join(', ')}`;
    return this.#stream === undefined ? 'the stream is not served yet' : undefined;
  }

  #touched(): void {
    const { log } = this.#env;
    this.#writer.review();
    for (const { kind, failure } of this.#failures.take(this.#source.kinds().filter(({ failure: reason }) => reason !== undefined), ({ kind, failure }) => `${kind} ${failure}`)) {
      log('warn', `can't follow ${kind}: ${failure}`);
    }
    for (const { object, message } of this.#problems.take(this.#source.problems(), ({ object, message }) => `${object.kind} ${object.namespace}/${object.name} ${message}`)) {
      log('warn', message, { object: `${object.kind}/${object.namespace}/${object.name}` });
    }
  }

  /** Not before there is something to say: a proxy that comes back must not be told that all it holds is gone. */
  #openStream(): void {
    if (this.#opening || this.#env.signal.aborted) return;
    this.#opening = true;
    const { log, signal } = this.#env;
    const open = async (): Promise<void> => {
      while (!signal.aborted) {
        try {
          const stream = await openStream({ ...this.#env, admit: (token, instance) => this.#admit(token, instance), accept: (channel) => this.#controller.accept(channel), refused: () => this.#metrics.refused() });
          if (signal.aborted) return await stream.close();
          this.#stream = stream;
          this.#bundles.look();
          return log('info', 'ready', { streamPort: stream.port });
        } catch (error) {
          if (!signal.aborted) log('error', `the stream can't be served: ${error instanceof Error ? error.message : String(error)}`);
          await pause(2000, signal);
        }
      }
    };
    void open();
  }

  async #admit(token: string, instance: string | undefined): Promise<Admission> {
    const reviewed = await reviewToken(this.#env.api, token, this.#env.signal);
    if (!reviewed.ok) return reviewed;
    const node = this.#named(nodeOf(reviewed.bearer, await this.#podOf(reviewed.bearer), instance));
    return typeof node === 'string' ? { ok: false, reason: node } : { ok: true, node };
  }

  /** A Gateway's name may be too long for the label that tells it. */
  #named(node: ProxyNode | string): ProxyNode | string {
    if (typeof node === 'string' || node.role !== 'gateway') return node;
    const state = this.#source.state();
    const gateway = state === undefined ? undefined : gatewayOf(state, node.namespace, node.name);
    return gateway === undefined ? node : { ...node, name: gateway.metadata.name };
  }

  /** From the state, or where that does not know the Pod yet, from the API server. */
  async #podOf({ namespace, pod, podUid }: Bearer): Promise<PodFacts | undefined> {
    const known = this.#source.state()?.pods.get(`${namespace}/${pod}`);
    if (known?.metadata.uid === podUid) return { uid: podUid, labels: known.metadata.labels ?? {} };
    // By name, but as a list: that is what the controller may do with Pods anyway.
    const query = { fieldSelector: `metadata.name=${pod}` };
    const answer = await this.#env.api.send({ path: `/api/v1/namespaces/${namespace}/pods`, query, signal: this.#env.signal, timeoutMs: 5000 });
    const { items } = fieldsOf(answer.body);
    if (answer.status !== 200 || !Array.isArray(items) || items.length !== 1) return undefined;
    const { uid, labels } = fieldsOf(fieldsOf(items[0])['metadata']);
    const texts = Object.entries(fieldsOf(labels)).flatMap(([name, value]) => (typeof value === 'string' ? [[name, value] as const] : []));
    return { uid: typeof uid === 'string' ? uid : undefined, labels: Object.fromEntries(texts) };
  }

  #takePart(): Promise<void> {
    const { api, options, log, now, monotonic, random, signal } = this.#env;
    return takePart({
      api,
      namespace: options.namespace,
      name: 'weft-controller',
      identity: options.identity,
      monotonic,
      now,
      random,
      elected: () => {
        log('info', 'leads');
        this.#term = new AbortController();
        this.#writer.start();
        this.#provisioner?.start();
        readRefusals({ ...this.#shared(this.#term.signal), heard: (rejections) => this.#controller.hear({ rejections }) });
        this.#bundles.look();
        void reportBarePods({ api, namespace: options.namespace, identity: options.identity, state: () => this.#source.state(), now, failed: (message) => log('warn', message), signal: this.#term.signal });
      },
      lost: () => {
        log('info', 'no longer leads');
        this.#writer.stop();
        this.#provisioner?.stop();
        this.#term?.abort();
        this.#term = undefined;
        // What others said is for the next leader to hear.
        this.#controller.hear({ rejections: [] });
      },
      failed: (message) => log('warn', message),
      signal,
    });
  }

  /** A Pod that starts before its namespace has the authority's certificate would see it only a minute later. */
  async #prepare(namespace: string, signal: AbortSignal): Promise<string | undefined> {
    const { api, options, now } = this.#env;
    const bundle = this.#stream?.bundle();
    return bundle === undefined ? 'the stream is not served yet' : publishBundle({ api, namespace: options.namespace, now, signal }, namespace, bundle);
  }

  /** What replicas need to tell each other something through the API server. */
  #shared(signal: AbortSignal): { readonly api: KubeApi; readonly namespace: string; readonly identity: string; now(): number; monotonic(): number; random(): number; failed(message: string): void; readonly signal: AbortSignal } {
    const { api, options, now, monotonic, random, log } = this.#env;
    return { api, namespace: options.namespace, identity: options.identity, now, monotonic, random, failed: (message) => log('warn', message), signal };
  }
}
