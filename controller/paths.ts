import { namespacesOf, servicesByName } from './cluster.ts';
import type { Graph } from './graph/graph.ts';
import { serviceTable } from './render/mesh.ts';
import { pathsOf } from './render/table.ts';
import type { PathIndex, SettledPath } from './types.ts';

/** All paths of a graph, worked out when somebody asks. */
export interface Paths extends PathIndex {
  throughGateways(): readonly SettledPath[];
}

export function pathIndex({ cluster, tables, mesh }: Graph): Paths {
  const throughGateways = once(() => tables.flatMap((table) => pathsOf(table.routes, table.way)));
  const byClient = new Map<string, readonly SettledPath[]>();
  const from = (client: string): readonly SettledPath[] => {
    const known = byClient.get(client);
    if (known !== undefined) return known;
    const paths = servicesByName(cluster.state.services).flatMap((service) =>
      service.spec.ports.flatMap((port) => {
        const table = serviceTable(mesh, client, service, port);
        return table === undefined ? [] : pathsOf(table.routes, table.way);
      }),
    );
    byClient.set(client, paths);
    return paths;
  };
  return { from, throughGateways, all: once(() => [...throughGateways(), ...namespacesOf(cluster.state).flatMap(from)]) };
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}
