import type { GatewayFacts } from '../graph/gateways.ts';
import type { ListenerFacts } from '../graph/listeners.ts';
import { condition } from '../problems.ts';
import type { ConditionDraft, ObjectStatus } from '../types.ts';
import { statusOf } from './conditions.ts';

/** `attached`: how many accepted routes each listener has. `affected`: conditions that policies put on the Gateway. */
export function gatewayStatus(facts: GatewayFacts, attached: ReadonlyMap<ListenerFacts, number>, affected: readonly ConditionDraft[]): ObjectStatus {
  const { gateway } = facts;
  return statusOf(gateway, {
    addresses: facts.addresses.map((value) => ({ type: 'IPAddress', value })),
    conditions: [
      condition('Accepted', facts.accepted, gateway),
      condition('Programmed', facts.programmed, gateway),
      condition('ResolvedRefs', facts.resolved, gateway),
      ...affected,
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
      ],
    })),
  });
}
