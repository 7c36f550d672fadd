import type { GatewayFacts } from '../graph/gateways.ts';
import type { ListenerFacts } from '../graph/listeners.ts';
import { condition } from '../problems.ts';
import type { ObjectStatus } from '../types.ts';
import type { Affected } from './affected.ts';
import { statusOf } from './conditions.ts';

/** `attached`: how many accepted routes each listener has. `affected`: conditions that policies put on it. */
export function gatewayStatus(facts: GatewayFacts, attached: ReadonlyMap<ListenerFacts, number>, affected: Affected): ObjectStatus {
  const { gateway } = facts;
  return statusOf(gateway, {
    addresses: facts.addresses.map((value) => ({ type: isAddress(value) ? 'IPAddress' : 'Hostname', value })),
    conditions: [
      condition('Accepted', facts.accepted, gateway),
      condition('Programmed', facts.programmed, gateway),
      condition('ResolvedRefs', facts.resolved, gateway),
      condition('AddressesAssigned', facts.addressesAssigned, gateway),
      ...(facts.insecure === undefined ? [] : [condition('InsecureFrontendValidationMode', facts.insecure, gateway)]),
      ...affected.on(gateway),
    ],
    listeners: facts.listeners.map((listener) => ({
      name: listener.listener.name,
      supportedKinds: listener.supportedKinds,
      attachedRoutes: attached.get(listener) ?? 0,
      conditions: [
        condition('Accepted', listener.accepted, gateway),
        condition('Programmed', listener.programmed, gateway),
        condition('ResolvedRefs', listener.resolved, gateway),
        condition('Conflicted', listener.conflicted, gateway),
        ...(listener.overlapping === undefined ? [] : [condition('OverlappingTLSConfig', listener.overlapping, gateway)]),
        ...affected.on(gateway, { section: listener.listener.name }),
      ],
    })),
  });
}

/** Load balancers give IP addresses, or names. */
function isAddress(value: string): boolean {
  return /^[0-9.]+$/.test(value) || value.includes(':');
}
