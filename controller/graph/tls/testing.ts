import 'reflect-metadata';
import * as x509 from '@peculiar/x509';

x509.cryptoProvider.set(crypto);

export interface Pair {
  /** PEM. */
  readonly certificate: string;
  readonly key: string;
}

/** For tests: a self-signed pair. */
export async function selfSigned(name: string): Promise<Pair> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=${name}`, keys, signingAlgorithm: algorithm, notBefore: new Date('2026-01-01'), notAfter: new Date('2036-01-01'),
    extensions: [new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: name }])],
  });
  const pkcs8 = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  return { certificate: certificate.toString('pem'), key: `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n` };
}

export function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

export function tlsSecret(name: string, { certificate, key }: Pair, namespace = 'shop'): string {
  return `
apiVersion: v1
kind: Secret
metadata: { name: ${name}, namespace: ${namespace} }
type: kubernetes.io/tls
data: { tls.crt: ${base64(certificate)}, tls.key: ${base64(key)} }
---`;
}

/** A ConfigMap with these keys. */
export function configMap(name: string, data: Readonly<Record<string, string>>, namespace = 'shop'): string {
  return `
apiVersion: v1
kind: ConfigMap
metadata: { name: ${name}, namespace: ${namespace} }
data: ${JSON.stringify(data)}
---`;
}

export function grant(from: { readonly kind: string; readonly namespace: string }, to: string, namespace: string): string {
  return `
apiVersion: gateway.networking.k8s.io/v1
kind: ReferenceGrant
metadata: { name: grant, namespace: ${namespace} }
spec: { from: [{ group: gateway.networking.k8s.io, kind: ${from.kind}, namespace: ${from.namespace} }], to: [{ group: "", kind: ${to} }] }
---`;
}
