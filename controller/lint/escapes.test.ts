import test from 'ava';
import { translateYaml } from '../testing.ts';

const object = (kind: string, name: string, allowed: string, spec: string, apiVersion = 'gateway.networking.k8s.io/v1'): string =>
  `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: { name: ${name}, namespace: shop, annotations: { weft-mesh.io/allow-in-path: "${allowed}" } }\nspec: { ${spec} }\n`;
const gateway = (name: string, allowed: string): string => object('Gateway', name, allowed, 'gatewayClassName: weft, allowedListeners: { namespaces: { from: Same } }, listeners: [{ name: http, port: 80, protocol: HTTP }]');
const parents = [
  gateway('none', ''),
  gateway('some', '%5C'),
  object('ListenerSet', 'set', '%00', 'parentRef: { name: some }, listeners: [{ name: more, port: 81, protocol: HTTP }]'),
  object('Service', 'strict', '', 'ports: [{ name: http, port: 80 }]', 'v1'),
  object('Service', 'open', '%5C, %00', 'ports: [{ name: http, port: 80 }]', 'v1'),
  object('ServiceImport', 'far', '%5C', 'type: ClusterSetIP, ips: [127.0.9.9], ports: [{ name: http, port: 80 }]', 'multicluster.x-k8s.io/v1alpha1'),
];

/** What is told of a route for `/a`, `/a%5cb` and `/a%5Cb%00`, by match. */
function refused(...refs: readonly string[]): readonly string[] {
  const matches = [['Exact', '/a'], ['PathPrefix', '/a%5cb'], ['Exact', '/a%5Cb%00'], ['RegularExpression', '/a%5Cb%00'], ['Exact', '/a%255C']].map(([type, value]) => `{ path: { type: ${type}, value: '${value}' } }`);
  const route = `apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: { name: r, namespace: shop }\nspec: { parentRefs: [${refs.join(', ')}], rules: [{ matches: [${matches.join(', ')}] }] }\n`;
  return translateYaml([...parents, route].join('---\n')).problems.filter(({ reason }) => reason === 'RefusedPath').map(({ path, message }) => `${path[4]} ${message.slice(22, message.indexOf(' in paths'))}`);
}

const none = '{ name: none }';
const some = '{ name: some }';
const set = '{ kind: ListenerSet, name: set }';
const service = (name: string, kind = 'Service'): string => `{ group: "${kind === 'Service' ? '' : 'multicluster.x-k8s.io'}", kind: ${kind}, name: ${name} }`;

test('a path with an escape that no parent of the route lets pass is told', (t) => {
  t.deepEqual(refused(none), ['1 %5C', '2 %5C, %00']);
  t.deepEqual(refused(some), ['2 %00']);
  t.deepEqual(refused(set), ['1 %5C', '2 %5C']);
  t.deepEqual(refused(service('strict')), ['1 %5C', '2 %5C, %00']);
  t.deepEqual(refused(service('open')), []);
  t.deepEqual(refused(service('far', 'ServiceImport')), ['2 %00']);
});

test('one parent that lets it pass is enough, wherever it stands', (t) => {
  for (const refs of [[none, some], [some, none], [service('strict'), some]]) t.deepEqual(refused(...refs), ['2 %00'], refs.join());
  for (const refs of [[service('open'), none], [none, service('open')], [service('strict'), service('open')], [service('open'), service('strict')]]) t.deepEqual(refused(...refs), [], refs.join());
});
