import test from 'ava';
import { fuzzGuided } from './fuzz/guided.ts';
import { fuzz, heapInUse, pureProperties } from './fuzz/properties.ts';
import { protocolTargets } from './fuzz/protocols.ts';
import { socketProperties } from './fuzz/sockets.ts';
import { clientHello } from './hostile/attacks/hello.ts';

/** A few seconds from a fixed seed; `node test/strict/fuzz/main.ts 60` goes on from another one for a minute. */
const options = { seconds: 5, seed: 20_261_121 };

test('fuzz: heads, chunks, frames, HPACK, hellos, messages, route tables, whole connections: nothing is read in two ways, nothing throws, nothing is kept', async (t) => {
  t.timeout(120_000);
  const faults: unknown[] = [];
  const sockets = await socketProperties((error) => faults.push(error));
  const before = heapInUse();
  try {
    for (const each of [...pureProperties((error) => faults.push(error)), ...sockets.properties]) t.log(`${each.name}: ${await fuzz(each, options)} runs`);
    for (const each of protocolTargets(await clientHello())) {
      const { runs, kept, blocks } = fuzzGuided(each, options);
      t.log(`${each.name}: ${runs} runs, ${kept} inputs kept, ${blocks} blocks`);
      t.true(kept > 0 && blocks > 20, 'coverage guides it');
    }
  } finally {
    // What is open keeps the process, and with it all tests behind this one.
    await sockets.close();
  }
  t.true(heapInUse() - before < 64 * 2 ** 20);
  t.deepEqual(faults, []);
});
