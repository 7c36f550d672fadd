import { targetKey, type PolicyTarget } from '#policy';
import { Pace, runSteps, type Steps } from '#snapshot';
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
    const paths = byClient.get(client) ?? runSteps(meshPaths(graph, client, { choice: 'all', pace: new Pace() }));
    byClient.set(client, paths);
    return paths;
  };
  let all: readonly SettledPath[] | undefined;
  return { from, tlsTo: tlsOrigins(graph.cluster, graph.gateways), all: () => (all ??= [...runSteps(gatewayPaths(graph, { choice: 'all', pace: new Pace() })), ...namespacesOf(graph.cluster.state).flatMap(from)]) };
}

/**
 * The paths that status and problems are made of: those with something to tell. Client namespaces that have neither policies nor
 * routes of their own all get the same, so one stands for them.
 */
export function* tellingPaths(graph: Graph, pace: Pace): Steps<readonly SettledPath[]> {
  const { cluster, mesh, policies } = graph;
  const special = new Set([...mesh.routes.values()].flatMap(({ consumer }) => [...consumer.keys()]));
  const clients = namespacesOf(cluster.state).filter((name) => special.has(name) || policies.byTarget.has(targetKey(namespaceTarget(name))));
  const plain = namespacesOf(cluster.state).find((name) => !clients.includes(name));
  const touched = { choice: 'touched', pace } as const;
  const found = [yield* gatewayPaths(graph, touched)];
  for (const client of [...(plain === undefined ? [] : [plain]), ...clients]) found.push(yield* meshPaths(graph, client, touched));
  return found.flat();
}

function namespaceTarget(name: string): PolicyTarget {
  return { group: '', kind: 'Namespace', namespace: '', name };
}

interface Asked {
  readonly choice: PathChoice;
  readonly pace: Pace;
}

function* gatewayPaths({ tables }: Graph, asked: Asked): Steps<readonly SettledPath[]> {
  const found: (readonly SettledPath[])[] = [];
  // Policies act on requests.
  for (const { listener, routes, way } of tables) if (!isStream(listener)) found.push(yield* pathsOf(routes, way, asked));
  return found.flat();
}

function* meshPaths({ cluster, mesh }: Graph, client: string, asked: Asked): Steps<readonly SettledPath[]> {
  const found: (readonly SettledPath[])[] = [];
  for (const service of servicesByName(cluster.state.services)) {
    for (const port of service.spec.ports) {
      const table = yield* serviceTable(mesh, client, service, port);
      if (table !== undefined) found.push(yield* pathsOf(table.routes, table.way, asked));
    }
    if (asked.pace.spend()) yield;
  }
  return found.flat();
}
