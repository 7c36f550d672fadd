import test from 'ava';
import type { Secret } from '#crds';
import { untimelyCertificates } from './certificates.ts';

/** Self-signed, from 2020-01-01 to 2021-01-01. */
const chain = `-----BEGIN CERTIFICATE-----
MIIBKDCBz6ADAgECAgEBMAoGCCqGSM49BAMCMA4xDDAKBgNVBAMTA2V4cDAeFw0y
MDAxMDEwMDAwMDBaFw0yMTAxMDEwMDAwMDBaMA4xDDAKBgNVBAMTA2V4cDBZMBMG
ByqGSM49AgEGCCqGSM49AwEHA0IABDDPdcWkVGuzS2rYy82s0vwhoyc5xna9HTjX
W/4XlYLoaROCimMK/mRbJKl8JRDi11NwcrXZVrEkI/qeIPWXtrejHjAcMBoGA1Ud
EQQTMBGCD2V4cC5leGFtcGxlLmNvbTAKBggqhkjOPQQDAgNIADBFAiEAnZr5a7zy
I4KtNF+RBPdu0UsmxrygI4jR1knofxoVvhoCIHr/9W/oumxG20LJKjxRC8Mm7xpX
EOsWkL00L1QPGcaD
-----END CERTIFICATE-----`;

const secret: Secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'cert', namespace: 'shop' }, type: 'kubernetes.io/tls', data: {} };
const state = { secrets: new Map([['shop/cert', secret]]) };
const served = { certificate: (name: string) => (name === 'shop/cert' ? ({ kind: 'Certificate', name, chain, key: '' } as const) : undefined) };
const at = (day: string): readonly string[] => untimelyCertificates(state, served, Date.parse(day)).map(({ message }) => message);

test('a certificate that is served is told before it begins and when it has ended', (t) => {
  t.deepEqual(at('2019-12-31'), ['the certificate in tls.crt begins on 2020-01-01: clients refuse it until then']);
  t.deepEqual(at('2020-06-01'), []);
  t.deepEqual(at('2021-01-02'), ['the certificate in tls.crt ended on 2021-01-01: clients refuse it']);
  t.deepEqual(untimelyCertificates(state, { certificate: () => undefined }, Date.parse('2021-01-02')), [], 'nobody serves it');
});
