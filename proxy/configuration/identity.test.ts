import 'reflect-metadata';
import { SubjectAlternativeNameExtension, X509CertificateGenerator, type JsonGeneralName } from '@peculiar/x509';
import test from 'ava';
import type { BackendTls } from '#snapshot';
import { wrongIdentity } from './identity.ts';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const keys = await crypto.subtle.generateKey(algorithm, false, ['sign', 'verify']);

/** A certificate for these names, as a careless authority might sign it. */
async function certificateFor(...names: readonly JsonGeneralName[]): Promise<Buffer> {
  const { rawData } = await X509CertificateGenerator.createSelfSigned({ keys, signingAlgorithm: algorithm, extensions: [new SubjectAlternativeNameExtension([...names])] }, crypto);
  return Buffer.from(rawData);
}

const dns = (value: string): JsonGeneralName => ({ type: 'dns', value });
const uri = (value: string): JsonGeneralName => ({ type: 'url', value });
const byHostname = (hostname: string): BackendTls => ({ hostname });
const byName = (type: 'Hostname' | 'URI', value: string): BackendTls => ({ hostname: 'unused.example', subjectAltNames: [{ type, value }] });

test('a name in a certificate counts whole: not up to a NUL, nor beyond a separator', async (t) => {
  const cases: readonly (readonly [JsonGeneralName, BackendTls])[] = [
    [dns('shop.example\0.evil.org'), byHostname('shop.example')],
    [dns('shop.example\0.evil.org'), byName('Hostname', 'shop.example')],
    [dns('evil.org, DNS:shop.example'), byHostname('shop.example')],
    [dns('a\0b.shop.example'), byName('Hostname', '*.shop.example')],
    [dns('evil.org, DNS:a.shop.example'), byName('Hostname', '*.shop.example')],
    [dns('a b.shop.example'), byName('Hostname', '*.shop.example')],
    [dns('a.b.shop.example'), byName('Hostname', '*.shop.example')],
    [uri('spiffe://shop/cart\0/evil'), byName('URI', 'spiffe://shop/cart')],
    [uri('spiffe://evil/x, URI:spiffe://shop/cart'), byName('URI', 'spiffe://shop/cart')],
    [uri('spiffe://shop/carts'), byName('URI', 'spiffe://shop/cart')],
  ];
  for (const [name, tls] of cases) t.truthy(wrongIdentity(tls, await certificateFor(name)), `${JSON.stringify(name)} for ${JSON.stringify(tls)}`);
  for (const [name, tls] of [[dns('shop.example'), byHostname('shop.example')], [dns('a.shop.example'), byName('Hostname', '*.shop.example')], [dns('*.shop.example'), byName('Hostname', '*.shop.example')], [uri('spiffe://shop/cart'), byName('URI', 'spiffe://shop/cart')]] as const) {
    t.is(wrongIdentity(tls, await certificateFor(dns('other.example'), name)), undefined, JSON.stringify(name));
  }
});
