import test from 'ava';
import { conditionsOf, listenerOf, statusOf, translateYaml } from '../../testing.ts';
import type { Translation } from '../../types.ts';
import { configMap, grant, selfSigned, tlsSecret } from './testing.ts';

const server = tlsSecret('server', await selfSigned('a.example.com'));
const [clients, partners] = [(await selfSigned('clients')).certificate, (await selfSigned('partners')).certificate];
const authorities = configMap('clients', { 'ca.crt': clients }) + configMap('partners', { 'ca.crt': `# ours\n${partners}` });

const ref = (name: string, more = ''): string => `{ group: "", kind: ConfigMap, name: ${name}${more} }`;
const validation = (refs: string, mode = ''): string => `{ validation: { caCertificateRefs: [${refs}]${mode} } }`;
const https = (name: string, port: number): string => `{ name: ${name}, port: ${port}, protocol: HTTPS, tls: { certificateRefs: [{ name: server }] } }`;

const gateway = (frontend: string, listeners: readonly string[] = [https('l', 443)]): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: edge, namespace: shop }
spec: { gatewayClassName: weft, allowedListeners: { namespaces: { from: Same } }, tls: { frontend: ${frontend} }, listeners: [${listeners.join(', ')}] }
---${server}${authorities}`;

const listener = (translation: Translation, name = 'l'): Readonly<Record<string, string>> => conditionsOf(listenerOf(translation, 'edge', name));
const sections = (translation: Translation): Readonly<Record<string, unknown>> =>
  Object.fromEntries((translation.snapshots.listeners.get('shop/edge') ?? []).flatMap((each) => each.sections.map(({ name, clientValidation }) => [name, clientValidation])));

test('the authorities of a listener reach its section, one set for a port of its own, and HTTP knows of none', (t) => {
  const frontend = `{ default: ${validation(ref('clients'))}, perPort: [{ port: 8443, tls: ${validation(ref('partners'), ', mode: AllowInsecureFallback')} }, { port: 9443, tls: {} }, { port: 80, tls: ${validation(ref('clients'))} }] }`;
  const translation = translateYaml(gateway(frontend, [https('l', 443), https('p', 8443), https('open', 9443), '{ name: http, port: 80, protocol: HTTP }']));
  const { l, p, open, http } = sections(translation);
  t.deepEqual(l, { authorities: clients.trim() + '\n', mode: 'AllowValidOnly' });
  t.deepEqual(p, { authorities: partners.trim() + '\n', mode: 'AllowInsecureFallback' }, 'only the certificate itself leaves the control plane');
  t.is(open, undefined, 'an entry of a port takes the place of the default');
  t.is(http, undefined);
  t.is(conditionsOf(statusOf(translation, 'Gateway edge'))['InsecureFrontendValidationMode'], 'True ConfigurationChanged');
});

test('without a valid authority the listener is not served: the reason says why, and listeners of HTTP are not concerned', (t) => {
  const cases: readonly (readonly [string, string])[] = [
    [ref('none'), 'InvalidCACertificateRef'],
    [ref('empty'), 'InvalidCACertificateRef'],
    [ref('broken'), 'InvalidCACertificateRef'],
    ['{ group: "", kind: Service, name: clients }', 'InvalidCACertificateKind'],
    ['{ group: x.io, kind: ConfigMap, name: clients }', 'InvalidCACertificateKind'],
    [ref('clients', ', namespace: vault'), 'RefNotPermitted'],
  ];
  const more = configMap('empty', {}) + configMap('broken', { 'ca.crt': '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----' });
  for (const [refs, reason] of cases) {
    const translation = translateYaml(gateway(`{ default: ${validation(refs)} }`, [https('l', 443), '{ name: http, port: 80, protocol: HTTP }']) + more);
    const { Accepted, ResolvedRefs, Programmed } = listener(translation);
    t.deepEqual([Accepted, ResolvedRefs, Programmed], ['False NoValidCACertificate', `False ${reason}`, 'False Invalid'], refs);
    t.is(listener(translation, 'http')['Programmed'], 'True Programmed');
    t.deepEqual(Object.keys(sections(translation)), ['http']);
    t.is(conditionsOf(statusOf(translation, 'Gateway edge'))['Accepted'], 'True ListenersNotValid');
  }
});

test('of several authorities the valid ones count, and the others are told', (t) => {
  const translation = translateYaml(gateway(`{ default: ${validation(`${ref('clients')}, ${ref('none')}, ${ref('partners')}, ${ref('clients')}`)} }`));
  t.deepEqual(listener(translation), { Accepted: 'True Accepted', Programmed: 'True Programmed', ResolvedRefs: 'False InvalidCACertificateRef', Conflicted: 'False NoConflicts' });
  t.deepEqual(sections(translation)['l'], { authorities: `${clients.trim()}\n${partners.trim()}\n`, mode: 'AllowValidOnly' });
  t.deepEqual(translation.problems.map(({ path }) => path.join('.')), ['spec.tls.frontend.default.validation.caCertificateRefs.1']);
});

test('authorities of another namespace need a ReferenceGrant for the Gateway and the kind, and lose it with it', (t) => {
  const yaml = gateway(`{ default: ${validation(ref('far', ', namespace: vault'))} }`) + configMap('far', { 'ca.crt': clients }, 'vault');
  const resolved = (grants: string): string | undefined => listener(translateYaml(yaml + grants))['ResolvedRefs'];
  const us = { kind: 'Gateway', namespace: 'shop' };
  t.is(resolved(grant(us, 'ConfigMap', 'vault')), 'True ResolvedRefs');
  t.is(resolved(''), 'False RefNotPermitted');
  t.is(resolved(grant(us, 'Secret', 'vault')), 'False RefNotPermitted');
  t.is(resolved(grant({ kind: 'HTTPRoute', namespace: 'shop' }, 'ConfigMap', 'vault')), 'False RefNotPermitted');
});

test('the listeners of a ListenerSet ask for the same certificates, and a fault is told in the ListenerSet', (t) => {
  const set = `
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: { name: guests, namespace: shop }
spec: { parentRef: { name: edge }, listeners: [${https('guest', 8443)}] }
---`;
  const good = translateYaml(gateway(`{ default: ${validation(ref('clients'))} }`) + set);
  t.is((sections(good)['shop/guests/guest'] as { mode: string }).mode, 'AllowValidOnly');
  const bad = translateYaml(gateway(`{ default: {}, perPort: [{ port: 8443, tls: ${validation(ref('none'))} }] }`) + set);
  t.deepEqual(Object.keys(sections(bad)), ['l']);
  const [entry] = statusOf(bad, 'ListenerSet guests')['listeners'] as readonly Parameters<typeof conditionsOf>[0][];
  t.is(conditionsOf(entry!)['Accepted'], 'False NoValidCACertificate');
  const told = bad.problems.filter(({ object }) => object.kind === 'ListenerSet');
  t.true(told.some(({ message }) => message.includes('Gateway shop/edge: spec.tls.frontend.perPort[0].tls.validation.caCertificateRefs[0]')), JSON.stringify(told));
});

test('TLS that ends at the gateway is checked alike, TLS that passes through is the backend\'s own matter', (t) => {
  const tls = (name: string, port: number, mode: string): string => `{ name: ${name}, port: ${port}, protocol: TLS, tls: { mode: ${mode}, certificateRefs: [{ name: server }] } }`;
  const { end, through } = sections(translateYaml(gateway(`{ default: ${validation(ref('clients'))} }`, [tls('end', 8883, 'Terminate'), tls('through', 8884, 'Passthrough')])));
  t.truthy(end);
  t.is(through, undefined);
});

test('a changed ConfigMap changes the section', (t) => {
  const frontend = `{ default: ${validation(ref('clients'))} }`;
  const before = translateYaml(gateway(frontend));
  const after = translateYaml(gateway(frontend).replace(JSON.stringify(clients), JSON.stringify(partners)));
  t.notDeepEqual(sections(before), sections(after));
});

test('the analysis names what lets everybody in, and what no listener meets', (t) => {
  const warnings = (frontend: string, listeners: readonly string[]): readonly string[] =>
    translateYaml(gateway(frontend, listeners)).problems.filter(({ severity }) => severity === 'warning').map(({ reason, path }) => `${reason} ${path.slice(3).join('.')}`);
  const http = '{ name: http, port: 80, protocol: HTTP }';
  t.deepEqual(warnings(`{ default: ${validation(ref('clients'))} }`, [http]), ['NoEffect default.validation']);
  t.deepEqual(warnings(`{ default: ${validation(ref('clients'))}, perPort: [{ port: 443, tls: {} }, { port: 80, tls: ${validation(ref('clients'))} }] }`, [https('l', 443), http]), ['NoEffect default.validation', 'NoEffect perPort.1.tls.validation']);
  t.deepEqual(warnings(`{ default: ${validation(ref('clients'), ', mode: AllowInsecureFallback')} }`, [https('l', 443)]), ['InsecureFrontendValidationMode default.validation.mode']);
});

test('a ClusterTrustBundle is for all namespaces: no grant, and no namespace in the reference', (t) => {
  const bundle = `
apiVersion: certificates.k8s.io/v1alpha1
kind: ClusterTrustBundle
metadata: { name: "example.com:clients:1" }
spec: { signerName: example.com/clients, trustBundle: ${JSON.stringify(clients)} }
---`;
  const frontend = `{ default: ${validation('{ group: certificates.k8s.io, kind: ClusterTrustBundle, name: "example.com:clients:1" }')} }`;
  const good = translateYaml(gateway(frontend) + bundle);
  t.is(listener(good)['ResolvedRefs'], 'True ResolvedRefs');
  t.deepEqual(sections(good)['l'], { authorities: `${clients.trim()}\n`, mode: 'AllowValidOnly' });
  t.is(listener(translateYaml(gateway(frontend)))['ResolvedRefs'], 'False InvalidCACertificateRef');
  const empty = translateYaml(gateway(frontend) + bundle.replace(JSON.stringify(clients), '""'));
  t.is(listener(empty)['Accepted'], 'False NoValidCACertificate');
});
