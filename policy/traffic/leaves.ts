import type { XBackendTrafficPolicy, XBackendTrafficPolicySessionPersistence } from '#crds';
import { parseDuration, type SessionPersistence } from '#snapshot';
import type { Leaf } from '../types.ts';

/** What an XBackendTrafficPolicy says of the Services that it names (GEP-3388, GEP-1619), in the words of an effective policy. */
export function trafficLeaves({ metadata, spec }: XBackendTrafficPolicy): readonly Leaf[] {
  const { retryConstraint, sessionPersistence } = spec;
  return [
    ...(retryConstraint === undefined ? [] : budgetLeaves(retryConstraint)),
    ...(sessionPersistence === undefined ? [] : [{ field: 'session', value: sessionOf(sessionPersistence, `XBackendTrafficPolicy/${metadata.namespace}/${metadata.name}`) }]),
  ];
}

type RetryConstraint = NonNullable<XBackendTrafficPolicy['spec']['retryConstraint']>;

/** RequestRate has defaults as a whole, none for its fields: a missing one is that of the whole. */
const defaultRate = { count: 10, interval: '1s' } as const;

function budgetLeaves({ budget, minRetryRate }: RetryConstraint): readonly Leaf[] {
  const { count = defaultRate.count, interval = defaultRate.interval } = minRetryRate;
  const seconds = (parseDuration(interval) ?? 1000) / 1000;
  return [
    { field: 'retry.budget.percent', value: budget.percent },
    { field: 'retry.budget.interval', value: budget.interval },
    { field: 'retry.budget.minPerSecond', value: count / seconds },
  ];
}

/** `sessionPersistence` of a rule or a policy. `owner` tells it from every other one: a cookie without a name is called after it. */
export function sessionOf({ type, cookie, header, absoluteTimeout }: XBackendTrafficPolicySessionPersistence, owner: string): SessionPersistence {
  const timeout = absoluteTimeout === undefined ? {} : { absoluteTimeout };
  if (type === 'Header') return { type, name: header?.name ?? cookieName(owner), ...timeout, lifetime: 'Session' };
  return { type, name: cookie?.name ?? cookieName(owner), ...timeout, lifetime: cookie?.lifetimeType ?? 'Session', path: cookie?.path ?? '/' };
}

/** Two owners with one hash would share a cookie, in which each finds what is its own. So it need not be a strong one (FNV-1a). */
function cookieName(owner: string): string {
  let hash = 0x811c9dc5;
  for (const character of owner) hash = Math.imul(hash ^ character.charCodeAt(0), 0x01000193) >>> 0;
  return `weft-session-${hash.toString(16).padStart(8, '0')}`;
}
