import type { ClusterState } from '#crds';
import type { Attachments } from '#policy';
import { clusterOf, type Cluster } from '../cluster.ts';
import { listenerTables, routesByListener, type ListenerTable } from '../render/gateway.ts';
import type { Mesh } from '../render/mesh.ts';
import type { Environment } from '../types.ts';
import { attachRoute, type Attachment, type RouteAttachments } from './routes/attachments.ts';
import { settleRivals } from './routes/rivals.ts';
import { routesOf } from './routes/route.ts';
import { describeGateways, type GatewayFacts } from './listeners/gateways.ts';
import { meshRoutes } from './mesh.ts';
import { attachPolicies } from './policies.ts';

/** Everything that is known about a state, joined. Statuses and snapshots both come from it. */
export interface Graph {
  readonly cluster: Cluster;
  readonly gateways: ReadonlyMap<string, GatewayFacts>;
  /** In the order of their names. */
  readonly routes: readonly RouteAttachments[];
  /** Those of all routes. */
  readonly attachments: readonly Attachment[];
  readonly policies: Attachments;
  readonly mesh: Mesh;
  /** One per Gateway listener. */
  readonly tables: readonly ListenerTable[];
}

export function buildGraph(state: ClusterState, environment: Environment): Graph {
  const cluster = clusterOf(state);
  const gateways = describeGateways(cluster, environment);
  const routes = settleRivals(routesOf(state).map((route) => attachRoute(route, { cluster, gateways })));
  const policies = attachPolicies(cluster, gateways);
  const attachments = routes.flatMap((route) => route.attachments);
  const byListener = routesByListener(attachments, cluster);
  const context = { cluster, attachments: policies };
  return {
    cluster,
    gateways,
    routes,
    attachments,
    policies,
    mesh: { ...context, routes: meshRoutes(attachments) },
    tables: [...gateways.values()].flatMap((facts) => listenerTables(facts, byListener, context)),
  };
}
