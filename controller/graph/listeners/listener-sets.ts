import type { Gateway, ListenerSet } from '#crds';
import type { Pace, Steps } from '#snapshot';
import { sortedByAge, type Cluster } from '../../cluster.ts';
import { memoByMap } from '../../memo.ts';
import { gatewayGroup } from '../../names.ts';
import { no, yes, type Fault, type Verdict } from '../../problems.ts';
import type { Environment } from '../../types.ts';
import { Claims, conflictsAmong } from './conflicts.ts';
import { describeListener, type ListenerFacts } from './listeners.ts';
import { selects } from '../selectors.ts';

/** A ListenerSet whose parent is a Gateway of ours, and all that can be said about it without routes. */
export interface ListenerSetFacts {
  readonly set: ListenerSet;
  /** Empty where the Gateway does not allow the ListenerSet: it has nothing to do with it then. */
  readonly listeners: readonly ListenerFacts[];
  readonly accepted: Verdict;
  readonly programmed: Verdict;
  readonly faults: readonly Fault[];
  readonly warnings: readonly Fault[];
}

/** What a ListenerSet needs to know about its Gateway. */
export interface SetParent {
  readonly gateway: Gateway;
  readonly accepted: Verdict;
  readonly pace: Pace;
  /** Takes the listener's port on the Gateway's addresses, or says who has it. */
  place(facts: ListenerFacts): ListenerFacts;
}

/** A proxy takes 10,000 sections on a socket and refuses more as a whole; no Gateway's owner should come to harm by the last guest. */
const maxListeners = 4096;

/** The ListenerSets that name each Gateway (`{namespace}/{name}`), by precedence: the oldest first (ListenerSetSpec.listeners). */
export const setsByGateway = memoByMap((sets: ReadonlyMap<string, ListenerSet>): ReadonlyMap<string, readonly ListenerSet[]> =>
  Map.groupBy(sortedByAge(sets.values()), parentKey),
);

/** `{namespace}/{name}` of the parent; empty for one that is no Gateway. */
export function parentKey({ metadata, spec: { parentRef } }: ListenerSet): string {
  if (parentRef.group !== gatewayGroup || parentRef.kind !== 'Gateway') return '';
  return `${parentRef.namespace ?? metadata.namespace}/${parentRef.name}`;
}

/** The ListenerSets of one Gateway, before it is known whether the Gateway itself is programmed. */
export function* describeSets(sets: readonly ListenerSet[], parent: SetParent, cluster: Cluster, environment: Environment): Steps<readonly ListenerSetFacts[]> {
  const { gateway } = parent;
  const claims = new Claims();
  for (const listener of gateway.spec.listeners) claims.add({ gateway }, listener);
  let room = maxListeners - gateway.spec.listeners.length;
  const describe = (set: ListenerSet): ListenerSetFacts => {
    const refusal = refusalOf(set, gateway, cluster);
    if (refusal !== undefined) return { set, listeners: [], accepted: no(refusal.reason, refusal.message), programmed: no(refusal.reason, refusal.message), faults: [refusal], warnings: [] };
    const listeners = describeEntries({ gateway, set }, claims, cluster, environment).map((facts) => (room-- > 0 ? parent.place(facts) : surplus(facts)));
    const faults = listeners.flatMap((facts) => facts.faults);
    const accepted = parent.accepted.status === 'True' ? acceptedVerdict(listeners) : no('ParentNotAccepted', `Gateway ${parentKey(set)} is not accepted`);
    return { set, listeners, accepted, programmed: programmedBy(accepted), faults, warnings: listeners.flatMap((facts) => facts.warnings) };
  };
  const described: ListenerSetFacts[] = [];
  for (const set of sets) {
    described.push(describe(set));
    if (parent.pace.spend(itemsPerSet)) yield;
  }
  return described;
}

/** What a ListenerSet counts, in items of a step. */
const itemsPerSet = 5;

