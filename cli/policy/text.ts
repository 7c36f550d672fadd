import type { Carried } from '#policy';
import type { EffectivePolicy, Origin } from '#snapshot';
import { columns, nameOf } from '../table.ts';

/** One line per field in force on a path that carries such: the field, its value, where it came from; else what it means that there is none. */
export function fieldsInForce(policy: Pick<EffectivePolicy, 'retry' | 'timeouts' | 'session' | 'origins'>, indent: string, carries: Carried): string {
  const rows = Object.entries(policy.origins).map(([field, origin]) => [field, show(valueAt(policy, field)), originText(origin)]);
  const none = carries === 'requests' ? 'nothing is retried, no request timeout' : 'what passes as it is has the times that are built in';
  return rows.length === 0 ? `${indent}no policy: ${none}` : columns(rows.toSorted((a, b) => a[0]!.localeCompare(b[0]!)), indent);
}

export function originText(origin: Origin): string {
  const what = `${origin.kind} ${nameOf(origin)}`;
  return origin.stanza === 'route' || origin.stanza === 'direct' ? `written in ${what}` : `${origin.stanza} of ${what} at ${origin.level}`;
}

/** The value of a leaf such as `retry.retryOn.codes`. */
export function valueAt(policy: Pick<EffectivePolicy, 'retry' | 'timeouts' | 'session'>, field: string): unknown {
  let value: unknown = policy;
  for (const key of field.split('.')) value = typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined;
  return value;
}

export function show(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
