import test from 'ava';
import { stateFrom } from '../../testing.ts';
import { referencesOf } from './references.ts';

const listener = (secret: string): string => `{ name: https, port: 443, protocol: HTTPS, hostname: ${secret}.example.com, tls: { certificateRefs: [{ name: ${secret} }] } }`;

const gateway = (name: string, spec = ''): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: ${name}, namespace: infra }
spec: { ${spec}gatewayClassName: weft, listeners: [${listener(name)}] }
---`;

const set = (name: string, parent: string, namespace = 'infra'): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: { name: ${name}, namespace: ${namespace} }
spec: { parentRef: { name: ${parent}, namespace: infra }, listeners: [${listener(name)}] }
---`;

const found = (yaml: string): readonly string[] => [...referencesOf(stateFrom(yaml)).keys()];

test('Secrets of a Gateway\'s listeners are read, and of the ListenerSets that it lets in', (t) => {
  const yaml = set('guest', 'open', 'shop') + set('refused', 'closed') + set('lost', 'none') + gateway('open', 'allowedListeners: { namespaces: { from: All } }, ') + gateway('closed');
  t.deepEqual(found(yaml), ['Secret/infra/open', 'Secret/infra/closed', 'Secret/shop/guest']);
});

test('a Gateway of another class is no concern of ours, nor are its ListenerSets', (t) => {
  t.deepEqual(found(gateway('open', 'allowedListeners: { namespaces: { from: All } }, ').replace('gatewayClassName: weft', 'gatewayClassName: other') + set('guest', 'open')), []);
});

const policy = (name: string, refs: string): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: { name: ${name}, namespace: shop }
spec:
  targetRefs: [{ group: "", kind: Service, name: shop }]
  validation: { hostname: shop.example.com, caCertificateRefs: [${refs}] }
---`;

test('authorities of clients and of backends are read, and the certificate that a Gateway shows to backends', (t) => {
  const tls = `tls: {
    backend: { clientCertificateRef: { name: client, namespace: vault } },
    frontend: {
      default: { validation: { caCertificateRefs: [{ group: "", kind: ConfigMap, name: clients }] } },
      perPort: [{ port: 8443, tls: { validation: { caCertificateRefs: [{ group: "", kind: ConfigMap, name: partners, namespace: vault }, { group: "", kind: Service, name: wrong }] } } }] } }, `;
  const yaml = gateway('edge', tls) + policy('backends', '{ group: "", kind: ConfigMap, name: backends }, { group: "", kind: Secret, name: issued }, { group: x.io, kind: ConfigMap, name: wrong }, { group: certificates.k8s.io, kind: ClusterTrustBundle, name: "x.io:y:z" }');
  t.deepEqual(found(yaml), ['Secret/infra/edge', 'Secret/vault/client', 'ConfigMap/infra/clients', 'ConfigMap/vault/partners', 'ConfigMap/shop/backends', 'Secret/shop/issued', 'ClusterTrustBundle/x.io:y:z']);
});

test('without a Gateway of ours nothing is read for BackendTLSPolicies', (t) => {
  t.deepEqual(found(policy('backends', '{ group: "", kind: ConfigMap, name: backends }') + gateway('edge').replace('gatewayClassName: weft', 'gatewayClassName: other')), []);
});

test('no more than 2,000 are read, and those of Gateways come first', (t) => {
  const many = Array.from({ length: 300 }, (_, at) => policy(`p${at}`, Array.from({ length: 8 }, (_each, ref) => `{ group: "", kind: ConfigMap, name: c-${at}-${ref} }`).join(', ')));
  const names = found(many.join('') + gateway('edge'));
  t.is(names.length, 2000);
  t.is(names[0], 'Secret/infra/edge');
});
