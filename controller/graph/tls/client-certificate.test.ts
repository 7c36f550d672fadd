import test from 'ava';
import type { ProxyNode } from '#snapshot';
import { viewOf } from '../../push/index.ts';
import { conditionsOf, statusOf, translateYaml } from '../../testing.ts';
import { configMap, grant, selfSigned, tlsSecret } from './testing.ts';

const pair = await selfSigned('gateway');
const authority = await selfSigned('backends');

const gateway = (name: string, ref: string): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: ${name}, namespace: shop }
spec: { gatewayClassName: weft, tls: { backend: ${ref === '' ? '{}' : `{ clientCertificateRef: ${ref} }`} }, listeners: [{ name: http, port: 80, protocol: HTTP }] }
---`;

const conditions = (yaml: string): Readonly<Record<string, string>> => conditionsOf(statusOf(translateYaml(yaml), 'Gateway edge'));

test('a certificate that does not resolve is told in the Gateway\'s ResolvedRefs, and the Gateway serves on', (t) => {
  const opaque = '\napiVersion: v1\nkind: Secret\nmetadata: { name: opaque, namespace: shop }\n---';
  const cases: readonly (readonly [string, string])[] = [
    ['{ name: none }', 'False InvalidClientCertificateRef'],
    ['{ name: opaque }', 'False InvalidClientCertificateRef'],
    ['{ group: x.io, kind: Secret, name: client }', 'False InvalidClientCertificateRef'],
    ['{ group: "", kind: ConfigMap, name: client }', 'False InvalidClientCertificateRef'],
    ['{ name: client, namespace: vault }', 'False RefNotPermitted'],
    ['{ group: "", kind: ConfigMap, name: client, namespace: vault }', 'False RefNotPermitted'],
    ['{ name: client }', 'True ResolvedRefs'],
    ['', 'True ResolvedRefs'],
  ];
  for (const [ref, resolved] of cases) {
    const found = conditions(gateway('edge', ref) + tlsSecret('client', pair) + opaque);
    t.deepEqual([found['Accepted'], found['Programmed'], found['ResolvedRefs']], ['True Accepted', 'True Programmed', resolved], ref);
  }
});

test('a certificate of another namespace needs a grant for Gateways', (t) => {
  const yaml = gateway('edge', '{ name: client, namespace: vault }') + tlsSecret('client', pair, 'vault');
  t.is(conditions(yaml + grant({ kind: 'Gateway', namespace: 'shop' }, 'Secret', 'vault'))['ResolvedRefs'], 'True ResolvedRefs');
  t.is(conditions(yaml + grant({ kind: 'ListenerSet', namespace: 'shop' }, 'Secret', 'vault'))['ResolvedRefs'], 'False RefNotPermitted');
});

const secured = `
apiVersion: v1
kind: Service
metadata: { name: cart, namespace: shop }
spec: { ports: [{ port: 443 }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: { name: cart, namespace: shop }
spec: { targetRefs: [{ group: "", kind: Service, name: cart }], validation: { hostname: cart.example.com, caCertificateRefs: [{ group: "", kind: ConfigMap, name: ca }] } }
---${configMap('ca', { 'ca.crt': authority.certificate })}`;

test('backends are shown the Gateway\'s certificate, and no other proxy can have it', (t) => {
  const { snapshots } = translateYaml(gateway('edge', '{ name: client }') + gateway('other', '') + tlsSecret('client', pair) + secured);
  t.is(snapshots.backend('shop/cart:443#tls/shop/edge')?.tls?.clientCertificate, 'shop/client');
  t.is(snapshots.backend('shop/cart:443#tls/shop/other')?.tls?.clientCertificate, undefined);
  const seenBy = (node: ProxyNode, type: 'Certificate' | 'Backend' | 'Endpoints', name: string): boolean => viewOf(node, () => snapshots).find(type, name) !== undefined;
  const edge: ProxyNode = { id: 'e', role: 'gateway', namespace: 'shop', name: 'edge' };
  const other: ProxyNode = { id: 'o', role: 'gateway', namespace: 'shop', name: 'other' };
  const sidecar: ProxyNode = { id: 's', role: 'sidecar', namespace: 'shop', name: 'edge' };
  t.deepEqual([edge, other, sidecar].map((node) => seenBy(node, 'Certificate', 'shop/client')), [true, false, false]);
  t.deepEqual([edge, other, sidecar].map((node) => seenBy(node, 'Backend', 'shop/cart:443#tls/shop/edge')), [true, false, false]);
  t.deepEqual([edge, other, sidecar].map((node) => seenBy(node, 'Endpoints', 'shop/cart:443#tls/shop/edge')), [true, false, false]);
});

test('the certificate of a Gateway that is not accepted leaves the control plane nowhere', (t) => {
  const yaml = gateway('edge', '{ name: client }').replace('spec: {', 'spec: { addresses: [{ type: Hostname, value: x.example.com }],') + tlsSecret('client', pair);
  const { snapshots } = translateYaml(yaml);
  t.is(snapshots.certificate('shop/client'), undefined);
  t.is(snapshots.clientCertificates.size, 0);
});
