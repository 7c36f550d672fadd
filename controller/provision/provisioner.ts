import { objectKey, type ClusterState, type Gateway } from '#crds';
import type { Listener } from '#snapshot';
import { withBuiltIns } from '../built-ins.ts';
import { gatewayOfIngresses } from '../graph/ingress/gateway.ts';
import { backoff, pause } from '../kube/backoff.ts';
import type { KubeApi } from '../kube/types.ts';
import { Memo } from '../memo.ts';
import { controllerName } from '../names.ts';
import type { Shortfall } from '../push/index.ts';
import type { Snapshots } from '../types.ts';
import { applyManifests, deleteManifests, type ApplyFault } from './apply.ts';
import { followRollouts, type Rollouts } from './rollouts.ts';
import { gatewayAnnotation, labelValue, managedByLabel, manager, objectName } from './names.ts';
import { provision, type Manifest, type ProvisionConfig } from './template.ts';

export interface ProvisionerEnvironment {
  readonly api: KubeApi;
  readonly config: ProvisionConfig;
  /** Puts into a namespace what Pods of a gateway need to be there; undefined once it is there, else why not. */
  prepare(namespace: string, signal: AbortSignal): Promise<string | undefined>;
  /** Milliseconds of a clock that never goes back. */
  now(): number;
  random(): number;
  failed(message: string): void;
  /** What Gateways (`{namespace}/{name}`) can't be given, whenever that changes. Told by the leader only. */
  lacking(shortfalls: ReadonlyMap<string, Shortfall>): void;
  /** Ends it all. */
  readonly signal: AbortSignal;
}

export interface Provisioner {
  /** This is what Gateways there are, from now on. */
  want(state: ClusterState, listeners: Snapshots['listeners']): void;
  /** Begins to write; to be called by the leader only. */
  start(): void;
  stop(): void;
}

/** What a Gateway needs, and that as text, to compare. */
interface Wanted {
  readonly manifests: readonly Manifest[];
  readonly content: string;
}

interface Applied {
  readonly content: string;
  /** When it is to be applied again: somebody may have changed or deleted it. Milliseconds. */
  readonly due: number;
  readonly failures: number;
  readonly fault?: ApplyFault;
}

const againMs = 120_000;
const retry = { base: 500, max: 30_000 } as const;
/** Gateways in work at once. */
const concurrency = 4;
const tickMs = 1000;

/** Keeps what Gateways need in the cluster. What belongs to a Gateway that is gone, the garbage collector removes. */
export function createProvisioner(env: ProvisionerEnvironment): Provisioner {
  return new Worker(env);
}

class Worker implements Provisioner {
  readonly #env: ProvisionerEnvironment;
  readonly #applied = new Map<string, Applied>();
  readonly #provisioned = new Memo<Gateway, Wanted>();
  #wanted: ReadonlyMap<string, Wanted> = new Map();
  /** By the name of their Service: objects of Gateways that are no longer ours. */
  #unwanted: ReadonlyMap<string, readonly Manifest[]> = new Map();
  #term: AbortController | undefined;
  #wake: () => void = () => {};
  #told = '';
  #rollouts: Rollouts | undefined;
  #lacking = '[]';

  constructor(env: ProvisionerEnvironment) {
    this.#env = env;
  }

  want(state: ClusterState, listeners: Snapshots['listeners']): void {
    const { config } = this.#env;
    const wanted = new Map<string, Wanted>();
    for (const gateway of withBuiltIns(state).gateways.values()) {
      const key = objectKey(gateway);
      // A Gateway without a listener to serve gets nothing; one that had some keeps what it has.
      const served = listeners.get(key) ?? [];
      if (gateway.metadata.deletionTimestamp === undefined && served.length > 0) wanted.set(key, this.#wantedOf(gateway, served));
    }
    for (const [key, { manifests }] of wanted) {
      const service = manifests.find(({ kind }) => kind === 'Service');
      // Its Service is gone: somebody has deleted it.
      if (service !== undefined && this.#applied.get(key)?.failures === 0 && !state.services.has(objectKey(service))) this.#missed(key);
    }
    this.#wanted = wanted;
    this.#unwanted = abandoned(state, config);
    this.#wake();
  }

  /** The same again while the Gateway and the ports that it serves stay. */
  #wantedOf(gateway: Gateway, served: readonly Listener[]): Wanted {
    const ports = JSON.stringify(served.map(({ port, sections }) => [port, sections[0]?.protocol]));
    return this.#provisioned.get(gateway, [ports], () => {
      const manifests = provision(gateway, this.#env.config, served);
      return { manifests, content: JSON.stringify(manifests) };
    });
  }

