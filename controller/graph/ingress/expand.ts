import { objectKey, type ClusterState, type HTTPRoute, type Ingress, type KubernetesObject } from '#crds';
import type { Pace, Steps } from '#snapshot';
import { Memo } from '../../memo.ts';
import { ourIngresses } from './classes.ts';
import { gatewayOfIngresses, grantsOfIngresses } from './gateway.ts';
import { routesOfIngress } from './routes.ts';

type Expanded = Pick<ClusterState, 'httpRoutes' | 'gateways' | 'referenceGrants'>;

const known = new Memo<ClusterState['ingresses'], Expanded>();
const expandedGateways = new WeakSet<ClusterState['gateways']>();

/**
 * The state with what Ingresses of our class mean in the words of Gateway API: routes, and one Gateway for all of them. Without such
 * Ingresses, and where they are expanded already, the state itself. Gives way, and has the result at hand afterwards.
 */
export function* withIngressesInSteps(state: ClusterState, pace: Pace): Steps<ClusterState> {
  if (state.ingresses.size === 0 || expandedGateways.has(state.gateways)) return state;
  const { ingresses, ingressClasses, httpRoutes, gateways, referenceGrants, services, secrets } = state;
  const expanded = yield* known.getInSteps(ingresses, [ingressClasses, httpRoutes, gateways, referenceGrants, services, secrets], () => expand(state, pace));
  return expanded.gateways === gateways ? state : { ...state, ...expanded };
}

function* expand(state: ClusterState, pace: Pace): Steps<Expanded> {
  const { httpRoutes, gateways, referenceGrants } = state;
  const ingresses: readonly Ingress[] = ourIngresses(state);
  yield;
  if (ingresses.length === 0) return { httpRoutes, gateways, referenceGrants };
  const routes: HTTPRoute[] = [];
  for (const ingress of ingresses) {
    routes.push(...routesOfIngress(ingress, state.services));
    if (pace.spend(itemsPerIngress)) yield;
  }
  const gateway = gatewayOfIngresses(ingresses, state);
  yield;
  const expanded = {
    httpRoutes: added(httpRoutes, routes),
    gateways: added(gateways, [gateway]),
    referenceGrants: added(referenceGrants, grantsOfIngresses(ingresses)),
  };
  expandedGateways.add(expanded.gateways);
  return expanded;
}

/** What an Ingress counts, in items of a step. */
const itemsPerIngress = 3;

function added<T extends KubernetesObject>(map: ReadonlyMap<string, T>, objects: readonly T[]): ReadonlyMap<string, T> {
  return objects.length === 0 ? map : new Map([...map, ...objects.map((object) => [objectKey(object), object] as const)]);
}
