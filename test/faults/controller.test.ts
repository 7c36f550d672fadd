import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { addresses, yaml } from '../component/mesh-rig.ts';
import { closedPort } from '../component/proxy-rig.ts';
import { endpointProcess, failed, figures, load, namespace, overMs, retryPolicy, service, sleep, total, type Place, type Protocol } from './rig.ts';

/** A gateway and its controller in processes of their own: the controller dies, hangs, comes back, and changes everything ten times a second. */

const at = addresses(99);
const port = 18_093;
const startMs = 30_000;

function program(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url));
}

async function until(ask: () => Promise<boolean>, ms: number, what: () => string): Promise<void> {
  for (const end = performance.now() + ms; !(await ask()); await sleep(50)) if (performance.now() > end) throw new Error(what());
}

interface Scene {
  readonly place: Place;
  readonly gateway: ChildProcess;
  readonly metrics: () => Promise<string>;
  readonly startController: () => Promise<ChildProcess>;
}

/** Endpoints at `base` + 1 to 3; the last is there in every other version only. */
async function scene(t: ExecutionContext, base: number, protocol: Protocol): Promise<Scene> {
  const folder = mkdtempSync(join(tmpdir(), 'weft-controller-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const [listener, stream, admin] = [await closedPort(), await closedPort(), await closedPort()];
  const version = (pods: readonly number[], weight: number): string =>
    yaml.join(namespace, yaml.gateway('g', [listener]), yaml.route('r', '{ name: g }', { web: weight }), service('web', port, protocol), ...pods.map((each) => yaml.pod(`p${each}`, 'web', at(base + each))), retryPolicy('maxRetries: 4, retryOn: { conditions: [connect-failure, reset, refused-stream, gateway-error] }, backoff: { base: 5ms, max: 50ms }'));
  const files = [version([1, 2], 1), version([1, 2, 3], 7)].map((text, index) => {
    const file = join(folder, `${index}.yaml`);
    writeFileSync(file, text);
    return file;
  });
  for (const each of [1, 2, 3]) await endpointProcess(t, { address: at(base + each), port }, protocol);
  const startController = async (): Promise<ChildProcess> => {
    const child = spawn(process.execPath, [program('controller-process.ts'), folder, String(stream), ...files], { stdio: ['ignore', 'pipe', 'inherit'] });
    t.teardown(() => child.kill('SIGKILL'));
    await new Promise((resolve) => child.stdout.once('data', resolve));
    return child;
  };
  const env = {
    PATH: process.env['PATH'], POD_NAME: 'p', POD_NAMESPACE: 'shop', POD_IP: '127.0.0.1', WEFT_GATEWAY: 'g', WEFT_CONTROLLER: `localhost:${stream}`, WEFT_TOKEN_FILE: join(folder, 'token'),
    WEFT_CA_FILE: join(folder, 'ca.crt'), WEFT_STATE_DIR: folder, WEFT_ADMIN_PORT: String(admin), WEFT_DRAIN_SECONDS: '5', WEFT_DRAIN_DELAY_SECONDS: '0',
  };
  const gateway = spawn(process.execPath, [program('../../gateway/main.ts')], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let told = '';
  for (const output of [gateway.stdout, gateway.stderr]) output.setEncoding('utf8').on('data', (part: string) => (told = (told + part).slice(-4000)));
  t.teardown(() => gateway.kill('SIGKILL'));
  const page = async (path: string): Promise<{ readonly ok: boolean; readonly text: string }> => {
    const response = await fetch(`http://127.0.0.1:${admin}${path}`).catch(() => undefined);
    return { ok: response?.ok === true, text: (await response?.text()) ?? '' };
  };
  const started = await startController();
  await until(async () => (await page('/ready')).ok, startMs, () => `not ready: ${told}`);
  return {
    place: { address: '127.0.0.1', port: listener },
    gateway,
    metrics: async () => (await page('/metrics')).text,
    startController: async () => {
      if (started.exitCode === null && started.signalCode === null) return started;
      return startController();
    },
  };
}

function memory({ pid }: ChildProcess): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
}

for (const [base, protocol] of [[0, 'http1'], [10, 'http2']] as const) {
  test.serial(`configuration changes ten times a second, the controller hangs, goes on, is killed and comes back (${protocol})`, async (t) => {
    t.timeout(300_000 + 4 * overMs);
    const { place, gateway, startController, metrics } = await scene(t, base, protocol);
    let controller = await startController();
    await load(place, { total: 3000, lanes: 16, overMs: 1500 });
    const before = memory(gateway);
    const running = load(place, { total, lanes: 16, overMs });
    await sleep(overMs / 6);
    controller.kill('SIGSTOP');
    await sleep(overMs / 6);
    controller.kill('SIGCONT');
    await sleep(overMs / 6);
    controller.kill('SIGKILL');
    await new Promise((resolve) => controller.once('exit', resolve));
    await sleep(overMs / 6);
    controller = await startController();
    const outcomes = await running;
    const grown = memory(gateway) - before;
    const bodies = new Set(outcomes.map(({ body }) => body));
    t.log(`(${protocol}) ${figures(outcomes)}; memory of the gateway ${grown.toFixed(0)} MiB more than before`);
    t.deepEqual(failed(outcomes), []);
    t.is(outcomes.length, total);
    // It follows again: the third endpoint comes and goes.
    t.is(bodies.size, 3);
    t.true(grown < 48, `memory grew by ${grown.toFixed(0)} MiB`);
    t.regex(await metrics(), /weft_/);
  });
}
