import test, { type ExecutionContext } from 'ava';
import { addresses } from '../component/mesh-rig.ts';
import { gatewayScene, sidecarScene, type Scene } from './controller-rig.ts';
import { createPod } from './pod.ts';
import { failed, figures, overMs, sleep, total, type Protocol } from './rig.ts';

/**
 * A proxy and its controller in processes of their own: the controller dies, hangs, comes back, and changes everything ten times a second. The
 * proxy is a gateway, or a sidecar in a Pod of its own to which the kernel takes what the client dials.
 */

const at = addresses(99);
const pod = createPod();

test.after.always(() => {
  if (typeof pod !== 'string') pod.remove();
});

async function judge(t: ExecutionContext, who: string, scene: Scene): Promise<void> {
  let controller = await scene.startController();
  await scene.load({ total: 3000, lanes: 16, overMs: 1500 });
  const before = scene.memory();
  const running = scene.load({ total, lanes: 16, overMs });
  await sleep(overMs / 6);
  controller.kill('SIGSTOP');
  await sleep(overMs / 6);
  controller.kill('SIGCONT');
  await sleep(overMs / 6);
  controller.kill('SIGKILL');
  await new Promise((resolve) => controller.once('exit', resolve));
  await sleep(overMs / 6);
  controller = await scene.startController();
  const outcomes = await running;
  const grown = scene.memory() - before;
  t.log(`${who}: ${figures(outcomes)}; memory of the proxy ${grown.toFixed(0)} MiB more than before`);
  t.deepEqual(failed(outcomes), []);
  t.is(outcomes.length, total);
  // It follows again: the third endpoint comes and goes.
  t.is(new Set(outcomes.map(({ body }) => body)).size, 3);
  t.true(grown < 48, `memory grew by ${grown.toFixed(0)} MiB`);
  t.regex(await scene.metrics(), /weft_/);
}

const what = 'configuration changes ten times a second, the controller hangs, goes on, is killed and comes back';

for (const [base, protocol] of [[0, 'http1'], [10, 'http2']] as const satisfies readonly (readonly [number, Protocol])[]) {
  test.serial(`gateway: ${what} (${protocol})`, async (t) => {
    t.timeout(300_000 + 4 * overMs);
    await judge(t, `gateway (${protocol})`, await gatewayScene(t, at, { base, protocol }));
  });

  (typeof pod === 'string' ? test.serial.skip : test.serial)(`sidecar: ${what} (${protocol})${typeof pod === 'string' ? `: ${pod}` : ''}`, async (t) => {
    t.timeout(300_000 + 4 * overMs);
    if (typeof pod === 'string') return;
    await judge(t, `sidecar (${protocol})`, await sidecarScene(t, pod, protocol));
  });
}
