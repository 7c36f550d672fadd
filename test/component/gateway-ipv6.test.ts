import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hostPort } from '#snapshot';
import { startGatewayProcess, startMs, writeSnapshot } from './gateway-rig.ts';
import { withIPv6 } from './ipv6.ts';
import { answering, backendNamed, closedPort, listenerWith, ok, RawClient, rawServer, statusOf, tableOf } from './proxy-rig.ts';
import { eventually } from './streams-rig.ts';

withIPv6('a gateway whose Pod has IPv6 alone listens there, answers the kubelet there, and sends to addresses of IPv6', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const server = await rawServer(answering(ok('six')), '::1');
  t.teardown(() => server.close());
  const [port, adminPort] = [await closedPort(), await closedPort()];
  const section = { name: 'http', hostname: '', protocol: 'HTTP', routes: 'listener/shop/gw/http' } as const;
  // The Service has IPv4 first; at that address of the Pod nobody answers.
  const endpoints = [{ address: '127.0.0.1', port: await closedPort(), workload: 'shop/a' }, { address: '::1', port: server.port, workload: 'shop/a' }];
  writeSnapshot(folder, [{ ...listenerWith([section]), name: `shop/gw/${port}`, address: '0.0.0.0', port }, tableOf([{}], [{ origins: {} }]), backendNamed('a'), { kind: 'Endpoints', name: 'a', endpoints }]);
  const running = startGatewayProcess(t, folder, adminPort, { podIP: '::1' });
  await eventually(async () => (await running.admin('/ready')).status === 200, startMs).catch(() => t.fail(running.output()));
  for (const _ of [1, 2, 3]) {
    const client = new RawClient(port, '::1');
    client.send(`GET / HTTP/1.1\r\nHost: ${hostPort('::1', port)}\r\n\r\n`);
    t.is(statusOf(await client.until((text) => text.includes('\r\n\r\n'))), 200);
    client.close();
  }
});
