import 'reflect-metadata';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';

/** PEM, and the files that hold it. */
export interface Pair {
  readonly chain: string;
  readonly key: string;
  readonly chainFile: string;
  readonly keyFile: string;
  /** Both in one file, as HAProxy wants it. */
  readonly bothFile: string;
}

export interface Certificates {
  readonly authority: string;
  readonly authorityFile: string;
  /** Of the proxies under test and of the backend: for `localhost`, for server and client. */
  readonly pair: Pair;
}

x509.cryptoProvider.set(crypto);
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const dayMs = 86_400_000;

/** An authority and one pair of it (ECDSA P-256), written below `folder`. */
export async function makeCertificates(folder: string): Promise<Certificates> {
  const [issuerKeys, keys] = await Promise.all([generate(), generate()]);
  const validity = { notBefore: new Date(Date.now() - dayMs), notAfter: new Date(Date.now() + dayMs), signingAlgorithm: algorithm };
  const issuer = await x509.X509CertificateGenerator.createSelfSigned({ ...validity, serialNumber: '01', name: 'CN=bench', keys: issuerKeys, extensions: [new x509.BasicConstraintsExtension(true, 0, true)] });
  const leaf = await x509.X509CertificateGenerator.create({
    ...validity,
    serialNumber: '02',
    subject: 'CN=localhost',
    issuer: issuer.subject,
    publicKey: keys.publicKey,
    signingKey: issuerKeys.privateKey,
    extensions: [new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]), new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: 'localhost' }])],
  });
  const write = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const [authority, chain] = [`${issuer.toString('pem')}\n`, `${leaf.toString('pem')}\n`];
  const key = `${x509.PemConverter.encode(await crypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY')}\n`;
  const pair = { chain, key, chainFile: write('pair.crt', chain), keyFile: write('pair.key', key), bothFile: write('pair.pem', chain + key) };
  return { authority, authorityFile: write('authority.crt', authority), pair };
}

function generate(): Promise<{ readonly publicKey: CryptoKey; readonly privateKey: CryptoKey }> {
  return crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
}
