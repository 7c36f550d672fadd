import test from 'ava';
import { conditionsOf, listenerOf, parentOf, statusOf, translateYaml } from './testing.ts';

const gateway = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: edge, namespace: shop }
spec:
  gatewayClassName: weft
  listeners: [{ name: http, port: 8080, protocol: HTTP }]
`;

const service = (name: string): string => `
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: shop }
spec: { selector: { app: ${name} }, ports: [{ name: http, port: 80, targetPort: web }] }
---
apiVersion: v1
kind: Pod
metadata: { name: ${name}-1, namespace: shop, labels: { app: ${name} } }
spec: { containers: [{ name: app, ports: [{ name: web, containerPort: 9080 }] }] }
status: { podIP: 127.0.1.1 }
`;

const route = `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: cart, namespace: shop }
spec:
  parentRefs: [{ name: edge }]
  hostnames: [shop.example.com]
  rules:
    - matches: [{ path: { value: /cart } }]
      backendRefs: [{ name: cart, port: 80 }]
`;

const basic = [gateway, service('cart'), route].join('---');

test('a Gateway, a route and a Service become a listener, a table, a backend and its endpoints', (t) => {
  const { snapshots, statuses, problems } = translateYaml(basic);
  t.deepEqual(problems, []);
  const [listener] = snapshots.listeners.get('shop/edge') ?? [];
  t.is(listener?.name, 'shop/edge/8080');
  t.is(listener?.address, '127.0.0.1');
  t.is(listener?.port, 8080);
  const table = snapshots.routeTable(listener?.sections[0]?.routes ?? '');
  t.deepEqual(table?.routes[0]?.hostnames, [{ match: 'shop.example.com', written: 'shop.example.com' }]);
  const target = table?.routes[0]?.rules[0]?.backends[0]?.target;
  t.is(target?.kind, 'backend');
  t.is(snapshots.backend('shop/cart:80')?.ref.name, 'cart');
  t.deepEqual(snapshots.endpoints('shop/cart:80')?.endpoints, [{ address: '127.0.1.1', port: 9080, workload: 'shop/cart-1' }]);
  t.true(statuses.length > 0);
});

test('the status of a route and a Gateway that are as they should be says so', (t) => {
  const translation = translateYaml(basic);
  t.deepEqual(conditionsOf(statusOf(translation, 'Gateway edge')), { Accepted: 'True Accepted', Programmed: 'True Programmed', ResolvedRefs: 'True ResolvedRefs', AddressesAssigned: 'True AddressesAssigned' });
  const listener = listenerOf(translation, 'edge', 'http');
  t.is(listener.attachedRoutes, 1);
  t.deepEqual(conditionsOf(listener), { Accepted: 'True Accepted', Programmed: 'True Programmed', ResolvedRefs: 'True ResolvedRefs', Conflicted: 'False NoConflicts' });
  t.deepEqual(statusOf(translation, 'Gateway edge')['addresses'], [{ type: 'IPAddress', value: '127.0.0.1' }]);
  t.deepEqual(conditionsOf(parentOf(translation, 'HTTPRoute cart')), { Accepted: 'True Accepted', ResolvedRefs: 'True ResolvedRefs' });
});

test('a Service without routes gets an implicit rule that forwards everything to itself', (t) => {
  const { snapshots } = translateYaml(basic);
  const destination = snapshots.destination('other', 'cart.shop', 80);
  t.is(destination.target.kind, 'service');
  const table = destination.target.kind === 'service' ? snapshots.routeTable(destination.target.routes) : undefined;
  t.is(table?.name, 'service/other/shop/cart/80');
  t.deepEqual(table?.routes[0]?.ref, { kind: 'Service', namespace: 'shop', name: 'cart' });
  t.is(table?.routes[0]?.rules.length, 1);
});

test('the same state gives the same translation, whatever the order of the documents', (t) => {
  const one = translateYaml(basic);
  const other = translateYaml([route, service('cart'), gateway].join('---'));
  t.deepEqual(one.statuses, other.statuses);
  t.deepEqual(one.snapshots.routeTable('listener/shop/edge/http'), other.snapshots.routeTable('listener/shop/edge/http'));
});
