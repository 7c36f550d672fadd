import test from 'ava';
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
