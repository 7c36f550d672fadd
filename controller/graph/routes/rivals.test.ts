import test from 'ava';
import { conditionsOf, listenerOf, parentOf, statusOf, translateYaml } from '../../testing.ts';
import type { Translation } from '../../types.ts';

const gateway = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: edge, namespace: shop }
spec:
  gatewayClassName: weft
  listeners:
    - { name: http, port: 80, protocol: HTTP, allowedRoutes: { namespaces: { from: All } } }
    - { name: wild, port: 80, protocol: HTTP, hostname: "*.example.com", allowedRoutes: { namespaces: { from: All } } }
---
apiVersion: v1
kind: Service
metadata: { name: app, namespace: shop }
spec: { ports: [{ name: a, port: 80 }, { name: b, port: 81 }] }
---`;

interface Sketch {
  readonly age?: number;
  readonly namespace?: string;
  readonly hostnames?: string;
  readonly parent?: string;
}

/** `age`: an older route has a smaller one. */
function route(kind: string, name: string, { age = 0, namespace = 'shop', hostnames, parent = '{ name: edge, namespace: shop, sectionName: http }' }: Sketch = {}): string {
  return `
apiVersion: gateway.networking.k8s.io/v1
kind: ${kind}
metadata: { name: ${name}, namespace: ${namespace}, creationTimestamp: "2026-01-0${age + 1}T00:00:00Z" }
spec:
  parentRefs: [${parent}]
  ${hostnames === undefined ? '' : `hostnames: ${hostnames}`}
  rules: [{ backendRefs: [{ name: app, namespace: shop, port: 80 }] }]
