import type { ClusterState } from '#crds';
import { backoff, pause } from '../kube/backoff.ts';
import { fieldsOf } from '../kube/types.ts';
import { injectLabel, isInjected } from '../injection.ts';
import { controllerName, gatewayClassName } from '../names.ts';
import { follow, type Followed } from '../source/kube/index.ts';
import { authorityName, bundleKey, publishBundle, type TrustEnvironment } from './trust.ts';

export interface BundlesEnvironment extends TrustEnvironment {
  /** PEM; may change. Undefined while there is none. */
  bundle(): string | undefined;
  /** What the cluster is. */
  state(): ClusterState | undefined;
  /**
   * Whether this replica leads. Where there is none, any replica writes it: Pods wait for it, and nobody may lead for a while. Where there
   * is another one, only the leader does: while the authority is replaced, replicas hold different ones for some seconds.
   */
  leads(): boolean;
  /** Milliseconds of a clock that never goes back. */
  monotonic(): number;
  random(): number;
  failed(message: string): void;
}

export interface BundleKeeper {
  /** The state or the bundle may have changed. */
  look(): void;
}

/** It is looked at least so often whether something is to be written. Milliseconds. */
const checkMs = 1000;
/** Changes that come close together are looked at once. Milliseconds. */
const quietMs = 50;
/** A ConfigMap that was right for so long is mended at once when it is spoilt; one that is spoilt again and again, more and more seldom. */
const calmMs = 60_000;
/** Waits after failures, and between mendings of what somebody else keeps changing (another control plane may think that it is its own). */
const again = { base: 100, max: 600_000 } as const;
const afterFailure = { base: 1000, max: 30_000 } as const;

interface Written {
  readonly at: number;
  readonly tries: number;
  /** Not before then; milliseconds. */
  readonly due: number;
}

/**
 * Keeps ConfigMap `weft-ca` in every namespace that has proxies or is about to, until the signal is aborted. One that is missing, deleted
 * or changed is written at once.
 */
export function keepBundles(env: BundlesEnvironment): BundleKeeper {
  let wake = (): void => {};
  const found = follow({
    ...env,
    now: () => env.monotonic(),
    path: '/api/v1/configmaps',
    fieldSelector: `metadata.name=${authorityName}`,
    read: (raw) => fieldsOf(raw['data'])[bundleKey],
    changed: () => wake(),
  });
  const keeper = new Keeper(env, found);
  void (async () => {
    while (!env.signal.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>();
      wake = resolve;
      await keeper.turn();
      await Promise.race([promise, pause(checkMs, env.signal)]);
      await pause(quietMs, env.signal);
    }
  })();
  return { look: () => wake() };
}

class Keeper {
  readonly #env: BundlesEnvironment;
  readonly #found: Followed<unknown>;
  /** By namespace. */
  readonly #written = new Map<string, Written>();
  #seen: ClusterState | undefined;
  #namespaces: ReadonlySet<string>;

  constructor(env: BundlesEnvironment, found: Followed<unknown>) {
    this.#env = env;
    this.#found = found;
    this.#namespaces = new Set([env.namespace]);
  }

  /** One look at all. Never rejects. */
  async turn(): Promise<void> {
    const bundle = this.#env.bundle();
    const present = this.#found.all();
    if (bundle === undefined || present === undefined) return;
    this.#follow();
    for (const namespace of this.#namespaces) {
      if (this.#env.signal.aborted) return;
      const key = `${namespace}/${authorityName}`;
      const wrong = this.#env.leads() ? present.get(key) !== bundle : !present.has(key);
      if (wrong && (this.#written.get(namespace)?.due ?? 0) <= this.#env.monotonic()) await this.#write(namespace, bundle);
    }
  }

  #follow(): void {
    const state = this.#env.state();
    const before = this.#seen;
    this.#seen = state;
    if (state === undefined || (before?.pods === state.pods && before.namespaces === state.namespaces && before.gateways === state.gateways && before.gatewayClasses === state.gatewayClasses)) return;
    this.#namespaces = new Set([this.#env.namespace, ...namespacesWithProxies(state)]);
    for (const namespace of this.#written.keys()) if (!this.#namespaces.has(namespace)) this.#written.delete(namespace);
  }

  async #write(namespace: string, bundle: string): Promise<void> {
    const { monotonic, random, signal, failed } = this.#env;
    const fault = await publishBundle(this.#env, namespace, bundle);
    if (signal.aborted) return;
    const at = monotonic();
    const last = this.#written.get(namespace);
    const tries = last === undefined || at - last.at > Math.max(calmMs, 2 * (last.due - last.at)) ? 1 : last.tries + 1;
    // The first time, what was heard of it may still be on its way.
    const wait = backoff(tries, fault === undefined ? again : afterFailure, random);
    this.#written.set(namespace, { at, tries, due: at + wait });
    if (fault !== undefined) failed(`ConfigMap ${authorityName} in namespace ${namespace}: ${fault}`);
  }
}

/** Those that are labelled for injection, that have injected Pods, or a Gateway of ours; not those that are about to go. */
export function namespacesWithProxies(state: ClusterState): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { metadata } of state.namespaces.values()) if (metadata.labels?.[injectLabel] === 'enabled') names.add(metadata.name);
  for (const pod of state.pods.values()) if (isInjected(state, pod)) names.add(pod.metadata.namespace);
  for (const { metadata, spec } of state.gateways.values()) {
    const owner = state.gatewayClasses.get(spec.gatewayClassName);
    if (owner === undefined ? spec.gatewayClassName === gatewayClassName : owner.spec.controllerName === controllerName) names.add(metadata.namespace);
  }
  for (const { metadata } of state.namespaces.values()) if (metadata.deletionTimestamp !== undefined) names.delete(metadata.name);
  return names;
}
