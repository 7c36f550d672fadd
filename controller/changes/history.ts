import fc from 'fast-check';
import { applyChanges, emptyState, stateOf, type ClusterState, type KubernetesObject } from '#crds';
import type { Resource } from '#snapshot';
import { publish } from '../push/view.ts';
import { translateState } from '../testing.ts';
import type { Snapshots, Translation } from '../types.ts';
import { objectsOfKind } from './objects.ts';

/** For tests: one thing that happens to a cluster. */
export type Change =
  | { readonly kind: 'apply'; readonly object: KubernetesObject }
  /** Of the objects of one kind that there are, modulo their number. */
  | { readonly kind: 'remove'; readonly at: number; readonly of: string };

/** What comes together, as a source tells it. */
export type Batch = readonly Change[];

const kinds = [...objectsOfKind.keys()];

/** Often left out: of Ingresses and ServiceImports objects of other kinds are made, which hides that something else of those was forgotten. */
const seldomThere = fc.subarray(['Ingress', 'ServiceImport', 'ListenerSet', 'XBackendTrafficPolicy', 'RetryPolicy', 'TimeoutPolicy']);

/** A change of one of these shows in one case of three at most: they have three turns where the others have one. */
const seldomSeen = ['ClusterTrustBundle', 'ConfigMap', 'EndpointSlice', 'IngressClass', 'Namespace', 'Pod', 'ReferenceGrant', 'Secret'];

const applyOf = (some: readonly string[]): fc.Arbitrary<Change> =>
  fc.oneof(...some.map((kind) => objectsOfKind.get(kind)!)).filter((object) => object !== undefined).map((object): Change => ({ kind: 'apply', object }));
const startOf = (some: readonly string[]): fc.Arbitrary<Batch> => fc.array(applyOf(some), { minLength: 150, maxLength: 200, size: 'max' });
const changesOf = (some: readonly string[], [minLength, maxLength]: readonly [number, number]): fc.Arbitrary<Batch> => {
  const removal = fc.record({ at: fc.nat(), of: fc.constantFrom(...some) }).map((which): Change => ({ kind: 'remove', ...which }));
  return fc.array(fc.oneof({ weight: 3, arbitrary: applyOf(some) }, { weight: 1, arbitrary: removal }), { minLength, maxLength, size: 'max' });
};
/** Nothing but the kind itself tells of such a change. */
const changesOfOne = (kind: string): fc.Arbitrary<Batch> => changesOf([kind], [1, 12]);

/** A cluster that many objects came to. */
export const filled: fc.Arbitrary<ClusterState> = seldomThere.chain((absent) => startOf(kinds.filter((kind) => !absent.includes(kind)))).map((batch) => after(emptyState(), batch));

/** A cluster that is filled by the first batch, and then changes: each kind in its turn, and between them several at once; what was left out comes last. */
export const histories: fc.Arbitrary<readonly Batch[]> = seldomThere.chain((absent) => {
  const present = kinds.filter((kind) => !absent.includes(kind));
  const due = [...present, ...seldomSeen, ...seldomSeen];
  const turns = fc.shuffledSubarray(due, { minLength: due.length }).chain((order) => fc.tuple(...order.flatMap((kind, index) => [changesOfOne(kind), ...(index % 4 === 3 ? [changesOf(present, [2, 3])] : [])])));
  return fc.tuple(startOf(present), turns, fc.tuple(...absent.map(changesOfOne))).map(([first, ...rest]) => [first, ...rest.flat()]);
});

export function after(state: ClusterState, batch: Batch): ClusterState {
  return batch.reduce((current, each) => {
    if (each.kind === 'apply') return applyChanges(current, [each.object]);
    const all = objectsOf(current).filter(({ kind }) => kind === each.of);
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
