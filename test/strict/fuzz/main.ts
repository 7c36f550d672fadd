import { clientHello } from '../hostile/attacks/hello.ts';
import { fuzzGuided } from './guided.ts';
import { fuzz, heapInUse, pureProperties } from './properties.ts';
import { protocolTargets } from './protocols.ts';
import { socketProperties } from './sockets.ts';

/** `node test/strict/fuzz/main.ts [seconds] [seed]`: a minute unless told. Ends with 1 where something was found. */

/** MiB that a run may leave behind; a minute leaves about 5, ten no more. */
const maxGrown = 32;

const [seconds = '60', seed = String(Date.now() % 2 ** 31)] = process.argv.slice(2);
const options = { seconds: Number(seconds), seed: Number(seed) };
const faults: unknown[] = [];
process.on('unhandledRejection', (error) => faults.push(error));
process.on('uncaughtException', (error) => faults.push(error));
let passed = 0;
let failed = 0;

/** One target: it passes where nothing threw, and nothing was reported meanwhile. */
async function attempt(name: string, run: () => Promise<string>): Promise<void> {
  const before = faults.length;
  let told = 'stopped';
  try {
    told = await run();
  } catch (error) {
    faults.push(error);
  }
  console.log(`${name}: ${told}`);
  for (const fault of faults.slice(before)) console.error(fault);
  if (faults.length > before) failed++;
  else passed++;
}

const sockets = await socketProperties((error) => faults.push(error));
const before = heapInUse();
for (const each of [...pureProperties((error) => faults.push(error)), ...sockets.properties]) {
  await attempt(each.name, async () => `${(await fuzz(each, options)) * (each.inputs ?? 1)} inputs`);
}
for (const each of protocolTargets(await clientHello())) {
  await attempt(each.name, () => {
    const { runs, kept, blocks } = fuzzGuided(each, options);
    return Promise.resolve(`${runs} inputs, ${kept} of them kept, ${blocks} blocks`);
  });
}
await attempt('what is left in memory', async () => {
  await sockets.close();
  const grown = (heapInUse() - before) / 2 ** 20;
  if (grown > maxGrown) throw new Error(`the heap grew by ${grown.toFixed(1)} MiB`);
  return `${grown.toFixed(1)} MiB more than before`;
});
console.log(`fuzz: ${passed} passed, ${failed} failed (seed ${seed})`);
process.exit(failed > 0 ? 1 : 0);
