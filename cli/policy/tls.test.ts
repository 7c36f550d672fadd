import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { weft } from '../testing/run.ts';

const file = join(mkdtempSync(join(tmpdir(), 'weft-')), 'tls.yaml');
writeFileSync(file, `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: edge, namespace: shop }
spec: { gatewayClassName: weft, listeners: [{ name: http, port: 80, protocol: HTTP }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: cart, namespace: shop }
spec: { parentRefs: [{ name: edge }], rules: [{ backendRefs: [{ name: cart, port: 443 }] }] }
---
apiVersion: v1
kind: Service
metadata: { name: cart, namespace: shop }
spec: { ports: [{ port: 443 }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: { name: cart, namespace: shop }
spec:
  targetRefs: [{ group: "", kind: Service, name: cart }]
  validation: { hostname: cart.example.com, wellKnownCACertificates: System, subjectAltNames: [{ type: URI, uri: 'spiffe://shop/cart' }] }
`);

const told = 'TLS as cart.example.com, certificate for spiffe://shop/cart, trusting the authorities of the machine, by BackendTLSPolicy shop/cart';

test('explain says how TLS is spoken to a backend, and who says so', async (t) => {
  const { out: text } = await weft('explain', '-f', file, '--gateway', 'shop/edge', 'http://example.com/');
  t.true(text.includes(told), text);
  const { backends } = JSON.parse((await weft('explain', '-f', file, '--gateway', 'shop/edge', 'http://example.com/', '-o', 'json')).out) as { readonly backends: readonly { readonly tls: unknown }[] };
  t.deepEqual(backends[0]?.tls, {
    policy: { kind: 'BackendTLSPolicy', namespace: 'shop', name: 'cart' },
    spoken: true,
    hostname: 'cart.example.com',
    subjectAltNames: [{ type: 'URI', value: 'spiffe://shop/cart' }],
    authorities: 'System',
  });
});

test('policy says the same of the path', async (t) => {
  const { out: text } = await weft('policy', '-f', file, '--gateway', 'shop/edge', '--route', 'HTTPRoute/shop/cart');
  t.true(text.includes(told), text);
});

test('in the mesh the policy does not act, and both say so', async (t) => {
  const note = 'no TLS: BackendTLSPolicy shop/cart stands on it, and acts at Gateways only';
  const { out: explained } = await weft('explain', '-f', file, '--from-namespace', 'shop', 'http://cart.shop:443/');
  t.true(explained.includes(note), explained);
  const { out: settled } = await weft('policy', '-f', file, '--from-namespace', 'shop', '--backend', 'shop/cart:443');
  t.true(settled.includes(note), settled);
});
