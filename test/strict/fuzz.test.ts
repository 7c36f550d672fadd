import test from 'ava';
import { fuzz, heapInUse, pureProperties } from './fuzz/properties.ts';
import { socketProperties } from './fuzz/sockets.ts';

/** A few seconds from a fixed seed; `node test/strict/fuzz/main.ts 60` goes on from another one for a minute. */
const options = { seconds: 5, seed: 20_261_121 };

test('fuzz: heads, chunks, messages, route tables, whole connections: nothing is read in two ways, nothing throws, nothing is kept', async (t) => {
  t.timeout(60_000);
  const faults: unknown[] = [];
  const sockets = await socketProperties((error) => faults.push(error));
  const before = heapInUse();
  for (const each of [...pureProperties((error) => faults.push(error)), ...sockets.properties]) t.log(`${each.name}: ${await fuzz(each, options)} runs`);
  await sockets.close();
  t.true(heapInUse() - before < 64 * 2 ** 20);
  t.deepEqual(faults, []);
});
