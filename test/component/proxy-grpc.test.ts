import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { bridge, bridgeTo, streamServer } from './proxy-http2-rig.ts';
import { applyTo, backendTo, policyOf } from './proxy-rig.ts';

const call = { ':method': 'POST', ':path': '/shop.Cart/Add', 'content-type': 'application/grpc+proto', te: 'trailers' };
const message = Buffer.from([0, 0, 0, 0, 2, 8, 1]);

/** Answers with trailers alone. */
const withStatus = (...statuses: readonly string[]) => {
  let calls = 0;
  return streamServer((stream) => {
    stream.resume();
    const status = statuses[Math.min(calls++, statuses.length - 1)]!;
    stream.on('end', () => stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': status }, { endStream: true }));
  });
};

test('a call: message, trailers, and what the page of metrics says', async (t) => {
  const { client, origin, rig } = await bridge(t, 'http2', (seen) => ({ headers: { 'content-type': 'application/grpc' }, body: Buffer.from(seen.body, 'latin1'), trailers: { 'grpc-status': '0' } }));
  const answer = await client.fetch(call, message);
  t.is(answer.body, message.toString('latin1'));
  t.is(answer.trailers['grpc-status'], '0');
  t.is(origin.seen[0]!.headers['te'], 'trailers');
  const series = rig.metrics.series({ source: 'shop/gw/http', routeKind: 'HTTPRoute', routeNamespace: 'shop', routeName: 'route', rule: '0', backend: 'a' });
  t.is(rig.metrics.grpcStatuses.get(series)?.[0], 1);
});

test("the proxy's own failures are trailers alone", async (t) => {
  const rules = [{ matches: [{ index: 0, path: { type: 'PathPrefix', value: '/shop.Cart' } as const, headers: [], query: [] }], backends: [backendTo('a')] }];
  const { client, rig } = await bridge(t, 'http2', () => ({}), { rules });
  const none = await client.fetch({ ...call, ':path': '/other.Service/Call' }, message);
  t.like(none, { status: 200, body: '' });
  t.like(none.headers, { 'content-type': 'application/grpc', 'grpc-status': '12', 'grpc-message': 'No route matches this request.', 'x-weft-error': 'no-route' });
  applyTo(rig.proxy, { endpoints: { changed: [{ kind: 'Endpoints', name: 'a', endpoints: [] }] } });
  t.is((await client.fetch(call, message)).headers['grpc-status'], '14');
  applyTo(rig.proxy, { endpoints: { changed: [{ kind: 'Endpoints', name: 'a', endpoints: [{ address: '127.0.0.1', port: 1 }] }] } });
  t.like((await client.fetch(call, message)).headers, { 'grpc-status': '14', 'x-weft-error': 'connect-failed' });
  t.is((await client.fetch({ ':path': '/other' })).status, 404);
});

test('grpc-timeout bounds the call', async (t) => {
  const { client } = await bridge(t, 'http2', () => sleep(5000, {}, { ref: false }));
  const began = performance.now();
  const answer = await client.fetch({ ...call, 'grpc-timeout': '100m' }, message);
  t.is(answer.headers['grpc-status'], '4');
  t.true(performance.now() - began < 2000);
});

test('a grpc-timeout of nothing ends the call, one of ten thousand years or that is none does not', async (t) => {
  const { client } = await bridge(t, 'http2', async () => {
    await sleep(200);
    return { headers: { 'content-type': 'application/grpc' }, trailers: { 'grpc-status': '0' } };
  });
  const outcome = async (timeout: string): Promise<unknown> => {
    const { headers, trailers } = await client.fetch({ ...call, 'grpc-timeout': timeout }, message);
    return trailers['grpc-status'] ?? headers['grpc-status'];
  };
  for (const timeout of ['0n', '0H', '00000000S', '1u']) t.is(await outcome(timeout), '4', timeout);
  for (const timeout of ['99999999H', '999999999H', '1e9S', '-1S', '1', 'S', '1mm', '0x0S', '1S, 0S']) t.is(await outcome(timeout), '0', timeout);
});

test('a status that the policy names is tried again, others and those behind a body are not', async (t) => {
  const policies = [policyOf({ retry: { maxRetries: 2, retryOn: { conditions: ['unavailable'] }, backoff: { base: '1ms' } } })];
  const flaky = await bridgeTo(t, 'http2', await withStatus('14', '14', '0'), { policies });
  t.is((await flaky.client.fetch(call, message)).headers['grpc-status'], '0');
  t.is(flaky.origin.seen.length, 3);
  const wrong = await bridgeTo(t, 'http2', await withStatus('13'), { policies });
  t.is((await wrong.client.fetch(call, message)).headers['grpc-status'], '13');
  t.is(wrong.origin.seen.length, 1);
  const late = await bridge(t, 'http2', () => ({ body: 'x', trailers: { 'grpc-status': '14' } }), { policies });
  t.is((await late.client.fetch(call, message)).trailers['grpc-status'], '14');
  t.is(late.origin.seen.length, 1);
});
