import { createSocket } from 'node:dgram';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { Listener } from '#snapshot';
import { startGatewayProcess, startMs, writeSnapshot } from './gateway-rig.ts';
import { backendNamed, closedPort, endpointsOf, tableOf } from './proxy-rig.ts';
import { certificateFor, echoServer, eventually, exchangeBytes, streamBackend, streamTable } from './streams-rig.ts';
import { handshake } from './tls-sessions.ts';

test.serial('several processes on one port: each gets connections, one that dies is replaced, the others serve on; one admin page for all', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const server = await echoServer('a');
  t.teardown(() => server.close());
  const [port, adminPort] = [await closedPort(), await closedPort()];
  const listener: Listener = {
    kind: 'Listener', name: `shop/gw/${port}`, gateway: { kind: 'Gateway', namespace: 'shop', name: 'gw' }, address: '127.0.0.1', port,
    sections: [{ name: 'tcp', hostname: '', protocol: 'TCP', routes: 'listener/shop/gw/tcp' }],
  };
  const udp: Listener = { ...listener, name: `shop/gw/${port}/udp`, transport: 'udp', sections: [{ name: 'udp', hostname: '', protocol: 'UDP', routes: 'listener/shop/gw/udp' }] };
  const echo = createSocket('udp4');
  echo.on('message', (bytes, from) => echo.send(bytes, from.port, from.address));
  await new Promise<void>((resolve) => echo.bind(0, '127.0.0.1', resolve));
  t.teardown(() => echo.close());
  const ofUdp = [udp, streamTable('udp', [{ backends: [streamBackend('u')] }]), { ...backendNamed('u'), protocol: 'udp' }, { kind: 'Endpoints', name: 'u', endpoints: endpointsOf([echo.address().port]) }] as const;
  writeSnapshot(folder, [listener, ...ofUdp, streamTable('tcp', [{ backends: [streamBackend('a')] }]), { ...backendNamed('a'), protocol: 'tcp' }, { kind: 'Endpoints', name: 'a', endpoints: endpointsOf([server.port]) }]);
  const running = startGatewayProcess(t, folder, adminPort, { workers: 2 });
  await eventually(async () => (await running.admin('/ready')).status === 200, startMs).catch(() => t.fail(running.output()));
  const ask = (): Promise<string> => exchangeBytes(connect({ port, host: '127.0.0.1', allowHalfOpen: true }), 'x');
  for (let round = 0; round < 60; round++) t.is(await ask(), 'a\nxend');
  await Promise.all(
    Array.from({ length: 12 }, async () => {
      const client = createSocket('udp4');
      const answered = new Promise((resolve) => client.once('message', resolve));
      client.send('x', port, '127.0.0.1');
      await answered;
      client.close();
    }),
  );
  const byWorker = async (name: string): Promise<Readonly<Record<string, number>>> =>
    Object.fromEntries([...(await running.admin('/metrics')).body.matchAll(new RegExp(`^${name}\\{worker="(\\d)"[^ ]* (\\d+)$`, 'gm'))].map(([, worker, count]) => [worker!, Number(count)]));
  const accepted = await byWorker('weft_client_connections_accepted_total');
  t.deepEqual(Object.keys(accepted), ['0', '1']);
  t.is(Object.values(accepted).reduce((sum, count) => sum + count, 0), 60);
  t.true(Object.values(accepted).every((count) => count > 0), JSON.stringify(accepted));
  const workers = async (): Promise<readonly { worker: number; pid?: number; restarts: number; ready: boolean }[]> => (JSON.parse((await running.admin('/config')).body) as { workers: [] }).workers;
  // One dies. New connections go to the others at once.
  const [first] = await workers();
  process.kill(first!.pid!, 'SIGKILL');
  await eventually(async () => (await workers())[0]!.restarts === 1);
  let failed = 0;
  for (let round = 0; round < 30; round++) failed += await ask().then(() => 0, () => 1);
  t.is(failed, 0);
  t.is((await running.admin('/ready')).status, 200);
  await eventually(async () => (await workers())[0]!.ready, startMs);
  t.is((await byWorker('weft_worker_restarts_total'))['0'], 1);
  // A signal ends all of them, after what is in flight.
  const open = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  await new Promise((resolve) => open.once('data', resolve));
  const pids = (await workers()).map(({ pid }) => pid!);
  const exited = new Promise((resolve) => running.child.once('exit', resolve));
  running.child.kill('SIGTERM');
  await eventually(() => ask().then(() => false, () => true));
  open.end('bye');
  t.regex(await new Promise<string>((resolve) => open.once('data', (bytes) => resolve(String(bytes)))), /^bye/);
  t.is(await exited, 0, running.output());
  for (const pid of pids) t.throws(() => process.kill(pid, 0));
  // Lines of all of them are whole.
  for (const line of running.output().trim().split('\n')) t.notThrows(() => void JSON.parse(line), line);
  t.is(readFileSync(join(folder, 'snapshot-1.json'), 'utf8').length > 0, true);
});

