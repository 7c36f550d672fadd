import fc from 'fast-check';
import { applyChanges, emptyState, stateOf, type ClusterState, type KubernetesObject } from '#crds';
import type { Resource } from '#snapshot';
import { publish } from '../push/view.ts';
import { translateState } from '../testing.ts';
import type { Snapshots, Translation } from '../types.ts';
import { anyObject } from './objects.ts';

/** For tests: one thing that happens to a cluster. */
export type Change =
  | { readonly kind: 'apply'; readonly object: KubernetesObject }
  /** Of the objects there are, modulo their number. */
  | { readonly kind: 'remove'; readonly at: number };

/** What comes together, as a source tells it. */
export type Batch = readonly Change[];

const apply = anyObject.filter((object) => object !== undefined).map((object): Change => ({ kind: 'apply', object }));
const change: fc.Arbitrary<Change> = fc.oneof({ weight: 4, arbitrary: apply }, { weight: 1, arbitrary: fc.nat().map((at): Change => ({ kind: 'remove', at })) });

/** A cluster that is filled by the first batch, and then changes a little at a time. */
export function histories(length: number): fc.Arbitrary<readonly Batch[]> {
  return fc.tuple(fc.array(apply, { minLength: 60, maxLength: 120, size: 'max' }), fc.array(fc.array(change, { minLength: 1, maxLength: 3 }), { maxLength: length, size: 'max' })).map(([start, batches]) => [start, ...batches]);
}

export function after(state: ClusterState, batch: Batch): ClusterState {
  return batch.reduce((current, each) => {
    if (each.kind === 'apply') return applyChanges(current, [each.object]);
    const all = objectsOf(current);
    return all.length === 0 ? current : applyChanges(current, [], [all[each.at % all.length]!]);
  }, state);
}

/** Translates after each batch what is there then, and says where that differs from a translation of the same objects that never were in another one. */
export function firstStale(history: readonly Batch[]): { readonly step: number; readonly kept: string; readonly anew: string } | undefined {
  let state = emptyState();
  for (const [step, batch] of history.entries()) {
    state = after(state, batch);
    const kept = textOf(translateState(state), state);
    const fresh = stateOf(structuredClone(objectsOf(state).toReversed()));
    const anew = textOf(translateState(fresh), fresh);
    if (kept !== anew) return { step, kept, anew };
  }
  return undefined;
}

function objectsOf(state: ClusterState): readonly KubernetesObject[] {
  return Object.values(state).flatMap((map) => [...map.values()] as KubernetesObject[]);
}

const clients = ['x', 'y', 'z'];

/** All that users and proxies get to know, a line each. */
export function textOf({ statuses, problems, snapshots, paths }: Translation, state: ClusterState): string {
  const lines = statuses.map((each) => `status ${JSON.stringify(each)}`);
  lines.push(...problems.map(({ source: _source, ...each }) => `problem ${JSON.stringify(each)}`));
  lines.push(...resourcesOf(snapshots, state).map((each) => publish(each).encoded));
  lines.push(...[...snapshots.clientCertificates].sort().map(([gateway, name]) => `client certificate of ${gateway}: ${name}`));
  lines.push(...paths.all().map((each) => `path ${JSON.stringify(each)} ${JSON.stringify(each.resource === undefined ? undefined : paths.tlsTo(each.resource))}`));
  return lines.join('\n');
}

/** Everything that a proxy could ask for, and all that those things name. */
function resourcesOf(snapshots: Snapshots, state: ClusterState): readonly Resource[] {
  const listeners = [...snapshots.listeners].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([, each]) => each);
  const addresses = [...state.services.values()].flatMap(({ spec }) => spec.clusterIPs);
  const hosts = [...addresses, '10.0.0.1', 'a', 'a.x', 'import:a.x', 'a.x.svc.clusterset.local'].sort();
  const destinations = clients.flatMap((client) => [...snapshots.destinations(client), ...hosts.flatMap((host) => [80, 81].map((port) => snapshots.destination(client, host, port)))]);
  const tables = new Set(listeners.flatMap(({ sections }) => sections.map(({ routes }) => routes)));
  for (const { target } of destinations) if (target.kind === 'service') for (const table of [target.routes, target.streams ?? '']) tables.add(table);
  const found: (Resource | undefined)[] = [...listeners, ...destinations, ...[...tables].flatMap((table) => [snapshots.routeTable(table), snapshots.streamTable(table)])];
  // Names of backends and certificates are wherever a text of ours has them.
  const names = new Set(JSON.stringify(found).match(/"[a-z-]+\/[^"/]+:[0-9]+(#[^"]*)?"/g)?.map((quoted) => quoted.slice(1, -1)));
  for (const name of [...names].sort()) found.push(snapshots.backend(name), snapshots.endpoints(name));
  for (const { metadata } of state.secrets.values()) found.push(snapshots.certificate(`${metadata.namespace}/${metadata.name}`));
  const texts = new Map(found.filter((each) => each !== undefined).map((each) => [`${each.kind} ${each.name}`, each]));
  return [...texts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each);
}
