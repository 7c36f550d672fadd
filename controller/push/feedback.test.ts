import test from 'ava';
import { references } from '#snapshot';
import { conditionsOf, listenerOf, statusOf, translateYaml } from '../testing.ts';
import type { Translation } from '../types.ts';
import { joinFeedback, joinShortfalls } from './feedback.ts';

const world = translateYaml(`
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: edge, namespace: infra }
spec:
  gatewayClassName: weft
  allowedListeners: { namespaces: { from: All } }
  listeners: [{ name: http, port: 80, protocol: HTTP }]
---
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: { name: more, namespace: shop }
spec: { parentRef: { name: edge, namespace: infra }, listeners: [{ name: http, port: 81, protocol: HTTP }, { name: alt, port: 82, protocol: HTTP }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: { name: other, namespace: infra }
spec: { parentRef: { name: edge }, listeners: [{ name: http, port: 83, protocol: HTTP }] }
`);

function afterRefusalOf(...ports: readonly number[]): Translation {
  const proxy = { id: 'gateway/infra/edge/0', role: 'gateway', namespace: 'infra', name: 'edge' } as const;
  return { ...world, ...joinFeedback(world, ports.map((port) => ({ proxy, type: 'Listener' as const, name: `infra/edge/${port}`, reason: 'EADDRINUSE: in use' }))) };
}

const programmed = (translation: Translation, object: string): string | undefined => conditionsOf(statusOf(translation, object))['Programmed'];

function entry(translation: Translation, name: string, listener: string): string | undefined {
  const entries = statusOf(translation, `ListenerSet ${name}`)['listeners'] as readonly (ReturnType<typeof listenerOf> & { readonly name: string })[];
  return conditionsOf(entries.find((each) => each.name === listener)!)['Programmed'];
}

test('what a proxy refuses of a ListenerSet is told to that ListenerSet, not to others or the Gateway', (t) => {
  const translation = afterRefusalOf(81);
  t.is(entry(translation, 'more', 'http'), 'False Invalid');
  t.is(entry(translation, 'more', 'alt'), 'True Programmed');
  t.is(programmed(translation, 'ListenerSet more'), 'True Programmed', 'one listener serves');
  t.is(entry(translation, 'other', 'http'), 'True Programmed', 'of the same name');
  t.is(conditionsOf(listenerOf(translation, 'edge', 'http'))['Programmed'], 'True Programmed');
  t.is(programmed(translation, 'Gateway edge'), 'True Programmed');
  t.deepEqual(translation.problems.map(({ message }) => message), ['EADDRINUSE: in use (proxy gateway/infra/edge/0)']);
});

test('a ListenerSet none of whose listeners is served is not programmed; a Gateway is while any listener is, of its own or not', (t) => {
  const guests = afterRefusalOf(81, 82);
  t.is(programmed(guests, 'ListenerSet more'), 'False Invalid');
  t.is(programmed(guests, 'ListenerSet other'), 'True Programmed');
  t.is(programmed(afterRefusalOf(80), 'Gateway edge'), 'True Programmed');
  t.is(conditionsOf(listenerOf(afterRefusalOf(80), 'edge', 'http'))['Programmed'], 'False Invalid');
  t.is(programmed(afterRefusalOf(80, 81, 82, 83), 'Gateway edge'), 'False Invalid');
});

test('a Gateway that could not be given its proxies is not programmed, for that reason; others are', (t) => {
  const message = 'Deployment infra/edge-weft: 403 exceeded quota';
  const { statuses, problems } = joinShortfalls(world, new Map([['infra/edge', { reason: 'NoResources', message } as const]]), world);
  const edge = statuses.find(({ kind, name }) => kind === 'Gateway' && name === 'edge')!;
  const condition = (edge.status as { readonly conditions: readonly { readonly type: string }[] }).conditions.find(({ type }) => type === 'Programmed');
  t.like(condition, { status: 'False', reason: 'NoResources', message });
  t.is(conditionsOf(statusOf({ ...world, statuses }, 'Gateway edge'))['Accepted'], 'True Accepted');
  t.like(conditionsOf(listenerOf({ ...world, statuses }, 'edge', 'http')), { Accepted: 'True Accepted', Programmed: 'False Pending' });
  t.deepEqual(['http', 'alt'].map((listener) => entry({ ...world, statuses }, 'more', listener)), ['False Pending', 'False Pending']);
  t.deepEqual(problems.at(-1)?.message, message);
  t.deepEqual(['more', 'other'].map((name) => programmed({ ...world, statuses }, `ListenerSet ${name}`)), ['False ParentNotProgrammed', 'False ParentNotProgrammed']);
  t.is(joinShortfalls(world, new Map([['infra/another', { reason: 'NoResources', message } as const]]), world).statuses.find(({ kind }) => kind === 'ListenerSet'), world.statuses.find(({ kind }) => kind === 'ListenerSet'));
  t.is(joinShortfalls(world, new Map(), world).statuses, world.statuses);
});

const routed = translateYaml(`
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: edge, namespace: shop }
spec: { gatewayClassName: weft, listeners: [{ name: http, port: 80, protocol: HTTP }, { name: alt, port: 81, protocol: HTTP }, { name: tcp, port: 82, protocol: TCP }] }
---
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec: { clusterIP: 10.96.0.10, clusterIPs: [10.96.0.10], ports: [{ port: 80 }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: r, namespace: shop }
spec: { parentRefs: [{ name: edge, sectionName: http }], rules: [{ backendRefs: [{ name: web, port: 80 }] }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: TCPRoute
metadata: { name: t, namespace: shop }
spec: { parentRefs: [{ name: edge, sectionName: tcp }], rules: [{ backendRefs: [{ name: web, port: 80 }] }] }
`);

for (const type of ['Backend', 'Endpoints'] as const) {
  test(`of a refused ${type} the listeners are told whose table can't be put in force without it`, (t) => {
    const proxy = { id: 'gateway/shop/edge/0', role: 'gateway', namespace: 'shop', name: 'edge' } as const;
    const of = (listener: string, backend: string): string => {
      const table = routed.snapshots.listeners.get('shop/edge')!.flatMap(({ sections }) => sections).find(({ name }) => name === listener)!.routes;
      const names = references((routed.snapshots.routeTable(table) ?? routed.snapshots.streamTable(table))!).map(({ name }) => name);
      const translation = { ...routed, ...joinFeedback(routed, names.filter((name) => name.startsWith(backend)).map((name) => ({ proxy, type, name, reason: 'has a field "x", which is not known here' }))) };
      return JSON.stringify(['http', 'alt', 'tcp'].map((each) => conditionsOf(listenerOf(translation, 'edge', each))['Programmed']));
    };
    t.regex(of('http', 'shop/web:80'), /^\["False Invalid","True Programmed",/);
    t.regex(of('tcp', 'shop/web:80'), /"False Invalid"\]$/);
    t.is(of('http', 'none'), '["True Programmed","True Programmed","True Programmed"]');
  });
}
