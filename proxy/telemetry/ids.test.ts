import test from 'ava';
import { isRequestId, RandomIds } from './ids.ts';

test('uuids are of version 4, and no two alike across refills', (t) => {
  const ids = new RandomIds();
  const seen = new Set<string>();
  for (let count = 0; count < 5000; count++) {
    const id = ids.uuid();
    if (!/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id)) t.fail(id);
    seen.add(id);
  }
  t.is(seen.size, 5000);
  t.is(new Set([...seen].map((id) => id[19])).size, 4);
});

test('no two ids share bytes', (t) => {
  let next = 0;
  const ids = new RandomIds((bytes) => bytes.set(bytes.map(() => next++)));
  t.is(ids.spanId(), '0001020304050607');
  t.is(ids.traceId(), '08090a0b0c0d0e0f1011121314151617');
  t.is(ids.uuid(), '00010203-0405-4607-8809-0a0b0c0d0e0f');
  t.is(ids.uuid(), '10111213-1415-4617-9819-1a1b1c1d1e1f');
  t.is(ids.spanId(), '18191a1b1c1d1e1f');
});

test('span and trace ids are never all zero, which W3C calls invalid', (t) => {
  const ids = new RandomIds(() => {});
  t.notRegex(ids.spanId(), /^0+$/);
  t.notRegex(ids.traceId(), /^0+$/);
  t.true(isRequestId(ids.uuid()));
});

test('an incoming id is taken only if it can stand in a header and a log as it is', (t) => {
  for (const good of ['a', '0f8fad5b-d9cb-469f-a165-70867728950e', 'A.b_c-9', 'x'.repeat(128)]) t.true(isRequestId(good), good);
  for (const bad of ['', 'x'.repeat(129), 'a b', 'a"b', 'a\nb', 'a,b', 'é', 'a\n']) t.false(isRequestId(bad), JSON.stringify(bad));
});
