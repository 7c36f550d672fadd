import { X509Certificate } from 'node:crypto';
import { objectKey, type ClusterState, type Secret } from '#crds';
import { problem } from '../problems.ts';
import type { Problem, Snapshots } from '../types.ts';

/** Certificates that are served and that clients refuse by now, or do not take yet. `now`: milliseconds since 1970. Statuses know no time, so this is no part of them. */
export function untimelyCertificates(state: Pick<ClusterState, 'secrets'>, snapshots: Pick<Snapshots, 'certificate'>, now: number): readonly Problem[] {
  return [...state.secrets.values()].flatMap((secret): Problem[] => {
    const served = secret.type === 'kubernetes.io/tls' ? snapshots.certificate(objectKey(secret)) : undefined;
    if (served === undefined) return [];
    const { from, to } = timesOf(secret, served.chain);
    if (to < now) return [untimely(secret, `the certificate in tls.crt ended on ${dayOf(to)}: clients refuse it`)];
    return from > now ? [untimely(secret, `the certificate in tls.crt begins on ${dayOf(from)}: clients refuse it until then`)] : [];
  });
}

function untimely(secret: Secret, message: string): Problem {
  return problem('warning', secret, { reason: 'CertificateNotValid', path: ['data', 'tls.crt'], message });
}

interface Times {
  readonly from: number;
  readonly to: number;
}

const known = new WeakMap<Secret, Times>();

/** Milliseconds since 1970. */
function timesOf(secret: Secret, chain: string): Times {
  const times = known.get(secret) ?? read(chain);
  known.set(secret, times);
  return times;
}

function read(chain: string): Times {
  const { validFromDate, validToDate } = new X509Certificate(chain);
  return { from: validFromDate.getTime(), to: validToDate.getTime() };
}

function dayOf(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}
