import { clientHello } from '../hostile/attacks/hello.ts';
import { fuzzGuided } from './guided.ts';
import { fuzz, heapInUse, pureProperties } from './properties.ts';
import { protocolTargets } from './protocols.ts';
import { socketProperties } from './sockets.ts';

/** `node test/strict/fuzz/main.ts [seconds] [seed]`: a minute unless told. Ends with 1 where something was found. */

const [seconds = '60', seed = String(Date.now() % 2 ** 31)] = process.argv.slice(2);
const faults: unknown[] = [];
process.on('unhandledRejection', (error) => faults.push(error));
process.on('uncaughtException', (error) => faults.push(error));

const sockets = await socketProperties((error) => faults.push(error));
const before = heapInUse();
for (const each of [...pureProperties((error) => faults.push(error)), ...sockets.properties]) {
  try {
    const runs = await fuzz(each, { seconds: Number(seconds), seed: Number(seed) });
    console.log(`${each.name}: ${runs} runs`);
  } catch (error) {
    faults.push(error);
  }
}
for (const each of protocolTargets(await clientHello())) {
  try {
    const { runs, kept, blocks } = fuzzGuided(each, { seconds: Number(seconds), seed: Number(seed) });
    console.log(`${each.name}: ${runs} runs, ${kept} inputs kept, ${blocks} blocks`);
  } catch (error) {
    faults.push(error);
  }
}
await sockets.close();
const grown = (heapInUse() - before) / 2 ** 20;
console.log(`heap: ${grown.toFixed(1)} MiB more than before; seed ${seed}`);
if (grown > 64) faults.push(new Error(`the heap grew by ${grown.toFixed(1)} MiB`));
for (const fault of faults) console.error(fault);
process.exit(faults.length > 0 ? 1 : 0);
