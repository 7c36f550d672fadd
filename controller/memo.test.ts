import test from 'ava';
import { createSlot } from './memo.ts';

test('what is kept at an object is found there, by nobody else, and one slot knows nothing of another', (t) => {
  const [a, b] = [createSlot<object, number>(), createSlot<object, number>()];
  const key = Object.freeze({ name: 'x' });
  const map = new Map([['k', 1]]);
  t.is(a.find(key), undefined);
  a.keep(key, 1);
  a.keep(key, 2);
  b.keep(map, 3);
  t.deepEqual([a.find(key), b.find(key), a.find(map), b.find(map)], [2, undefined, undefined, 3]);
  t.deepEqual([Reflect.ownKeys(key), JSON.stringify(key)], [['name'], '{"name":"x"}']);
  t.deepEqual(key, { name: 'x' });
  t.is(a.find(structuredClone(key)), undefined);
});
