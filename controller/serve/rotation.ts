import { X509Certificate } from 'node:crypto';
import type { Authority } from './authority.ts';

/** The authority as Secret `weft-ca` holds it, with the one that is to follow. */
export interface Stored {
  readonly authority: Authority;
  /** Trusted already, and not yet in use; `since` when it was made, in milliseconds since 1970. */
  readonly next?: { readonly authority: Authority; readonly since: number };
}

export type RotationStep =
  | { readonly kind: 'keep' }
  /** Another one is to be made and trusted. */
  | { readonly kind: 'prepare' }
  /** This is to be stored: the next one signs from now on. */
  | { readonly kind: 'turn'; readonly stored: Stored };

const dayMs = 86_400_000;
/** One that has less left than this is replaced, or than a third of its life where that is shorter. Milliseconds. */
const renewMs = 365 * dayMs;
/**
 * How long the next one is trusted before it signs anything: until every proxy has it. The leader has written it everywhere in seconds,
 * a kubelet brings it into Pods within minutes; the rest is for what may be broken for a while. Milliseconds.
 */
const overlapMs = dayMs;
/** Of authorities that were replaced, those not expired stay trusted, as certificates that they signed may still be served. */
const mostOld = 3;

/**
 * What is to be done at `now` (milliseconds since 1970). `replaceAfter`: somebody wants it replaced, and the next one trusted for so many
 * milliseconds before. Pure.
 */
export function rotationStep({ authority, next }: Stored, now: number, replaceAfter?: number): RotationStep {
  const { validFromDate, validToDate } = new X509Certificate(authority.bundle);
  const left = validToDate.getTime() - now;
  if (next === undefined) return replaceAfter !== undefined || left < Math.min(renewMs, (validToDate.getTime() - validFromDate.getTime()) / 3) ? { kind: 'prepare' } : { kind: 'keep' };
  // With little time left, better early than never.
  const overlap = replaceAfter ?? Math.min(overlapMs, (validToDate.getTime() - next.since) / 2);
  if (now - next.since < overlap) return { kind: 'keep' };
  const old = certificatesOf(authority.bundle).filter((pem) => new X509Certificate(pem).validToDate.getTime() > now);
  return { kind: 'turn', stored: { authority: { bundle: [...certificatesOf(next.authority.bundle), ...old.slice(0, mostOld)].join(''), key: next.authority.key } } };
}

/** All that proxies are to trust. */
export function trustedOf({ authority, next }: Stored): string {
  return next === undefined ? authority.bundle : `${authority.bundle.trimEnd()}\n${next.authority.bundle}`;
}

/** PEM, each with a line break at its end. */
function certificatesOf(bundle: string): readonly string[] {
  return (bundle.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map((pem) => `${pem}\n`);
}
