import { createHash } from 'node:crypto';
import type { ResourceKind } from '#snapshot';
import { compareText } from '../cluster.ts';
import type { SessionProgress } from '../push/index.ts';

/** What `weft status` tells of one proxy. */
export interface ProxyReport {
  readonly id: string;
  readonly role: 'gateway' | 'sidecar';
  readonly namespace: string;
  readonly name: string;
  /** RFC 3339: the beginning of its present connection. */
  readonly connectedAt?: string;
  /** Of all resources together that it should have; changes with any of them. */
  readonly wanted: string;
  /** Of those that it has said to serve. Equal to `wanted` where it is up to date. */
  readonly acknowledged: string;
  /** It has answered for all that it should have; refusals count as answers. */
  readonly current: boolean;
  readonly resources: number;
  readonly refused: readonly { readonly type: ResourceKind; readonly name: string; readonly reason: string }[];
}

/** By id. */
export function proxyReports(sessions: readonly SessionProgress[]): readonly ProxyReport[] {
  return sessions.map(reportOf).sort((a, b) => compareText(a.id, b.id));
}

function reportOf({ proxy, types, current, since }: SessionProgress): ProxyReport {
  const wanted = [...types].flatMap(([type, progress]) => [...progress.wanted].flatMap(([name, version]) => (version === undefined ? [] : [`${type} ${name} ${version}`])));
  // What it still holds of resources that it wants no more is no part of either.
  const acknowledged = [...types].flatMap(([type, progress]) =>
    [...progress.acked].flatMap(([name, version]) => (progress.wanted.get(name) === undefined ? [] : [`${type} ${name} ${version}`])),
  );
  return {
    id: proxy.id,
    role: proxy.role,
    namespace: proxy.namespace,
    name: proxy.name,
    ...(since === undefined ? {} : { connectedAt: new Date(since).toISOString() }),
    wanted: digest(wanted),
    acknowledged: digest(acknowledged),
    current,
    resources: wanted.length,
    refused: [...types].flatMap(([type, { rejected }]) => [...rejected].map(([name, reason]) => ({ type, name, reason }))),
  };
}

/** Short, as it is to be compared by eye. */
function digest(lines: readonly string[]): string {
  return createHash('sha256').update(lines.toSorted().join('\n')).digest('hex').slice(0, 8);
}
