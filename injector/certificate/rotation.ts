import type { Pair } from './make.ts';

/** All replicas serve `current` of one ring, and the API server trusts every authority in it. */
export interface Ring {
  readonly current: Pair;
  /** Trusted already, served later: no replica may serve what the API server might not know yet. */
  readonly next?: Pair;
  /** Trusted still, while a replica may serve it. */
  readonly previous?: { readonly authority: string; readonly until: number };
}

/** Milliseconds. */
export interface Timing {
  readonly lifetimeMs: number;
  /** So long before the end of the current pair the next one is made. */
  readonly renewBeforeMs: number;
  /** How long old and new are both trusted, before and after the change. Longer than a replica takes to look. */
  readonly overlapMs: number;
}

export type Step =
  | { readonly kind: 'keep' }
  /** There is no pair that could be served: make one. */
  | { readonly kind: 'create' }
  /** Make the next pair. */
  | { readonly kind: 'prepare' }
  | { readonly kind: 'write'; readonly ring: Ring };

/** What is due now. `trusted`: the caBundle of each webhook, as read a moment ago. */
export function stepOf(ring: Ring | undefined, trusted: readonly string[], now: number, timing: Timing): Step {
  if (ring === undefined || ring.current.notAfter <= now) {
    const next = ring?.next;
    return next === undefined || next.notAfter <= now ? { kind: 'create' } : { kind: 'write', ring: { current: next } };
  }
  const { current, next, previous } = ring;
  if (next === undefined) {
    if (now >= current.notAfter - timing.renewBeforeMs) return { kind: 'prepare' };
    return previous !== undefined && now >= previous.until ? { kind: 'write', ring: { current } } : { kind: 'keep' };
  }
  const known = trusted.length > 0 && trusted.every((bundle) => bundle.includes(next.authority.trim()));
  // After a long absence the current pair may have less left than the overlap: it must not expire while it is served.
  const overlapMs = Math.min(timing.overlapMs, (current.notAfter - next.since) / 2);
  if (!known || now < next.since + overlapMs) return { kind: 'keep' };
  return { kind: 'write', ring: { current: next, previous: { authority: current.authority, until: now + timing.overlapMs } } };
}

/** PEM for `caBundle`: every authority that some replica's certificate may come from, now or soon. */
export function bundleOf({ current, next, previous }: Ring): string {
  const authorities = [current.authority, next?.authority, previous?.authority].filter((authority) => authority !== undefined);
  return authorities.map((authority) => `${authority.trim()}\n`).join('');
}
