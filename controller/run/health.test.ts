import { get } from 'node:http';
import { createServer } from 'node:net';
import test from 'ava';
import { serveAdmin, serveHealth } from './health.ts';

const probe = createServer();
const hasIPv6 = await new Promise<boolean>((resolve) => probe.once('error', () => resolve(false)).listen(0, '::1', () => resolve(true)));
probe.close();

const ask = (host: string, port: number, path = '/healthz'): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    get({ host, port, path, agent: false }, (response) => resolve(response.resume().statusCode)).on('error', reject);
  });

test(`without an address it is reached by those of both families${hasIPv6 ? '' : ' (this machine has no IPv6)'}`, async (t) => {
  const health = await serveHealth({ port: 0, unready: () => undefined, metrics: async () => ({ type: 'text/plain', text: '' }) });
  t.teardown(() => health.close());
  for (const host of hasIPv6 ? ['127.0.0.1', '::1'] : ['127.0.0.1']) t.is(await ask(host, health.port), 200, host);
});

test('which workloads there are is told on loopback alone, and only read', async (t) => {
  const admin = await serveAdmin({ port: 0, proxies: () => ({}) });
  t.teardown(() => admin.close());
  t.is(await ask('127.0.0.1', admin.port, '/proxies'), 200);
  t.is(await ask('127.0.0.1', admin.port, '/__proto__'), 404);
  await t.throwsAsync(ask('127.0.0.2', admin.port, '/proxies'), { code: 'ECONNREFUSED' });
});
