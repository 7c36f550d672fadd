import test from 'ava';
import type { BackendTarget } from '#snapshot';
import { conditionsOf, parentOf, statusOf, translateYaml } from '../../testing.ts';
import type { ConditionDraft, Translation } from '../../types.ts';
import { base64, configMap, selfSigned, tlsSecret } from './testing.ts';

const authority = (await selfSigned('backends')).certificate;
const ca = configMap('ca', { 'ca.crt': authority });
const server = tlsSecret('server', await selfSigned('a.example.com'));

const gateway = (name = 'edge', listeners = '[{ name: http, port: 80, protocol: HTTP }]'): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: ${name}, namespace: shop }
spec: { gatewayClassName: weft, listeners: ${listeners} }
---`;

const cart = (ports = '[{ port: 443, name: one }, { port: 8443, name: two }]'): string => `
apiVersion: v1
kind: Service
metadata: { name: cart, namespace: shop }
spec: { ports: ${ports} }
---`;

const route = (rules = '[{ backendRefs: [{ name: cart, port: 443 }] }]', { kind = 'HTTPRoute', parents = '{ name: edge }' } = {}): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: ${kind}
metadata: { name: r, namespace: shop }
spec: { parentRefs: [${parents}], rules: ${rules} }
---`;

interface PolicyParts {
  readonly section?: string;
  readonly trust?: string;
  readonly more?: string;
  readonly created?: string;
  readonly hostname?: string;
  readonly targets?: string;
}

const configMapRef = '{ group: "", kind: ConfigMap, name: ca }';

const policy = (name: string, { section, trust = `caCertificateRefs: [${configMapRef}]`, more = '', created = '2026-01-01T00:00:00Z', hostname = 'cart.example.com', targets }: PolicyParts = {}): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: { name: ${name}, namespace: shop, generation: 7, creationTimestamp: "${created}" }
spec:
  targetRefs: ${targets ?? `[{ group: "", kind: Service, name: cart${section === undefined ? '' : `, sectionName: ${section}`} }]`}
  validation: { hostname: ${hostname}, ${trust} }
