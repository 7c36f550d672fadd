import type { ExecutionContext } from 'ava';
import { AccessLog } from '#proxy';
import { withIPv6 } from './ipv6.ts';
import { applyTo, answering, backendTo, fetchRaw, ok, RawClient, rawServer, startRig, statusOf, type RawServer, type Rig } from './proxy-rig.ts';

async function serving(t: ExecutionContext, name: string, address: string): Promise<RawServer> {
  const server = await rawServer(answering(ok(name)), address);
  t.teardown(() => server.close());
  return server;
}

/** One workload with an address of each family, and what answers there. */
async function both(t: ExecutionContext, rig: Rig): Promise<{ readonly four: RawServer; readonly six: RawServer }> {
  const [four, six] = [await serving(t, 'four', '127.0.0.1'), await serving(t, 'six', '::1')];
  const endpoints = [{ address: '127.0.0.1', port: four.port, workload: 'shop/a' }, { address: '::1', port: six.port, workload: 'shop/a' }];
  applyTo(rig.proxy, { endpoints: { changed: [{ kind: 'Endpoints', name: 'a', endpoints }] } });
  return { four, six };
}

async function ask(port: number, host: string, { path = '/', dialled = '::1' } = {}): Promise<string> {
  const client = new RawClient(port, dialled);
  client.send(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  await client.until((text) => text.includes('\r\n\r\n'));
  client.close();
  return client.text;
}

withIPv6('a listener of all addresses takes clients of both families, and everybody is told who they are', async (t) => {
  const lines: string[] = [];
  const accessLog = new AccessLog({ sink: { write: async (bytes) => void lines.push(...bytes.toString().trim().split('\n')), close: async () => {} }, now: () => Date.now() });
  const rig = await startRig({ backends: { a: [] }, address: '::', addresses: ['fd00::1'], accessLog });
  t.teardown(() => rig.close());
  const { six } = await both(t, rig);
  const { port } = rig.listener;
  t.is(statusOf(await ask(port, `[::1]:${port}`)), 200);
  t.is(statusOf(await ask(port, '127.0.0.1', { dialled: '127.0.0.1' })), 200);
  const [first = '', second = ''] = six.received.join('').split('\r\n\r\n');
  t.regex(first, new RegExp(`\\r\\nHost: \\[::1\\]:${port}\\r\\n`));
  t.regex(first, new RegExp(`\\r\\nx-forwarded-for: ::1\\r\\nx-forwarded-proto: http\\r\\nx-forwarded-host: \\[::1\\]:${port}\\r\\n`));
  t.regex(second, /\r\nx-forwarded-for: 127\.0\.0\.1\r\n/);
  await accessLog.flush();
  await accessLog.flush();
  const told = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  t.deepEqual(told.map(({ client, host, endpoint }) => [client, host, endpoint]), [['::1', `[::1]:${port}`, `[::1]:${six.port}`], ['127.0.0.1', '127.0.0.1', `[::1]:${six.port}`]]);
});

withIPv6('of a workload with addresses of both families a proxy takes one that it can reach', async (t) => {
  const asked = async (...addresses: readonly string[]): Promise<readonly [number, number]> => {
    const rig = await startRig({ backends: { a: [] }, addresses });
    const { four, six } = await both(t, rig);
    for (let count = 0; count < 4; count++) t.is(statusOf(await ask(rig.listener.port, 'a', { dialled: '127.0.0.1' })), 200);
    await rig.close();
    return [four.sockets.length, six.sockets.length];
  };
  const [onlyFour, none] = await asked('10.0.0.1');
  t.true(onlyFour > 0 && none === 0);
  const [zero, onlySix] = await asked('fd00::1');
  t.true(onlySix > 0 && zero === 0);
  const [first, second] = await asked('10.0.0.1', 'fd00::1');
  t.true(first > 0 && second === 0, 'the Service names IPv4 first');
});

withIPv6('a redirect of a request by address has that in brackets', async (t) => {
  const located = async (filter: object): Promise<string | undefined> => {
    const rig = await startRig({ address: '::1', rules: [{ filters: [{ type: 'RequestRedirect', statusCode: 302, ...filter }], backends: [] }] });
    const answer = await ask(rig.listener.port, `[::1]:${rig.listener.port}`, { path: '/x?y' });
    await rig.close();
    return /\r\nlocation: (\S+)\r\n/i.exec(answer)?.[1];
  };
  t.is(await located({ scheme: 'https' }), 'https://[::1]/x?y');
  t.is(await located({ scheme: 'https', port: 8443 }), 'https://[::1]:8443/x?y');
});

withIPv6('a request to the place where the workload\'s requests are accepted does not go round, however the place is written', async (t) => {
  const rig = await startRig({});
  t.teardown(() => rig.close());
  const passthrough = (host: string, port: number) => ({ kind: 'Destination', name: `${host}:${port}`, target: { kind: 'passthrough' } }) as const;
  const six = await rig.proxy.listenOutbound({ address: '0:0::1', port: 0, resolve: passthrough });
  const four = await rig.proxy.listenOutbound({ address: '127.0.0.1', port: 0, resolve: passthrough });
  for (const place of [`[::1]:${six.port}`, `[0:0:0::1]:${six.port}`, `[::ffff:127.0.0.1]:${four.port}`, `127.0.0.1:${four.port}`]) {
    const answer = await fetchRaw(four.port, `GET http://${place}/ HTTP/1.1\r\nHost: ${place}\r\nConnection: close\r\n\r\n`);
    t.regex(answer, /x-weft-error: loop-detected/, place);
  }
});

withIPv6('a workload reaches what is outside of the mesh by its IPv6 address, plainly and through a tunnel', async (t) => {
  const rig = await startRig({ backends: { b: [] }, rules: [{ backends: [backendTo('b')] }] });
  t.teardown(() => rig.close());
  const outside = await serving(t, 'outside', '::1');
  const dialled: string[] = [];
  const outbound = await rig.proxy.listenOutbound({
    address: '::1',
    port: 0,
    resolve: (host, port) => {
      dialled.push(`${host} ${port}`);
      return { kind: 'Destination', name: host, target: { kind: 'passthrough' } };
    },
  });
  const place = `[::1]:${outside.port}`;
  const client = new RawClient(outbound.port, '::1');
  client.send(`GET http://${place}/ HTTP/1.1\r\nHost: ${place}\r\n\r\n`);
  await client.until((text) => text.endsWith('outside'));
  client.close();
  const tunnel = new RawClient(outbound.port, '::1');
  tunnel.send(`CONNECT ${place} HTTP/1.1\r\nHost: ${place}\r\n\r\n`);
  await tunnel.until((text) => text.includes('200'));
  tunnel.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await tunnel.until((text) => text.endsWith('outside'));
  tunnel.close();
  t.deepEqual(dialled, [`::1 ${outside.port}`, `::1 ${outside.port}`]);
});
