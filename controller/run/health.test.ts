import { get } from 'node:http';
import { createServer } from 'node:net';
import test from 'ava';
import { serveHealth } from './health.ts';

const probe = createServer();
const hasIPv6 = await new Promise<boolean>((resolve) => probe.once('error', () => resolve(false)).listen(0, '::1', () => resolve(true)));
probe.close();

const ask = (host: string, port: number): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    get({ host, port, path: '/healthz', agent: false }, (response) => resolve(response.resume().statusCode)).on('error', reject);
  });

test(`without an address it is reached by those of both families${hasIPv6 ? '' : ' (this machine has no IPv6)'}`, async (t) => {
  const health = await serveHealth({ port: 0, unready: () => undefined, metrics: async () => ({ type: 'text/plain', text: '' }) });
  t.teardown(() => health.close());
  for (const host of hasIPv6 ? ['127.0.0.1', '::1'] : ['127.0.0.1']) t.is(await ask(host, health.port), 200, host);
});
