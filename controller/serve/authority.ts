import 'reflect-metadata';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import * as x509 from '@peculiar/x509';

/** Signs the certificates that replicas of the controller serve with. PEM. */
export interface Authority {
  /** All that are to be trusted: the one that signs first, then those before it. */
  readonly bundle: string;
  /** PKCS #8. */
  readonly key: string;
}

export interface ServingCertificate {
  readonly chain: string;
  readonly key: string;
  /** Milliseconds since 1970. */
  readonly notAfter: number;
}

x509.cryptoProvider.set(crypto);

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const dayMs = 86_400_000;
const authorityDays = 3650;
const servingDays = 7;
/** Clocks of nodes may differ. */
const skewMs = 10 * 60_000;

/** A new self-signed authority (ECDSA P-256, ten years). `now` is in milliseconds since 1970. */
export async function createAuthority(now: number): Promise<Authority> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: 'CN=weft-ca',
    notBefore: new Date(now - skewMs),
    notAfter: new Date(now + authorityDays * dayMs),
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { bundle: `${certificate.toString('pem')}\n`, key: await pemOf(keys.privateKey) };
}

/** Why the authority can't be used, or undefined. */
export function authorityFault({ bundle, key }: Authority, now: number): string | undefined {
  try {
    const certificate = new X509Certificate(bundle);
    if (!certificate.ca) return 'ca.crt is not the certificate of an authority';
    if (certificate.validToDate.getTime() <= now) return 'ca.crt has expired';
    return certificate.checkPrivateKey(createPrivateKey(key)) ? undefined : 'ca.key does not belong to the first certificate of ca.crt';
  } catch (error) {
    return `ca.crt or ca.key can't be read: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** A certificate for the DNS names, with a new key, valid for seven days. */
export async function issueServing(authority: Authority, names: readonly string[], now: number): Promise<ServingCertificate> {
  const issuer = new x509.X509Certificate(authority.bundle);
  const der = createPrivateKey(authority.key).export({ type: 'pkcs8', format: 'der' });
  const signingKey = await crypto.subtle.importKey('pkcs8', new Uint8Array(der), algorithm, false, ['sign']);
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const notAfter = Math.min(now + servingDays * dayMs, issuer.notAfter.getTime());
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: `CN=${names[0] ?? 'weft'}`,
    issuer: issuer.subject,
    notBefore: new Date(now - skewMs),
    notAfter: new Date(notAfter),
    publicKey: keys.publicKey,
    signingKey,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(names.map((value) => ({ type: 'dns', value }))),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
    ],
  });
  return { chain: `${certificate.toString('pem')}\n`, key: await pemOf(keys.privateKey), notAfter };
}

async function pemOf(key: CryptoKey): Promise<string> {
  return x509.PemConverter.encode(await crypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY');
}

/** Positive and of 127 random bits (RFC 5280, 4.1.2.2). */
function serialNumber(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return Buffer.from(bytes).toString('hex');
}
