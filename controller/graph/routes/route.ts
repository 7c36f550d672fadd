import type { ClusterState, GRPCRoute, HTTPRoute, HTTPRouteParentRef, TCPRoute, TLSRoute, UDPRoute } from '#crds';
import { sortInSteps, type Pace, type Steps } from '#snapshot';
import { compareText } from '../../cluster.ts';

/** A route whose rules choose a backend for each request. */
export type RequestRoute = HTTPRoute | GRPCRoute;

/** A route that chooses a backend for a whole connection, or a flow of datagrams. */
export type StreamRouteObject = TLSRoute | TCPRoute | UDPRoute;

export type AnyRoute = RequestRoute | StreamRouteObject;

export type RouteKind = AnyRoute['kind'];

/** The same for all kinds. */
export type ParentRef = HTTPRouteParentRef;

/** By kind, in the order in which kinds win on one Service port (GEP-1294, Route Types): the most specific first. */
export const routeKinds = ['GRPCRoute', 'HTTPRoute', 'TLSRoute', 'TCPRoute', 'UDPRoute'] as const satisfies readonly RouteKind[];

export function isRequestRoute(route: AnyRoute): route is RequestRoute {
  return route.kind === 'HTTPRoute' || route.kind === 'GRPCRoute';
}

/** As written. Empty for any host, which for TCP and UDP is so always. */
export function hostnamesOf(route: AnyRoute): readonly string[] {
  return route.kind === 'TCPRoute' || route.kind === 'UDPRoute' ? [] : (route.spec.hostnames ?? []);
}

/** All routes of a state, in one order whatever the order of its maps: by kind, then `{namespace}/{name}`. */
export function* routesOf(state: ClusterState, pace: Pace): Steps<readonly AnyRoute[]> {
  const all: AnyRoute[] = [];
  for (const routes of [state.httpRoutes, state.grpcRoutes, state.tlsRoutes, state.tcpRoutes, state.udpRoutes]) {
    for (const [, route] of yield* sortInSteps<readonly [string, AnyRoute]>([...routes], ([a], [b]) => compareText(a, b), pace)) {
      all.push(route);
      if (pace.spend()) yield;
    }
  }
  return all;
}

/** The route that something refers to, of whichever kind. */
export function findRoute(state: ClusterState, kind: string, key: string): AnyRoute | undefined {
  switch (kind) {
    case 'HTTPRoute':
      return state.httpRoutes.get(key);
    case 'GRPCRoute':
      return state.grpcRoutes.get(key);
    case 'TLSRoute':
      return state.tlsRoutes.get(key);
    case 'TCPRoute':
      return state.tcpRoutes.get(key);
    case 'UDPRoute':
      return state.udpRoutes.get(key);
    default:
      return undefined;
  }
}

/** `an HTTPRoute`, `a GRPCRoute`: for messages. */
export function withArticle(kind: string): string {
  return `${kind === 'HTTPRoute' ? 'an' : 'a'} ${kind}`;
}
