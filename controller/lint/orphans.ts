import type { Graph } from '../graph/graph.ts';
import { parentKey } from '../graph/listeners/listener-sets.ts';
import { problem } from '../problems.ts';
import type { Problem } from '../types.ts';

/** Gateways of a class that nobody has described: nobody serves them. */
export function orphanGateways({ cluster: { state } }: Graph): readonly Problem[] {
  return [...state.gateways.values()].flatMap((gateway): Problem[] => {
    const { gatewayClassName } = gateway.spec;
    if (state.gatewayClasses.has(gatewayClassName)) return [];
    const message = `there is no GatewayClass ${gatewayClassName}, so nobody serves the Gateway; the built-in class is weft`;
    return [problem('warning', gateway, { reason: 'GatewayClassNotFound', path: ['spec', 'gatewayClassName'], message })];
  });
}

/** ListenerSets of a Gateway that is not there: nobody serves them, and nobody writes their status. */
export function orphanListenerSets({ cluster: { state } }: Graph): readonly Problem[] {
  return [...state.listenerSets.values()].flatMap((set): Problem[] => {
    const key = parentKey(set);
    if (state.gateways.has(key)) return [];
    const { kind, group } = set.spec.parentRef;
    const message = key === '' ? `${kind} (group ${group}) can not be the parent of a ListenerSet; a Gateway can` : `Gateway ${key} not found; nobody serves the ListenerSet`;
    return [problem('warning', set, { reason: 'ParentNotFound', path: ['spec', 'parentRef'], message })];
  });
}
