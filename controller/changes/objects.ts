import fc from 'fast-check';
import { parseObject, type KubernetesObject } from '#crds';
import { selfSigned } from '../graph/tls/testing.ts';
import { controllerName, gatewayGroup as gw, importGroup, rootNamespace } from '../names.ts';
import { knownKinds } from '../source/kinds.ts';

/**
 * For tests: objects of every kind that the controller reads, in few names, so that they refer to each other; each kind in as many forms as it can
 * have effects. Two of one name are one object before and after a change.
 */
const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(value, { nil: undefined });
const seldom = <T>(value: T): fc.Arbitrary<T | undefined> => fc.oneof({ weight: 9, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: fc.constant(value) });
const seldomly = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(value, { nil: undefined, freq: 1 });
const one = fc.constantFrom;
const few = <T>(value: fc.Arbitrary<T>, maxLength = 2, minLength = 0): fc.Arbitrary<T[]> => fc.array(value, { minLength, maxLength });

const name = one('a', 'a', 'b');
const namespace = one('x', 'x', 'x', 'y');
const port = one(80, 80, 80, 81);
const section = one('l0', 'l1');
const hostname = one('a.example.com', '*.example.com', 'b.example.org');
const times = maybe(one('2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z'));
const metadata = fc.record({ name, namespace, creationTimestamp: times, uid: maybe(one('1', '2')), generation: maybe(one(1, 2)), labels: maybe(one({ app: 'a' }, { app: 'b' })) });

const [first, second] = [await selfSigned('a.example.com'), await selfSigned('*.example.com')];
const base64 = (text: string): string => Buffer.from(text).toString('base64');
const pairs = [first, second].map(({ certificate, key }) => ({ 'tls.crt': base64(certificate), 'tls.key': base64(key) }));

