import type { Listener, ObjectRef } from '#snapshot';
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
  const failures = failedSections(translation, rejections);
  return {
    statuses: translation.statuses.map((status) => {
      const failed = status.kind === 'Gateway' ? failures.get(`${status.namespace}/${status.name}`) : undefined;
      return failed === undefined ? status : withFailures(status, failed);
    }),
    problems: [...translation.problems, ...distinctProblems(rejections)],
  };
}

/** By Gateway, then by listener name: why. */
type Failures = ReadonlyMap<string, ReadonlyMap<string, string>>;

function failedSections(translation: Translation, rejections: readonly Rejection[]): Failures {
  const failures = new Map<string, Map<string, string>>();
  for (const { proxy, type, name, reason } of rejections) {
    if (proxy.role !== 'gateway') continue;
    const key = `${proxy.namespace}/${proxy.name}`;
    const sections = failures.get(key) ?? new Map<string, string>();
    failures.set(key, sections);
    for (const listener of translation.snapshots.listeners.get(key) ?? []) {
      for (const section of sectionsOf(listener, type, name)) sections.set(section, reason);
    }
  }
  return failures;
}

function sectionsOf(listener: Listener, type: Rejection['type'], name: string): readonly string[] {
  const concerned = listener.sections.filter((section) => {
    if (type === 'Listener') return listener.name === name;
    if (type === 'RouteTable') return section.routes === name;
    return type === 'Certificate' && section.certificates?.includes(name) === true;
  });
  return concerned.map((section) => section.name);
}

interface GatewayStatus {
  readonly conditions?: readonly ConditionDraft[];
  readonly listeners?: readonly { readonly name: string; readonly conditions: readonly ConditionDraft[] }[];
}

function withFailures(object: ObjectStatus, failures: ReadonlyMap<string, string>): ObjectStatus {
  if (failures.size === 0) return object;
  const status = object.status as GatewayStatus;
  const listeners = (status.listeners ?? []).map((listener) => {
    const reason = failures.get(listener.name);
    return reason === undefined ? listener : { ...listener, conditions: notProgrammed(listener.conditions, 'Invalid', reason) };
  });
  const someServes = listeners.some(({ conditions }) => conditions.some(({ type, status: value }) => type === 'Programmed' && value === 'True'));
  const reasons = [...new Set(failures.values())];
  // Gateway API: an address that can't be used has a reason of its own.
  const reason = reasons.some((text) => text.startsWith('EADDRNOTAVAIL')) ? 'AddressNotUsable' : 'Invalid';
  const conditions = someServes ? (status.conditions ?? []) : notProgrammed(status.conditions ?? [], reason, reasons.join('; '));
  return { ...object, status: { ...object.status, conditions, listeners } };
}

function notProgrammed(conditions: readonly ConditionDraft[], reason: string, message: string): readonly ConditionDraft[] {
  return conditions.map((condition) => (condition.type === 'Programmed' && condition.status === 'True' ? { ...condition, status: 'False', reason, message } : condition));
}

function distinctProblems(rejections: readonly Rejection[]): readonly Problem[] {
  const problems = new Map<string, Problem>();
  for (const { proxy, type, name, reason } of rejections) {
    const object: Problem['object'] = { ...ownerOf(proxy), apiVersion: proxy.role === 'gateway' ? 'gateway.networking.k8s.io/v1' : 'v1' };
    const message = `proxy ${proxy.id} can not carry out ${type} ${name}: ${reason}`;
    problems.set(message, { severity: 'error', object, path: [], reason: 'NotProgrammed', message });
  }
  return [...problems.values()];
}

function ownerOf({ role, namespace, name }: Rejection['proxy']): ObjectRef {
  return { kind: role === 'gateway' ? 'Gateway' : 'Pod', namespace, name };
}
