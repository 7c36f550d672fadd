import type { ClusterState } from '#crds';
import { Pace, runSteps, type Listener, type Steps } from '#snapshot';
import { withBuiltInsInSteps } from './built-ins.ts';
import { namespacesOf } from './cluster.ts';
import { buildGraph, type Graph } from './graph/graph.ts';
import { isStream } from './graph/listeners/listeners.ts';
import { tlsOfBackends } from './graph/tls/spoken.ts';
import { slicesOfNames, uselessBackends } from './lint/backends.ts';
import { Memo } from './memo.ts';
import { pathIndex } from './paths.ts';
import { inOrder } from './problems.ts';
import { renderEndpoints } from './render/endpoints.ts';
import { renderListeners, servedCertificates, shownToBackends } from './render/gateway.ts';
import { renderStreamTable } from './render/streams.ts';
import { renderTableInSteps } from './render/table.ts';
import { remember, resourcesOf } from './snapshots.ts';
import type { Reported } from './status/classes.ts';
import { report } from './status/report.ts';
import type { Environment, PathIndex, Snapshots, Translation } from './types.ts';

/**
 * From everything that is written down to everything that proxies and users get to know. Synchronous, total and deterministic:
 * the order of the state's maps does not matter, and what users got wrong is in `problems` and `statuses`.
 */
export function translate(written: ClusterState, environment: Environment): Translation {
  return runSteps(translateInSteps(written, environment));
}

/** `translate`, giving way after every few items; other translations may run in between. */
export function* translateInSteps(written: ClusterState, environment: Environment, pace = new Pace()): Steps<Translation> {
  const state = yield* withBuiltInsInSteps(written, pace);
  const { graph, reported, resources, paths } = yield* withoutEndpoints.getInSteps(state.httpRoutes, inputsOf(state, environment), () => translateRest(state, environment, pace));
  const unknown = environment.workloads === 'elsewhere' && state.pods.size === 0 && state.endpointSlices.size === 0;
  const useless = unknown ? [] : yield* uselessBackends(state, graph, environment, pace);
  return {
    statuses: reported.statuses,
    problems: yield* inOrder([...reported.problems, ...useless, ...slicesOfNames(state.endpointSlices)], pace),
    snapshots: { ...resources, endpoints: remember((name) => renderEndpoints(state, name)) },
    paths,
  };
}

/** Everything that a change of endpoints leaves as it is. */
interface Rest {
  readonly graph: Graph;
  readonly reported: Reported;
  readonly resources: Omit<Snapshots, 'endpoints'>;
  readonly paths: PathIndex;
}

const withoutEndpoints = new Memo<ClusterState['httpRoutes'], Rest>();

/** All that `translateRest` looks at. Of Pods and EndpointSlices that is only in which namespaces they are. */
function inputsOf({ pods, endpointSlices: _slices, ...rest }: ClusterState, environment: Environment): readonly unknown[] {
  const addresses = JSON.stringify([...environment.gatewayAddresses].sort());
  return [...Object.keys(rest).sort().map((name) => rest[name as keyof typeof rest]), addresses, environment.portOffset, environment.bind, namespacesOf({ ...rest, pods }).join(' ')];
}

function* translateRest(state: ClusterState, environment: Environment, pace: Pace): Steps<Rest> {
  const graph = yield* buildGraph(state, environment, pace);
  const { gateways, policies, mesh, tables } = graph;
  const listeners = new Map<string, readonly Listener[]>();
  for (const [key, facts] of gateways) {
    listeners.set(key, yield* renderListeners(facts, environment, policies, pace));
    if (pace.spend()) yield;
  }
  const resources = resourcesOf({
    state,
    mesh,
    listeners,
    tables: new Map(tables.flatMap(({ listener, routes, way }) => (isStream(listener) ? [] : [[way.name, () => renderTableInSteps(routes, way)]]))),
    streamTables: new Map(tables.flatMap(({ listener, routes, way }) => (isStream(listener) ? [[way.name, () => renderStreamTable(routes, way)]] : []))),
    certificates: servedCertificates(gateways.values()),
    clientCertificates: shownToBackends(gateways),
    tlsOf: tlsOfBackends(graph.cluster, gateways),
  });
  return { graph, reported: yield* report(graph, pace), resources, paths: pathIndex(graph) };
}