${more}---`;

const world = gateway() + cart() + route() + ca;

const ancestors = (translation: Translation, name: string): readonly { readonly ancestorRef: { readonly name: string }; readonly conditions: readonly ConditionDraft[] }[] =>
  statusOf(translation, `BackendTLSPolicy ${name}`)['ancestors'] as ReturnType<typeof ancestors>;
const verdicts = (yaml: string, name = 'p'): Readonly<Record<string, string>> => conditionsOf(ancestors(translateYaml(yaml), name)[0]!);
const targets = (translation: Translation, table = 'listener/shop/edge/http'): readonly BackendTarget[] =>
  (translation.snapshots.routeTable(table)?.routes ?? []).flatMap(({ rules }) => rules.flatMap(({ backends }) => backends.map(({ target }) => target)));
const backendNames = (translation: Translation): readonly string[] => targets(translation).map((target) => (target.kind === 'backend' ? target.backend : `${target.status} ${target.reason}`));

test('a Service with a policy is spoken to over TLS, as each Gateway does it', (t) => {
  const yaml = world.replace('[{ name: edge }]', '[{ name: edge }, { name: other }]') + gateway('other') + policy('p');
  const translation = translateYaml(yaml);
  t.deepEqual(backendNames(translation), ['shop/cart:443#tls/shop/edge']);
  t.deepEqual(targets(translation, 'listener/shop/other/http').map((target) => target.kind === 'backend' && target.backend), ['shop/cart:443#tls/shop/other']);
  const backend = translation.snapshots.backend('shop/cart:443#tls/shop/edge');
  t.deepEqual(backend?.tls, { hostname: 'cart.example.com', authorities: `${authority.trim()}\n` });
  t.is(backend?.protocol, 'http1');
  t.is(translation.snapshots.endpoints('shop/cart:443#tls/shop/edge')?.name, 'shop/cart:443#tls/shop/edge');
  t.is(translation.snapshots.backend('shop/cart:443')?.tls, undefined);
  t.deepEqual(['shop/cart:443#tls', 'shop/cart:443#tls/shop/none', 'shop/cart:9#tls/shop/edge'].map((name) => translation.snapshots.backend(name)), [undefined, undefined, undefined]);
  t.deepEqual(ancestors(translation, 'p').map(({ ancestorRef, conditions }) => [ancestorRef.name, conditionsOf({ conditions }), conditions[0]?.observedGeneration]), [
    ['edge', { Accepted: 'True Accepted', ResolvedRefs: 'True ResolvedRefs' }, 7],
    ['other', { Accepted: 'True Accepted', ResolvedRefs: 'True ResolvedRefs' }, 7],
  ]);
  t.is(conditionsOf(parentOf(translation, 'HTTPRoute r'))['ResolvedRefs'], 'True ResolvedRefs');
});

test('mirrors go over TLS as well', (t) => {
  const rules = '[{ filters: [{ type: RequestMirror, requestMirror: { backendRef: { name: cart, port: 8443 } } }], backendRefs: [{ name: cart, port: 443, filters: [{ type: RequestMirror, requestMirror: { backendRef: { name: cart, port: 443 } } }] }] }]';
  const text = JSON.stringify(translateYaml(gateway() + cart() + route(rules) + ca + policy('p')).snapshots.routeTable('listener/shop/edge/http')?.routes[0]?.rules);
  t.deepEqual(text.match(/"backend":"[^"]+"/g), ['"backend":"shop/cart:8443#tls/shop/edge"', '"backend":"shop/cart:443#tls/shop/edge"', '"backend":"shop/cart:443#tls/shop/edge"']);
});

test('who is trusted: the machine\'s authorities, several references, a Secret, alternative names', (t) => {
  const tls = (parts: PolicyParts, more = ''): unknown => translateYaml(world + more + policy('p', parts)).snapshots.backend('shop/cart:443#tls/shop/edge')?.tls;
  t.deepEqual(tls({ trust: 'wellKnownCACertificates: System', hostname: 'x.example.com' }), { hostname: 'x.example.com' });
  const secret = `\napiVersion: v1\nkind: Secret\nmetadata: { name: issued, namespace: shop }\ndata: { ca.crt: ${base64(authority)} }\n---`;
  t.deepEqual(tls({ trust: 'caCertificateRefs: [{ group: "", kind: Secret, name: issued }]' }, secret), { hostname: 'cart.example.com', authorities: `${authority.trim()}\n` });
  const names = 'subjectAltNames: [{ type: Hostname, hostname: alt.example.com }, { type: URI, uri: "spiffe://x/y" }]';
  t.deepEqual(tls({ trust: `wellKnownCACertificates: System, ${names}` }), { hostname: 'cart.example.com', subjectAltNames: [{ type: 'Hostname', value: 'alt.example.com' }, { type: 'URI', value: 'spiffe://x/y' }] });
});

test('a policy that can not be carried out is told so, and its Service gets a 500, never plain text', (t) => {
  const cases: readonly (readonly [PolicyParts, string, string])[] = [
    [{ trust: 'caCertificateRefs: [{ group: "", kind: ConfigMap, name: none }]' }, 'False NoValidCACertificate', 'False InvalidCACertificateRef'],
    [{ trust: 'caCertificateRefs: [{ group: "", kind: ConfigMap, name: empty }]' }, 'False NoValidCACertificate', 'False InvalidCACertificateRef'],
    [{ trust: 'caCertificateRefs: [{ group: invalid.io, kind: InvalidKind, name: ca }]' }, 'False NoValidCACertificate', 'False InvalidKind'],
    [{ trust: 'wellKnownCACertificates: example.com/mine' }, 'False Invalid', 'True ResolvedRefs'],
    [{ hostname: '10.0.0.1' }, 'False Invalid', 'True ResolvedRefs'],
    [{ trust: `caCertificateRefs: [${configMapRef}], subjectAltNames: [{ type: Hostname, hostname: 10.0.0.1 }]` }, 'False Invalid', 'True ResolvedRefs'],
    [{ more: '  options: { example.com/tls-version: "1.3" }\n' }, 'False Invalid', 'True ResolvedRefs'],
  ];
  for (const [parts, accepted, resolved] of cases) {
    const translation = translateYaml(world + configMap('empty', { 'ca.crt': '' }) + policy('p', parts));
    t.deepEqual(conditionsOf(ancestors(translation, 'p')[0]!), { Accepted: accepted, ResolvedRefs: resolved }, JSON.stringify(parts));
    t.deepEqual(backendNames(translation), ['500 InvalidBackendTLSPolicy']);
    const { conditions } = parentOf(translation, 'HTTPRoute r');
    t.is(conditionsOf({ conditions })['ResolvedRefs'], 'False InvalidBackendTLSPolicy');
    t.is(conditionsOf({ conditions })['Accepted'], 'True Accepted');
    t.true(conditions.some(({ message }) => message.includes('BackendTLSPolicy shop/p')));
  }
});

test('one valid authority among several is enough', (t) => {
  const translation = translateYaml(world + policy('p', { trust: `caCertificateRefs: [{ group: "", kind: ConfigMap, name: none }, ${configMapRef}]` }));
  t.deepEqual(conditionsOf(ancestors(translation, 'p')[0]!), { Accepted: 'True Accepted', ResolvedRefs: 'False InvalidCACertificateRef' });
  t.deepEqual(backendNames(translation), ['shop/cart:443#tls/shop/edge']);
});

test('the oldest policy of a Service holds, then the first by name; the others are Conflicted', (t) => {
  const older = policy('z', { created: '2025-01-01T00:00:00Z', hostname: 'older.example.com' });
  t.is(verdicts(world + policy('a') + older, 'z')['Accepted'], 'True Accepted');
  t.is(verdicts(world + policy('a') + older, 'a')['Accepted'], 'False Conflicted');
  t.is(translateYaml(world + policy('a') + older).snapshots.backend('shop/cart:443#tls/shop/edge')?.tls?.hostname, 'older.example.com');
  t.deepEqual(['a', 'b'].map((name) => verdicts(world + policy('b') + policy('a'), name)['Accepted']), ['True Accepted', 'False Conflicted']);
  const invalid = policy('z', { created: '2025-01-01T00:00:00Z', trust: 'wellKnownCACertificates: example.com/mine' });
  t.deepEqual(backendNames(translateYaml(world + policy('a') + invalid)), ['500 InvalidBackendTLSPolicy'], 'one that can not be carried out holds all the same');
});

test('a policy for a port comes before one for the Service, and neither is in conflict', (t) => {
  const yaml = gateway() + cart() + ca + route('[{ backendRefs: [{ name: cart, port: 443 }, { name: cart, port: 8443 }] }]') + policy('whole', { created: '2025-01-01T00:00:00Z' }) + policy('port', { section: 'one', hostname: 'one.example.com' });
  const { snapshots } = translateYaml(yaml);
  t.is(snapshots.backend('shop/cart:443#tls/shop/edge')?.tls?.hostname, 'one.example.com');
  t.is(snapshots.backend('shop/cart:8443#tls/shop/edge')?.tls?.hostname, 'cart.example.com');
  t.deepEqual(['whole', 'port'].map((name) => verdicts(yaml, name)['Accepted']), ['True Accepted', 'True Accepted']);
});

test('a policy for another port leaves this one alone, and does not speak of the Gateway', (t) => {
  const translation = translateYaml(world + policy('p', { section: 'two' }));
  t.deepEqual(backendNames(translation), ['shop/cart:443']);
  t.throws(() => ancestors(translation, 'p'));
  t.deepEqual(translation.problems.map(({ severity, reason }) => [severity, reason]), []);
});

test('a target that is not there is TargetNotFound: the port, or the Service that a route names', (t) => {
  t.is(verdicts(world + policy('p', { section: 'three' }))['Accepted'], 'False TargetNotFound');
  t.is(verdicts(world.replace('kind: Service\nmetadata: { name: cart', 'kind: Service\nmetadata: { name: other') + policy('p'))['Accepted'], 'False TargetNotFound');
});

test('of several targets those that hold count, and the message names the others', (t) => {
  const yaml = world + policy('a', { targets: '[{ group: "", kind: Service, name: cart, sectionName: one }]' }) + policy('p', { targets: '[{ group: "", kind: Service, name: cart, sectionName: one }, { group: "", kind: Service, name: other }]' })
    + cart().replace('name: cart', 'name: other') + route('[{ backendRefs: [{ name: other, port: 443 }] }]').replace('name: r,', 'name: r2,');
  const translation = translateYaml(yaml);
  const [accepted] = ancestors(translation, 'p')[0]!.conditions;
  t.is(accepted?.status, 'True');
  t.true(accepted?.message.includes('BackendTLSPolicy shop/a holds for port one of Service shop/cart'), accepted?.message);
});

test('https and wss need a policy: without one the reference is UnsupportedProtocol', (t) => {
  for (const protocol of ['https', 'HTTPS', 'wss', 'kubernetes.io/wss']) {
    const yaml = gateway() + cart(`[{ port: 443, appProtocol: ${protocol} }]`) + route() + ca;
    const without = parentOf(translateYaml(yaml), 'HTTPRoute r');
    t.is(conditionsOf(without)['ResolvedRefs'], 'False UnsupportedProtocol');
    t.true(without.conditions.some(({ message }) => message.includes('BackendTLSPolicy')));
    t.deepEqual(backendNames(translateYaml(yaml + policy('p'))), ['shop/cart:443#tls/shop/edge']);
  }
  const mysql = gateway() + cart('[{ port: 443, appProtocol: mysql }]') + route() + ca + policy('p');
  t.deepEqual(backendNames(translateYaml(mysql)), ['500 UnsupportedProtocol'], 'TLS makes no HTTP of it');
});

test('what is HTTP/2 in plain text is HTTP/2 over TLS, and gRPC always is', (t) => {
  const names = (ports: string, kind: string): readonly string[] => backendNames(translateYaml(gateway() + cart(ports) + route(undefined, { kind }) + ca + policy('p')));
  t.deepEqual(names('[{ port: 443, appProtocol: kubernetes.io/h2c }]', 'HTTPRoute'), ['shop/cart:443#tls/shop/edge/http2']);
  t.deepEqual(names('[{ port: 443 }]', 'GRPCRoute'), ['shop/cart:443#tls/shop/edge/http2']);
  t.deepEqual(names('[{ port: 443, appProtocol: https }]', 'GRPCRoute'), ['shop/cart:443#tls/shop/edge/http2']);
  const { snapshots } = translateYaml(gateway() + cart('[{ port: 443 }]') + route(undefined, { kind: 'GRPCRoute' }) + ca + policy('p'));
  t.is(snapshots.backend('shop/cart:443#tls/shop/edge/http2')?.protocol, 'http2');
});

test('what ends TLS speaks it again to the backend; what passes on bytes leaves them as they are', (t) => {
  const listeners = `[
    { name: end, port: 8443, protocol: TLS, tls: { mode: Terminate, certificateRefs: [{ name: server }] } },
    { name: through, port: 8444, protocol: TLS, tls: { mode: Passthrough } }, { name: tcp, port: 9000, protocol: TCP }]`;
  const tls = route(undefined, { kind: 'TLSRoute', parents: '{ name: edge, port: 8443 }, { name: edge, port: 8444 }' }).replace('rules:', 'hostnames: [a.example.com], rules:');
  const tcp = route(undefined, { kind: 'TCPRoute', parents: '{ name: edge, sectionName: tcp }' });
  const yaml = gateway('edge', listeners) + server + cart() + ca + tls + tcp;
  const backend = (translation: Translation, section: string): unknown => {
    const target = translation.snapshots.streamTable(`listener/shop/edge/${section}`)?.routes[0]?.rule.backends[0]?.target;
    return target?.kind === 'backend' ? target.backend : target?.reason;
  };
  const secured = translateYaml(yaml + policy('p'));
  t.deepEqual(['end', 'through', 'tcp'].map((section) => backend(secured, section)), ['shop/cart:443#tls/shop/edge/tcp', 'shop/cart:443#tcp', 'shop/cart:443#tcp']);
  t.deepEqual([secured.snapshots.backend('shop/cart:443#tls/shop/edge/tcp')?.protocol, secured.snapshots.backend('shop/cart:443#tcp')?.tls], ['tcp', undefined]);
  t.is(verdicts(yaml + policy('p'))['Accepted'], 'True Accepted');
  t.true(secured.problems.some(({ reason, severity, message }) => severity === 'warning' && reason === 'PartialEffect' && message.includes('listener through of Gateway shop/edge')));
  const unusable = translateYaml(yaml + policy('p', { trust: 'wellKnownCACertificates: example.com/mine' }));
  t.deepEqual(['end', 'through', 'tcp'].map((section) => backend(unusable, section)), ['InvalidBackendTLSPolicy', 'shop/cart:443#tcp', 'shop/cart:443#tcp']);
});

test('in the mesh the policy does not act, and says so', (t) => {
  const onlyMesh = translateYaml(cart() + route(undefined, { parents: '{ group: "", kind: Service, name: cart, port: 443 }' }) + ca + policy('p'));
  t.deepEqual(onlyMesh.problems.map(({ reason, severity }) => [severity, reason]), [['warning', 'NoEffect']]);
  const both = translateYaml(world + route(undefined, { parents: '{ group: "", kind: Service, name: cart, port: 443 }' }).replace('name: r,', 'name: m,') + policy('p'));
  t.deepEqual(both.problems.map(({ reason, severity }) => [severity, reason]), [['warning', 'PartialEffect']]);
  t.true(both.problems[0]?.message.startsWith('the mesh sends to Service shop/cart'), both.problems[0]?.message);
  t.is(both.snapshots.routeTable('service/shop/shop/cart/443')?.routes[0]?.rules[0]?.backends[0]?.target.kind, 'backend');
});

test('a changed ConfigMap changes the backend, and a route that has nothing to do with it stays the same object', (t) => {
  const others = route('[{ backendRefs: [{ name: plain, port: 80 }] }]').replace('name: r,', 'name: r2,') + cart('[{ port: 80 }]').replace('name: cart', 'name: plain');
  const before = translateYaml(world + others + policy('p'));
  const after = translateYaml((world + others + policy('p')).replace(JSON.stringify(authority), JSON.stringify(authority + authority.replace('BEGIN', 'BROKEN'))));
  t.deepEqual(before.snapshots.backend('shop/cart:443#tls/shop/edge'), after.snapshots.backend('shop/cart:443#tls/shop/edge'), 'what is no certificate changes nothing');
  const broken = translateYaml((world + others + policy('p')).replace(JSON.stringify(authority), '""'));
  t.deepEqual(backendNames(broken), ['500 InvalidBackendTLSPolicy', 'shop/plain:80']);
});

test('a status has room for 16 Gateways, and it is said that there are more', (t) => {
  const names = Array.from({ length: 18 }, (_, at) => `g${String(at).padStart(2, '0')}`);
  const addresses = new Map(names.map((name, at) => [`shop/${name}`, [`127.0.9.${at + 1}`]]));
  const translation = translateYaml(names.map((name) => gateway(name)).join('') + cart() + ca + route(undefined, { parents: names.map((name) => `{ name: ${name} }`).join(', ') }) + policy('p'), { gatewayAddresses: addresses });
  t.deepEqual(ancestors(translation, 'p').map(({ ancestorRef }) => ancestorRef.name), names.slice(0, 16));
  t.true(translation.problems.some(({ reason }) => reason === 'TooManyAncestors'));
  t.truthy(translation.snapshots.backend('shop/cart:443#tls/shop/g17'));
});

test('a policy at a Gateway of somebody else is none of ours', (t) => {
  const foreign = gateway('edge').replace('gatewayClassName: weft', 'gatewayClassName: other');
  const translation = translateYaml(`${foreign}${cart()}${route()}${policy('p', { trust: 'wellKnownCACertificates: example.com/mine' })}`);
  t.deepEqual(translation.problems.filter(({ object }) => object.kind === 'BackendTLSPolicy'), []);
  t.false(translation.statuses.some(({ kind }) => kind === 'BackendTLSPolicy'));
});

test('what an Ingress sends goes over TLS as well, and the status speaks of the Ingress', (t) => {
  const ingress = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: web, namespace: shop }
spec: { ingressClassName: weft, defaultBackend: { service: { name: cart, port: { number: 443 } } } }
---`;
  const translation = translateYaml(ingress + cart() + ca + policy('p'));
  const [entry, ...others] = ancestors(translation, 'p') as readonly { readonly ancestorRef: unknown; readonly conditions: readonly ConditionDraft[] }[];
  t.is(others.length, 0);
  t.deepEqual(entry?.ancestorRef, { group: 'networking.k8s.io', kind: 'Ingress', namespace: 'shop', name: 'web' });
  t.is(conditionsOf(entry!)['Accepted'], 'True Accepted');
});