  start(): void {
    this.#term ??= new AbortController();
    const signal = AbortSignal.any([this.#term.signal, this.#env.signal]);
    const { api, now, random, failed } = this.#env;
    this.#rollouts = followRollouts({ api, now, random, failed, signal, changed: () => this.#rolled() });
    void this.#work(signal);
  }

  stop(): void {
    this.#term?.abort();
    this.#term = undefined;
    this.#applied.clear();
    this.#rollouts = undefined;
    this.#tell();
  }

  #rolled(): void {
    for (const key of this.#applied.keys()) if (this.#applied.get(key)?.failures === 0 && this.#rollouts?.isGone(key) === true) this.#missed(key);
    this.#tell();
    this.#wake();
  }

  /** What could not be applied, or is applied and can't start its Pods. */
  #tell(): void {
    const lacking = new Map<string, Shortfall>();
    for (const key of this.#wanted.keys()) {
      const fault = this.#faultOf(key);
      if (fault?.reason !== undefined) lacking.set(key, { reason: fault.reason, message: fault.message.slice(0, 1024) });
    }
    const text = JSON.stringify([...lacking]);
    if (text === this.#lacking) return;
    this.#lacking = text;
    this.#env.lacking(lacking);
  }

  /** A generation that could not be given what it needs is not programmed, also while Pods of an older one serve. */
  #faultOf(key: string): ApplyFault | undefined {
    const fault = this.#applied.get(key)?.fault;
    if (fault?.reason === undefined) return this.#rollouts?.faultOf(key);
    return this.#rollouts?.isServing(key) === true ? { ...fault, message: `${fault.message}; the Pods that are there go on` } : fault;
  }

  /** The state may simply not have heard of it yet, so this waits for a moment. */
  #missed(key: string): void {
    const known = this.#applied.get(key);
    if (known !== undefined) this.#applied.set(key, { ...known, due: Math.min(known.due, this.#env.now() + 2000) });
  }

  async #work(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const turn = [...this.#due()].slice(0, concurrency);
      await Promise.all(turn.map(([key, wanted]) => this.#apply(key, wanted, signal)));
      for (const key of this.#applied.keys()) if (!this.#wanted.has(key)) this.#applied.delete(key);
      this.#tell();
      if (turn.length > 0) continue;
      await this.#clear(signal);
      await this.#rest(signal);
    }
  }

  async #clear(signal: AbortSignal): Promise<void> {
    for (const [key, manifests] of this.#unwanted) {
      const fault = await deleteManifests(this.#env.api, manifests, signal);
      const message = `what Gateway ${key} no longer needs could not be deleted: ${fault ?? ''}`;
      if (fault === undefined || signal.aborted || this.#told === message) continue;
      this.#told = message;
      this.#env.failed(message);
    }
  }

  *#due(): Iterable<readonly [string, Wanted]> {
    const now = this.#env.now();
    for (const [key, wanted] of this.#wanted) {
      const known = this.#applied.get(key);
      if (known === undefined || known.due <= now || (known.failures === 0 && known.content !== wanted.content)) yield [key, wanted];
    }
  }

  async #apply(key: string, { manifests, content }: Wanted, signal: AbortSignal): Promise<void> {
    const { api, config, prepare, now, random, failed } = this.#env;
    const unprepared = await prepare(key.slice(0, key.indexOf('/')), signal);
    const fault = unprepared === undefined ? await applyManifests(api, manifests, { replicas: config.replicas, signal }) : { message: unprepared };
    if (signal.aborted) return;
    const before = this.#applied.get(key);
    const failures = fault === undefined ? 0 : (before?.failures ?? 0) + 1;
    const wait = fault === undefined ? againMs * (0.75 + random() / 2) : backoff(failures, retry, random);
    this.#applied.set(key, { content, due: now() + wait, failures, ...(fault === undefined ? {} : { fault }) });
    if (fault !== undefined && before?.fault?.message !== fault.message) failed(`Gateway ${key} could not be given its proxies: ${fault.message}`);
  }

  /** Until something is new, or a while. */
  async #rest(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    await Promise.race([promise, pause(tickMs, signal)]);
  }
}

/** The Gateway for Ingresses as it is where nobody wrote one of its name. */
const ingressGatewayAlone = gatewayOfIngresses([], { gateways: new Map(), secrets: new Map() });

/** What is ours and belongs to a Gateway that exists, but not, or not by this name, to us. Services tell, for those are in the state. */
function abandoned(state: ClusterState, config: ProvisionConfig): ReadonlyMap<string, readonly Manifest[]> {
  const { gatewayClasses, gateways } = withBuiltIns(state);
  const found = new Map<string, readonly Manifest[]>();
  for (const { metadata } of state.services.values()) {
    if (metadata.labels?.[managedByLabel] !== manager) continue;
    const key = `${metadata.namespace}/${metadata.annotations?.[gatewayAnnotation] ?? ''}`;
    const gateway = gateways.get(key);
    // The garbage collector sees to those of other Gateways. The one for Ingresses is an object only where somebody wrote one.
    if (gateway === undefined && key === objectKey(ingressGatewayAlone)) found.set(key, renamed(provision(ingressGatewayAlone, config), metadata.name));
    if (gateway === undefined) continue;
    const owner = gatewayClasses.get(gateway.spec.gatewayClassName);
    const isOurs = owner?.spec.controllerName === controllerName;
    // A class that is not there may come: nothing is taken away for that.
    if (owner === undefined || (isOurs && objectName(gateway.metadata.name, gateway.spec.gatewayClassName) === metadata.name)) continue;
    found.set(objectKey(gateway), renamed(provision(gateway, config), metadata.name));
  }
  return found;
}

function renamed(manifests: readonly Manifest[], name: string): readonly Manifest[] {
  return manifests.map((manifest) => ({ ...manifest, metadata: { ...manifest.metadata, name } }));
}

/** The Gateway that a label value stands for: of that name, or where the name had no room, of that value. */
export function gatewayOf(state: ClusterState, namespace: string, value: string): Gateway | undefined {
  const { gateways } = withBuiltIns(state);
  const exact = gateways.get(`${namespace}/${value}`);
  if (exact !== undefined) return exact;
  for (const gateway of gateways.values()) if (gateway.metadata.namespace === namespace && labelValue(gateway.metadata.name) === value) return gateway;
  return undefined;
}
