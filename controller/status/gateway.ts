import { isAddress, type Gateway } from '#crds';
import type { GatewayFacts } from '../graph/listeners/gateways.ts';
import { objectOf, type ListenerFacts } from '../graph/listeners/listeners.ts';
import { sourceOf } from '../derived.ts';
import { condition } from '../problems.ts';
import type { ObjectStatus } from '../types.ts';
import type { Affected } from './affected.ts';
import { statusOf } from './conditions.ts';

/** `attached`: how many accepted routes each listener has. `affected`: conditions that policies put on it. */
export function gatewayStatus(facts: GatewayFacts, attached: ReadonlyMap<ListenerFacts, number>, affected: Affected): ObjectStatus {
  const { gateway } = facts;
  return statusOf(gateway, {
    // Load balancers give IP addresses, or names.
    addresses: facts.addresses.map((value) => ({ type: isAddress(value) ? 'IPAddress' : 'Hostname', value })),
    conditions: [
      condition('Accepted', facts.accepted, gateway),
      condition('Programmed', facts.programmed, gateway),
      condition('ResolvedRefs', facts.resolved, gateway),
      condition('AddressesAssigned', facts.addressesAssigned, gateway),
      ...(facts.insecure === undefined ? [] : [condition('InsecureFrontendValidationMode', facts.insecure, gateway)]),
      ...affected.on(gateway),
    ],
    // Those that count as attached are those that are accepted (ListenerSet, Gateway Integration).
    attachedListenerSets: facts.sets.filter(({ accepted }) => accepted.status === 'True').length,
    listeners: facts.listeners.filter(({ index }) => isWrittenListener(gateway, index)).map((listener) => listenerStatus(listener, attached, affected)),
  });
}

/** A Gateway that Ingresses share has listeners besides those that its owner wrote. */
function isWrittenListener(gateway: Gateway, index: number): boolean {
  const source = sourceOf(gateway);
  return source === undefined || source.written(['spec', 'listeners', index])?.object.kind === 'Gateway';
}

/** One entry of `status.listeners`, of a Gateway or a ListenerSet. */
export function listenerStatus(listener: ListenerFacts, attached: ReadonlyMap<ListenerFacts, number>, affected: Affected): object {
  const object = objectOf(listener);
  const { name } = listener.listener;
  return {
    name,
    supportedKinds: listener.supportedKinds,
    attachedRoutes: attached.get(listener) ?? 0,
    conditions: [
      condition('Accepted', listener.accepted, object),
      condition('Programmed', listener.programmed, object),
      condition('ResolvedRefs', listener.resolved, object),
      condition('Conflicted', listener.conflicted, object),
      ...(listener.overlapping === undefined ? [] : [condition('OverlappingTLSConfig', listener.overlapping, object)]),
      ...affected.on(object, { section: name }),
    ],
  };
}
