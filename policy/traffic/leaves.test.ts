import test from 'ava';
import type { XBackendTrafficPolicy } from '#crds';
import { sessionOf, trafficLeaves } from './leaves.ts';

type Spec = XBackendTrafficPolicy['spec'];

function leaves(spec: Omit<Spec, 'targetRefs'>): Readonly<Record<string, unknown>> {
  const policy: XBackendTrafficPolicy = { apiVersion: 'gateway.networking.x-k8s.io/v1alpha1', kind: 'XBackendTrafficPolicy', metadata: { namespace: 'back', name: 'constraint' }, spec: { targetRefs: [], ...spec } };
  return Object.fromEntries(trafficLeaves(policy).map(({ field, value }) => [field, value]));
}

const rates: readonly [rate: NonNullable<Spec['retryConstraint']>['minRetryRate'], perSecond: number][] = [
  [{ count: 30, interval: '1m' }, 0.5],
  [{ count: 3 }, 3],
  [{ interval: '10s' }, 1],
  [{}, 10],
  [{ count: 0, interval: '500ms' }, 0],
  [{ count: 5, interval: '500ms' }, 10],
];

for (const [minRetryRate, minPerSecond] of rates) {
  test(`a least rate of ${JSON.stringify(minRetryRate)} is ${minPerSecond} a second`, (t) => {
    t.deepEqual(leaves({ retryConstraint: { budget: { percent: 5, interval: '20s' }, minRetryRate } }), { 'retry.budget.percent': 5, 'retry.budget.interval': '20s', 'retry.budget.minPerSecond': minPerSecond });
  });
}

test('what a policy does not say is no leaf; a session is one', (t) => {
  t.deepEqual(leaves({}), {});
  t.deepEqual(leaves({ sessionPersistence: { type: 'Cookie' } }), { session: { type: 'Cookie', name: 'weft-session-cade815c', lifetime: 'Session', path: '/' } });
});

test('a session is what is written, and has a path and a lifetime where nothing is', (t) => {
  t.deepEqual(sessionOf({ type: 'Cookie', cookie: { name: 's', path: '/a', lifetimeType: 'Permanent' }, absoluteTimeout: '1h' }, 'x'), { type: 'Cookie', name: 's', absoluteTimeout: '1h', lifetime: 'Permanent', path: '/a' });
  t.deepEqual(sessionOf({ type: 'Cookie', cookie: { name: 's', path: '/', lifetimeType: 'Session' } }, 'x'), { type: 'Cookie', name: 's', lifetime: 'Session', path: '/' });
  t.deepEqual(sessionOf({ type: 'Header', header: { name: 'x-s' }, absoluteTimeout: '1h' }, 'x'), { type: 'Header', name: 'x-s', absoluteTimeout: '1h', lifetime: 'Session' });
});

// Another name than before would end all sessions when the control plane is upgraded.
test('a session without a name has its owner\'s, always the same', (t) => {
  t.is(sessionOf({ type: 'Header' }, 'HTTPRoute/shop/r248').name, 'weft-session-00c4a550');
  t.is(sessionOf({ type: 'Cookie' }, 'HTTPRoute/shop/r248').name, 'weft-session-00c4a550');
});
