import { isDeepStrictEqual } from 'node:util';
import { fieldsOf } from '../../kube/types.ts';
import { controllerName } from '../../names.ts';
import type { LiveObject } from '../../source/kube/index.ts';

export type Fields = Readonly<Record<string, unknown>>;

/**
 * What has to be written (as a JSON merge patch of `status`) so that `current` says what `draft` says; undefined where it does.
 * Only what is ours is touched:
 * - `parents` (routes) and `ancestors` (policies): entries under our controllerName; all others keep their content and their places;
 * - `conditions` of the object and of each listener: the types that we write;
 * - any other field that the draft has, such as the addresses of an Ingress (`loadBalancer`).
 * A condition keeps its `lastTransitionTime` while its status is the same; else it is `now` (RFC 3339).
 */
export function mergeStatus(current: Fields, draft: Fields, now: string): Fields | undefined {
  const patch: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(draft)) {
    const before = current[name];
    const after = mergeField(name, before, value, now);
    if (isEmpty(before) && isEmpty(after)) continue;
    if (!isDeepStrictEqual(sorted(before), sorted(after))) patch[name] = after;
  }
  return Object.keys(patch).length === 0 ? undefined : patch;
}

/** What an object's status says, and whether what names no author in it is by us. */
type Said = Pick<LiveObject, 'kind' | 'generation' | 'status' | 'statusIsOurs'>;

/** The draft that takes back what an earlier state made us say of an object that is no concern of ours now; undefined where we said nothing. */
export function retraction({ kind, generation, status, statusIsOurs }: Said): Fields | undefined {
  if (kind === 'ListenerSet') return statusIsOurs ? orphaned(generation) : undefined;
  if (kind === 'Gateway') return statusIsOurs ? unclaimed : undefined;
  const lists = (['parents', 'ancestors'] as const).filter((name) => itemsOf(status[name]).some(isOurs));
  const told = statusIsOurs && !isEmpty(fieldsOf(status['loadBalancer'])['ingress']);
  if (lists.length === 0 && !told) return undefined;
  return { ...Object.fromEntries(lists.map((name) => [name, []])), ...(told ? { loadBalancer: { ingress: [] } } : {}) };
}

const waiting = { status: 'Unknown', reason: 'Pending', message: 'Waiting for controller' } as const;

/** Of a Gateway whose class is another controller's now, if it is anyone's: what the API server gives a new one (Gateway, defaults). */
const unclaimed: Fields = { addresses: [], attachedListenerSets: null, conditions: [{ type: 'Accepted', ...waiting }, { type: 'Programmed', ...waiting }], listeners: [] };

/**
 * Of a ListenerSet whose parent is no Gateway of ours any more. Were its status just emptied, it would be as if nobody had looked at it yet; and
 * whose controller the next parent has, if it has one, is the one to say more.
 */
function orphaned(generation: number | undefined): Fields {
  const no = (type: string, reason: string): Fields => ({ type, status: 'False', reason, message: 'The parent is no Gateway that weft serves', ...(generation === undefined ? {} : { observedGeneration: generation }) });
  return { conditions: [no('Accepted', 'ParentNotAccepted'), no('Programmed', 'ParentNotProgrammed')], listeners: [] };
}

function mergeField(name: string, before: unknown, draft: unknown, now: string): unknown {
  switch (name) {
    case 'parents':
      return mergeEntries(itemsOf(before), itemsOf(draft), { reference: 'parentRef', limit: 32, now });
    case 'ancestors':
      return mergeEntries(itemsOf(before), itemsOf(draft), { reference: 'ancestorRef', limit: 16, now });
    case 'listeners':
      return mergeListeners(itemsOf(before), itemsOf(draft), now);
    case 'conditions':
      return mergeConditions(itemsOf(before), itemsOf(draft), now);
    case 'loadBalancer':
      // Without addresses the API server keeps an empty object. A merge patch takes them away by an empty list only.
      return isEmpty(fieldsOf(draft)['ingress']) && isEmpty(fieldsOf(before)['ingress']) ? before : draft;
    default:
      return draft;
  }
}

