import test from 'ava';
import type { ResourceKind, TypeProgress } from '#snapshot';
import { proxyReports } from './proxies.ts';

const proxy = { id: 'sidecar/shop/web', role: 'sidecar', namespace: 'shop', name: 'web' } as const;

function typed(progress: Partial<TypeProgress>): ReadonlyMap<ResourceKind, TypeProgress> {
  return new Map([['RouteTable', { wanted: new Map(), acked: new Map(), rejected: new Map(), settled: true, ...progress }]]);
}

test('what a proxy acknowledged has the version of what it should have when it has all of it, and else another', (t) => {
  const wanted = new Map([['a', '1'], ['b', '2'], ['gone', undefined]]);
  const [same] = proxyReports([{ proxy, types: typed({ wanted, acked: new Map([['b', '2'], ['a', '1'], ['old', '7']]) }), current: true, since: 0 }]);
  t.is(same!.acknowledged, same!.wanted);
  t.is(same!.connectedAt, '1970-01-01T00:00:00.000Z');
  t.is(same!.resources, 2);
  const [behind] = proxyReports([{ proxy, types: typed({ wanted, acked: new Map([['a', '0'], ['b', '2']]), rejected: new Map([['a', 'too long']]) }), current: true }]);
  t.is(behind!.wanted, same!.wanted);
  t.not(behind!.acknowledged, behind!.wanted);
  t.deepEqual(behind!.refused, [{ type: 'RouteTable', name: 'a', reason: 'too long' }]);
});
