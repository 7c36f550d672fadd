import { setTimeout as sleep } from 'node:timers/promises';
import { constants, type ServerHttp2Stream } from 'node:http2';
import test from 'ava';
import { bridge, bridgeTo, responseOf, StreamClient, streamServer, type Speaks } from './proxy-http2-rig.ts';
import { backendTo, fetchRaw, getRequest, policyOf, rawServer } from './proxy-rig.ts';

/** How requests over HTTP/2 end other than well: resets, limits of time, the end of connections. */

const both = ['http1', 'http2'] as const satisfies readonly Speaks[];

async function until(condition: () => boolean): Promise<void> {
  for (let waited = 0; !condition(); waited += 5) {
    if (waited > 5000) throw new Error('waited in vain');
    await sleep(5);
  }
}

test('a client that resets its stream resets the one to the endpoint, at once', async (t) => {
  const origin = await streamServer(() => {});
  const { client } = await bridgeTo(t, 'http2', origin);
  const stream = client.open({ ':path': '/slow' });
  await until(() => origin.seen.length === 1);
  stream.close(constants.NGHTTP2_CANCEL);
  await until(() => origin.resets.length === 1);
  t.deepEqual(origin.resets, [constants.NGHTTP2_CANCEL]);

});

test('a client that resets its stream closes the connection to an endpoint of HTTP/1.1', async (t) => {
  const origin = await rawServer(() => {});
  const { client } = await bridgeTo(t, 'http1', { ...origin, seen: [], resets: [], connections: () => origin.sockets.length });
  const stream = client.open();
  await until(() => origin.received[0]?.endsWith('\r\n\r\n') === true);
  const closed = new Promise((resolve) => origin.sockets[0]!.once('close', resolve));
  stream.close(constants.NGHTTP2_CANCEL);
  await closed;
  t.pass();
});

test('a response that breaks off is reset, and never looks complete', async (t) => {
  const broken = await rawServer((socket) => {
    socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n');
    setTimeout(() => socket.destroy(), 20);
  });
  const { client } = await bridgeTo(t, 'http1', { ...broken, seen: [], resets: [], connections: () => 1 });
  await t.throwsAsync(client.fetch(), { message: `reset ${constants.NGHTTP2_INTERNAL_ERROR}` });
  const again = client.open();
  again.close();
});

test('a stream that the endpoint resets after the head is reset', async (t) => {
  const origin = await streamServer((stream: ServerHttp2Stream) => {
    stream.respond({ ':status': 200 });
    stream.write('some');
    setTimeout(() => stream.destroy(new Error('broken')), 20);
  });
  const { client } = await bridgeTo(t, 'http2', origin);
  await t.throwsAsync(client.fetch(), { message: `reset ${constants.NGHTTP2_INTERNAL_ERROR}` });
});

for (const speaks of both) {
  test(`limits of time are answered: 504 for the request, streams that stand still (${speaks})`, async (t) => {
    const policies = [policyOf({ timeouts: { request: '100ms' } })];
    const { client } = await bridge(t, speaks, () => sleep(5000, {}, { ref: false }), { policies });
    const answer = await client.fetch();
    t.is(answer.status, 504);
    t.is(answer.headers['x-weft-error'], 'request-timeout');
    const upload = client.open({ ':method': 'POST' }, 'goes-on');
    upload.write('half');
    const late = await responseOf(upload).catch((error: Error) => error.message);
    t.is(typeof late === 'string' ? late : late.status, 504);
  });

  test(`attempts that fail are made again, bodies and all (${speaks})`, async (t) => {
    let calls = 0;
    const policies = [policyOf({ retry: { maxRetries: 3, retryOn: { codes: [503] }, methods: ['PUT'], backoff: { base: '1ms' } } })];
    const { client, origin } = await bridge(t, speaks, (seen) => (++calls < 3 ? { status: 503 } : { body: `third: ${seen.body}` }), { policies });
    const answer = await client.fetch({ ':method': 'PUT' }, 'hello');
    t.is(answer.body, 'third: hello');
    t.deepEqual(origin.seen.map(({ body }) => body), ['hello', 'hello', 'hello']);
  });

  test(`mirrored requests are whole (${speaks})`, async (t) => {
    const mirrored = { kind: 'backend', ref: { kind: 'Service', namespace: 'shop', name: 'a' }, port: 80, backend: 'a' } as const;
    const rules = [{ filters: [{ type: 'RequestMirror', backend: mirrored, numerator: 1, denominator: 1 } as const], backends: [backendTo('a')] }];
    const { client, origin } = await bridge(t, speaks, (seen) => ({ body: seen.body }), { rules });
    const answer = await client.fetch({ ':method': 'POST' }, 'hello');
    t.is(answer.body, 'hello');
    await until(() => origin.seen.filter(({ body }) => body === 'hello').length === 2);
  });

  test(`ten thousand streams on one connection (${speaks})`, async (t) => {
    const { client, origin } = await bridge(t, speaks, () => ({ body: 'x' }));
    const total = 10_000;
    let sent = 0;
    const lane = async (): Promise<void> => {
      while (sent++ < total) if ((await client.fetch()).body !== 'x') t.fail();
    };
    await Promise.all(Array.from({ length: 20 }, lane));
    t.is(origin.seen.length, total);
    t.is(client.goaways, 0);
  });

  test(`a drain lets streams end, and says which is the last (${speaks})`, async (t) => {
    const begun = Promise.withResolvers<void>();
    const { client, rig } = await bridge(t, speaks, () => {
      begun.resolve();
      return sleep(150, { body: 'late' }, { ref: false });
    });
    const slow = client.fetch();
    await begun.promise;
    const drained = rig.proxy.drain(3000);
    t.is((await slow).body, 'late');
    await drained;
    t.true(client.goaways > 0);
    t.true(client.session.closed || client.session.destroyed);
  });
}

