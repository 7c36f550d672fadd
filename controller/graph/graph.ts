import type { ClusterState } from '#crds';
import type { Attachments } from '#policy';
import type { Pace, Steps } from '#snapshot';
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
import { prepareBackendTls } from './tls/backend-policies.ts';

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

export function* buildGraph(state: ClusterState, environment: Environment, pace: Pace): Steps<Graph> {
  const cluster = clusterOf(state);
  yield* prepareBackendTls(cluster, pace);
  const gateways = yield* describeGateways(cluster, environment, pace);
  const attached: RouteAttachments[] = [];
  for (const route of yield* routesOf(state, pace)) {
    attached.push(attachRoute(route, { cluster, gateways }));
    if (pace.spend()) yield;
  }
  const routes = yield* settleRivals(attached, pace);
  const policies = yield* attachPolicies(cluster, gateways, pace);
  const attachments: Attachment[] = [];
  for (const route of routes) {
    attachments.push(...route.attachments);
    if (pace.spend()) yield;
  }
  const byListener = yield* routesByListener(attachments, cluster, pace);
  const context = { cluster, attachments: policies };
  return {
    cluster,
    gateways,
    routes,
    attachments,
    policies,
    mesh: { ...context, routes: yield* meshRoutes(attachments, pace) },
    tables: [...gateways.values()].flatMap((facts) => listenerTables(facts, byListener, context)),
  };
}
