import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import forge from 'node-forge';

/** An authority that has signed one certificate and whose own key is gone, so that nothing else can be signed by it. PEM. */
export interface Pair {
  readonly authority: string;
  readonly certificate: string;
  readonly key: string;
  /** Milliseconds since 1970. */
  readonly notAfter: number;
  /** When it was made. Milliseconds since 1970. */
  readonly since: number;
}

export interface PairOptions {
  /** DNS names of the server; the first is its common name. */
  readonly names: readonly string[];
  readonly lifetimeMs: number;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** Clocks of the API server may be behind ours. */
const backdateMs = 3_600_000;

// Of the runtime's own making where it can (as in Node), so a fraction of a second and off this thread.
const generateKeys = promisify<forge.pki.rsa.GenerateKeyPairOptions, forge.pki.rsa.KeyPair>(forge.pki.rsa.generateKeyPair);

/** A new key pair with its certificate: RSA 2048, SHA-256. */
export async function makePair({ names, lifetimeMs, now }: PairOptions): Promise<Pair> {
  const [authorityKeys, keys] = await Promise.all([generateKeys({ bits: 2048 }), generateKeys({ bits: 2048 })]);
  const notAfter = now + lifetimeMs;
  const subject = [{ shortName: 'CN', value: 'weft-injector-ca' }];
  const authority = draft(authorityKeys.publicKey, subject, { now, notAfter });
  authority.setIssuer(subject);
  authority.setExtensions([
    { name: 'basicConstraints', cA: true, pathLenConstraint: 0, critical: true },
    { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    { name: 'subjectKeyIdentifier' },
  ]);
  authority.sign(authorityKeys.privateKey, forge.md.sha256.create());

  // RFC 5280 appendix A: a common name has at most 64 characters. Clients look at the alternative names alone.
  const certificate = draft(keys.publicKey, [{ shortName: 'CN', value: names[0]!.slice(0, 64) }], { now, notAfter });
  certificate.setIssuer(authority.subject.attributes);
  certificate.setExtensions([
    { name: 'basicConstraints', cA: false, critical: true },
    { name: 'keyUsage', digitalSignature: true, keyEncipherment: true, critical: true },
    { name: 'extKeyUsage', serverAuth: true },
    { name: 'subjectAltName', altNames: names.map((value) => ({ type: 2, value })) },
    { name: 'authorityKeyIdentifier', keyIdentifier: authority.generateSubjectKeyIdentifier().getBytes() },
  ]);
  certificate.sign(authorityKeys.privateKey, forge.md.sha256.create());
  return {
    authority: forge.pki.certificateToPem(authority),
    certificate: forge.pki.certificateToPem(certificate),
    key: forge.pki.privateKeyToPem(keys.privateKey),
    notAfter,
    since: now,
  };
}

function draft(key: forge.pki.rsa.PublicKey, subject: forge.pki.CertificateField[], { now, notAfter }: { readonly now: number; readonly notAfter: number }): forge.pki.Certificate {
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = key;
  certificate.serialNumber = serialNumber(randomBytes(16));
  certificate.validity.notBefore = new Date(now - backdateMs);
  certificate.validity.notAfter = new Date(notAfter);
  certificate.setSubject(subject);
  return certificate;
}

/**
 * Of 16 random bytes: positive, at most 20 bytes (RFC 5280, 4.1.2.2), and as short as it can be (X.690, 8.3.2). Hexadecimal. With zeros in front the
 * library leaves one too many, and nobody who reads DER strictly takes the certificate.
 */
export function serialNumber([first = 0, ...rest]: Uint8Array): string {
  return Buffer.from([(first & 0x7f) | 0x40, ...rest]).toString('hex');
}
