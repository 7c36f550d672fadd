import { X509Certificate } from 'node:crypto';
import type { ClusterTrustBundle, ConfigMap, Secret } from '#crds';
import type { Cluster } from '../../cluster.ts';
import type { Fault } from '../../problems.ts';
import { permitted, type CrossReference } from '../grants.ts';

/** A `caCertificateRefs` entry, of a Gateway or of a BackendTLSPolicy (whose entries have no namespace: they stay in its own). */
export interface AuthorityReference {
  readonly group: string;
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
}

/** Who refers, and what the two specifications call the same fault. */
export interface AuthorityPlace {
  readonly from: CrossReference['from'];
  /** Of the list. */
  readonly path: Fault['path'];
  readonly unknownKind: 'InvalidKind' | 'InvalidCACertificateKind';
}

export interface ResolvedAuthorities {
  /** PEM certificates of all references that resolve; undefined where none does. */
  readonly authorities: string | undefined;
  readonly faults: readonly Fault[];
}

/**
 * The certificates that `caCertificateRefs` means (FrontendTLSValidation, BackendTLSPolicyValidation). Beside ConfigMaps, which the
 * specification asks for, Secrets may hold a `ca.crt` (cert-manager writes it there), and ClusterTrustBundles are for all namespaces.
 */
export function resolveAuthorities(refs: readonly AuthorityReference[], place: AuthorityPlace, cluster: Cluster): ResolvedAuthorities {
  const pems = new Set<string>();
  const faults: Fault[] = [];
  for (const [index, ref] of refs.entries()) {
    const at = { ...place, path: [...place.path, index] };
    const found = resolve(ref, at, cluster);
    if ('fault' in found) faults.push(found.fault);
    else if (lengthOf([...pems, ...found.pems]) > maxLength) faults.push({ reason: 'InvalidCACertificateRef', path: at.path, message: `with this one the certificates of authorities have more than ${maxLength} characters` });
    else for (const pem of found.pems) pems.add(pem);
  }
  return { authorities: pems.size === 0 ? undefined : `${[...pems].join('\n')}\n`, faults };
}

/** Twice what operating systems bring along; proxies refuse a text above a megabyte, and load this for each TLS context. */
const maxLength = 512 * 1024;

function lengthOf(pems: readonly string[]): number {
  return pems.reduce((sum, pem) => sum + pem.length + 1, 0);
}

type Resolved = { readonly pems: readonly string[] } | { readonly fault: Fault };

function resolve(ref: AuthorityReference, { from, path, unknownKind }: AuthorityPlace, cluster: Cluster): Resolved {
  const { group, kind, name, namespace = from.namespace } = ref;
  const invalid = (what: string, why: string): Resolved => ({ fault: { reason: 'InvalidCACertificateRef', path, message: `${kind} ${what} ${why}` } });
  const found = (holder: Holder | undefined, what: string): Resolved => {
    const read = holder === undefined ? 'not found' : reading(holder);
    return typeof read === 'string' ? invalid(what, read) : { pems: read };
  };
  if (isTrustBundle(ref)) {
    if (ref.namespace !== undefined) return invalid(name, `belongs to no namespace; it is referred to without ${ref.namespace}`);
    return found(cluster.state.clusterTrustBundles.get(name), name);
  }
  if (group !== '' || (kind !== 'ConfigMap' && kind !== 'Secret')) {
    const message = `${kind}${group === '' ? '' : `.${group}`} can't hold the certificates of authorities; ConfigMaps and Secrets (group "") and ClusterTrustBundles (group certificates.k8s.io) can`;
    return { fault: { reason: unknownKind, path, message } };
  }
  if (!permitted(cluster, { from, to: { group, kind, namespace, name } })) {
    const message = `no ReferenceGrant in namespace ${namespace} lets a ${from.kind} of namespace ${from.namespace} refer to ${kind} ${name}`;
    return { fault: { reason: 'RefNotPermitted', path, message } };
  }
  const key = `${namespace}/${name}`;
  return found((kind === 'Secret' ? cluster.state.secrets : cluster.state.configMaps).get(key), key);
}

export function isTrustBundle({ group, kind }: Pick<AuthorityReference, 'group' | 'kind'>): boolean {
  return group === 'certificates.k8s.io' && kind === 'ClusterTrustBundle';
}

type Holder = ConfigMap | Secret | ClusterTrustBundle;

const readings = new WeakMap<Holder, readonly string[] | string>();

/** The certificates that it holds, or what is wrong with them. */
function reading(holder: Holder): readonly string[] | string {
  const known = readings.get(holder);
  if (known !== undefined) return known;
  const made = read(textOf(holder), holder.kind === 'ClusterTrustBundle' ? 'trustBundle' : 'ca.crt');
  readings.set(holder, made);
  return made;
}

function textOf(holder: Holder): string | undefined {
  if (holder.kind === 'ClusterTrustBundle') return holder.spec.trustBundle;
  if (holder.kind === 'ConfigMap' && holder.data['ca.crt'] !== undefined) return holder.data['ca.crt'];
  const base64 = (holder.kind === 'ConfigMap' ? holder.binaryData : holder.data)['ca.crt'];
  return base64 === undefined ? undefined : Buffer.from(base64, 'base64').toString('utf8');
}

/** Only what is a certificate leaves the control plane, whatever else stands in the file. */
function read(text: string | undefined, field: string): readonly string[] | string {
  if (text === undefined) return `has no ${field}`;
  const pems = text.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  if (pems.length === 0) return `has a ${field} without a certificate in PEM`;
  const broken = pems.findIndex((pem) => !isCertificate(pem));
  return broken < 0 ? pems : `has a ${field} whose certificate ${broken + 1} of ${pems.length} can't be read`;
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    return false;
  }
}
