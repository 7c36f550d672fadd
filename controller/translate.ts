import type { ClusterState, HTTPRoute } from '#crds';
import type { Attachments } from '#policy';
import { withBuiltIns } from './built-ins.ts';
import { clusterOf, namespacesOf, type Cluster } from './cluster.ts';
import { attachRoute, type Attachment, type RouteAttachments } from './graph/attachments.ts';
import { describeGateways, type GatewayFacts } from './graph/gateways.ts';
import type { ListenerFacts } from './graph/listeners.ts';
import { meshRoutes } from './graph/mesh.ts';
import { attachPolicies } from './policies.ts';
import { distinct, problem } from './problems.ts';
import { listenerTables, renderListeners, routesByListener, servedCertificates, type ListenerTable } from './render/gateway.ts';
import { serviceTable, type Mesh, type ServiceTable } from './render/mesh.ts';
import { pathsOf, renderTable } from './render/table.ts';
import { snapshotsOf } from './snapshots.ts';
import { reportClasses } from './status/classes.ts';
import { gatewayStatus } from './status/gateway.ts';
import { routeStatus } from './status/route.ts';
import { reportUnsupported } from './status/unsupported.ts';
import type { Environment, ObjectStatus, PathIndex, Problem, SettledPath, Translation } from './types.ts';

/**
 * From everything that is written down to everything that proxies and users get to know. Synchronous, total and deterministic:
 * the order of the state's maps does not matter, and what users got wrong is in `problems` and `statuses`.
 */
export function translate(written: ClusterState, environment: Environment): Translation {
  const graph = buildGraph(withBuiltIns(written), environment);
  const { cluster, gateways, routes, policies, mesh, tables } = graph;
  const snapshots = snapshotsOf({
    state: cluster.state,
    mesh,
    listeners: new Map([...gateways].map(([key, facts]) => [key, renderListeners(facts, environment, policies)])),
    tables: new Map(tables.map((table) => [table.way.name, () => renderTable(table.routes, table.way)])),
    certificates: servedCertificates(gateways.values()),
  });
  const attachments = routes.flatMap((route) => route.attachments);
  const attached = attachedCounts(attachments);
  const classes = reportClasses(cluster, () => []);
  const unsupported = reportUnsupported(cluster, gateways, attachments);
  const statuses: readonly ObjectStatus[] = [
    ...classes.statuses,
    ...[...gateways.values()].map((facts) => gatewayStatus(facts, attached, [])),
    ...routes.flatMap((route) => routeStatus(route, []) ?? []),
    ...unsupported.statuses,
  ];
  const problems = [...classes.problems, ...graphProblems(graph), ...unsupported.problems, ...policies.problems];
  return { statuses, problems: distinct(problems), snapshots, paths: pathIndex(graph) };
}

interface Graph {
  readonly cluster: Cluster;
  readonly gateways: ReadonlyMap<string, GatewayFacts>;
  readonly routes: readonly RouteAttachments[];
  readonly policies: Attachments;
  readonly mesh: Mesh;
  readonly tables: readonly ListenerTable[];
}

function buildGraph(state: ClusterState, environment: Environment): Graph {
  const cluster = clusterOf(state);
  const gateways = describeGateways(cluster, environment);
  const routes = sortedRoutes(state).map((route) => attachRoute(route, { cluster, gateways }));
  const policies = attachPolicies(cluster, gateways);
  const attachments = routes.flatMap((route) => route.attachments);
  const byListener = routesByListener(attachments);
  const context = { cluster, attachments: policies };
  return {
    cluster,
    gateways,
    routes,
    policies,
    mesh: { ...context, routes: meshRoutes(attachments) },
    tables: [...gateways.values()].flatMap((facts) => listenerTables(facts, byListener, context)),
  };
}

function sortedRoutes({ httpRoutes }: ClusterState): readonly HTTPRoute[] {
  return [...httpRoutes].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, route]) => route);
}

/** Routes per listener, each counted once however many of its parentRefs lead there. */
function attachedCounts(attachments: readonly Attachment[]): ReadonlyMap<ListenerFacts, number> {
  const routes = new Map<ListenerFacts, Set<HTTPRoute>>();
  for (const { route, to } of attachments) {
    if (to?.kind !== 'gateway') continue;
    for (const { listener } of to.sections) routes.set(listener, (routes.get(listener) ?? new Set()).add(route));
  }
  return new Map([...routes].map(([listener, set]) => [listener, set.size]));
}

function graphProblems({ gateways, routes }: Graph): readonly Problem[] {
  return [
    ...[...gateways.values()].flatMap(({ gateway, faults, warnings }) => [
      ...faults.map((fault) => problem('error', gateway, fault)),
      ...warnings.map((fault) => problem('warning', gateway, fault)),
    ]),
    ...routes.flatMap(({ route, attachments, warnings }) => [
      ...warnings.map((fault) => problem('warning', route, fault)),
      ...attachments.flatMap((attachment) => [
        ...[...attachment.faults, ...attachment.built.faults].map((fault) => problem('error', route, fault)),
        ...[...attachment.warnings, ...attachment.built.warnings].map((fault) => problem('warning', route, fault)),
      ]),
    ]),
  ];
}

function pathIndex({ cluster, tables, mesh }: Graph): PathIndex {
  const throughGateways = once(() => tables.flatMap((table) => pathsOf(table.routes, table.way)));
  const byClient = new Map<string, readonly SettledPath[]>();
  const from = (client: string): readonly SettledPath[] => {
    const known = byClient.get(client);
    if (known !== undefined) return known;
    const paths = serviceTables(cluster, mesh, client).flatMap((table) => pathsOf(table.routes, table.way));
    byClient.set(client, paths);
    return paths;
  };
  return { from, all: once(() => [...throughGateways(), ...namespacesOf(cluster.state).flatMap(from)]) };
}

function serviceTables({ state }: Cluster, mesh: Mesh, client: string): readonly ServiceTable[] {
  return [...state.services.values()].flatMap((service) => service.spec.ports.flatMap((port) => serviceTable(mesh, client, service, port) ?? []));
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}