---`;
}

function accepted(translation: Translation, name: string): string | undefined {
  return conditionsOf(parentOf(translation, name))['Accepted'];
}

const onApp = (more = ''): string => `{ group: "", kind: Service, name: app, namespace: shop${more} }`;

test('of an HTTPRoute and a GRPCRoute for one host the older stays, and the other has no part in the listener', (t) => {
  const both = (ages: { readonly http: number; readonly grpc: number }): Translation => translateYaml(gateway + route('HTTPRoute', 'web', { age: ages.http }) + route('GRPCRoute', 'rpc', { age: ages.grpc, hostnames: '[a.example.com]' }));
  const older = both({ http: 0, grpc: 1 });
  t.is(accepted(older, 'HTTPRoute web'), 'True Accepted');
  t.is(accepted(older, 'GRPCRoute rpc'), 'False Conflicted');
  t.is(listenerOf(older, 'edge', 'http').attachedRoutes, 1);
  t.deepEqual(older.snapshots.routeTable('listener/shop/edge/http')?.routes.map(({ ref }) => ref.name), ['web']);
  const newer = both({ http: 1, grpc: 0 });
  t.is(accepted(newer, 'HTTPRoute web'), 'False Conflicted');
  t.is(accepted(newer, 'GRPCRoute rpc'), 'True Accepted');
});

test('routes of one age are settled by namespace and name', (t) => {
  const translation = translateYaml(gateway + route('HTTPRoute', 'b') + route('GRPCRoute', 'a'));
  t.is(accepted(translation, 'HTTPRoute b'), 'False Conflicted');
  t.is(accepted(translation, 'GRPCRoute a'), 'True Accepted');
});

test('hosts that do not meet, and other listeners, are no rivals', (t) => {
  const hosts = translateYaml(gateway + route('HTTPRoute', 'web', { hostnames: '[a.example.com]' }) + route('GRPCRoute', 'rpc', { age: 1, hostnames: '[b.example.com]' }));
  t.is(accepted(hosts, 'GRPCRoute rpc'), 'True Accepted');
  const listeners = translateYaml(gateway + route('HTTPRoute', 'web') + route('GRPCRoute', 'rpc', { age: 1, parent: '{ name: edge, sectionName: wild }' }));
  t.is(accepted(listeners, 'GRPCRoute rpc'), 'True Accepted');
});

test('a wildcard meets what is under it, from both sides', (t) => {
  for (const [older, newer] of [['"*.example.com"', 'a.b.example.com'], ['a.b.example.com', '"*.example.com"'], ['"*.b.example.com"', '"*.example.com"']] as const) {
    const translation = translateYaml(gateway + route('GRPCRoute', 'rpc', { hostnames: `[${older}]` }) + route('HTTPRoute', 'web', { age: 1, hostnames: `[${newer}]` }));
    t.is(accepted(translation, 'HTTPRoute web'), 'False Conflicted', `${older} ${newer}`);
  }
  const apart = translateYaml(gateway + route('GRPCRoute', 'rpc', { hostnames: '["*.example.com"]' }) + route('HTTPRoute', 'web', { age: 1, hostnames: '[example.com]' }));
  t.is(accepted(apart, 'HTTPRoute web'), 'True Accepted');
});

test('who was refused holds no hosts against a third', (t) => {
  const translation = translateYaml(gateway + route('HTTPRoute', 'first', { hostnames: '[a.example.com]' }) + route('GRPCRoute', 'second', { age: 1, hostnames: '[a.example.com, b.example.com]' }) + route('HTTPRoute', 'third', { age: 2, hostnames: '[b.example.com]' }));
  t.is(accepted(translation, 'GRPCRoute second'), 'False Conflicted');
  t.is(accepted(translation, 'HTTPRoute third'), 'True Accepted');
});

test('a route that loses one of its listeners keeps the others, and is told', (t) => {
  const translation = translateYaml(gateway + route('HTTPRoute', 'web', { hostnames: '[a.test]' }) + route('GRPCRoute', 'rpc', { age: 1, hostnames: '[a.test, a.example.com]', parent: '{ name: edge }' }));
  t.is(accepted(translation, 'GRPCRoute rpc'), 'True Accepted');
  t.is(listenerOf(translation, 'edge', 'http').attachedRoutes, 1);
  t.is(listenerOf(translation, 'edge', 'wild').attachedRoutes, 1);
  t.true(translation.problems.some(({ reason, severity }) => reason === 'Conflicted' && severity === 'warning'));
});

test('a namespace does not learn the name of a route in another', (t) => {
  const translation = translateYaml(gateway + route('HTTPRoute', 'secret', { namespace: 'other' }) + route('GRPCRoute', 'rpc', { age: 1 }));
  t.false(JSON.stringify(statusOf(translation, 'GRPCRoute rpc')).includes('secret'));
});

test('on a Service port the most specific kind counts, whatever the age', (t) => {
  const kinds = ['TCPRoute', 'TLSRoute', 'HTTPRoute', 'GRPCRoute'];
  const all = kinds.map((kind, age) => route(kind, kind.toLowerCase(), { age, parent: onApp(), ...(kind === 'TLSRoute' ? { hostnames: '[a.example.com]' } : {}) }));
  for (const [index, kind] of kinds.entries()) {
    const translation = translateYaml(gateway + all.slice(0, index + 1).join(''));
    t.is(accepted(translation, `${kind} ${kind.toLowerCase()}`), 'True Accepted');
    for (const loser of kinds.slice(0, index)) t.is(accepted(translation, `${loser} ${loser.toLowerCase()}`), 'False Conflicted', `${loser} under ${kind}`);
    const { target } = translation.snapshots.destination('shop', 'app', 80);
    t.is(target.kind === 'service' && target.protocol, kind === 'TCPRoute' ? 'tcp' : kind === 'TLSRoute' ? 'tls' : 'http');
    t.is(target.kind === 'service' ? target.streams !== undefined : undefined, index < 2);
  }
});

test('routes on other ports, and those of clients of another namespace, stay', (t) => {
  const ports = translateYaml(gateway + route('GRPCRoute', 'rpc', { parent: onApp(', port: 80') }) + route('HTTPRoute', 'web', { parent: onApp() }));
  t.is(accepted(ports, 'HTTPRoute web'), 'True Accepted');
  t.deepEqual(ports.snapshots.routeTable('service/shop/shop/app/80')?.routes.map(({ ref }) => ref.name), ['rpc']);
  t.deepEqual(ports.snapshots.routeTable('service/shop/shop/app/81')?.routes.map(({ ref }) => ref.name), ['web']);
  const clients = translateYaml(gateway + route('GRPCRoute', 'rpc', { parent: onApp() }) + route('HTTPRoute', 'web', { parent: onApp(), namespace: 'client' }));
  t.is(accepted(clients, 'GRPCRoute rpc'), 'True Accepted');
  t.is(accepted(clients, 'HTTPRoute web'), 'True Accepted');
  t.deepEqual(clients.snapshots.routeTable('service/client/shop/app/80')?.routes.map(({ ref }) => ref.name), ['web']);
  t.deepEqual(clients.snapshots.routeTable('service/shop/shop/app/80')?.routes.map(({ ref }) => ref.name), ['rpc']);
});