test.serial('workers end with the process that started them', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const adminPort = await closedPort();
  // As soon as it has one: that has not told anything yet.
  const running = startGatewayProcess(t, folder, adminPort, { workers: 2 });
  await eventually(() => /"message":"worker started","worker":1,"pid":\d+/.test(running.output()), startMs).catch(() => t.fail(running.output()));
  const pid = Number(/"worker":1,"pid":(\d+)/.exec(running.output())![1]);
  running.child.kill('SIGKILL');
  await eventually(() => {
    try {
      process.kill(pid, 0);
      return false;
    } catch {
      return true;
    }
  }, 10_000);
  t.notRegex(running.output(), /internal error/);
});

test.serial('a worker that loses the process that started it before it runs ends as well', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const running = startGatewayProcess(t, folder, await closedPort(), { workers: 2, before: 'if (process.env.WEFT_WORKER) process.disconnect();' });
  await eventually(() => /"message":"worker ended before its time","worker":1,"how":"code 0"/.test(running.output()), startMs).catch(() => t.fail(running.output()));
  t.pass();
});

test.serial('a process none of whose listeners can be bound is not ready until one is', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const [port, adminPort] = [await closedPort(), await closedPort()];
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(port, '127.0.0.1', resolve));
  t.teardown(() => taken.close());
  const listener: Listener = {
    kind: 'Listener', name: `shop/gw/${port}`, gateway: { kind: 'Gateway', namespace: 'shop', name: 'gw' }, address: '127.0.0.1', port,
    sections: [{ name: 'tcp', hostname: '', protocol: 'TCP', routes: 'listener/shop/gw/tcp' }],
  };
  writeSnapshot(folder, [listener, streamTable('tcp', [])]);
  const running = startGatewayProcess(t, folder, adminPort, {});
  const failures = async (): Promise<string> => JSON.stringify((JSON.parse((await running.admin('/config')).body || '{}') as { failures?: unknown }).failures ?? {});
  await eventually(async () => (await failures()).includes('EADDRINUSE'), startMs).catch(() => t.fail(running.output()));
  t.deepEqual(await running.admin('/ready'), { status: 503, body: 'no listener can be bound\n' });
  taken.close();
  await eventually(async () => (await running.admin('/ready')).status === 200);
  t.pass();
});

test.serial('each process resumes the TLS sessions of the others, also one that was started later', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const [port, adminPort] = [await closedPort(), await closedPort()];
  const listener: Listener = {
    kind: 'Listener', name: `shop/gw/${port}`, gateway: { kind: 'Gateway', namespace: 'shop', name: 'gw' }, address: '127.0.0.1', port,
    sections: [{ name: 'web', hostname: '', protocol: 'HTTPS', certificates: ['one'], routes: 'listener/shop/gw/web' }],
  };
  writeSnapshot(folder, [listener, { ...tableOf([]), name: 'listener/shop/gw/web' }, { kind: 'Certificate', name: 'one', ...certificateFor('one.example') }]);
  const running = startGatewayProcess(t, folder, adminPort, { workers: 2 });
  await eventually(async () => (await running.admin('/ready')).status === 200, startMs).catch(() => t.fail(running.output()));
  const { session } = await handshake(port);
  const each = async (): Promise<void> => {
    for (let round = 0; round < 24; round++) t.true((await handshake(port, { session })).resumed, `round ${round}`);
  };
  await each();
  const body = (await running.admin('/metrics')).body;
  const handshakes = [...body.matchAll(/^weft_client_tls_handshakes_total\{worker="\d"[^ ]* (\d+)$/gm)].map(([, count]) => Number(count));
  t.is(handshakes.length, 2, body);
  t.true(handshakes.every((count) => count > 0), String(handshakes));
  const { workers } = JSON.parse((await running.admin('/config')).body) as { workers: { pid: number; restarts: number; ready: boolean }[] };
  process.kill(workers[0]!.pid, 'SIGKILL');
  await eventually(async () => {
    const [worker] = (JSON.parse((await running.admin('/config')).body) as { workers: typeof workers }).workers;
    return worker!.restarts === 1 && worker!.ready;
  }, startMs);
  await each();
});

test.serial('a signal that comes before there are workers ends it at once, and there are none', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  // At the first wait of the program, as where it loads what exports traces.
  const before = "process.on('newListener', (event) => event === 'SIGTERM' && queueMicrotask(() => process.emit('SIGTERM', 'SIGTERM')));";
  const running = startGatewayProcess(t, folder, await closedPort(), { workers: 2, before });
  t.is(await new Promise((resolve) => running.child.once('exit', resolve)), 0, running.output());
  t.regex(running.output(), /"message":"ending"/);
  t.notRegex(running.output(), /worker started/);
});

test.serial('a process whose output nobody reads any more goes on, and ends when it is told to', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const running = startGatewayProcess(t, folder, await closedPort(), {});
  await eventually(() => /"message":"started"/.test(running.output()), startMs).catch(() => t.fail(running.output()));
  running.child.stdout!.destroy();
  const exited = new Promise((resolve) => running.child.once('exit', resolve));
  // It says so.
  running.child.kill('SIGTERM');
  t.is(await Promise.race([exited, new Promise((resolve) => setTimeout(resolve, 20_000, 'still there'))]), 0);
});
