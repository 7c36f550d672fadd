import test from 'ava';
import { isRequestId, RandomIds, uuidLength } from './ids.ts';

function uuidOf(ids: RandomIds): string {
  const start = ids.nextUuid();
  return ids.uuids.toString('latin1', start, start + uuidLength);
}

test('uuids are of version 4, and no two alike across refills', (t) => {
  const ids = new RandomIds();
  const seen = new Set<string>();
  for (let count = 0; count < 5000; count++) {
    const id = uuidOf(ids);
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
  t.is(uuidOf(ids), '00010203-0405-4607-8809-0a0b0c0d0e0f');
  t.is(uuidOf(ids), '10111213-1415-4617-9819-1a1b1c1d1e1f');
  t.is(ids.spanId(), '18191a1b1c1d1e1f');
});

test('what was given away stays as it is when there are new ones', (t) => {
  const ids = new RandomIds();
  const given = Array.from({ length: 600 }, () => ({ start: ids.nextUuid(), bytes: ids.uuids, text: '' }));
  for (const one of given) one.text = one.bytes.toString('latin1', one.start, one.start + uuidLength);
  t.is(new Set(given.map(({ text }) => text)).size, 600);
});

test('span and trace ids are never all zero, which W3C calls invalid', (t) => {
  const ids = new RandomIds(() => {});
  t.notRegex(ids.spanId(), /^0+$/);
  t.notRegex(ids.traceId(), /^0+$/);
  t.true(isRequestId(uuidOf(ids)));
});

test('an incoming id is taken only if it can stand in a header and a log as it is', (t) => {
  for (const good of ['a', '0f8fad5b-d9cb-469f-a165-70867728950e', 'A.b_c-9', 'x'.repeat(128)]) t.true(isRequestId(good), good);
  for (const bad of ['', 'x'.repeat(129), 'a b', 'a"b', 'a\nb', 'a,b', 'é', 'a\n']) t.false(isRequestId(bad), JSON.stringify(bad));
});
