import type { Service } from '#crds';
import { targetKey, type PolicyTarget } from '#policy';
import { Pace, runSteps, type Steps } from '#snapshot';
import { compareText, namespacesOf, servicesByName } from './cluster.ts';
import type { Graph } from './graph/graph.ts';
import { tlsOrigins } from './graph/tls/spoken.ts';
import { serviceStreams, serviceTable, type ServiceTable } from './render/mesh.ts';
import { reachedRules } from './render/reach.ts';
import { reachedRoutes } from './render/streams.ts';
import { pathsOf, type PathChoice } from './render/table.ts';
import type { PathIndex, SettledPath } from './types.ts';

/** All paths of a graph, worked out when somebody asks. */
export function pathIndex(graph: Graph): PathIndex {
  const byClient = new Map<string, readonly SettledPath[]>();
  const from = (client: string): readonly SettledPath[] => {
    const paths = byClient.get(client) ?? runSteps(meshPaths(graph, { client, services: servicesByName(graph.cluster.state.services) }, { choice: 'all', pace: new Pace() }));
    byClient.set(client, paths);
    return paths;
  };
  let all: readonly SettledPath[] | undefined;
  return { from, tlsTo: tlsOrigins(graph.cluster, graph.gateways), all: () => (all ??= [...runSteps(gatewayPaths(graph, { choice: 'all', pace: new Pace() })), ...namespacesOf(graph.cluster.state).flatMap(from)]) };
}

/** What status and problems are made of. */
export interface Telling {
  readonly paths: readonly SettledPath[];
  /** Not all paths through the mesh were looked at. */
  readonly partly: boolean;
}

/**
 * The paths with something to tell. Client namespaces that have neither policies nor routes of their own all get the same, so one stands for
 * them, as it does for those with routes of their own at all Services but the ones that these are for. Where many namespaces have policies of
 * their own and there are many Services, each namespace is looked at with some of the Services, and each Service with some of the namespaces.
 */
export function* tellingPaths(graph: Graph, pace: Pace): Steps<Telling> {
  const { cluster, policies } = graph;
  const namespaces = namespacesOf(cluster.state);
  const services = servicesByName(cluster.state.services);
  const consumers = yield* consumersOf(graph, pace);
  const withPolicies = namespaces.filter((name) => policies.byTarget.has(targetKey(namespaceTarget(name))));
  const special = new Set([...consumers.keys(), ...withPolicies]);
  const plain = namespaces.find((name) => !special.has(name));
  const touched = { choice: 'touched', pace } as const;
  const found = [yield* gatewayPaths(graph, touched)];
  if (plain !== undefined) found.push(yield* meshPaths(graph, { client: plain, services }, touched));
  const most = withPolicies.length * services.length <= maxPairs ? Infinity : Math.max(1, Math.floor(maxPairs / (withPolicies.length + services.length)));
  const byNamespace = Map.groupBy(services, ({ metadata }) => metadata.namespace);
  for (const [index, client] of withPolicies.entries()) {
    const some = index < most ? services : [...new Set([...services.slice(0, most), ...(byNamespace.get(client) ?? []), ...(consumers.get(client) ?? [])])];
    found.push(yield* meshPaths(graph, { client, services: some }, touched));
  }
  const own = new Set(withPolicies);
  for (const [client, some] of consumers) if (!own.has(client)) found.push(yield* meshPaths(graph, { client, services: plain === undefined ? services : [...some] }, touched));
  return { paths: found.flat(), partly: most < withPolicies.length };
}

/** Namespaces with policies times Services: some 50 µs each, with every translation. */
const maxPairs = 10_000;

/** By client namespace, sorted: the Services that it has routes of its own for. */
function* consumersOf({ mesh }: Graph, pace: Pace): Steps<ReadonlyMap<string, ReadonlySet<Service>>> {
  const found = new Map<string, Set<Service>>();
  for (const { consumer } of mesh.routes.values()) {
    for (const [client, attachments] of consumer) {
      const services = found.get(client) ?? new Set();
      for (const { to } of attachments.slice(0, 1)) if (to?.kind === 'service') found.set(client, services.add(to.service));
      if (pace.spend()) yield;
    }
  }
  return new Map([...found].sort(([a], [b]) => compareText(a, b)));
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
  for (const table of tables) found.push(yield* pathsThrough(table, asked));
  return found.flat();
}

interface Pairs {
  readonly client: string;
  readonly services: readonly Service[];
}

function* meshPaths({ mesh }: Graph, { client, services }: Pairs, asked: Asked): Steps<readonly SettledPath[]> {
  const found: (readonly SettledPath[])[] = [];
  for (const service of services) {
    for (const port of service.spec.ports) {
      const streams = port.protocol === 'TCP' ? yield* serviceStreams(mesh, client, service, port) : undefined;
      const table = streams ?? (yield* serviceTable(mesh, client, service, port));
      if (table !== undefined) found.push(yield* pathsThrough(table, asked));
    }
    if (asked.pace.spend()) yield;
  }
  return found.flat();
}

/** What gets no request, connection or datagram, because others come first, has no path: nothing that a policy says of it acts. */
function* pathsThrough({ routes, way }: ServiceTable, asked: Asked): Steps<readonly SettledPath[]> {
  const reached = way.carries === 'requests' ? reachedRules : reachedRoutes;
  return yield* pathsOf(yield* reached(routes, asked.pace), way, asked);
}
