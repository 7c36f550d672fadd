import test from 'ava';
import fc from 'fast-check';
import { withBuiltIns } from '../built-ins.ts';
import { stateFrom, translateYaml } from '../testing.ts';
import { renderEndpoints } from './endpoints.ts';

const service = (spec: string): string => `
apiVersion: v1
kind: Service
metadata: { name: app, namespace: shop }
spec: ${spec}
---`;

const pod = (name: string, { labels = '{ app: app }', namespace = 'shop', ports = '[{ name: web, containerPort: 8080 }]', status = '{ podIP: 127.0.1.1 }', metadata = '' } = {}): string => `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: ${namespace}, labels: ${labels}${metadata} }
spec: { containers: [{ name: c, ports: ${ports} }] }
status: ${status}
---`;

const selecting = service('{ selector: { app: app }, ports: [{ name: http, port: 80, targetPort: web }] }');
const addresses = (yaml: string): readonly string[] | undefined => renderEndpoints(stateFrom(yaml), 'shop/app:80')?.endpoints.map(({ address, port }) => `${address}:${port}`);

test('a Service picks Pods of its namespace by label, and each by its own number for a named port', (t) => {
  const yaml = selecting + pod('a') + pod('b', { ports: '[{ name: web, containerPort: 9090 }]', status: '{ podIP: 127.0.1.2 }' }) + pod('c', { labels: '{ app: other }' }) + pod('d', { namespace: 'other' }) + pod('e', { ports: '[]', status: '{ podIP: 127.0.1.5 }' });
  t.deepEqual(addresses(yaml), ['127.0.1.1:8080', '127.0.1.2:9090']);
});

test('a numeric targetPort needs no container port; without targetPort it is the Service\'s port', (t) => {
  t.deepEqual(addresses(service('{ selector: { app: app }, ports: [{ port: 80, targetPort: 1234 }] }') + pod('a', { ports: '[]' })), ['127.0.1.1:1234']);
  t.deepEqual(addresses(service('{ selector: { app: app }, ports: [{ port: 80 }] }') + pod('a', { ports: '[]' })), ['127.0.1.1:80']);
});

test('a Pod is ready unless its status says otherwise', (t) => {
  const ready = (status: string, metadata = ''): boolean => addresses(selecting + pod('a', { status, metadata }))?.length === 1;
  t.true(ready('{ podIP: 127.0.1.1 }'));
  t.true(ready('{ podIP: 127.0.1.1, phase: Running, conditions: [{ type: Ready, status: "True" }] }'));
  t.true(ready('{ podIP: 127.0.1.1, conditions: [{ type: PodScheduled, status: "False" }] }'));
  t.false(ready('{ podIP: 127.0.1.1, conditions: [{ type: Ready, status: "False" }] }'));
  t.false(ready('{ podIP: 127.0.1.1, phase: Succeeded }'));
  t.false(ready('{ podIP: 127.0.1.1, phase: Pending }'));
  t.false(ready('{ phase: Running }'), 'no address');
  t.false(ready('{ podIP: 127.0.1.1 }', ', deletionTimestamp: "2026-01-01T00:00:00Z"'));
});

test('publishNotReadyAddresses takes Pods that are not ready, but not those that have ended', (t) => {
  const publishing = service('{ selector: { app: app }, publishNotReadyAddresses: true, ports: [{ port: 80 }] }');
  t.is(addresses(publishing + pod('a', { status: '{ podIP: 127.0.1.1, phase: Pending }' }))?.length, 1);
  t.is(addresses(publishing + pod('a', { status: '{ podIP: 127.0.1.1, phase: Failed }' }))?.length, 0);
});

const slice = (name: string, endpoints: string, ports = '[{ name: http, port: 7000 }]', type = 'IPv4'): string => `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: ${name}, namespace: shop, labels: { kubernetes.io/service-name: app } }
addressType: ${type}
endpoints: ${endpoints}
ports: ${ports}
---`;

