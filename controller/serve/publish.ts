import type { ClusterState } from '#crds';
import { pause } from '../kube/backoff.ts';
import { injectLabel, isInjected } from '../injection.ts';
import { controllerName, gatewayClassName } from '../names.ts';
import { publishBundle, type TrustEnvironment } from './trust.ts';

export interface BundlesEnvironment extends TrustEnvironment {
  /** PEM; may change. */
  bundle(): string;
  failed(message: string): void;
}

/** How often it is looked whether something is to be written, and how often all is written again. Milliseconds. */
const checkMs = 1000;
const allAgainMs = 600_000;
const afterFailureMs = 10_000;

/** Keeps ConfigMap `weft-ca` in every namespace that has proxies or is about to, until the signal is aborted. The leader's job. */
export async function publishBundles(env: BundlesEnvironment, state: () => ClusterState | undefined): Promise<void> {
  /** By namespace: when it is due again. */
  const due = new Map<string, number>();
  let bundle = '';
  let seen: ClusterState | undefined;
  let namespaces: ReadonlySet<string> = new Set([env.namespace]);
  while (!env.signal.aborted) {
    const current = state();
    if (current !== undefined && current !== seen) namespaces = new Set([env.namespace, ...namespacesWithProxies(current)]);
    seen = current;
    if (env.bundle() !== bundle) due.clear();
    bundle = env.bundle();
    for (const namespace of namespaces) {
      if (env.signal.aborted) return;
      if ((due.get(namespace) ?? 0) > env.now()) continue;
      const fault = await publishBundle(env, namespace, bundle);
      due.set(namespace, env.now() + (fault === undefined ? allAgainMs : afterFailureMs));
      if (fault !== undefined && !env.signal.aborted) env.failed(`ConfigMap weft-ca in namespace ${namespace}: ${fault}`);
    }
    for (const namespace of due.keys()) if (!namespaces.has(namespace)) due.delete(namespace);
    await pause(checkMs, env.signal);
  }
}

/** Those that are labelled for injection, that have injected Pods, or a Gateway of ours. */
export function namespacesWithProxies(state: ClusterState): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { metadata } of state.namespaces.values()) {
    if (metadata.labels?.[injectLabel] === 'enabled' && metadata.deletionTimestamp === undefined) names.add(metadata.name);
  }
  for (const pod of state.pods.values()) if (isInjected(state, pod)) names.add(pod.metadata.namespace);
  for (const { metadata, spec } of state.gateways.values()) {
    const owner = state.gatewayClasses.get(spec.gatewayClassName);
    if (owner === undefined ? spec.gatewayClassName === gatewayClassName : owner.spec.controllerName === controllerName) names.add(metadata.namespace);
  }
  return names;
}
