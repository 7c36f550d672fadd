import test from 'ava';
import type { RouteTable } from '#snapshot';
import { conditionsOf, parentOf, translateYaml } from '../testing.ts';
import type { Translation } from '../types.ts';

const service = (name: string, spec = '{ ports: [{ name: http, port: 80 }, { name: admin, port: 81 }] }', namespace = 'shop'): string => `
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: ${namespace} }
spec: ${spec}
---`;

const route = (name: string, namespace: string, { parent = '{ group: "", kind: Service, name: cart, namespace: shop }', backend = '{ name: cart, namespace: shop, port: 80 }', more = '' } = {}): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: ${name}, namespace: ${namespace} }
spec:
  parentRefs: [${parent}]
${more}  rules: [{ backendRefs: [${backend}] }]
---`;

const cart = service('cart');

/** The routes that a client of the namespace meets at a destination. */
function routesFor(translation: Translation, client: string, host = 'cart.shop', port = 80): readonly string[] | undefined {
  return tableFor(translation, client, host, port)?.routes.map(({ ref }) => `${ref.kind} ${ref.name}`);
}

function tableFor({ snapshots }: Translation, client: string, host = 'cart.shop', port = 80): RouteTable | undefined {
  const { target } = snapshots.destination(client, host, port);
  return target.kind === 'service' ? snapshots.routeTable(target.routes) : undefined;
}

test('a producer route acts on clients of every namespace', (t) => {
  const translation = translateYaml(cart + route('r', 'shop'));
  t.deepEqual(routesFor(translation, 'shop'), ['HTTPRoute r']);
  t.deepEqual(routesFor(translation, 'elsewhere'), ['HTTPRoute r']);
  t.is(conditionsOf(parentOf(translation, 'HTTPRoute r'))['Accepted'], 'True Accepted');
});

test('a consumer route acts on clients of its own namespace only, and there in the place of producer routes', (t) => {
  const translation = translateYaml(cart + route('producer', 'shop') + route('consumer', 'client'));
  t.deepEqual(routesFor(translation, 'client'), ['HTTPRoute consumer']);
  t.deepEqual(routesFor(translation, 'other'), ['HTTPRoute producer']);
  t.deepEqual(routesFor(translation, 'shop'), ['HTTPRoute producer']);
});

test('a route without port acts on all ports of the Service, one with port or sectionName on that one', (t) => {
  const ports = (parent: string): readonly unknown[] => {
    const translation = translateYaml(cart + route('r', 'shop', { parent }));
    return [80, 81].map((port) => routesFor(translation, 'shop', 'cart.shop', port)?.[0]);
  };
  t.deepEqual(ports('{ group: "", kind: Service, name: cart }'), ['HTTPRoute r', 'HTTPRoute r']);
  t.deepEqual(ports('{ group: "", kind: Service, name: cart, port: 81 }'), ['Service cart', 'HTTPRoute r']);
  t.deepEqual(ports('{ group: "", kind: Service, name: cart, sectionName: http }'), ['HTTPRoute r', 'Service cart']);
});

test('routes of a consumer on one port leave the producer\'s on the other', (t) => {
  const parent = '{ group: "", kind: Service, name: cart, namespace: shop, port: 81 }';
  const translation = translateYaml(cart + route('producer', 'shop') + route('consumer', 'client', { parent }));
  t.deepEqual(routesFor(translation, 'client', 'cart.shop', 80), ['HTTPRoute producer']);
  t.deepEqual(routesFor(translation, 'client', 'cart.shop', 81), ['HTTPRoute consumer']);
});

test('backends of mesh routes may be in any namespace without a ReferenceGrant', (t) => {
  const translation = translateYaml(cart + service('far', '{ ports: [{ port: 80 }] }', 'other') + route('r', 'shop', { backend: '{ name: far, namespace: other, port: 80 }' }));
  t.is(conditionsOf(parentOf(translation, 'HTTPRoute r'))['ResolvedRefs'], 'True ResolvedRefs');
});

test('one route with a Gateway and a Service as parents is answered for each by its own rules', (t) => {
  const gateway = '\napiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: { name: edge, namespace: shop }\nspec: { gatewayClassName: weft, listeners: [{ name: http, port: 80, protocol: HTTP }] }\n---';
  const both = route('r', 'shop', { parent: '{ name: edge }, { group: "", kind: Service, name: cart }', backend: '{ name: far, namespace: other, port: 80 }', more: '  hostnames: [a.example.com]\n' });
  const translation = translateYaml(gateway + cart + service('far', '{ ports: [{ port: 80 }] }', 'other') + both);
  t.is(conditionsOf(parentOf(translation, 'HTTPRoute r', 0))['ResolvedRefs'], 'False RefNotPermitted');
  t.is(conditionsOf(parentOf(translation, 'HTTPRoute r', 1))['ResolvedRefs'], 'True ResolvedRefs');
  t.deepEqual(tableFor(translation, 'x')?.routes[0]?.hostnames, [], 'hostnames have no function in the mesh');
  t.is(translation.snapshots.routeTable('listener/shop/edge/http')?.routes[0]?.hostnames.length, 1);
  t.deepEqual(translation.problems.map(({ reason }) => reason), ['RefNotPermitted'], 'and no warning that the hostnames are ignored');
});

test('hostnames of a route that has Services only as parents are a warning', (t) => {
  const { problems } = translateYaml(cart + route('r', 'shop', { more: '  hostnames: [a.example.com]\n' }));
  t.deepEqual(problems.map(({ severity, reason }) => [severity, reason]), [['warning', 'HostnamesIgnored']]);
});

test('a Service that is missing, headless, an alias or without such a port can not be a parent', (t) => {
  const answer = (yaml: string, parent?: string): string | undefined => conditionsOf(parentOf(translateYaml(yaml + route('r', 'shop', parent === undefined ? {} : { parent })), 'HTTPRoute r'))['Accepted'];
  t.is(answer(''), 'False NoMatchingParent');
  t.is(answer(cart, '{ group: "", kind: Service, name: cart, port: 99 }'), 'False NoMatchingParent');
  t.is(answer(service('cart', '{ clusterIP: None, ports: [{ port: 80 }] }')), 'False UnsupportedValue');
  t.is(answer(service('cart', '{ type: ExternalName, externalName: x.example.com, ports: [{ port: 80 }] }')), 'False UnsupportedValue');
  t.is(answer(service('cart', '{ ports: [{ port: 80, appProtocol: mysql }] }')), 'False UnsupportedValue');
});

test('a Service has the names that a cluster\'s DNS gives it, and its cluster IPs', (t) => {
  const translation = translateYaml(service('cart', '{ clusterIP: 10.0.0.7, clusterIPs: [10.0.0.7, "fd00::7"], ports: [{ port: 80 }] }'));
  for (const host of ['cart.shop', 'cart.shop.svc', 'cart.shop.svc.cluster.local', 'CART.shop.svc.cluster.local.', '10.0.0.7', 'fd00::7', '[fd00::7]', '[FD00:0::0007]', '::ffff:10.0.0.7']) {
    t.is(translation.snapshots.destination('elsewhere', host, 80).target.kind, 'service', host);
  }
  const written = translateYaml(service('cart', '{ clusterIP: "FD00:0::7", ports: [{ port: 80 }] }')).snapshots.destination('elsewhere', '[fd00::7]', 80);
  t.like(written, { name: '[fd00::7]:80', target: { kind: 'service' } });
  t.is(translation.snapshots.destination('shop', 'cart', 80).target.kind, 'service', 'the short name in its own namespace');
  for (const host of ['cart', 'cart.svc', 'cart.shop.example.com', 'x.cart.shop', '127.0.1.1', 'example.com']) {
    t.is(translation.snapshots.destination('elsewhere', host, 80).target.kind, 'passthrough', host);
  }
});

test('a destination has the name that was dialled', (t) => {
  const { snapshots } = translateYaml(cart);
  t.is(snapshots.destination('a', 'Cart.Shop.', 80).name, 'cart.shop:80');
  t.is(snapshots.destination('a', 'example.com', 443).name, 'example.com:443');
});

test('a port that the Service does not have, or that is not HTTP, passes through', (t) => {
  const translation = translateYaml(service('cart', '{ ports: [{ name: http, port: 80 }, { name: db, port: 82, appProtocol: mysql }, { name: dns, port: 53, protocol: UDP }] }'));
  for (const port of [99, 82, 53]) t.is(translation.snapshots.destination('a', 'cart.shop', port).target.kind, 'passthrough', String(port));
  t.deepEqual(translation.snapshots.destinations('a').map(({ name }) => name), ['cart.shop.svc.cluster.local:80']);
});

test('equal questions get the same object, also in the next translation of an equal state', (t) => {
  const translation = translateYaml(cart);
  t.is(translation.snapshots.destination('a', 'cart.shop', 80), translation.snapshots.destination('a', 'cart.shop', 80));
  t.is(tableFor(translation, 'a'), tableFor(translation, 'a'));
});

test('names of tables that are none give none', (t) => {
  const { snapshots } = translateYaml(cart);
  for (const name of ['', 'service', 'service/a/shop/cart/99', 'service/a/shop/none/80', 'service/a/shop/cart/80/x', 'listener/shop/edge/http', '__proto__']) t.is(snapshots.routeTable(name), undefined, name);
  t.is(snapshots.backend('shop/none:80'), undefined);
  t.is(snapshots.endpoints('nonsense'), undefined);
});
