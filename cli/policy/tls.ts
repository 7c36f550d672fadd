import type { BackendTlsOrigin } from '#controller';
import type { BackendTls, ObjectRef } from '#snapshot';
import { nameOf } from '../table.ts';

/** TLS to a backend as `-o json` has it: all of it but the certificates themselves. */
export interface ExplainedTls {
  readonly policy: ObjectRef;
  /** `false` where the policy does not act: in the mesh, and where a Gateway passes on what it does not read. */
  readonly spoken: boolean;
  readonly hostname?: string;
  readonly subjectAltNames?: BackendTls['subjectAltNames'];
  /** How many certificates of authorities are trusted; `System` for those of the machine. */
  readonly authorities?: number | 'System';
  /** `{namespace}/{name}` of the Secret. */
  readonly clientCertificate?: string;
}

export function explainedTls({ policy, tls }: BackendTlsOrigin): ExplainedTls {
  if (tls === undefined) return { policy, spoken: false };
  const { authorities, ...rest } = tls;
  return { policy, spoken: true, ...rest, authorities: authorities === undefined ? 'System' : (authorities.match(/-----BEGIN/g)?.length ?? 0) };
}

/** The same for a person. */
export function tlsText({ policy, spoken, hostname, subjectAltNames, authorities, clientCertificate }: ExplainedTls): string {
  const name = `${policy.kind} ${nameOf(policy)}`;
  if (!spoken) return `no TLS: ${name} stands on it, and acts at Gateways only, where they read requests or end TLS`;
  return [
    `TLS as ${hostname}`,
    ...(subjectAltNames === undefined ? [] : [`certificate for ${subjectAltNames.map(({ value }) => value).join(' or ')}`]),
    authorities === 'System' ? 'trusting the authorities of the machine' : `trusting ${authorities} certificate${authorities === 1 ? '' : 's'} of authorities`,
    ...(clientCertificate === undefined ? [] : [`showing the certificate of Secret ${clientCertificate}`]),
    `by ${name}`,
  ].join(', ');
}
