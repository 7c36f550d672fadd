import type { ListenerSetFacts } from '../graph/listeners/listener-sets.ts';
import type { ListenerFacts } from '../graph/listeners/listeners.ts';
import { condition } from '../problems.ts';
import type { ObjectStatus } from '../types.ts';
import type { Affected } from './affected.ts';
import { statusOf } from './conditions.ts';
import { listenerStatus } from './gateway.ts';

/** A ListenerSet that its Gateway does not let in has no listeners to speak of. The parameters are those of `gatewayStatus`. */
export function listenerSetStatus({ set, accepted, programmed, listeners }: ListenerSetFacts, attached: ReadonlyMap<ListenerFacts, number>, affected: Affected): ObjectStatus {
  return statusOf(set, {
    conditions: [condition('Accepted', accepted, set), condition('Programmed', programmed, set), ...affected.on(set)],
    listeners: listeners.map((listener) => listenerStatus(listener, attached, affected)),
  });
}
