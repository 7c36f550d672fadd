import test from 'ava';
import { applyObject, removeObject, type ClusterState } from '#crds';
import { assignAddresses } from '../../push/addresses.ts';
import { conditionsOf, listenerOf, parentOf, stateFrom, statusOf } from '../../testing.ts';
import { translate } from '../../translate.ts';
import type { Translation } from '../../types.ts';
import { configMap, grant, selfSigned, tlsSecret } from './testing.ts';

const pairs = await Promise.all(['one', 'two'].map(selfSigned));
const [one, two] = pairs as [(typeof pairs)[0], (typeof pairs)[0]];

const world = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: edge, namespace: shop }
spec:
  gatewayClassName: weft
  tls:
    backend: { clientCertificateRef: { name: client, namespace: vault } }
    frontend: { default: { validation: { caCertificateRefs: [{ group: "", kind: ConfigMap, name: clients, namespace: vault }] } } }
  listeners: [{ name: https, port: 443, protocol: HTTPS, tls: { certificateRefs: [{ name: server }] } }, { name: http, port: 80, protocol: HTTP }]
---
apiVersion: v1
kind: Service
metadata: { name: cart, namespace: shop }
spec: { ports: [{ port: 443 }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: r, namespace: shop }
spec: { parentRefs: [{ name: edge }], rules: [{ backendRefs: [{ name: cart, port: 443 }] }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: { name: p, namespace: shop }
spec: { targetRefs: [{ group: "", kind: Service, name: cart }], validation: { hostname: cart.example.com, caCertificateRefs: [{ group: "", kind: ConfigMap, name: backends }] } }
---`;

const grants = grant({ kind: 'Gateway', namespace: 'shop' }, 'Secret', 'vault').replace('name: grant', 'name: secrets') + grant({ kind: 'Gateway', namespace: 'shop' }, 'ConfigMap', 'vault').replace('name: grant', 'name: maps');
const start = (): ClusterState =>
  stateFrom(world + grants + tlsSecret('server', one) + tlsSecret('client', one, 'vault') + configMap('clients', { 'ca.crt': one.certificate }, 'vault') + configMap('backends', { 'ca.crt': one.certificate }));

const translated = (state: ClusterState): Translation => translate(state, { gatewayAddresses: assignAddresses(state, { first: '127.0.0.1' }, new Map()), portOffset: 0 });
const only = (yaml: string): Parameters<typeof applyObject>[1] => {
  const { secrets, configMaps, referenceGrants } = stateFrom(yaml);
  return [...secrets.values(), ...configMaps.values(), ...referenceGrants.values()][0]!;
};

const authoritiesOfClients = ({ snapshots }: Translation): string | undefined =>
  snapshots.listeners.get('shop/edge')?.flatMap(({ sections }) => sections).find(({ name }) => name === 'https')?.clientValidation?.authorities;
const target = ({ snapshots }: Translation): string | undefined => {
  const found = snapshots.routeTable('listener/shop/edge/http')?.routes[0]?.rules[0]?.backends[0]?.target;
  return found?.kind === 'backend' ? found.backend : found?.reason;
};
const backend = 'shop/cart:443#tls/shop/edge';

test('what a changed Secret or ConfigMap holds is in the next translation', (t) => {
  let state = start();
  const before = translated(state);
  t.is(before.snapshots.backend(backend)?.tls?.authorities, `${one.certificate.trim()}\n`);
  state = applyObject(state, only(configMap('backends', { 'ca.crt': two.certificate })));
  t.is(translated(state).snapshots.backend(backend)?.tls?.authorities, `${two.certificate.trim()}\n`);
  state = applyObject(state, only(configMap('clients', { 'ca.crt': two.certificate }, 'vault')));
  t.is(authoritiesOfClients(translated(state)), `${two.certificate.trim()}\n`);
  state = applyObject(state, only(tlsSecret('client', two, 'vault')));
  t.is(translated(state).snapshots.certificate('vault/client')?.key, two.key);
  state = applyObject(state, only(tlsSecret('server', two)));
  t.is(translated(state).snapshots.certificate('shop/server')?.key, two.key);
});

test('an authority that is spoilt and mended again, as the policy\'s status and the route\'s backend have it', (t) => {
  let state = start();
  const verdict = (): readonly (string | undefined)[] => {
    const now = translated(state);
    const [entry] = statusOf(now, 'BackendTLSPolicy p')['ancestors'] as readonly Parameters<typeof conditionsOf>[0][];
    return [conditionsOf(entry!)['Accepted'], target(now), conditionsOf(parentOf(now, 'HTTPRoute r'))['ResolvedRefs']];
  };
  const good = ['True Accepted', backend, 'True ResolvedRefs'];
  const bad = ['False NoValidCACertificate', 'InvalidBackendTLSPolicy', 'False InvalidBackendTLSPolicy'];
  t.deepEqual(verdict(), good);
  state = applyObject(state, only(configMap('backends', { 'ca.crt': '' })));
  t.deepEqual(verdict(), bad);
  state = applyObject(state, only(configMap('backends', { 'ca.crt': two.certificate })));
  t.deepEqual(verdict(), good);
  state = removeObject(state, only(configMap('backends', {})));
  t.deepEqual(verdict(), bad);
});

test('a grant that is taken away takes its reference with it, and no key stays behind', (t) => {
  let state = start();
  const withoutGrant = (name: string): ClusterState => removeObject(state, { apiVersion: 'gateway.networking.k8s.io/v1', kind: 'ReferenceGrant', metadata: { name, namespace: 'vault' } });
  t.is(conditionsOf(statusOf(translated(state), 'Gateway edge'))['ResolvedRefs'], 'True ResolvedRefs');
  state = withoutGrant('secrets');
  const keyless = translated(state);
  t.is(conditionsOf(statusOf(keyless, 'Gateway edge'))['ResolvedRefs'], 'False RefNotPermitted');
  t.is(keyless.snapshots.certificate('vault/client'), undefined);
  t.is(keyless.snapshots.backend(backend)?.tls?.clientCertificate, undefined);
  t.is(conditionsOf(listenerOf(keyless, 'edge', 'https'))['Accepted'], 'True Accepted');
  state = withoutGrant('maps');
  const closed = translated(state);
  t.is(conditionsOf(listenerOf(closed, 'edge', 'https'))['Accepted'], 'False NoValidCACertificate');
  t.deepEqual(closed.snapshots.listeners.get('shop/edge')?.map(({ port }) => port), [80]);
});

test('a policy that is deleted leaves plain text, and one that is made takes it away', (t) => {
  let state = start();
  const policy = [...state.backendTLSPolicies.values()][0]!;
  state = removeObject(state, policy);
  t.is(target(translated(state)), 'shop/cart:443');
  state = applyObject(state, policy);
  t.is(target(translated(state)), backend);
});
