import { cases, findPrograms, moreCases, runCase, type Programs } from './programs.ts';
import { openWays, type Way } from './ways.ts';

/** Runs gRPC's interop cases on every way through Weft. Exit code 1 where one fails, 0 where the programs are absent. */

const programs = findPrograms(process.env['GRPC_INTEROP']);
if (programs === undefined) {
  console.log('grpc interop: SKIPPED, GRPC_INTEROP names no folder with the programs. See test/grpc-interop/README.md for how to get them.');
  process.exit(0);
}
const ways = await openWays(programs);
let failed = 0;
for (const way of ways.all) failed += await runAll(programs, way);
await ways.close();
process.exit(failed > 0 ? 1 : 0);

async function runAll(found: Programs, way: Way): Promise<number> {
  const start = performance.now();
  // Two at a time: some cases do little but wait.
  const left: string[] = [...cases, ...moreCases];
  const failures: string[] = [];
  const worker = async (): Promise<void> => {
    for (let name = left.shift(); name !== undefined; name = left.shift()) {
      const { passed, output } = await runCase(found, name, way.args, way.environment);
      if (passed) continue;
      failures.push(name);
      console.log(`FAILED ${way.name}: ${name}\n${output.trim()}`);
    }
  };
  await Promise.all([worker(), worker()]);
  const passed = cases.length + moreCases.length - failures.length;
  console.log(`grpc interop ${way.name}: ${passed} passed, ${failures.length} failed (${((performance.now() - start) / 1000).toFixed(1)} s)`);
  return failures.length;
}