test('a Service without selector has the endpoints of its EndpointSlices that are ready', (t) => {
  const plain = service('{ ports: [{ name: http, port: 80 }] }');
  const yaml = plain + slice('one', '[{ addresses: [10.0.0.1] }, { addresses: [10.0.0.2], conditions: { ready: false } }]') + slice('two', '[{ addresses: [10.0.0.3], conditions: { ready: true } }, { addresses: [10.0.0.1] }]');
  t.deepEqual(addresses(yaml), ['10.0.0.1:7000', '10.0.0.3:7000']);
  t.deepEqual(addresses(plain), []);
  t.deepEqual(addresses(plain + slice('other', '[{ addresses: [10.0.0.1] }]', '[{ name: grpc, port: 7000 }]')), [], 'another port');
  t.deepEqual(addresses(plain + slice('six', '[{ addresses: ["FD00:0::1"] }]', undefined, 'IPv6')), ['fd00::1:7000'], 'IPv6 in its normal form');
  t.deepEqual(addresses(plain + slice('names', '[{ addresses: [x.example.com] }]', '[{ name: http, port: 7000 }]', 'FQDN')), []);
});

test('of both families those of the Service\'s first come first, whether slices or Pods name them', (t) => {
  const families = (spec: string, more: string): readonly string[] | undefined => addresses(service(`{ selector: { app: app }, ports: [{ name: http, port: 80, targetPort: web }], ${spec} }`) + more);
  const slices = slice('four', '[{ addresses: [10.0.0.1] }]') + slice('six', '[{ addresses: ["2001:db8::1"] }]', undefined, 'IPv6');
  t.deepEqual(families('ipFamilies: [IPv4, IPv6]', slices), ['10.0.0.1:7000', '2001:db8::1:7000']);
  t.deepEqual(families('ipFamilies: [IPv6, IPv4]', slices), ['2001:db8::1:7000', '10.0.0.1:7000']);
  t.deepEqual(families('clusterIP: "fd00::9"', slices), ['2001:db8::1:7000', '10.0.0.1:7000']);
  const both = pod('a', { status: '{ podIP: 127.0.1.1, podIPs: [{ ip: 127.0.1.1 }, { ip: "FD00::1" }] }' });
  t.deepEqual(families('', both), ['127.0.1.1:8080']);
  t.deepEqual(families('ipFamilies: [IPv6]', both), ['fd00::1:8080']);
  t.deepEqual(families('ipFamilies: [IPv4]', both), ['127.0.1.1:8080']);
  t.deepEqual(families('ipFamilyPolicy: PreferDualStack', both), ['127.0.1.1:8080', 'fd00::1:8080']);
  t.deepEqual(families('ipFamilies: [IPv6, IPv4]', both), ['fd00::1:8080', '127.0.1.1:8080']);
  t.deepEqual(families('ipFamilies: [IPv6]', pod('a')), [], 'as in a cluster');
});

test('where a cluster has written EndpointSlices, they count, not the Pods', (t) => {
  t.deepEqual(addresses(selecting + pod('a') + slice('one', '[{ addresses: [10.0.0.1], targetRef: { kind: Pod, name: a, namespace: shop } }]')), ['10.0.0.1:7000']);
});

test('endpoints say which Pod they are, and come in one order', (t) => {
  const [a, b] = [pod('a', { status: '{ podIP: 127.0.1.9 }' }), pod('b', { status: '{ podIP: 127.0.1.2 }' })];
  const endpoints = (yaml: string): unknown => renderEndpoints(stateFrom(yaml), 'shop/app:80')?.endpoints;
  t.deepEqual(endpoints(selecting + a + b), [{ address: '127.0.1.2', port: 8080, workload: 'shop/b' }, { address: '127.0.1.9', port: 8080, workload: 'shop/a' }]);
  t.deepEqual(endpoints(selecting + a + b), endpoints(b + a + selecting));
});

test('balancing is by least requests, unless the Service\'s annotation says round-robin; another word is a warning', (t) => {
  const annotated = (value: string): string => selecting.replace('namespace: shop', `namespace: shop, annotations: { weft-mesh.io/balancing: ${value} }`);
  const of = (yaml: string): string | undefined => translateYaml(yaml).snapshots.backend('shop/app:80')?.balancing;
  t.is(of(selecting), 'least-request');
  t.is(of(annotated('round-robin')), 'round-robin');
  t.is(of(annotated('random')), 'least-request');
  t.is(translateYaml(annotated('random')).problems[0]?.severity, 'warning');
});