/** Entries that have to give way to others are no rivals of their own set's. */
function describeEntries(owner: { readonly gateway: Gateway; readonly set: ListenerSet }, claims: Claims, cluster: Cluster, environment: Environment): readonly ListenerFacts[] {
  const entries = owner.set.spec.listeners;
  const lost = entries.map((listener, index) => claims.conflicts(owner, listener, index));
  const standing = entries.filter((_, index) => lost[index]?.length === 0);
  const among = new Map(conflictsAmong(standing).map((faults, at) => [standing[at], faults]));
  const all = entries.map((listener, index) => {
    const within = lost[index]?.length === 0 ? (among.get(listener) ?? []).map((fault) => ({ ...fault, path: ['spec', 'listeners', index, ...fault.path.slice(3)] })) : [];
    return describeListener({ ...owner, index, conflicts: [...(lost[index] ?? []), ...within] }, cluster, environment);
  });
  for (const { listener, conflicted } of all) if (conflicted.status === 'False') claims.add(owner, listener);
  return all;
}

/** Whether the Gateway lets the ListenerSet in (Gateway.spec.allowedListeners; None unless it says otherwise). */
export function admits(gateway: Gateway, { metadata: { namespace } }: ListenerSet, cluster: Cluster): boolean {
  const { from = 'None', selector } = gateway.spec.allowedListeners?.namespaces ?? {};
  switch (from) {
    case 'All':
      return true;
    case 'Same':
      return namespace === gateway.metadata.namespace;
    case 'Selector':
      // Without a selector nothing is selected: a forgotten field must not open the Gateway to everybody.
      return selector !== undefined && selects(selector, cluster.namespaceLabels(namespace));
    default:
      return false;
  }
}

function refusalOf(set: ListenerSet, gateway: Gateway, cluster: Cluster): Fault | undefined {
  if (admits(gateway, set, cluster)) return undefined;
  const message = `spec.allowedListeners of Gateway ${parentKey(set)} allows no ListenerSet of namespace ${set.metadata.namespace}`;
  return { reason: 'NotAllowed', path: ['spec', 'parentRef'], message };
}

function surplus(facts: ListenerFacts): ListenerFacts {
  const message = `the Gateway and its older ListenerSets have ${maxListeners} listeners already`;
  const fault = { reason: 'TooManyListeners', path: ['spec', 'listeners', facts.index], message };
  return { ...facts, accepted: no(fault.reason, message), programmed: no('Invalid', message), faults: [...facts.faults, fault] };
}

/** Asked before anything of the Gateway's stands in the way: an entry is valid that could be served. */
function acceptedVerdict(listeners: readonly ListenerFacts[]): Verdict {
  const bad = listeners.filter(({ programmed }) => programmed.status === 'False');
  if (bad.length === 0) return yes('Accepted', 'Accepted');
  const message = bad.map(({ listener, programmed }) => `listener ${listener.name}: ${programmed.message}`).join('; ');
  return bad.length === listeners.length ? no('ListenersNotValid', `No listener is valid: ${message}`) : yes('ListenersNotValid', `Served without the listeners that are not valid: ${message}`);
}

function programmedBy(accepted: Verdict): Verdict {
  if (accepted.status === 'True') return yes('Programmed', 'Programmed');
  return no(accepted.reason === 'ParentNotAccepted' ? 'ParentNotProgrammed' : accepted.reason, accepted.message);
}

/** The same ListenerSet under a Gateway that is not programmed, or can't serve it for what stands in the Gateway's way. */
export function beneath(facts: ListenerSetFacts, programmed: Verdict, obstacle: Verdict | undefined): ListenerSetFacts {
  const listeners = obstacle === undefined ? facts.listeners : facts.listeners.map((each) => (each.programmed.status === 'False' ? each : { ...each, programmed: obstacle }));
  if (facts.programmed.status === 'False' || programmed.status === 'True') return { ...facts, listeners };
  return { ...facts, listeners, programmed: no('ParentNotProgrammed', `Gateway ${parentKey(facts.set)} is not programmed`) };
}