test('heads over the limit are answered, the connection goes on', async (t) => {
  const { client } = await bridge(t, 'http1', () => ({ body: 'x' }), { limits: { maxHeadBytes: 8192, maxTargetBytes: 1024 } });
  t.is((await client.fetch({ 'x-big': 'x'.repeat(9000) })).status, 431);
  t.is((await client.fetch({ ':path': `/${'x'.repeat(2000)}` })).status, 414);
  t.is((await client.fetch({ ':path': '/%00' })).status, 400);
  t.is((await client.fetch()).status, 200);
  t.is((await client.fetch({ ':path': '/', expect: 'nothing' })).status, 417);
  const tunnel = client.session.request({ ':method': 'CONNECT', ':authority': 'x.example:443' });
  tunnel.on('error', () => {});
  t.is((await responseOf(tunnel)).status, 501);
});

test('a reply before the request is complete ends the rest of it', async (t) => {
  const { client } = await bridge(t, 'http1', () => ({}), { rules: [{ backends: [] }] });
  const stream = client.open({ ':method': 'POST' }, 'goes-on');
  stream.write('some');
  t.is((await responseOf(stream)).status, 500);
  t.is((await client.fetch()).status, 500);
});

test('1xx responses pass', async (t) => {
  const origin = await streamServer((stream) => {
    stream.additionalHeaders({ ':status': 103, link: '</a.css>' });
    stream.respond({ ':status': 200 });
    stream.end('x');
  });
  const { client, rig } = await bridgeTo(t, 'http2', origin);
  t.deepEqual((await client.fetch()).interims, [103]);
  const text = await fetchRaw(rig.listener.port, getRequest('/', 'Connection: close\r\n'));
  t.regex(text, /^HTTP\/1\.1 103 Early Hints\r\nlink: <\/a\.css>\r\n\r\nHTTP\/1\.1 200 OK\r\n/);
});

test('connections that are old or idle are ended in good order', async (t) => {
  const { rig } = await bridge(t, 'http1', () => ({ body: 'x' }), { listenerPolicy: policyOf({ timeouts: { idle: '700ms' } }) });
  const client = new StreamClient(`http://127.0.0.1:${rig.listener.port}`);
  t.is((await client.fetch()).body, 'x');
  await until(() => client.session.closed || client.session.destroyed);
  t.is(client.goaways, 1);
});

test('a slow reader of one stream holds back its endpoint, not the other streams', async (t) => {
  const big = Buffer.alloc(8_000_000, 'x');
  const { client } = await bridge(t, 'http2', (seen) => ({ body: seen.path === '/big' ? big : 'small' }));
  await new Promise((resolve) => client.session.once('connect', resolve));
  // One stream that is not read must not use up what the client takes on all of them.
  client.session.setLocalWindowSize(4_000_000);
  const stream = client.open({ ':path': '/big' });
  const whole = responseOf(stream);
  stream.pause();
  await sleep(100);
  for (let round = 0; round < 20; round++) t.is((await client.fetch({ ':path': '/small' })).body, 'small');
  stream.resume();
  t.is((await whole).body.length, big.length);
});
