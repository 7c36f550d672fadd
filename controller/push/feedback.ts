import { references, type Listener, type ObjectRef } from '#snapshot';
import type { ConditionDraft, ObjectStatus, Problem, Translation } from '../types.ts';
import type { Rejection } from './sessions.ts';

export interface Reported {
  readonly statuses: readonly ObjectStatus[];
  readonly problems: readonly Problem[];
}

/**
 * Joins what the proxies say to what translation says: a listener that its gateway can't carry out is not programmed, and a Gateway
 * none of whose listeners is, neither. Every refusal is a problem of the Gateway or Pod whose proxy it comes from.
 */
export function joinFeedback(translation: Translation, rejections: readonly Rejection[]): Reported {
  if (rejections.length === 0) return { statuses: translation.statuses, problems: translation.problems };
  const { byObject, serving } = failuresOf(translation, rejections);
  return {
    statuses: translation.statuses.map((status) => {
      const key = keyOf(status.kind, status.namespace, status.name);
      const failed = byObject.get(key);
      return failed === undefined ? status : withFailures(status, failed, serving);
    }),
    problems: [...translation.problems, ...distinctProblems(rejections)],
  };
}

/** What a Gateway could not be given in its cluster. */
export interface Shortfall {
  /** Of Programmed (GatewayReason). */
  readonly reason: 'Invalid' | 'NoResources';
  readonly message: string;
}

/** A Gateway without what it needs is not programmed, whatever else is said of it, nor are its listeners and the ListenerSets that it serves. */
export function joinShortfalls(reported: Reported, shortfalls: ReadonlyMap<string, Shortfall>, { snapshots }: Pick<Translation, 'snapshots'>): Reported {
  if (shortfalls.size === 0) return reported;
  const problems: Problem[] = [];
  const parents = parentsOf(shortfalls.keys(), snapshots);
  const statuses = reported.statuses.map((object) => {
    const parent = object.kind === 'ListenerSet' ? parents.get(keyOf(object.kind, object.namespace, object.name)) : undefined;
    if (parent !== undefined) return { ...object, status: { ...object.status, conditions: notProgrammed((object.status as GatewayStatus).conditions ?? [], 'ParentNotProgrammed', `Gateway ${parent} is not programmed`), listeners: notReady(object, parent) } };
    const shortfall = object.kind === 'Gateway' ? shortfalls.get(`${object.namespace}/${object.name}`) : undefined;
    if (shortfall === undefined) return object;
    const { apiVersion, kind, namespace, name } = object;
    problems.push({ severity: 'error', object: { apiVersion, kind, namespace, name }, path: [], reason: 'NotProgrammed', message: shortfall.message });
    const { conditions = [] } = object.status as GatewayStatus;
    // It stands in place of the address that is missing for that reason, not of what is wrong in the Gateway itself.
    const waiting = (condition: ConditionDraft): boolean => condition.type === 'Programmed' && (condition.status === 'True' || condition.reason === 'AddressNotAssigned');
    return { ...object, status: { ...object.status, conditions: conditions.map((condition) => (waiting(condition) ? { ...condition, status: 'False' as const, ...shortfall } : condition)), listeners: notReady(object, `${namespace}/${name}`) } };
  });
  return { statuses, problems: [...reported.problems, ...problems] };
}

/** What is lacking has a name in GatewayReason; ListenerReason has only that the listener is not ready for clients. */
function notReady({ status }: ObjectStatus, gateway: string): NonNullable<GatewayStatus['listeners']> {
  const { listeners = [] } = status as GatewayStatus;
  return listeners.map((listener) => ({ ...listener, conditions: notProgrammed(listener.conditions, 'Pending', `Gateway ${gateway} is not programmed`) }));
}

/** By ListenerSet: which of the Gateways serves a listener of it. */
function parentsOf(gateways: Iterable<string>, { listeners }: Translation['snapshots']): ReadonlyMap<string, string> {
  const parents = new Map<string, string>();
  for (const gateway of gateways) {
    for (const { name } of (listeners.get(gateway) ?? []).flatMap(({ sections }) => sections)) parents.set(ownerOfSection('', name).object, gateway);
  }
  return parents;
}

interface Failures {
  /** By Gateway or ListenerSet, then by listener name: why. A Gateway is here too where only a ListenerSet's listener failed. */
  readonly byObject: ReadonlyMap<string, ReadonlyMap<string, string>>;
  /** Gateways and ListenerSets of which some listener did not fail, a Gateway's guests counted as its own. */
  readonly serving: ReadonlySet<string>;
}

