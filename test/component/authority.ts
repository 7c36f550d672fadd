import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { BasicConstraintsExtension, cryptoProvider, GeneralName, KeyUsageFlags, KeyUsagesExtension, PemConverter, SubjectAlternativeNameExtension, X509CertificateGenerator, type X509Certificate } from '@peculiar/x509';

/** Certificates for tests: an authority of their own, and what it signs. */

cryptoProvider.set(webcrypto as Crypto);

const algorithms = {
  ecdsa: { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  rsa: { name: 'RSASSA-PKCS1-v1_5', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' },
} as const;

type Algorithm = keyof typeof algorithms;

const hour = 3_600_000;

export interface Pair {
  /** PEM. */
  readonly chain: string;
  readonly key: string;
}

export interface Names {
  readonly dns?: readonly string[];
  readonly uri?: readonly string[];
  /** Hours before now at which it ceased to be valid. */
  readonly expired?: number;
}

export class Authority {
  /** PEM. */
  readonly certificate: string;
  readonly #issuer: X509Certificate;
  readonly #keys: webcrypto.CryptoKeyPair;
  readonly #algorithm: Algorithm;
  #serial = 1;

  private constructor(issuer: X509Certificate, keys: webcrypto.CryptoKeyPair, algorithm: Algorithm) {
    this.#issuer = issuer;
    this.#algorithm = algorithm;
    this.#keys = keys;
    this.certificate = issuer.toString('pem');
  }

  static async named(name: string, algorithm: Algorithm = 'ecdsa'): Promise<Authority> {
    const keys = await newKeys(algorithm);
    const issuer = await X509CertificateGenerator.createSelfSigned({
      name: `CN=${name}`,
      keys,
      signingAlgorithm: algorithms[algorithm],
      ...validity(0),
      extensions: [new BasicConstraintsExtension(true, undefined, true), new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true)],
    });
    return new Authority(issuer, keys, algorithm);
  }

  async issue(subject: string, { dns = [], uri = [], expired = 0 }: Names): Promise<Pair> {
    const keys = await newKeys(this.#algorithm);
    const names = [...dns.map((name) => new GeneralName('dns', name)), ...uri.map((name) => new GeneralName('url', name))];
    const certificate = await X509CertificateGenerator.create({
      serialNumber: (++this.#serial).toString(16).padStart(2, '0'),
      subject: `CN=${subject}`,
      issuer: this.#issuer.subject,
      publicKey: keys.publicKey,
      signingKey: this.#keys.privateKey,
      signingAlgorithm: algorithms[this.#algorithm],
      ...validity(expired),
      extensions: names.length === 0 ? [] : [new SubjectAlternativeNameExtension(names)],
    });
    const key = PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey as webcrypto.CryptoKey), 'PRIVATE KEY');
    return { chain: certificate.toString('pem'), key };
  }
}

function newKeys(algorithm: Algorithm): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(algorithms[algorithm], true, ['sign', 'verify']) as Promise<webcrypto.CryptoKeyPair>;
}

function validity(expired: number): { notBefore: Date; notAfter: Date } {
  const now = Date.now();
  return { notBefore: new Date(now - (expired + 24) * hour), notAfter: new Date(expired > 0 ? now - expired * hour : now + 24 * hour) };
}