test('a ClusterTrustBundle may hold the authorities', (t) => {
  const bundle = `
apiVersion: certificates.k8s.io/v1beta1
kind: ClusterTrustBundle
metadata: { name: backends }
spec: { trustBundle: ${JSON.stringify(authority)} }
---`;
  const translation = translateYaml(world + bundle + policy('p', { trust: 'caCertificateRefs: [{ group: certificates.k8s.io, kind: ClusterTrustBundle, name: backends }]' }));
  t.deepEqual(conditionsOf(ancestors(translation, 'p')[0]!), { Accepted: 'True Accepted', ResolvedRefs: 'True ResolvedRefs' });
  t.is(translation.snapshots.backend('shop/cart:443#tls/shop/edge')?.tls?.authorities, `${authority.trim()}\n`);
});

test('a policy may stand on a ServiceImport, and one on the Service of that name has nothing to do with it', (t) => {
  const serviceImport = `
apiVersion: multicluster.x-k8s.io/v1alpha1
kind: ServiceImport
metadata: { name: cart, namespace: shop }
spec: { type: ClusterSetIP, ips: [10.0.0.9], ports: [{ name: one, port: 443, protocol: TCP }] }
---`;
  const rules = '[{ backendRefs: [{ group: multicluster.x-k8s.io, kind: ServiceImport, name: cart, port: 443 }, { name: cart, port: 443 }] }]';
  const yaml = gateway() + cart() + serviceImport + ca + route(rules);
  const ofImport = { targets: '[{ group: multicluster.x-k8s.io, kind: ServiceImport, name: cart, sectionName: one }]' };
  t.deepEqual(backendNames(translateYaml(yaml + policy('p', ofImport))), ['shop/import:cart:443#tls/shop/edge', 'shop/cart:443']);
  t.deepEqual(backendNames(translateYaml(yaml + policy('p'))), ['shop/import:cart:443', 'shop/cart:443#tls/shop/edge']);
  t.is(verdicts(yaml + policy('p', ofImport))['Accepted'], 'True Accepted');
  t.is(translateYaml(yaml + policy('p', ofImport)).snapshots.backend('shop/import:cart:443#tls/shop/edge')?.tls?.hostname, 'cart.example.com');
});
