import test from 'ava';
import fc from 'fast-check';
import { mergeStatus, retraction, type Fields } from './merge.ts';

const ours = 'weft-mesh.io/controller';
const theirs = 'example.com/other';
const now = '2026-01-02T00:00:00Z';
const before = '2026-01-01T00:00:00Z';

function condition(type: string, status: string, more: Fields = {}): Fields {
  return { type, status, reason: type, message: '', observedGeneration: 1, ...more };
}

function parent(name: string, controllerName: string, ...conditions: readonly Fields[]): Fields {
  return { parentRef: { group: 'g', kind: 'Gateway', name }, controllerName, conditions };
}

test('what is written already is not written again, whatever the order of its fields', (t) => {
  const current = { parents: [{ controllerName: ours, conditions: [condition('Accepted', 'True', { lastTransitionTime: before })], parentRef: { name: 'a', kind: 'Gateway', group: 'g' } }] };
  t.is(mergeStatus(current, { parents: [parent('a', ours, condition('Accepted', 'True'))] }, now), undefined);
  t.is(mergeStatus({}, { addresses: [], parents: [] }, now), undefined);
});

test('the time stays where only the message changes, and moves where the status does', (t) => {
  const current = { conditions: [condition('Accepted', 'True', { lastTransitionTime: before }), condition('Programmed', 'False', { lastTransitionTime: before })] };
  const draft = { conditions: [condition('Accepted', 'True', { message: 'new', observedGeneration: 2 }), condition('Programmed', 'True')] };
  t.deepEqual(mergeStatus(current, draft, now), {
    conditions: [condition('Accepted', 'True', { message: 'new', observedGeneration: 2, lastTransitionTime: before }), condition('Programmed', 'True', { lastTransitionTime: now })],
  });
});

test("entries of other controllers keep their content and place; ours are replaced where they stand, new ones follow, those that are gone go", (t) => {
  const foreign = parent('a', theirs, condition('Whatever', 'Unknown'));
  const current = { parents: [parent('gone', ours), parent('b', ours, condition('Accepted', 'False', { lastTransitionTime: before })), foreign] };
  const draft = { parents: [parent('new', ours, condition('Accepted', 'True')), parent('b', ours, condition('Accepted', 'True'))] };
  t.deepEqual(mergeStatus(current, draft, now), {
    parents: [
      parent('b', ours, condition('Accepted', 'True', { lastTransitionTime: now })),
      foreign,
      parent('new', ours, condition('Accepted', 'True', { lastTransitionTime: now })),
    ],
  });
});

test('conditions of types that are not ours stay; ours that no longer hold go', (t) => {
  const current = {
    conditions: [
      condition('example.com/Checked', 'True', { lastTransitionTime: before }),
      condition('Accepted', 'True', { lastTransitionTime: before }),
      condition('policy.weft-mesh.io/RetryPolicyAffected', 'True', { lastTransitionTime: before }),
    ],
  };
  t.deepEqual(mergeStatus(current, { conditions: [condition('Accepted', 'True')] }, now), { conditions: current.conditions.slice(0, 2) });
});

test('listeners are those of the draft; their times are kept by name', (t) => {
  const current = { listeners: [{ name: 'b', attachedRoutes: 0, conditions: [condition('Accepted', 'True', { lastTransitionTime: before })] }, { name: 'gone', attachedRoutes: 3, conditions: [] }] };
  const patch = mergeStatus(current, { listeners: [{ name: 'a', attachedRoutes: 1, conditions: [] }, { name: 'b', attachedRoutes: 0, conditions: [condition('Accepted', 'True')] }] }, now);
  t.deepEqual(patch, { listeners: [{ name: 'a', attachedRoutes: 1, conditions: [] }, current.listeners[0]] });
});

test('more entries than a status has room for are cut at the end, never those of others', (t) => {
  const foreign = Array.from({ length: 30 }, (_, index) => parent(`f${index}`, theirs));
  const patch = mergeStatus({ parents: foreign }, { parents: ['a', 'b', 'c'].map((name) => parent(name, ours)) }, now);
  t.deepEqual(((patch ?? {})['parents'] as Fields[]).length, 32);
  t.deepEqual(((patch ?? {})['parents'] as Fields[]).slice(0, 30), foreign);
  // The first of the draft have the room, not those that were there before.
  const crowded = [...foreign, parent('b', ours), parent('c', ours)];
  const again = mergeStatus({ parents: crowded }, { parents: ['a', 'b', 'c'].map((name) => parent(name, ours)) }, now);
  t.deepEqual(((again ?? {})['parents'] as Fields[]).slice(30).map(({ parentRef }) => (parentRef as Fields)['name']), ['b', 'a']);
});

/** What is written of an object that nobody wants a status of. */
function takenBack(kind: string, status: Fields, author: 'ours' | 'foreign'): Fields | undefined {
  const draft = retraction({ kind, generation: 2, status, statusIsOurs: author === 'ours' });
  return draft === undefined ? undefined : mergeStatus(status, draft, now);
}

