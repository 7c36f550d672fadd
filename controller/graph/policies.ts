import { attachInSteps, type AnyPolicy, type Attachments, type Lookup, type Policy, type PolicyTarget } from '#policy';
import type { Pace, Steps } from '#snapshot';
import type { Cluster } from '../cluster.ts';
import { isOurs, listenerSetsOf, type GatewayFacts } from './listeners/gateways.ts';
import { parentKey } from './listeners/listener-sets.ts';
import { createSlot } from '../memo.ts';
import { controllerName, importKind } from '../names.ts';
import { findRoute } from './routes/route.ts';

/** The policies of a cluster at their targets. */
export function* attachPolicies(cluster: Cluster, gateways: ReadonlyMap<string, GatewayFacts>, pace: Pace): Steps<Attachments> {
  // The registry that read them knew no other kinds.
  const ours = [...cluster.state.policies.values()] as unknown as readonly Policy[];
  const all: readonly AnyPolicy[] = [...ours, ...cluster.state.backendTrafficPolicies.values()];
  const { policies } = cluster.state;
  const attachments = yield* attachInSteps(all, (target) => lookup(target, cluster, gateways), { pace, previous: before.find(policies) });
  before.keep(policies, attachments);
  return attachments;
}

/** The last of the same policies: where they are attached as before, what was settled with them still holds. */
const before = createSlot<Cluster['state']['policies'], Attachments>();

type Found = ReturnType<Lookup>;

/** Whether a policy's target is there. */
function lookup(target: PolicyTarget, cluster: Cluster, gateways: ReadonlyMap<string, GatewayFacts>): Found {
  const { state } = cluster;
  const key = target.namespace === '' ? target.name : `${target.namespace}/${target.name}`;
  switch (target.kind) {
    case 'GatewayClass': {
      const found = state.gatewayClasses.get(target.name);
      return found === undefined ? 'no-target' : isOurs(found) ? 'found' : 'foreign';
    }
    case 'XMesh': {
      const found = state.meshes.get(target.name);
      return found === undefined ? 'no-target' : found.spec.controllerName === controllerName ? 'found' : 'foreign';
    }
    case 'Namespace':
      // A policy names its own namespace, which exists because the policy lives in it.
      return 'found';
    case 'Gateway': {
      const found = gateways.get(key);
      if (found === undefined) return state.gateways.has(key) ? 'foreign' : 'no-target';
      return sectionOf(target, found.gateway.spec.listeners.map(({ name }) => name));
    }
    case 'ListenerSet': {
      const found = state.listenerSets.get(key);
      if (found !== undefined && !listenerSetsOf(gateways).has(key) && state.gateways.has(parentKey(found))) return 'foreign';
      return found === undefined ? 'no-target' : sectionOf(target, found.spec.listeners.map(({ name }) => name));
    }
    case 'HTTPRoute':
    case 'GRPCRoute':
    case 'TLSRoute':
    case 'TCPRoute':
    case 'UDPRoute': {
      const found = findRoute(state, target.kind, key);
      return found === undefined ? 'no-target' : sectionOf(target, (found.spec.rules ?? []).map(({ name }) => name));
    }
    case 'Service':
    case importKind: {
      const found = cluster.backend(target);
      return found === undefined ? 'no-target' : sectionOf(target, found.spec.ports.map(({ name }) => name));
    }
    default:
      return 'no-target';
  }
}

function sectionOf({ section }: PolicyTarget, names: readonly (string | undefined)[]): Found {
  return section === undefined || names.includes(section) ? 'found' : { sections: names.filter((name) => name !== undefined && name !== '') as readonly string[] };
}
