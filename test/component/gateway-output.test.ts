import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { Listener } from '#snapshot';
import { startGatewayProcess, startMs, writeSnapshot } from './gateway-rig.ts';
import { answering, backendNamed, backendTo, bodyOf, closedPort, endpointsOf, fetchRaw, getRequest, ok, rawServer, tableOf } from './proxy-rig.ts';
import { eventually } from './streams-rig.ts';

for (const workers of [1, 2]) {
  test.serial(`a reader of the log that stands still holds nobody up, nor the end: ${workers} of them`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'weft-'));
    t.teardown(() => rmSync(folder, { recursive: true, force: true }));
    // Open for both, so that it has a reader, who reads nothing.
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const descriptor = openSync(pipe, constants.O_RDWR);
    t.teardown(() => closeSync(descriptor));
    const server = await rawServer(answering(ok('hello')));
    t.teardown(() => server.close());
    const [port, adminPort] = [await closedPort(), await closedPort()];
    const listener: Listener = {
      kind: 'Listener', name: `shop/gw/${port}`, gateway: { kind: 'Gateway', namespace: 'shop', name: 'gw' }, address: '127.0.0.1', port,
      sections: [{ name: 'web', hostname: '', protocol: 'HTTP', routes: 'listener/shop/gw/web' }],
    };
    writeSnapshot(folder, [listener, { ...tableOf([{ backends: [backendTo('a')] }], [{ origins: {} }]), name: 'listener/shop/gw/web' }, backendNamed('a'), { kind: 'Endpoints', name: 'a', endpoints: endpointsOf([server.port]) }]);
    const running = startGatewayProcess(t, folder, adminPort, { workers, stdout: descriptor });
    const ready = (): Promise<void> => eventually(async () => (await running.admin('/ready')).status === 200, startMs);
    await ready().catch(() => t.fail(running.output()));
    const ask = async (): Promise<string> => bodyOf(await fetchRaw(port, getRequest('/', 'Connection: close\r\n')));
    const load = async (): Promise<void> => {
      for (let round = 0; round < 400; round++) t.is(await Promise.race([ask(), new Promise((resolve) => setTimeout(resolve, 10_000, 'late'))]), 'hello', `round ${round}`);
    };
    await load();
    if (workers > 1) {
      const worker = async () => (JSON.parse((await running.admin('/config')).body) as { workers: { pid: number; restarts: number }[] }).workers[0]!;
      process.kill((await worker()).pid, 'SIGKILL');
      await eventually(async () => (await worker()).restarts === 1);
      await load();
      await ready();
    }
    const exited = new Promise((resolve) => running.child.once('exit', (code, signal) => resolve(signal ?? code)));
    running.child.kill('SIGTERM');
    t.is(await Promise.race([exited, new Promise((resolve) => setTimeout(resolve, 20_000, 'still there'))]), 0);
  });
}
