import test from 'ava';
import { ClosedStreams } from './closed-streams.ts';

const odd = (count: number, from = 0): readonly number[] => Array.from({ length: count }, (_, index) => 2 * (index + from) + 1);

test('how the last 32 streams that finished and the last 256 that were reset came to their end is known; of others nothing is', (t) => {
  const streams = new ClosedStreams();
  t.is(streams.ending(1), undefined);
  const [here, there, finished] = [odd(100), odd(100, 100), odd(20, 200)];
  for (const id of here) streams.add(id, 'reset-here');
  for (const id of there) streams.add(id, 'reset-there');
  for (const id of finished) streams.add(id, 'finished');
  t.deepEqual([...new Set(here.map((id) => streams.ending(id)))], ['reset-here']);
  t.deepEqual([...new Set(there.map((id) => streams.ending(id)))], ['reset-there']);
  t.deepEqual([...new Set(finished.map((id) => streams.ending(id)))], ['finished']);
  t.is(streams.ending(999), undefined);
  for (const id of odd(156, 1000)) streams.add(id, 'reset-there');
  for (const id of odd(32, 2000)) streams.add(id, 'finished');
  t.deepEqual(here.map((id) => streams.ending(id)), here.map(() => undefined));
  t.deepEqual(finished.map((id) => streams.ending(id)), finished.map(() => undefined));
  t.deepEqual([...new Set([...there, ...odd(156, 1000)].map((id) => streams.ending(id)))], ['reset-there']);
  t.deepEqual([...new Set(odd(32, 2000).map((id) => streams.ending(id)))], ['finished']);
});