interface EntryRules {
  readonly reference: 'parentRef' | 'ancestorRef';
  /** What the API server takes (RouteStatus.parents, PolicyStatus.ancestors). */
  readonly limit: number;
  readonly now: string;
}

/**
 * Ours in the places that they had, so that two controllers that both write never undo each other's order; new ones at the end. Where those of
 * others leave no room for all of ours, the first of the draft have it: what needs attention comes first there.
 */
function mergeEntries(before: readonly Fields[], draft: readonly Fields[], { reference, limit, now }: EntryRules): readonly Fields[] {
  const room = Math.max(0, limit - before.filter((entry) => !isOurs(entry)).length);
  const left = new Map(draft.slice(0, room).map((entry) => [identity(entry[reference]), entry]));
  const kept = before.flatMap((entry): readonly Fields[] => {
    if (!isOurs(entry)) return [entry];
    const key = identity(entry[reference]);
    const ours = left.get(key);
    left.delete(key);
    // All conditions of an entry of ours are ours.
    return ours === undefined ? [] : [{ ...ours, conditions: stamp(itemsOf(entry['conditions']), itemsOf(ours['conditions']), now) }];
  });
  const added = [...left.values()].map((entry) => ({ ...entry, conditions: stamp([], itemsOf(entry['conditions']), now) }));
  return [...kept, ...added];
}

function mergeListeners(before: readonly Fields[], draft: readonly Fields[], now: string): readonly Fields[] {
  const known = new Map(before.map((listener) => [listener['name'], listener]));
  return draft.map((listener) => ({ ...listener, conditions: mergeConditions(itemsOf(known.get(listener['name'])?.['conditions']), itemsOf(listener['conditions']), now) }));
}

/** Others may add conditions of their own types to an object of ours. */
function mergeConditions(before: readonly Fields[], draft: readonly Fields[], now: string): readonly Fields[] {
  const left = new Map(stamp(before, draft, now).map((condition) => [condition['type'], condition]));
  const kept = before.flatMap((condition): readonly Fields[] => {
    const ours = left.get(condition['type']);
    left.delete(condition['type']);
    return ours !== undefined ? [ours] : isOurType(condition['type']) ? [] : [condition];
  });
  return [...kept, ...left.values()];
}

function stamp(before: readonly Fields[], draft: readonly Fields[], now: string): readonly Fields[] {
  return draft.map((condition) => {
    const same = before.find(({ type, status }) => type === condition['type'] && status === condition['status']);
    return { ...condition, lastTransitionTime: same?.['lastTransitionTime'] ?? now };
  });
}

/** Types that only the controller of an object writes. */
const standardTypes: ReadonlySet<unknown> = new Set([
  'Accepted',
  'AddressesAssigned',
  'AttachedListenerSets',
  'Conflicted',
  'InsecureFrontendValidationMode',
  'OverlappingTLSConfig',
  'Programmed',
  'Ready',
  'ResolvedRefs',
  'Scheduled',
  'SupportedVersion',
]);

function isOurType(type: unknown): boolean {
  return standardTypes.has(type) || (typeof type === 'string' && /(^|\.)weft-mesh\.io\//.test(type));
}

function isOurs(entry: Fields): boolean {
  return entry['controllerName'] === controllerName;
}

function identity(reference: unknown): string {
  return JSON.stringify(sorted(reference));
}

function itemsOf(value: unknown): readonly Fields[] {
  return Array.isArray(value) ? value.filter((item): item is Fields => typeof item === 'object' && item !== null) : [];
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || (Array.isArray(value) && value.length === 0);
}

/** Without fields that are undefined, and in one order: as JSON would compare. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, field]) => field !== undefined);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, field]) => [name, sorted(field)]));
}
