import { pause } from './backoff.ts';
import { ApiError, fieldsOf, type KubeApi } from './types.ts';

export interface LeaseEnvironment {
  readonly api: KubeApi;
  readonly namespace: string;
  readonly name: string;
  /** Unique among the replicas. */
  readonly identity: string;
  /** Milliseconds of a clock that never goes back: other replicas' clocks are not relied on. */
  monotonic(): number;
  /** Milliseconds since 1970, for people who read the Lease. */
  now(): number;
  random(): number;
  elected(): void;
  /** Called before anybody else can be elected. */
  lost(): void;
  failed(message: string): void;
  /** Gives the Lease back and ends. */
  readonly signal: AbortSignal;
  readonly times?: LeaseTimes;
}

/** Milliseconds. Others wait for `duration`; the leader gives up after `deadline` without a renewal, which must be less. */
export interface LeaseTimes {
  readonly duration: number;
  readonly deadline: number;
  readonly retry: number;
}

const usual: LeaseTimes = { duration: 15_000, deadline: 10_000, retry: 2000 };

interface Observed {
  readonly resourceVersion: string;
  /** Written back with it: labels and the like are whoever's made the Lease. */
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly spec: Readonly<Record<string, unknown>>;
  /** When this version was first seen. */
  readonly since: number;
}

/**
 * Takes part in the election of one leader by a Lease (coordination.k8s.io/v1). At most one replica believes that it leads, as long as
 * clocks run at about the same speed. Resolves when the signal is aborted and the Lease is given back.
 */
export async function takePart(env: LeaseEnvironment): Promise<void> {
  await new Election(env).run();
}

class Election {
  readonly #env: LeaseEnvironment;
  readonly #times: LeaseTimes;
  readonly #path: string;
  #observed: Observed | undefined;
  /** When the renewal that is in force was sent; undefined while another one leads. */
  #leadsSince: number | undefined;
  #expiry: NodeJS.Timeout | undefined;

  constructor(env: LeaseEnvironment) {
    this.#env = env;
    this.#times = env.times ?? usual;
    this.#path = `/apis/coordination.k8s.io/v1/namespaces/${env.namespace}/leases`;
  }

  async run(): Promise<void> {
    const { signal, random, failed } = this.#env;
    while (!signal.aborted) {
      try {
        await this.#round();
      } catch (error) {
        if (!signal.aborted) failed(`the lease could not be renewed: ${error instanceof Error ? error.message : String(error)}`);
      }
      await pause(this.#times.retry * (1 + random() * 0.2), signal);
    }
    await this.#release();
  }

  async #round(): Promise<void> {
    const started = this.#env.monotonic();
    const seen = await this.#read();
    if (seen === undefined) return this.#write('POST', this.#path, undefined, started);
    const { holderIdentity: holder, leaseDurationSeconds: seconds } = seen.spec;
    const free = holder === undefined || holder === '' || holder === this.#env.identity;
    // Its holder may count differently than we do: the longer time holds.
    const duration = Math.max(this.#times.duration, typeof seconds === 'number' ? seconds * 1000 : 0);
    if (free || this.#env.monotonic() - seen.since > duration) return this.#write('PUT', `${this.#path}/${this.#env.name}`, seen, started);
    if (this.#leadsSince !== undefined) this.#resign();
  }

  async #read(): Promise<Observed | undefined> {
    const answer = await this.#env.api.send({ path: `${this.#path}/${this.#env.name}`, timeoutMs: this.#times.deadline / 2 });
    if (answer.status === 404) return undefined;
    if (answer.status !== 200) throw new ApiError('read', answer);
    return this.#observe(answer.body);
  }

  #observe(body: unknown): Observed {
    const { metadata, spec } = fieldsOf(body);
    const resourceVersion = String(fieldsOf(metadata)['resourceVersion'] ?? '');
    if (this.#observed?.resourceVersion !== resourceVersion) this.#observed = { resourceVersion, metadata: { ...fieldsOf(metadata), managedFields: undefined }, spec: fieldsOf(spec), since: this.#env.monotonic() };
    return this.#observed;
  }

  async #write(method: 'POST' | 'PUT', path: string, seen: Observed | undefined, started: number): Promise<void> {
    const { api, identity, name, namespace, signal } = this.#env;
    if (signal.aborted) return;
    const time = `${new Date(this.#env.now()).toISOString().slice(0, 23)}000Z`;
    const before = seen?.spec ?? {};
    const same = before['holderIdentity'] === identity;
    const spec = {
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(this.#times.duration / 1000),
      acquireTime: same ? before['acquireTime'] : time,
      renewTime: time,
      leaseTransitions: Number(before['leaseTransitions'] ?? 0) + (same || seen === undefined ? 0 : 1),
    };
    const metadata = { ...seen?.metadata, name, namespace };
    const answer = await api.send({ method, path, body: { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, spec }, timeoutMs: this.#times.deadline / 2 });
    // Another replica was faster.
    if (answer.status === 409) return;
    if (answer.status !== 200 && answer.status !== 201) throw new ApiError('write', answer);
    this.#observe(answer.body);
    this.#lead(started);
  }

  #lead(since: number): void {
    const left = this.#times.deadline - (this.#env.monotonic() - since);
    if (left <= 0) return;
    const first = this.#leadsSince === undefined;
    this.#leadsSince = since;
    clearTimeout(this.#expiry);
    this.#expiry = setTimeout(() => this.#resign(), left);
    if (first) this.#env.elected();
  }

  #resign(): void {
    clearTimeout(this.#expiry);
    if (this.#leadsSince === undefined) return;
    this.#leadsSince = undefined;
    this.#env.lost();
  }

  /** So that the next leader need not wait. */
  async #release(): Promise<void> {
    const led = this.#leadsSince !== undefined;
    this.#resign();
    if (!led || this.#observed === undefined) return;
    const { api, name, namespace } = this.#env;
    const { metadata, spec } = this.#observed;
    const body = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { ...metadata, name, namespace }, spec: { ...spec, holderIdentity: '', leaseDurationSeconds: 1 } };
    await api.send({ method: 'PUT', path: `${this.#path}/${name}`, body, timeoutMs: 2000 }).catch(() => {});
  }
}