test('a backend that gets requests and has no endpoint is a warning, where workloads are described at all', (t) => {
  const yaml = `${selecting}
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: r, namespace: shop }
spec: { parentRefs: [{ group: "", kind: Service, name: app }], rules: [{ backendRefs: [{ name: app, port: 80 }] }] }
---`;
  const reasons = (more: string): readonly string[] => translateYaml(yaml + more).problems.map(({ reason }) => reason);
  t.deepEqual(reasons(''), []);
  t.deepEqual(reasons(pod('a')), []);
  t.deepEqual(reasons(pod('a', { labels: '{ app: other }' })), ['NoReadyEndpoints']);
});

test('an imported endpoint is a Pod of this cluster where that has its address, of either family', (t) => {
  const imported = `
apiVersion: multicluster.x-k8s.io/v1alpha1
kind: ServiceImport
metadata: { name: app, namespace: shop }
spec: { type: ClusterSetIP, ips: [], ports: [{ name: http, port: 80 }] }
---`;
  const own = pod('a', { status: '{ podIP: 10.0.0.1, podIPs: [{ ip: 10.0.0.1 }, { ip: "FD00::0:1" }] }' });
  const slices = slice('six', '[{ addresses: ["fd00:0::1"], targetRef: { kind: Pod, name: a } }, { addresses: ["fd00::2"], targetRef: { kind: Pod, name: a } }]', undefined, 'IPv6').replace('kubernetes.io/service-name', 'multicluster.kubernetes.io/service-name');
  const endpoints = renderEndpoints(withBuiltIns(stateFrom(imported + own + slices)), 'shop/import:app:80')?.endpoints;
  t.deepEqual(endpoints?.map(({ address, workload }) => [address, workload]), [['fd00::1', 'shop/a'], ['fd00::2', undefined]]);
});

test('it is said which endpoints have a sidecar before them', (t) => {
  const withSidecar = pod('a').replace('spec: {', 'spec: { initContainers: [{ name: weft-proxy, restartPolicy: Always }], ');
  const told = (yaml: string): unknown => renderEndpoints(stateFrom(yaml), 'shop/app:80')?.endpoints.map(({ workload, sidecar }) => [workload, sidecar]);
  const others = withSidecar + pod('b', { status: '{ podIP: 127.0.1.2 }' });
  t.deepEqual(told(selecting + others), [['shop/a', true], ['shop/b', undefined]]);
  // What goes past the sidecar is not seen by it.
  t.deepEqual(told(selecting + withSidecar.replace('labels:', 'annotations: { weft-mesh.io/exclude-inbound-ports: "9000" }, labels:')), [['shop/a', undefined]]);
  const targets = ['a', 'b', 'unknown'].map((name, index) => `{ addresses: [127.0.1.${index + 1}], targetRef: { kind: Pod, name: ${name}, namespace: shop } }`);
  t.deepEqual(told(selecting + others + slice('s', `[${targets.join(', ')}]`)), [['shop/a', true], ['shop/b', undefined], ['shop/unknown', undefined]]);
});

test('a selector picks the Pods that have all its labels, whatever other Pods have', (t) => {
  const labels = fc.dictionary(fc.constantFrom('app', 'tier', 'x'), fc.constantFrom('a', 'b'), { maxKeys: 3 });
  fc.assert(fc.property(labels, fc.array(labels, { maxLength: 6 }), (selector, all) => {
    const yaml = service(JSON.stringify({ selector, ports: [{ port: 80 }] })) + all.map((each, index) => pod(`p${index}`, { labels: JSON.stringify(each), status: `{ podIP: 127.0.1.${index + 1} }` })).join('');
    const picked = all.flatMap((each, index) => (Object.keys(selector).length > 0 && Object.entries(selector).every(([label, value]) => each[label] === value) ? [`127.0.1.${index + 1}:80`] : []));
    t.deepEqual(addresses(yaml), picked);
  }), { numRuns: 100 });
});

test('the endpoints of a thousand Services are not looked for among the Pods of all of them', (t) => {
  const state = stateFrom(Array.from({ length: 1000 }, (_, index) => `${service(`{ selector: { app: a${index} }, ports: [{ port: 80 }] }`).replace('name: app', `name: s${index}`)}${pod(`p${index}`, { labels: `{ app: a${index} }` })}`).join(''));
  let looks = 0;
  const pods = new Map([...state.pods].map(([key, each]) => [key, { ...each, get metadata() { looks++; return each.metadata; } }]));
  for (let index = 0; index < 1000; index++) t.is(renderEndpoints({ ...state, pods }, `shop/s${index}:80`)?.endpoints.length, 1);
  t.true(looks < 20_000, `${looks}`);
});
