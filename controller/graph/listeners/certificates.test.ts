import 'reflect-metadata';
import { generateKeyPairSync, type webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import test from 'ava';
import { conditionsOf, listenerOf, translateYaml } from '../../testing.ts';

x509.cryptoProvider.set(crypto);

/** A self-signed pair as PEM. */
async function pair(names: readonly string[] = ['a.example.com'], algorithm: webcrypto.RsaHashedKeyGenParams | (webcrypto.EcKeyGenParams & { hash: string }) = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }): Promise<{ readonly certificate: string; readonly key: string }> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=example.com', keys, signingAlgorithm: algorithm, notBefore: new Date('2026-01-01'), notAfter: new Date('2036-01-01'),
    extensions: [new x509.SubjectAlternativeNameExtension(names.map((value) => ({ type: 'dns', value })))],
  });
  const pkcs8 = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  return { certificate: certificate.toString('pem'), key: `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n` };
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');

const secret = (certificate: string, key: string, namespace = 'shop', type = 'kubernetes.io/tls'): string => `
apiVersion: v1
kind: Secret
metadata: { name: cert, namespace: ${namespace} }
type: ${type}
data: { tls.crt: ${base64(certificate)}, tls.key: ${base64(key)} }
---`;

const gateway = (ref: string): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: edge, namespace: shop }
spec:
  gatewayClassName: weft
  listeners: [{ name: tls, port: 443, protocol: HTTPS, hostname: a.example.com, tls: { certificateRefs: [${ref}] } }]
---`;

const grant = (to: string): string => `
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: { name: certs, namespace: vault }
spec: { from: [{ group: gateway.networking.k8s.io, kind: Gateway, namespace: shop }], to: [${to}] }
---`;

const resolved = (yaml: string): Readonly<Record<string, string>> => conditionsOf(listenerOf(translateYaml(yaml), 'edge', 'tls'));

test('a listener with a good Secret names its certificate, and the certificate can be had', async (t) => {
  const { certificate, key } = await pair();
  const { snapshots } = translateYaml(secret(certificate, key) + gateway('{ name: cert }'));
  t.deepEqual(snapshots.listeners.get('shop/edge')?.[0]?.sections[0]?.certificates, ['shop/cert']);
  t.is(snapshots.certificate('shop/cert')?.chain, certificate);
});

test('a Secret that no listener names does not leave the control plane', async (t) => {
  const { certificate, key } = await pair();
  t.is(translateYaml(secret(certificate, key) + gateway('{ name: another }')).snapshots.certificate('shop/cert'), undefined);
});

test('a certificate that can not be used is InvalidCertificateRef, and its listener is not programmed', async (t) => {
  const { certificate, key } = await pair();
  const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const cases: Readonly<Record<string, string>> = {
    'missing': gateway('{ name: cert }'),
    'no PEM': secret('Hello world', 'Hello world') + gateway('{ name: cert }'),
    'key of another certificate': secret(certificate, stranger) + gateway('{ name: cert }'),
    'other type': secret(certificate, key, 'shop', 'Opaque') + gateway('{ name: cert }'),
    'other kind': secret(certificate, key) + gateway('{ name: cert, kind: ConfigMap }'),
    'other group': secret(certificate, key) + gateway('{ name: cert, group: example.com }'),
  };
  for (const [name, yaml] of Object.entries(cases)) {
    const conditions = resolved(yaml);
    t.is(conditions['ResolvedRefs'], 'False InvalidCertificateRef', name);
    t.is(conditions['Programmed'], 'False Invalid', name);
    t.is(conditions['Accepted'], 'True Accepted', name);
  }
});

test('a key that TLS would refuse is told here, not first by the proxy', async (t) => {
  const rsa = { name: 'RSASSA-PKCS1-v1_5', modulusLength: 512, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' };
  const { certificate, key } = await pair(undefined, rsa);
  const translation = translateYaml(secret(certificate, key) + gateway('{ name: cert }'));
  t.is(conditionsOf(listenerOf(translation, 'edge', 'tls'))['ResolvedRefs'], 'False InvalidCertificateRef');
  t.true(translation.problems.some(({ message }) => message === "Secret shop/cert has a tls.key of 512 bits; RSA keys need 2048 at least"), JSON.stringify(translation.problems));
});

test('a Secret of another namespace needs a ReferenceGrant there, for its name or for all', async (t) => {
  const { certificate, key } = await pair();
  const yaml = secret(certificate, key, 'vault') + gateway('{ name: cert, namespace: vault }');
  t.is(resolved(yaml)['ResolvedRefs'], 'False RefNotPermitted');
  t.is(resolved(gateway('{ name: cert, namespace: vault }'))['ResolvedRefs'], 'False RefNotPermitted', 'also where there is no such Secret');
  t.is(resolved(yaml + grant('{ group: "", kind: Secret, name: other }'))['ResolvedRefs'], 'False RefNotPermitted');
  t.is(resolved(yaml + grant('{ group: "", kind: Service }'))['ResolvedRefs'], 'False RefNotPermitted');
  t.is(resolved(yaml + grant('{ group: "", kind: Secret, name: cert }'))['ResolvedRefs'], 'True ResolvedRefs');
  t.is(resolved(yaml + grant('{ group: "", kind: Secret }'))['ResolvedRefs'], 'True ResolvedRefs');
});

test('of several certificates those that are good are served, and the others are told', async (t) => {
  const { certificate, key } = await pair();
  const translation = translateYaml(secret(certificate, key) + gateway('{ name: missing }, { name: cert }'));
  const conditions = conditionsOf(listenerOf(translation, 'edge', 'tls'));
  t.is(conditions['ResolvedRefs'], 'False InvalidCertificateRef');
  t.is(conditions['Programmed'], 'True Programmed');
  t.deepEqual(translation.snapshots.listeners.get('shop/edge')?.[0]?.sections[0]?.certificates, ['shop/cert']);
});

test('HTTPS listeners of one port that overlap say so, by hostname or by distinct certificates', async (t) => {
  const { certificate, key } = await pair(['*.example.com']);
  const other = await pair(['b.example.com']);
  const listener = (name: string, hostname: string, { port = 443, cert = 'cert' } = {}): string => `{ name: ${name}, port: ${port}, protocol: HTTPS, hostname: "${hostname}", tls: { certificateRefs: [{ name: ${cert} }] } }`;
  const secrets = secret(certificate, key) + secret(other.certificate, other.key).replace('name: cert', 'name: second');
  const overlapping = (...listeners: readonly string[]): readonly (string | undefined)[] => {
    const translation = translateYaml(secrets + gateway('{ name: cert }').replace(/listeners: .*/, `listeners: [${listeners.join(', ')}]`));
    return ['a', 'b'].map((name) => conditionsOf(listenerOf(translation, 'edge', name))['OverlappingTLSConfig']);
  };
  t.deepEqual(overlapping(listener('a', 'a.example.com'), listener('b', '*.example.com')), ['True OverlappingHostnames', 'True OverlappingHostnames']);
  t.deepEqual(overlapping(listener('a', 'a.example.com'), listener('b', 'b.example.com')), [undefined, undefined], 'one certificate for both');
  t.deepEqual(overlapping(listener('a', 'a.example.com'), listener('b', 'b.example.com', { cert: 'second' })), ['True OverlappingCertificates', 'True OverlappingCertificates']);
  t.deepEqual(overlapping(listener('a', 'a.example.com'), listener('b', '*.example.com', { port: 8443, cert: 'second' })), [undefined, undefined], 'another port');
});