type Written = readonly [kind: string, objects: fc.Arbitrary<object>];
const of = (apiVersion: string, kind: string, spec: fc.Arbitrary<object>, about: fc.Arbitrary<object> = metadata): Written => [
  kind,
  fc.record({ metadata: about, rest: spec }).map(({ metadata: own, rest }) => ({ apiVersion, kind, metadata: own, ...rest })),
];
const spec = (fields: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<object> => fc.record({ spec: fc.record(fields) });
const global = (names: fc.Arbitrary<string>): fc.Arbitrary<object> => fc.record({ name: names, creationTimestamp: times, generation: maybe(one(1, 2)) });

const from = one({ from: 'All' }, { from: 'Same' }, { from: 'Selector', selector: { matchLabels: { app: 'a' } } });
const certificateRef = fc.record({ name, namespace: maybe(one('x', 'y')) });
const authorityRef = one({ group: '', kind: 'ConfigMap', name: 'a' }, { group: '', kind: 'ConfigMap', name: 'b' }, { group: '', kind: 'Secret', name: 'b' }, { group: 'certificates.k8s.io', kind: 'ClusterTrustBundle', name: 'a' });
const listener = fc.record({
  port: one(80, 80, 81, 443),
  protocol: one('HTTP', 'HTTP', 'HTTPS', 'TLS', 'TCP', 'UDP'),
  hostname: maybe(one('a.example.com', '*.example.com')),
  allowedRoutes: maybe(fc.record({ namespaces: from })),
});
const secured = fc.record({ mode: maybe(one('Terminate', 'Terminate', 'Passthrough')), certificateRefs: few(certificateRef, 2, 1) });
const listeners = few(fc.record({ plain: listener, tls: secured }), 2, 1).map((all) =>
  all.map(({ plain: { hostname: host, ...plain }, tls: { mode, certificateRefs } }, index) => ({
    name: `l${index}`,
    ...plain,
    ...(plain.protocol === 'TCP' || plain.protocol === 'UDP' ? {} : { hostname: host }),
    ...(plain.protocol === 'TLS' ? { tls: { mode, certificateRefs } } : plain.protocol === 'HTTPS' ? { tls: { certificateRefs } } : {}),
  })),
);
const authorityRefs = few(authorityRef, 3, 2);
const validation = fc.record({ validation: fc.record({ caCertificateRefs: authorityRefs, mode: maybe(one('AllowInsecureFallback')) }) });
const gatewayTls = fc.record({ frontend: maybe(fc.record({ default: validation })), backend: maybe(fc.record({ clientCertificateRef: certificateRef })) });

const backendRef = fc.oneof(
  fc.record({ name, namespace: maybe(one('x', 'y')), port, weight: one(0, 1, 1) }),
  fc.record({ group: one(importGroup), kind: one('ServiceImport'), name, port }),
);
const mirror = fc.record({ name, port }).map((ref) => ({ type: 'RequestMirror', requestMirror: { backendRef: ref } }));
const filter = fc.oneof(mirror, one({ type: 'RequestRedirect', requestRedirect: { scheme: 'https' } }, { type: 'RequestHeaderModifier', requestHeaderModifier: { remove: ['x-a'] } }));
const match = one({ path: { value: '/a' } }, { path: { value: '/a' } }, { path: { type: 'Exact', value: '/b' } }, { path: { type: 'Exact', value: '/b' } }, { path: { type: 'RegularExpression', value: '(' } });
const own = { timeouts: maybe(one({ request: '1s' }, { request: '0s' })), retry: maybe(one({ attempts: 1 }, { codes: [500], attempts: 2 })), sessionPersistence: maybe(one({ type: 'Cookie', cookie: {} }, { type: 'Header', header: { name: 'x-s' } })) };
const mirroring = fc.record({ to: backendRef, filters: few(mirror, 1, 1) }).map(({ to, filters }) => ({ ...to, filters }));
const rule = fc.record({ name: maybe(one('r')), matches: few(match), backendRefs: few(fc.oneof(backendRef, backendRef, mirroring)), ...own });
const redirecting = fc.record({ matches: few(match), filters: few(filter, 1) });
const grpcRule = fc.record({ matches: few(one({}, { method: { service: 'a.B' } }), 1), backendRefs: few(backendRef), filters: few(mirror, 1) });
const streamRules = few(fc.record({ backendRefs: few(backendRef, 2, 1) }), 1, 1);
const parentRef = fc.oneof(
  fc.record({ name, namespace: maybe(namespace), sectionName: seldomly(section), port: seldomly(port) }),
  fc.record({ group: one(''), kind: one('Service'), name, namespace: maybe(namespace), port: seldomly(port) }),
  fc.record({ group: one(importGroup), kind: one('ServiceImport'), name }),
  fc.record({ kind: one('ListenerSet'), name, namespace: maybe(namespace), sectionName: seldomly(section) }),
);
const attached = { parentRefs: few(parentRef, 2, 1).map((refs) => [...new Map(refs.map((ref) => [`${'kind' in ref ? ref.kind : ''} ${ref.name} ${'namespace' in ref ? ref.namespace : ''}`, ref])).values()]) };

const portForms = one({ name: 'p', port: 80 }, { name: 'p', port: 80 }, { name: 'q', port: 80 }, { name: 'p', port: 80, targetPort: 'web' }, { name: 'grpc', port: 80 }, { name: 'p', port: 81 }, { name: 'p', port: 80, appProtocol: 'https' }, { name: 'p', port: 80, appProtocol: 'mysql' });
const servicePorts = fc.record({ main: portForms, more: maybe(one({ name: 'u', port: 80, protocol: 'UDP' }, { name: 't', port: 81, appProtocol: 'kubernetes.io/h2c' })) }).map(({ main, more }) => (more === undefined || (main.port === more.port && !('protocol' in more)) ? [main] : [main, more]));
const service = fc.record({
  type: seldom('ExternalName'),
  ports: servicePorts,
  selector: maybe(one({ app: 'a' }, { app: 'b' })),
  clusterIP: one('None', '10.0.0.1', '10.0.0.2', '10.0.0.3', undefined, undefined),
  publishNotReadyAddresses: one(true, false, false),
}).map((each) => (each.type === 'ExternalName' ? { ...each, externalName: 'example.com' } : each));
const endpoint = fc.record({
  addresses: one(['127.0.1.1'], ['127.0.1.2']),
  conditions: fc.record({ ready: one(true, true, false), terminating: one(false, true) }),
  zone: maybe(one('z1')),
  targetRef: maybe(fc.record({ kind: one('Pod'), name: name })),
});
const slice = fc.record({
  addressType: one('IPv4', 'IPv4', 'IPv4', 'FQDN'),
  endpoints: few(endpoint, 2, 1),
  ports: few(one({ name: 'p', port: 9000 }, { name: 'q', port: 9001 }, { name: 'u', port: 9002, protocol: 'UDP' }, { name: 'grpc', port: 9003 }), 3),
});
const sliceLabels = fc.record({ key: one('kubernetes.io/service-name', 'multicluster.kubernetes.io/service-name'), value: name }).map(({ key, value }) => ({ [key]: value }));
const pod = fc.record({
  spec: fc.record({ containers: one([{ name: 'c' }], [{ name: 'c', ports: [{ name: 'web', containerPort: 7000 }] }], [{ name: 'c', ports: [{ name: 'web', containerPort: 7001 }] }]), initContainers: one([], [{ name: 'weft-proxy' }]) }),
  status: fc.record({ podIP: one('127.0.1.1', '127.0.1.2'), phase: one('Running', 'Running', 'Pending', 'Failed'), conditions: one([], [{ type: 'Ready', status: 'False' }]) }),
});

const path = fc.record({ path: one('/', '/a'), pathType: one('Prefix', 'Exact'), backend: fc.record({ service: fc.record({ name, port: one({ number: 80 }, { name: 'p' }) }) }) });
const ingress = fc.record({
  ingressClassName: maybe(one('weft', 'other')),
  defaultBackend: maybe(name.map((backend) => ({ service: { name: backend, port: { number: 80 } } }))),
  tls: few(fc.record({ hosts: few(hostname, 1), secretName: name }), 1),
  rules: few(fc.record({ host: maybe(hostname), http: fc.record({ paths: few(path, 2, 1) }) })),
});
const escapes = { 'weft-mesh.io/allow-in-path': '%2F' };
const hops = { 'weft-mesh.io/trusted-hops': '2' };
const annotated = (annotations: fc.Arbitrary<object | undefined>): fc.Arbitrary<object> => fc.record({ about: metadata, annotations }).map((each) => (each.annotations === undefined ? each.about : { ...each.about, annotations: each.annotations }));

const target = fc.oneof(
  fc.record({ group: one(gw), kind: one('Gateway', 'ListenerSet'), name, sectionName: seldomly(section) }),
  fc.record({ group: one(gw), kind: one('HTTPRoute', 'GRPCRoute', 'TLSRoute', 'TCPRoute', 'UDPRoute'), name, sectionName: seldomly(one('r')) }),
  fc.record({ group: one(''), kind: one('Service'), name, sectionName: seldomly(one('p', 'q')) }),
  fc.record({ group: one(importGroup), kind: one('ServiceImport'), name }),
  one({ group: '', kind: 'Namespace', name: 'x' }, { group: '', kind: 'Namespace', name: 'y' }, { group: '', kind: 'Namespace', name: rootNamespace }, { group: gw, kind: 'GatewayClass', name: 'weft' }, { group: 'gateway.networking.x-k8s.io', kind: 'XMesh', name: 'weft' }),
);
const retry = one({ maxRetries: 1 }, { maxRetries: 2, perTryTimeout: '1s' }, { budget: { percent: 5 } }, { retryOn: { codes: [503] } });
const timeouts = one({ request: '1s' }, { backendRequest: '5s' }, { idle: '1m', requestHeaders: '2s' }, { connect: '1s', streamIdle: '1h', maxConnectionDuration: '0s' });
const policySpec = (fields: fc.Arbitrary<object>): fc.Arbitrary<object> => fc.record({ targetRefs: few(target, 2, 1).map((refs) => [...new Map(refs.map((ref) => [JSON.stringify(ref), ref])).values()]), override: maybe(fields), default: fields }).map((each) => ({ spec: each }));
const anywhere = fc.record({ name, namespace: one('x', 'x', 'y', rootNamespace), creationTimestamp: times, generation: maybe(one(1, 2)) });
const backendTarget = fc.record({ group: one(''), kind: one('Service'), name });
const grantFrom = fc.record({ group: one(gw), kind: one('HTTPRoute', 'HTTPRoute', 'GRPCRoute', 'TCPRoute', 'TLSRoute', 'Gateway', 'ListenerSet'), namespace: one('x', 'y') });

const written: readonly Written[] = [
  of(`${gw}/v1`, 'GatewayClass', spec({ controllerName: one(controllerName, controllerName, 'x.io/y'), parametersRef: seldom({ group: 'x.io', kind: 'P', name: 'p' }) }), global(one('weft', 'other'))),
  of(`${gw}/v1`, 'Gateway', spec({ gatewayClassName: one('weft', 'weft', 'other'), listeners, allowedListeners: maybe(fc.record({ namespaces: from })), tls: maybe(gatewayTls), addresses: seldom([{ type: 'IPAddress', value: '127.0.0.9' }]) }), annotated(maybe(one<object>(escapes, hops, { 'weft-mesh.io/trusted-hops': 'x' })))),
  of(`${gw}/v1`, 'Gateway', spec({ gatewayClassName: one('weft'), listeners }), one({ name: 'weft-ingress', namespace: rootNamespace })),
  of(`${gw}/v1`, 'ListenerSet', spec({ parentRef: fc.record({ name, namespace: maybe(namespace) }), listeners }), annotated(maybe(one(escapes)))),
  of(`${gw}/v1`, 'HTTPRoute', spec({ ...attached, hostnames: maybe(few(hostname)), rules: few(fc.oneof(rule, rule, redirecting), 2, 1) })),
  of(`${gw}/v1`, 'GRPCRoute', spec({ ...attached, hostnames: maybe(few(hostname)), rules: few(grpcRule, 2, 1) })),
  of(`${gw}/v1`, 'TLSRoute', spec({ ...attached, hostnames: few(hostname, 2, 1), rules: streamRules })),
  of(`${gw}/v1`, 'TCPRoute', spec({ ...attached, rules: streamRules })),
  of(`${gw}/v1`, 'UDPRoute', spec({ ...attached, rules: streamRules })),
  of(`${gw}/v1`, 'ReferenceGrant', spec({ from: few(grantFrom, 4, 2), to: few(one({ group: '', kind: 'Service' }, { group: '', kind: 'Service', name: 'a' }, { group: '', kind: 'Secret' }, { group: '', kind: 'Secret', name: 'a' }, { group: '', kind: 'ConfigMap' }), 4, 2) }), fc.record({ name, namespace: one('x', 'y') })),
  of(`${gw}/v1`, 'BackendTLSPolicy', spec({ targetRefs: few(fc.record({ group: one(''), kind: one('Service'), name, sectionName: seldomly(one('p', 'q')) }), 1, 1), validation: fc.oneof({ weight: 3, arbitrary: fc.record({ hostname: one('a.example.com'), caCertificateRefs: authorityRefs }) }, one({ hostname: 'b.example.com', wellKnownCACertificates: 'System' })) })),
  of('gateway.networking.x-k8s.io/v1alpha1', 'XMesh', spec({ controllerName: one(controllerName, 'x.io/y') }), global(one('weft'))),
  of('gateway.networking.x-k8s.io/v1alpha1', 'XBackendTrafficPolicy', spec({ targetRefs: few(backendTarget, 1, 1), retryConstraint: maybe(one({ budget: { percent: 5, interval: '10s' } }, { budget: { percent: 6, interval: '10s' } })), sessionPersistence: maybe(one({ type: 'Cookie', cookie: { name: 's' } })) })),
  of('v1', 'Service', fc.record({ spec: service }), annotated(maybe(one({ 'weft-mesh.io/balancing': 'round-robin' }, { 'weft-mesh.io/balancing': 'odd' }, escapes)))),
  of('discovery.k8s.io/v1', 'EndpointSlice', slice, fc.record({ name: one('s', 't'), namespace, labels: sliceLabels })),
  of('v1', 'Pod', pod, fc.record({ about: metadata, elsewhere: seldom({ namespace: 'w' }) }).map(({ about, elsewhere }) => ({ ...about, ...elsewhere }))),
  of('v1', 'Namespace', one({}), fc.record({ name: one('x', 'x', 'y', 'z'), labels: maybe(one({ app: 'a' }, { app: 'b' })) })),
  of('v1', 'Secret', fc.record({ type: one('kubernetes.io/tls', 'kubernetes.io/tls', 'Opaque'), data: one(...pairs, ...pairs, { 'ca.crt': pairs[0]!['tls.crt'] }) })),
  of('v1', 'ConfigMap', fc.record({ data: one({ 'ca.crt': first.certificate }, { 'ca.crt': second.certificate }, {}) })),
  of('certificates.k8s.io/v1beta1', 'ClusterTrustBundle', spec({ trustBundle: one(first.certificate, second.certificate) }), global(one('a'))),
  of('networking.k8s.io/v1', 'Ingress', fc.record({ spec: ingress }), annotated(maybe(one({ 'weft-mesh.io/https-redirect': 'true' })))),
  of('networking.k8s.io/v1', 'IngressClass', spec({ controller: one(controllerName, 'x.io/y') }), fc.record({ name: one('weft', 'other'), annotations: maybe(one({ 'ingressclass.kubernetes.io/is-default-class': 'true' })) })),
  of(`${importGroup}/v1alpha1`, 'ServiceImport', spec({ type: one('ClusterSetIP', 'ClusterSetIP', 'Headless'), ips: one([], ['10.0.0.4']), ports: one([{ name: 'p', port: 80, protocol: 'TCP' }], [{ name: 'q', port: 80, protocol: 'TCP' }], [{ name: 'p', port: 81, protocol: 'TCP' }]) })),
  of('policy.weft-mesh.io/v1alpha1', 'RetryPolicy', policySpec(retry), anywhere),
  of('policy.weft-mesh.io/v1alpha1', 'TimeoutPolicy', policySpec(timeouts), anywhere),
];

/** By kind, as parsed; undefined for one that its schema refuses. */
export const objectsOfKind: ReadonlyMap<string, fc.Arbitrary<KubernetesObject | undefined>> = new Map(
  written.map(([kind]) => {
    const objects = written.flatMap(([each, forms]) => (each === kind ? [forms] : []));
    return [kind, fc.oneof(...objects).map((raw) => {
      const result = parseObject(JSON.parse(JSON.stringify(raw)), knownKinds);
      return result.ok ? result.value : undefined;
    })];
  }),
);

/** Why objects of a sample are refused: a form that never passes tests nothing. */
export function refusals(count: number, seed: number): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const raw of fc.sample(fc.oneof(...written.map(([, objects]) => objects)), { numRuns: count, seed })) {
    const plain = JSON.parse(JSON.stringify(raw)) as { kind: string };
    const result = parseObject(plain, knownKinds);
    const key = `${plain.kind}: ${result.ok ? 'taken' : result.error.map(({ path: at, message }) => `${at.join('.')} ${message}`).join('; ')}`;
    found.set(key, (found.get(key) ?? 0) + 1);
  }
  return found;
}
