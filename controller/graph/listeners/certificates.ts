import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { Gateway, GatewayListener, GatewayListenerTlsCertificateRef, ListenerSet, Secret } from '#crds';
import type { Certificate } from '#snapshot';
import type { Cluster } from '../../cluster.ts';
import { gatewayGroup } from '../../names.ts';
import type { Fault } from '../../problems.ts';
import { permitted, type CrossReference } from '../grants.ts';

export interface CertificateName {
  /** Name of the Certificate. */
  readonly of: string;
  readonly dns: string;
}

export interface ResolvedCertificates {
  readonly certificates: readonly Certificate[];
  /** The DNS names of all of them, lower case. */
  readonly names: readonly CertificateName[];
  readonly faults: readonly Fault[];
}

/** The certificates of a listener that ends TLS. Those that resolve are served even when others do not. */
export function resolveCertificates(owner: Gateway | ListenerSet, listener: GatewayListener, path: Fault['path'], cluster: Cluster): ResolvedCertificates {
  const refs = listener.tls?.certificateRefs ?? [];
  if (refs.length === 0) {
    const message = `a listener of protocol ${listener.protocol} that ends TLS needs tls.certificateRefs`;
    return { certificates: [], names: [], faults: [{ reason: 'InvalidCertificateRef', path: [...path, 'tls'], message }] };
  }
  const resolved = refs.map((ref, index) => resolveCertificate(owner, ref, [...path, 'tls', 'certificateRefs', index], cluster));
  return {
    certificates: resolved.flatMap((each) => ('certificate' in each ? [each.certificate] : [])),
    names: resolved.flatMap((each) => ('certificate' in each ? each.names.map((dns) => ({ of: each.certificate.name, dns })) : [])),
    faults: resolved.flatMap((each) => ('fault' in each ? [each.fault] : [])),
  };
}

type Resolved = Pair | { readonly fault: Fault };

interface Pair {
  readonly certificate: Certificate;
  readonly names: readonly string[];
}

function resolveCertificate(owner: Gateway | ListenerSet, ref: GatewayListenerTlsCertificateRef, path: Fault['path'], cluster: Cluster): Resolved {
  const { group, kind, name, namespace = owner.metadata.namespace } = ref;
  const pair = certificateOf({ group, kind, namespace, name }, cluster);
  // A grant for one of the two kinds says nothing about the other (ListenerSet, ReferenceGrant Semantics).
  const from = { group: gatewayGroup, kind: owner.kind, namespace: owner.metadata.namespace };
  if (group === '' && kind === 'Secret' && !permitted(cluster, { from, to: { group, kind, namespace, name } })) {
    const message = `no ReferenceGrant in namespace ${namespace} lets a ${owner.kind} of namespace ${owner.metadata.namespace} refer to Secret ${name}`;
    return { fault: { reason: 'RefNotPermitted', path, message } };
  }
  return typeof pair === 'string' ? { fault: { reason: 'InvalidCertificateRef', path, message: pair } } : pair;
}

/** The pair in a Secret, or what is wrong with the reference, whether or not it is allowed. */
export function certificateOf({ group, kind, namespace, name }: CrossReference['to'], cluster: Cluster): Pair | string {
  if (group !== '' || kind !== 'Secret') return `${kind}${group === '' ? '' : `.${group}`} can't hold a certificate; only Secrets (group "", kind Secret) can`;
  const secret = cluster.state.secrets.get(`${namespace}/${name}`);
  if (secret === undefined) return `Secret ${namespace}/${name} not found`;
  const read = readSecret(secret);
  return 'fault' in read ? `Secret ${namespace}/${name} ${read.fault}` : read;
}

type SecretReading = Pair | { readonly fault: string };

const readings = new WeakMap<Secret, SecretReading>();

function readSecret(secret: Secret): SecretReading {
  const known = readings.get(secret);
  if (known !== undefined) return known;
  const reading = checkSecret(secret);
  readings.set(secret, reading);
  return reading;
}

/** Of an RSA key: the proxies' TLS refuses shorter ones (OpenSSL, security level 2). */
const fewestBits = 2048;

/** A pair that a TLS server could not use is found here, where it can still end in a condition. */
function checkSecret(secret: Secret): SecretReading {
  if (secret.type !== 'kubernetes.io/tls') return { fault: `has type ${secret.type === '' ? 'Opaque' : secret.type}; it must be kubernetes.io/tls` };
  const chain = decode(secret.data['tls.crt']);
  const key = decode(secret.data['tls.key']);
  if (chain === undefined) return { fault: 'has no tls.crt' };
  if (key === undefined) return { fault: 'has no tls.key' };
  const pems = chain.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  const certificates = pems.map((pem) => attempt(() => new X509Certificate(pem)));
  const [leaf] = certificates;
  if (leaf === undefined || certificates.includes(undefined)) return { fault: 'has a tls.crt that is not a chain of certificates in PEM' };
  const privateKey = attempt(() => createPrivateKey(key));
  if (privateKey === undefined) return { fault: 'has a tls.key that is not an unencrypted private key in PEM' };
  if (!leaf.checkPrivateKey(privateKey)) return { fault: 'has a tls.key that does not belong to the first certificate of tls.crt' };
  const { modulusLength = fewestBits } = privateKey.asymmetricKeyDetails ?? {};
  if (modulusLength < fewestBits) return { fault: `has a tls.key of ${modulusLength} bits; RSA keys need ${fewestBits} at least` };
  const { namespace, name } = secret.metadata;
  return { certificate: { kind: 'Certificate', name: `${namespace}/${name}`, chain, key }, names: dnsNames(leaf) };
}

/** From `DNS:a.example.com, DNS:*.example.org, IP Address:127.0.0.1`. */
function dnsNames({ subjectAltName = '' }: X509Certificate): readonly string[] {
  return subjectAltName.split(', ').flatMap((entry) => (entry.startsWith('DNS:') ? [entry.slice('DNS:'.length).toLowerCase()] : []));
}

function decode(base64: string | undefined): string | undefined {
  if (base64 === undefined || base64 === '') return undefined;
  return Buffer.from(base64, 'base64').toString('utf8');
}

function attempt<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch {
    return undefined;
  }
}
