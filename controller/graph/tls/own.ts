import { objectKey } from '#crds';
import type { BackendTarget, Filter, WeightedBackend } from '#snapshot';
import type { Cluster } from '../../cluster.ts';
import { portOf } from '../ports.ts';
import { endsTls, type ListenerFacts } from '../listeners/listeners.ts';
import type { BuiltRule } from '../routes/build.ts';
import { backendTlsIndex, unusablePolicy, type BackendTlsIndex } from './backend-policies.ts';
import { readTlsVariant, tlsVariantName } from './variants.ts';

type Rules = readonly BuiltRule[];

/**
 * A route's rules as one listener carries them out: backends that are spoken to over TLS are those of the listener's Gateway. What a
 * listener takes out of TLS goes over TLS to a backend with a BackendTLSPolicy; what it passes on unread (TCP, TLS that passes through) is
 * the client's own, and left as it is. The same rules again where nothing is to be changed, and for the same Gateway.
 */
export function rulesAt(rules: Rules, listener: ListenerFacts, cluster: Cluster): Rules {
  const index = backendTlsIndex(cluster);
  const streams = listener.listener.protocol === 'TLS' && endsTls(listener.listener);
  if (index.all.length === 0 || !(streams || rules.some(hasVariant))) return rules;
  const gateway = objectKey(listener.gateway);
  const byGateway = made.get(rules) ?? new Map<string, Rules>();
  const old = byGateway.get(gateway);
  // Rules are made anew where policies, or Services that they name, have changed (`buildRoute`).
  if (old !== undefined) return old;
  const changed = rules.map((rule) => ruleAt(rule, { gateway, index, cluster, streams }));
  made.set(rules, byGateway.set(gateway, changed));
  return changed;
}

const made = new WeakMap<Rules, Map<string, Rules>>();

interface Place {
  readonly gateway: string;
  readonly index: BackendTlsIndex;
  readonly cluster: Cluster;
  readonly streams: boolean;
}

function hasVariant({ rule }: BuiltRule): boolean {
  return targetsOf(rule).some((target) => target.kind === 'backend' && readTlsVariant(target.backend) !== undefined);
}

/** All that a rule sends requests to, mirrors included. */
export function targetsOf({ backends, filters }: Pick<BuiltRule['rule'], 'backends' | 'filters'>): readonly BackendTarget[] {
  const mirrors = (some: readonly Filter[]): readonly BackendTarget[] => some.flatMap((filter) => (filter.type === 'RequestMirror' ? [filter.backend] : []));
  return [...mirrors(filters), ...backends.flatMap((backend) => [backend.target, ...mirrors(backend.filters)])];
}

function ruleAt(built: BuiltRule, place: Place): BuiltRule {
  const filters = filtersAt(built.rule.filters, place);
  const backends = mapped(built.rule.backends, (backend): WeightedBackend => {
    const [target, own] = [targetAt(backend.target, place), filtersAt(backend.filters, place)];
    return target === backend.target && own === backend.filters ? backend : { ...backend, target, filters: own };
  });
  return filters === built.rule.filters && backends === built.rule.backends ? built : { ...built, rule: { ...built.rule, filters, backends } };
}

function filtersAt(filters: readonly Filter[], place: Place): readonly Filter[] {
  return mapped(filters, (filter) => {
    if (filter.type !== 'RequestMirror') return filter;
    const backend = targetAt(filter.backend, place);
    return backend === filter.backend ? filter : { ...filter, backend };
  });
}

/** The list itself where no item changes. */
function mapped<T>(list: readonly T[], change: (item: T) => T): readonly T[] {
  const changed = list.map(change);
  return changed.every((item, at) => item === list[at]) ? list : changed;
}

function targetAt(target: BackendTarget, place: Place): BackendTarget {
  if (target.kind === 'invalid') return target;
  if (place.streams) return streamTargetAt(target, place);
  const variant = readTlsVariant(target.backend);
  return variant === undefined ? target : { ...target, backend: tlsVariantName({ ...variant, gateway: place.gateway }) };
}

function streamTargetAt(target: Extract<BackendTarget, { kind: 'backend' }>, { gateway, index, cluster }: Place): BackendTarget {
  const { ref, port: number } = target;
  const service = cluster.backend(ref);
  const port = service === undefined ? undefined : portOf(service, number, 'tcp');
  const policy = service === undefined || port === undefined ? undefined : index.find(service, port);
  if (policy === undefined) return target;
  if (policy.tls === undefined) return { kind: 'invalid', ref, port: number, status: 500, reason: unusablePolicy };
  return { ...target, backend: tlsVariantName({ base: target.backend.split('#', 1)[0] ?? '', gateway, carried: 'tcp' }) };
}