test('what we said of an object that is no longer ours is taken back', (t) => {
  t.is(takenBack('HTTPRoute', { parents: [parent('a', theirs)] }, 'foreign'), undefined);
  t.is(takenBack('Gateway', { conditions: [condition('Accepted', 'True')] }, 'foreign'), undefined);
  t.deepEqual(takenBack('HTTPRoute', { parents: [parent('a', theirs), parent('b', ours)] }, 'foreign'), { parents: [parent('a', theirs)] });
});

test('the addresses of an Ingress that is no longer ours are taken back, unless another controller has written them since', (t) => {
  const there = { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } };
  t.is(takenBack('Ingress', there, 'foreign'), undefined);
  t.deepEqual(takenBack('Ingress', there, 'ours'), { loadBalancer: { ingress: [] } });
  for (const current of [{}, { loadBalancer: {} }, { loadBalancer: { ingress: [] } }]) t.is(takenBack('Ingress', current, 'ours'), undefined);
});

test('a ListenerSet whose parent is no Gateway of ours any more is not accepted, unless another controller has said something of it since', (t) => {
  const foreign = condition('example.com/Scanned', 'True');
  const there = { conditions: [condition('Accepted', 'True', { lastTransitionTime: before }), condition('Programmed', 'True'), foreign], listeners: [{ name: 'a', conditions: [] }] };
  t.is(takenBack('ListenerSet', there, 'foreign'), undefined);
  const no = (type: string, reason: string): Fields => ({ type, status: 'False', reason, message: 'The parent is no Gateway that weft serves', observedGeneration: 2, lastTransitionTime: now });
  const patch = takenBack('ListenerSet', there, 'ours');
  t.deepEqual(patch, { conditions: [no('Accepted', 'ParentNotAccepted'), no('Programmed', 'ParentNotProgrammed'), foreign], listeners: [] });
  t.is(takenBack('ListenerSet', { ...there, ...patch }, 'ours'), undefined, 'once');
});

test('a Gateway whose class is no longer ours waits for its controller as a new one does, unless that has said something of it since', (t) => {
  const foreign = condition('example.com/Scanned', 'True');
  const there = { addresses: [{ value: '192.0.2.1' }], attachedListenerSets: 2, conditions: ['Accepted', 'Programmed', 'ResolvedRefs', 'AddressesAssigned', 'policy.weft-mesh.io/RetryPolicyAffected'].map((type) => condition(type, 'True')).concat(foreign), listeners: [{ name: 'a', conditions: [] }] };
  t.is(takenBack('Gateway', there, 'foreign'), undefined);
  const waits = (type: string): Fields => ({ type, status: 'Unknown', reason: 'Pending', message: 'Waiting for controller', lastTransitionTime: now });
  const patch = takenBack('Gateway', there, 'ours');
  t.deepEqual(patch, { addresses: [], attachedListenerSets: null, conditions: [waits('Accepted'), waits('Programmed'), foreign], listeners: [] });
  t.is(takenBack('Gateway', { conditions: patch?.['conditions'] }, 'ours'), undefined, 'once');
});

test('property: once written nothing is left to write, and nothing of others was lost', (t) => {
  const conditions = fc.uniqueArray(fc.record({ type: fc.constantFrom('Accepted', 'Programmed', 'x.com/Y'), status: fc.constantFrom('True', 'False') }), { selector: ({ type }) => type, maxLength: 3 });
  const entries = (controller: fc.Arbitrary<string>): fc.Arbitrary<readonly Fields[]> =>
    fc.uniqueArray(fc.record({ parentRef: fc.record({ name: fc.constantFrom('a', 'b', 'c') }), controllerName: controller, conditions }), {
      selector: ({ parentRef, controllerName }) => `${parentRef.name} ${controllerName}`,
      maxLength: 5,
    });
  const status = (controller: fc.Arbitrary<string>): fc.Arbitrary<Fields> => fc.record({ parents: entries(controller), conditions }, { requiredKeys: [] });
  fc.assert(
    fc.property(status(fc.constantFrom(ours, theirs)), status(fc.constant(ours)), (current, draft) => {
      const after = { ...current, ...mergeStatus(current, draft, now) };
      t.is(mergeStatus(after, draft, 'later'), undefined);
      const foreign = (value: Fields): unknown[] => ((value['parents'] ?? []) as Fields[]).filter(({ controllerName }) => controllerName === theirs);
      t.deepEqual(foreign(after), foreign(current));
    }),
    { numRuns: 300 },
  );
});

test('the addresses of an Ingress are written, and taken away by a list that is empty, once', (t) => {
  const empty = { loadBalancer: { ingress: [] } };
  const there = { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } };
  t.deepEqual(mergeStatus({ loadBalancer: {} }, there, now), there);
  t.is(mergeStatus(there, there, now), undefined);
  t.deepEqual(mergeStatus(there, empty, now), empty);
  for (const current of [{}, { loadBalancer: {} }, empty]) t.is(mergeStatus(current, empty, now), undefined);
});
