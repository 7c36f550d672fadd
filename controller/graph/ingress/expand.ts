import { objectKey, type ClusterState, type Ingress, type KubernetesObject } from '#crds';
import { Memo } from '../../memo.ts';
import { ourIngresses } from './classes.ts';
import { gatewayOfIngresses, grantsOfIngresses } from './gateway.ts';
import { routesOfIngress } from './routes.ts';

type Expanded = Pick<ClusterState, 'httpRoutes' | 'gateways' | 'referenceGrants'>;

const known = new Memo<ClusterState['ingresses'], Expanded>();
const expandedGateways = new WeakSet<ClusterState['gateways']>();

/**
 * The state with what Ingresses of our class mean in the words of Gateway API: routes, and one Gateway for all of them. Without such
 * Ingresses, and where they are expanded already, the state itself.
 */
export function withIngresses(state: ClusterState): ClusterState {
  if (state.ingresses.size === 0 || expandedGateways.has(state.gateways)) return state;
  const { ingresses, ingressClasses, httpRoutes, gateways, referenceGrants, services, secrets } = state;
  const expanded = known.get(ingresses, [ingressClasses, httpRoutes, gateways, referenceGrants, services, secrets], () => expand(state, ourIngresses(state)));
  return expanded.gateways === gateways ? state : { ...state, ...expanded };
}

function expand(state: ClusterState, ingresses: readonly Ingress[]): Expanded {
  const { httpRoutes, gateways, referenceGrants } = state;
  if (ingresses.length === 0) return { httpRoutes, gateways, referenceGrants };
  const gateway = gatewayOfIngresses(ingresses, state);
  const expanded = {
    httpRoutes: added(httpRoutes, ingresses.flatMap((ingress) => routesOfIngress(ingress, state.services))),
    gateways: added(gateways, [gateway]),
    referenceGrants: added(referenceGrants, grantsOfIngresses(ingresses)),
  };
  expandedGateways.add(expanded.gateways);
  return expanded;
}

function added<T extends KubernetesObject>(map: ReadonlyMap<string, T>, objects: readonly T[]): ReadonlyMap<string, T> {
  return objects.length === 0 ? map : new Map([...map, ...objects.map((object) => [objectKey(object), object] as const)]);
}
