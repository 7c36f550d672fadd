import { request } from 'node:http';
import { connect } from 'node:net';
import test from 'ava';
import { startAdmin, type AdminServer } from './admin.ts';
import { createExposition, Metrics } from './metrics/index.ts';

interface Reply {
  readonly status: number | undefined;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
}

function call(server: AdminServer, path: string, options: { method?: string; host?: string } = {}): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const headers = { host: options.host ?? `127.0.0.1:${server.port}` };
    request({ port: server.port, host: '127.0.0.1', path, method: options.method ?? 'GET', headers, agent: false }, (response) => {
      let body = '';
      response.on('data', (chunk: Buffer) => (body += chunk.toString()));
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, body }));
    }).on('error', reject).end();
  });
}

let reason: string | undefined;
let server: AdminServer;
test.before(async () => {
  const metrics = new Metrics();
  metrics.count('config_updates');
  server = await startAdmin({
    port: 0, hosts: ['10.1.2.3'], metrics: createExposition(metrics), notReady: () => reason,
    config: () => { if (reason === 'broken') throw new Error('broken'); return { listeners: 2 }; },
  });
});
test.after.always(() => server.close());

test.serial('metrics, readiness and configuration', async (t) => {
  reason = undefined;
  const metrics = await call(server, '/metrics');
  t.is(metrics.status, 200);
  t.regex(String(metrics.headers['content-type']), /^text\/plain; version=0\.0\.4/);
  t.regex(metrics.body, /^weft_config_updates_total 1$/m);
  t.deepEqual((await call(server, '/ready')).body, 'ready\n');
  t.deepEqual(JSON.parse((await call(server, '/config')).body), { listeners: 2 });
  reason = 'no configuration yet';
  t.like(await call(server, '/ready'), { status: 503, body: 'no configuration yet\n' });
});

test.serial('nothing else: no other path, no method that changes, no other name', async (t) => {
  t.is((await call(server, '/quit')).status, 404);
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) t.like(await call(server, '/config', { method }), { status: 405 });
  for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example:80', ':80', '10.9.9.9']) t.is((await call(server, '/config', { host })).status, 421, host);
  for (const host of ['localhost', 'LOCALHOST:9', '[::1]:80', '10.1.2.3:15020']) t.is((await call(server, '/metrics', { host })).status, 200, host);
  t.is((await call(server, '/metrics', { method: 'HEAD' })).body, '');
});

test.serial('a fault in a summary is a 500, and garbage does not end the server', async (t) => {
  reason = 'broken';
  t.is((await call(server, '/config')).status, 500);
  await new Promise<void>((resolve) => {
    const socket = connect(server.port, '127.0.0.1', () => socket.end('\u0000\u0001garbage\r\n\r\n'));
    socket.on('error', () => {}).on('close', () => resolve()).resume();
  });
  t.is((await call(server, '/metrics')).status, 200);
});

test('it listens on the loopback address, and a port in use is reported', async (t) => {
  t.is(server.address, '127.0.0.1');
  await t.throwsAsync(startAdmin({ port: server.port, metrics: async () => ({ contentType: '', body: '' }), notReady: () => undefined, config: () => ({}) }), { code: 'EADDRINUSE' });
});