function failuresOf(translation: Translation, rejections: readonly Rejection[]): Failures {
  const byObject = new Map<string, Map<string, string>>();
  const serving = new Set<string>();
  const refusals = Map.groupBy(rejections.filter(({ proxy }) => proxy.role === 'gateway'), ({ proxy }) => `${proxy.namespace}/${proxy.name}`);
  for (const [key, refused] of refusals) {
    const gateway = `Gateway ${key}`;
    const listeners = translation.snapshots.listeners.get(key) ?? [];
    const backends = backendsInTables(translation.snapshots);
    const failed = new Map(refused.flatMap((rejection) => listeners.flatMap((listener) => sectionsOf(listener, rejection, backends).map((section) => [section, rejection.reason] as const))));
    byObject.set(gateway, new Map());
    for (const { name } of listeners.flatMap(({ sections }) => sections)) {
      const { object, listener } = ownerOfSection(gateway, name);
      const reason = failed.get(name);
      if (reason === undefined) serving.add(gateway).add(object);
      else for (const owner of new Set([gateway, object])) byObject.set(owner, (byObject.get(owner) ?? new Map<string, string>()).set(owner === object ? listener : name, reason));
    }
  }
  return { byObject, serving };
}

/** Sections of ListenerSets carry its name before their own (ListenerSection.name). */
function ownerOfSection(gateway: string, section: string): { readonly object: string; readonly listener: string } {
  const [namespace = '', name, listener] = section.split('/');
  return name === undefined || listener === undefined ? { object: gateway, listener: section } : { object: keyOf('ListenerSet', namespace, name), listener };
}

function keyOf(kind: string, namespace: string, name: string): string {
  return `${kind} ${namespace}/${name}`;
}

/** Of each table the Backends that it can't be put in force without; looked up once, and only where one of them is refused. */
function backendsInTables(snapshots: Translation['snapshots']): (table: string) => ReadonlySet<string> {
  const known = new Map<string, ReadonlySet<string>>();
  return (table) => {
    const found = known.get(table);
    if (found !== undefined) return found;
    const resource = snapshots.routeTable(table) ?? snapshots.streamTable(table);
    const names = new Set(resource === undefined ? [] : references(resource).map(({ name }) => name));
    known.set(table, names);
    return names;
  };
}

function sectionsOf(listener: Listener, { type, name }: Rejection, backends: (table: string) => ReadonlySet<string>): readonly string[] {
  const concerned = listener.sections.filter((section) => {
    switch (type) {
      case 'Listener':
        return listener.name === name;
      case 'RouteTable':
      case 'StreamTable':
        return section.routes === name;
      case 'Certificate':
        return section.certificates?.includes(name) === true;
      // Of one name.
      case 'Backend':
      case 'Endpoints':
        return backends(section.routes).has(name);
      case 'Destination':
        return false;
    }
  });
  return concerned.map((section) => section.name);
}

interface GatewayStatus {
  readonly conditions?: readonly ConditionDraft[];
  readonly listeners?: readonly { readonly name: string; readonly conditions: readonly ConditionDraft[] }[];
}

function withFailures(object: ObjectStatus, failures: ReadonlyMap<string, string>, serving: ReadonlySet<string>): ObjectStatus {
  if (failures.size === 0) return object;
  const status = object.status as GatewayStatus;
  const listeners = (status.listeners ?? []).map((listener) => {
    const reason = failures.get(listener.name);
    return reason === undefined ? listener : { ...listener, conditions: notProgrammed(listener.conditions, 'Invalid', reason) };
  });
  const reasons = [...new Set(failures.values())];
  // Gateway API: an address that can't be used has a reason of its own, and it is a Gateway's.
  const unusable = object.kind === 'Gateway' && reasons.some((text) => text.startsWith('EADDRNOTAVAIL'));
  const reason = unusable ? 'AddressNotUsable' : 'Invalid';
  const serves = serving.has(keyOf(object.kind, object.namespace, object.name));
  const conditions = serves ? (status.conditions ?? []) : notProgrammed(status.conditions ?? [], reason, reasons.join('; '));
  return { ...object, status: { ...object.status, conditions, listeners } };
}

function notProgrammed(conditions: readonly ConditionDraft[], reason: string, message: string): readonly ConditionDraft[] {
  return conditions.map((condition) => (condition.type === 'Programmed' && condition.status === 'True' ? { ...condition, status: 'False', reason, message } : condition));
}

function distinctProblems(rejections: readonly Rejection[]): readonly Problem[] {
  const problems = new Map<string, Problem>();
  for (const { proxy, type, name, reason } of rejections) {
    const object: Problem['object'] = { ...ownerOf(proxy), apiVersion: proxy.role === 'gateway' ? 'gateway.networking.k8s.io/v1' : 'v1' };
    // Why a socket can't be bound says all there is to say; of other resources a user knows no more than what they were made of.
    const message = type === 'Listener' ? `${reason} (proxy ${proxy.id})` : `proxy ${proxy.id} can't carry out ${type} ${name}: ${reason}`;
    problems.set(message, { severity: 'error', object, path: [], reason: 'NotProgrammed', message });
  }
  return [...problems.values()];
}

function ownerOf({ role, namespace, name }: Rejection['proxy']): ObjectRef {
  return { kind: role === 'gateway' ? 'Gateway' : 'Pod', namespace, name };
}
