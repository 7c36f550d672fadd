import { targetKey, type PolicyTarget } from '#policy';
import { namespacesOf, servicesByName } from './cluster.ts';
import type { Graph } from './graph/graph.ts';
import { isStream } from './graph/listeners/listeners.ts';
import { tlsOrigins } from './graph/tls/spoken.ts';
import { serviceTable } from './render/mesh.ts';
import { pathsOf, type PathChoice } from './render/table.ts';
import type { PathIndex, SettledPath } from './types.ts';

/** All paths of a graph, worked out when somebody asks. */
export function pathIndex(graph: Graph): PathIndex {
  const byClient = new Map<string, readonly SettledPath[]>();
  const from = (client: string): readonly SettledPath[] => {
    const paths = byClient.get(client) ?? meshPaths(graph, client, 'all');
    byClient.set(client, paths);
    return paths;
  };
  let all: readonly SettledPath[] | undefined;
  return { from, tlsTo: tlsOrigins(graph.cluster, graph.gateways), all: () => (all ??= [...gatewayPaths(graph, 'all'), ...namespacesOf(graph.cluster.state).flatMap(from)]) };
}

/**
 * The paths that status and problems are made of: those with something to tell. Client namespaces that have neither policies nor
 * routes of their own all get the same, so one stands for them.
 */
export function tellingPaths(graph: Graph): readonly SettledPath[] {
  const { cluster, mesh, policies } = graph;
  const special = new Set([...mesh.routes.values()].flatMap(({ consumer }) => [...consumer.keys()]));
  const clients = namespacesOf(cluster.state).filter((name) => special.has(name) || policies.byTarget.has(targetKey(namespaceTarget(name))));
  const plain = namespacesOf(cluster.state).find((name) => !clients.includes(name));
  return [...gatewayPaths(graph, 'touched'), ...[...(plain === undefined ? [] : [plain]), ...clients].flatMap((client) => meshPaths(graph, client, 'touched'))];
}

function namespaceTarget(name: string): PolicyTarget {
  return { group: '', kind: 'Namespace', namespace: '', name };
}

function gatewayPaths({ tables }: Graph, choice: PathChoice): readonly SettledPath[] {
  // Policies act on requests.
  return tables.flatMap(({ listener, routes, way }) => (isStream(listener) ? [] : pathsOf(routes, way, choice)));
}

function meshPaths({ cluster, mesh }: Graph, client: string, choice: PathChoice): readonly SettledPath[] {
  return servicesByName(cluster.state.services).flatMap((service) =>
    service.spec.ports.flatMap((port) => {
      const table = serviceTable(mesh, client, service, port);
      return table === undefined ? [] : pathsOf(table.routes, table.way, choice);
    }),
  );
}
