import test from 'ava';
import { builtInKinds, formatPath, parseObject, type ConfigMap, type EndpointSlice, type KubernetesObject, type Namespace, type Pod, type Secret, type Service } from '../index.ts';

function parsed<T extends KubernetesObject>(kind: string, more: object): T {
  const result = parse(kind, more);
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value as T;
}

function parse(kind: string, more: object) {
  const apiVersion = kind === 'EndpointSlice' ? 'discovery.k8s.io/v1' : 'v1';
  return parseObject({ apiVersion, kind, metadata: { name: 'x' }, ...more }, builtInKinds);
}

function faults(kind: string, more: object): string[] {
  const result = parse(kind, more);
  return result.ok ? [] : result.error.map(({ path, message }) => `${formatPath(path)}: ${message}`);
}

test('a Service has its defaults; fields that we do not read are left out', (t) => {
  const { spec, ...rest } = parsed<Service>('Service', { spec: { selector: { app: 'x' }, ports: [{ port: 80, nodePort: 30_000 }, { name: 'b', port: 81, targetPort: 'web' }].slice(0, 1), sessionAffinity: 'None' } });
  t.deepEqual(rest, { apiVersion: 'v1', kind: 'Service', metadata: { name: 'x', namespace: 'default', generation: 1 } });
  t.deepEqual(spec, {
    type: 'ClusterIP',
    selector: { app: 'x' },
    ports: [{ name: '', port: 80, targetPort: 80, protocol: 'TCP' }],
    clusterIPs: [],
    ipFamilies: [],
    externalIPs: [],
    publishNotReadyAddresses: false,
  });
});

test("a Service's mistakes", (t) => {
  const cases: readonly [object, string][] = [
    [{ spec: { ports: [{ port: 80 }, { port: 81 }] } }, 'spec.ports: a Service with several ports must name each of them'],
    [{ spec: { ports: [{ name: 'a', port: 80 }, { name: 'a', port: 81 }] } }, 'spec.ports: the names of the ports must differ'],
    [{ spec: { ports: [{ name: 'a', port: 80 }, { name: 'b', port: 80 }] } }, 'spec.ports[1]: repeats item 0: port 80, protocol "TCP" must occur once in the list'],
    [{ spec: { ports: [{ port: 0 }] } }, 'spec.ports[0].port: must be at least 1, is 0'],
    [{ spec: { ports: [{ port: '80' }] } }, 'spec.ports[0].port: must be a number, but is the string "80"; remove the quotes'],
    [{ spec: {} }, 'spec.ports: needs at least one port'],
    [{ spec: { type: 'ExternalName' } }, 'spec.externalName: type ExternalName needs externalName'],
    [{ metadata: { name: 'a.b' }, spec: { clusterIP: 'None' } }, 'metadata.name: "a.b" must be a name of lower-case letters, digits and -, with a letter or digit at both ends'],
  ];
  for (const [more, fault] of cases) t.deepEqual(faults('Service', more), [fault]);
  t.deepEqual(faults('Service', { spec: { clusterIP: 'None' } }), []);
});

test('the addresses of an EndpointSlice are of its type', (t) => {
  const slice = (addressType: string, ...addresses: string[]): readonly string[] => faults('EndpointSlice', { addressType, endpoints: [{ addresses }] });
  t.deepEqual(slice('IPv4', '10.0.0.1', '10.0.0.256'), ['endpoints[0].addresses[1]: "10.0.0.256" must be an IPv4 address']);
  t.deepEqual(slice('IPv6', 'fe80::1%eth0'), ['endpoints[0].addresses[0]: "fe80::1%eth0" must be an IPv6 address']);
  t.deepEqual(slice('IPv6', 'fd00::1', '10.0.0.1'), ['endpoints[0].addresses[1]: "10.0.0.1" must be an IPv6 address']);
  t.deepEqual(slice('FQDN', 'a.example.com'), []);
});

test('unknown readiness of an endpoint counts as ready, unknown serving as readiness', (t) => {
  const slice = parsed<EndpointSlice>('EndpointSlice', {
    addressType: 'IPv4',
    endpoints: [{ addresses: ['10.0.0.1'] }, { addresses: ['10.0.0.2'], conditions: { ready: false } }, { addresses: ['10.0.0.3'], conditions: { ready: null, serving: false, terminating: true } }],
    ports: [{ port: 80, name: null }],
  });
  t.deepEqual(slice.endpoints.map(({ conditions }) => conditions), [
    { ready: true, serving: true, terminating: false },
    { ready: false, serving: false, terminating: false },
    { ready: true, serving: false, terminating: true },
  ]);
  t.deepEqual(slice.ports, [{ name: '', port: 80, protocol: 'TCP' }]);
});

test('a Pod has its lists, and podIP and podIPs agree', (t) => {
  const containers = [{ name: 'web', image: 'x', ports: [{ name: 'http', containerPort: 8080 }], env: [] }];
  const pod = parsed<Pod>('Pod', { spec: { containers }, status: { podIP: '127.0.1.1' } });
  t.deepEqual(pod.spec, { containers: [{ name: 'web', image: 'x', ports: [{ name: 'http', containerPort: 8080, protocol: 'TCP' }] }], initContainers: [], hostNetwork: false });
  t.deepEqual(pod.status, { podIP: '127.0.1.1', podIPs: [{ ip: '127.0.1.1' }], conditions: [] });
  t.is(parsed<Pod>('Pod', { spec: { containers }, status: { podIPs: [{ ip: '::1' }] } }).status.podIP, '::1');
  t.deepEqual(parsed<Pod>('Pod', { spec: { containers } }).status, { podIPs: [], conditions: [] });
  t.deepEqual(faults('Pod', { spec: { containers }, status: { podIP: 'localhost' } }), ['status.podIP: "localhost" must be an IP address']);
  t.deepEqual(faults('Pod', { spec: { containers: [] } }), ['spec.containers: must have at least 1 item, has 0']);
});

test('stringData ends up in data, as base64, and wins', (t) => {
  const secret = parsed<Secret>('Secret', { type: 'kubernetes.io/tls', data: { a: 'YQ==', b: 'Yg==' }, stringData: { b: 'é', __proto__x: 'c' } });
  t.deepEqual(secret.data, { a: 'YQ==', b: 'w6k=', __proto__x: 'Yw==' });
  t.false('stringData' in secret);
  t.is(parsed<Secret>('Secret', {}).type, 'Opaque');
  t.deepEqual(faults('Secret', { data: { a: 'no base64!' } }), ['data.a: must be base64; write plain text below stringData (Secret) or data (ConfigMap)']);
  t.deepEqual(faults('Secret', { stringData: { 'a/b': '' } }), ['stringData["a/b"]: a key must consist of letters, digits, -, _ and ., at most 253 of them']);
});

test('a ConfigMap has each key once', (t) => {
  t.deepEqual(parsed<ConfigMap>('ConfigMap', { data: { a: 'b' } }).data, { a: 'b' });
  t.deepEqual(parsed<ConfigMap>('ConfigMap', {}).binaryData, {});
  t.deepEqual(faults('ConfigMap', { data: { a: 'b' }, binaryData: { a: 'YQ==' } }), ['binaryData.a: stands in data as well; keep one of them']);
});

test('a Namespace carries its name as a label, and is in no namespace', (t) => {
  const { metadata } = parsed<Namespace>('Namespace', { metadata: { name: 'shop', labels: { team: 'a' } } });
  t.deepEqual(metadata, { name: 'shop', namespace: '', generation: 1, labels: { team: 'a', 'kubernetes.io/metadata.name': 'shop' } });
});
