import { X509Certificate } from 'node:crypto';
import type { BackendTls } from '#snapshot';

/** RFC 9525: DNS names of the subject alternative names alone, never the common name; `*` is the whole first label. */
const strictNames = { subject: 'never', partialWildcards: false, multiLabelWildcards: false, singleLabelSubdomains: false } as const;
/** Node quotes values with characters that could be taken for a separator; anything else is unclear, and counts as no name. */
const alternative = /([^:]*):("(?:[^"\\]|\\.)*"|[^,"]*)(?:, |$)/y;

/**
 * Whether a certificate is the backend's (BackendTLSPolicy `validation`): for `hostname`, or where `subjectAltNames` is present for one of
 * those and nothing else. Returns undefined, or what is wrong.
 */
export function wrongIdentity(tls: BackendTls, raw: Buffer): Error | undefined {
  const certificate = new X509Certificate(raw);
  const names = tls.subjectAltNames;
  const fits = names === undefined ? certificate.checkHost(tls.hostname, strictNames) !== undefined : names.some(({ type, value }) => (type === 'URI' ? hasUri(certificate, value) : hasHost(certificate, value)));
  return fits ? undefined : Object.assign(new Error('the certificate is for none of the expected names'), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
}

function hasUri(certificate: X509Certificate, uri: string): boolean {
  return alternativesOf(certificate, 'URI').includes(uri);
}

/** Or `*`. Anything else, a NUL among it, is no name that an authority can have meant (CVE-2026-47778). */
const label = /^(?:\*|[a-z0-9_-]{1,63})$/;

/** A wildcard that a policy names stands for itself, and for one label. */
function hasHost(certificate: X509Certificate, name: string): boolean {
  if (!name.startsWith('*.')) return certificate.checkHost(name, strictNames) !== undefined;
  const suffix = name.slice(1).toLowerCase();
  return alternativesOf(certificate, 'DNS').some((written) => {
    const host = written.toLowerCase();
    return host.endsWith(suffix) && label.test(host.slice(0, -suffix.length));
  });
}

function alternativesOf(certificate: X509Certificate, type: string): readonly string[] {
  const text = certificate.subjectAltName ?? '';
  const found: string[] = [];
  alternative.lastIndex = 0;
  while (alternative.lastIndex < text.length) {
    const match = alternative.exec(text);
    if (match === null) return [];
    const value = match[2]!;
    if (match[1] === type) found.push(value.startsWith('"') ? String(JSON.parse(value)) : value);
  }
  return found;
}
