import test from 'ava';
import { applyObject, builtInKinds, emptyState, parseObject, removeObject, stateOf, type KubernetesObject } from './index.ts';

function object(raw: object): KubernetesObject {
  const result = parseObject(raw, builtInKinds);
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
}

const namespace = object({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } });
const service = object({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'cart', namespace: 'shop' }, spec: { clusterIP: 'None' } });
const policy: KubernetesObject = { apiVersion: 'policy.example.com/v1', kind: 'Service', metadata: { name: 'p', namespace: 'shop' } };

test('objects are found by namespace and name in the map of their kind; added kinds by kind as well', (t) => {
  const state = stateOf([namespace, service, policy]);
  t.is(state.namespaces.get('shop') as unknown, namespace);
  t.is(state.services.get('shop/cart') as unknown, service);
  t.deepEqual([...state.policies], [['Service/shop/p', policy]]);
  t.is(state.services.size, 1);
});

test('every built-in kind has a map of its own', (t) => {
  for (const { apiVersions, kind } of builtInKinds.definitions) {
    const state = stateOf([{ apiVersion: apiVersions[0], kind, metadata: { namespace: '', name: 'x' } }]);
    t.is(state.policies.size, 0, kind);
    t.is(Object.values(state).reduce((sum, map: ReadonlyMap<string, unknown>) => sum + map.size, 0), 1);
  }
});

test('a change makes a new state that shares every map that it does not touch', (t) => {
  const before = stateOf([namespace]);
  const after = applyObject(before, service);
  t.is(before.services.size, 0);
  t.is(after.services.size, 1);
  t.is(after.namespaces, before.namespaces);
  t.is(applyObject(after, service), after);
  const removed = removeObject(after, { apiVersion: 'v1', kind: 'Service', metadata: { namespace: 'shop', name: 'cart' } });
  t.deepEqual(removed, before);
  t.is(removeObject(removed, service), removed);
  t.is(emptyState().services.size, 0);
});
