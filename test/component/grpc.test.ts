import { constants } from 'node:http2';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { frame, GrpcClient, grpcMesh, grpcRoute, grpcServer, outcomeOf, policy, serviceOf, type Call } from './grpc-rig.ts';
import { addresses, until } from './mesh-rig.ts';

/** gRPC as its users meet it: manifests, a Gateway, calls that go well and calls that do not. */

const at = addresses(84);
const add = 'shop.Cart/Add';

/** Answers with what it got, one message for each. */
const echo = (call: Call): void => void call.body().then((body) => call.reply([body.subarray(5)]), () => {});

test('metadata of both kinds and a status with a message pass both ways', async (t) => {
  const server = await grpcServer(t, at(10), (call) => {
    call.stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'x-head-bin': 'AAEC/w' }, { waitForTrailers: true });
    call.reply(['x'], 5, { 'grpc-message': 'na%C3%AFve%0A', 'x-trail-bin': ['AAEC', '//79'], 'grpc-status-details-bin': 'CAUSBWhlbGxv' });
  });
  const { client } = await grpcMesh(t, { loopback: at(1), servers: [server] });
  const { headers, trailers } = await client.call(add, 'x', { 'x-trace-bin': 'q80=', 'x-many': ['a', 'b'] });
  t.is(headers['x-head-bin'], 'AAEC/w');
  t.like(trailers, { 'grpc-status': '5', 'grpc-message': 'na%C3%AFve%0A', 'x-trail-bin': 'AAEC, //79', 'grpc-status-details-bin': 'CAUSBWhlbGxv' });
  t.like(server.calls[0], { 'x-trace-bin': 'q80=', 'x-many': 'a, b', te: 'trailers' });
});

test('a call that its server refuses as unavailable is made again where the policy says so, with the same message', async (t) => {
  const bodies: string[] = [];
  const server = await grpcServer(t, at(11), (call) => {
    if (server.calls.length < 3) call.refuse(14, 'not yet');
    else void call.body().then((body) => {
      bodies.push(body.subarray(5).toString());
      call.reply(['ok']);
    });
  });
  const { client } = await grpcMesh(t, { loopback: at(2), servers: [server], manifests: [policy('RetryPolicy', { maxRetries: 2, retryOn: { conditions: ['unavailable'] }, backoff: { base: '1ms' } })] });
  const outcome = await client.call(add, 'milk');
  t.like(outcome, { grpcStatus: 0 });
  t.is(outcome.messages[0]!.toString(), 'ok');
  t.deepEqual(bodies, ['milk']);
  t.is(server.calls.length, 3);
});

test('DEADLINE_EXCEEDED by the policy or by the client, before a message and behind some; the server hears of it', async (t) => {
  const server = await grpcServer(t, at(12), ({ stream, headers }) => {
    stream.resume();
    if (headers['x-begins'] === undefined) return;
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.write(frame('one'));
  });
  const { client } = await grpcMesh(t, { loopback: at(3), servers: [server], manifests: [policy('TimeoutPolicy', { request: '200ms' })] });
  for (const headers of [{}, { 'grpc-timeout': '50m' }, { 'x-begins': '1' }, { 'x-begins': '1', 'grpc-timeout': '50m' }]) {
    const start = performance.now();
    const outcome = await client.call(add, 'x', headers);
    t.like(outcome, { grpcStatus: 4, reset: 0 }, JSON.stringify(headers));
    t.true(performance.now() - start < 2000);
    if ('x-begins' in headers) t.is(outcome.messages[0]!.toString('latin1'), frame('one').toString('latin1'));
  }
  await until(() => server.resets.length === 4);
  t.deepEqual(new Set(server.resets), new Set([constants.NGHTTP2_CANCEL]));
});

test('a client that cancels cancels at the server', async (t) => {
  const server = await grpcServer(t, at(13), ({ stream }) => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
    stream.write(frame('one'));
  });
  const { client } = await grpcMesh(t, { loopback: at(4), servers: [server] });
  const stream = client.open('shop.Cart/Watch');
  stream.write(frame('x'));
  await new Promise((resolve) => stream.once('data', resolve));
  stream.close(constants.NGHTTP2_CANCEL);
  await until(() => server.resets.length === 1);
  t.deepEqual(server.resets, [constants.NGHTTP2_CANCEL]);
});

test('a client that dies cancels at the server, though nothing was on its way to it, or more than it takes', async (t) => {
  const server = await grpcServer(t, at(25), ({ stream, headers }) => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
    stream.write(headers['x-big'] === undefined ? frame('one') : frame(Buffer.alloc(4_000_000)));
  });
  const { client, mesh } = await grpcMesh(t, { loopback: at(26), servers: [server] });
  const quiet = client.open('shop.Cart/Watch');
  quiet.end(frame('x'));
  await new Promise((resolve) => quiet.once('data', resolve));
  const blocked = client.open('shop.Cart/Watch', { 'x-big': '1' });
  blocked.end(frame('x'));
  await new Promise((resolve) => blocked.once('data', resolve));
  blocked.pause();
  await sleep(100);
  client.close();
  await until(() => server.resets.length === 2);
  t.deepEqual(server.resets, [constants.NGHTTP2_CANCEL, constants.NGHTTP2_CANCEL]);
  const start = performance.now();
  await mesh.drain(5000);
  t.true(performance.now() - start < 2000, 'nothing is left to wait for');
});

test('UNAVAILABLE where the server dies behind the first message, and where it is gone', async (t) => {
  const server = await grpcServer(t, at(14), ({ stream }) => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
    stream.write(frame('one'));
    setTimeout(() => stream.session?.destroy(), 30);
  });
  const { client } = await grpcMesh(t, { loopback: at(5), servers: [server] });
  t.like(await client.call('shop.Cart/Watch'), { grpcStatus: 14, reset: 0 });
  const gone = await grpcMesh(t, { loopback: at(6), servers: [{ ...server, port: 1 }] });
  t.like(await gone.client.call(add), { status: 200, grpcStatus: 14 });
});

test('a Gateway that goes says so, and streams that are open go on to their end', async (t) => {
  const server = await grpcServer(t, at(15), (call) => {
    call.stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    call.stream.on('data', (bytes: Buffer) => call.stream.write(bytes));
    call.stream.on('end', () => call.reply([]));
  });
  const { client, mesh } = await grpcMesh(t, { loopback: at(7), servers: [server] });
  const stream = client.open('shop.Cart/Chat');
  const outcome = outcomeOf(stream);
  stream.write(frame('before'));
  await new Promise((resolve) => stream.once('data', resolve));
  const drained = mesh.drain(5000);
  await until(() => client.goaways > 0);
  await sleep(100);
  stream.write(frame('after'));
  await new Promise((resolve) => stream.once('data', resolve));
  stream.end(frame('last'));
  const { messages, grpcStatus } = await outcome;
  t.is(grpcStatus, 0);
  t.deepEqual(messages.map(String), ['before', 'after', 'last']);
  await drained;
});

test('a message of 16 MiB both ways, to a reader that takes its time', async (t) => {
  const server = await grpcServer(t, at(16), echo);
  const { client } = await grpcMesh(t, { loopback: at(8), servers: [server] });
  const big = Buffer.alloc(16 * 1024 * 1024, 'm');
  const stream = client.open(add);
  const outcome = outcomeOf(stream);
  stream.on('data', () => {
    if (Math.random() > 0.1) return;
    stream.pause();
    setTimeout(() => stream.resume(), 1);
  });
  stream.end(frame(big));
  const { messages, grpcStatus } = await outcome;
  t.is(grpcStatus, 0);
  t.true(messages[0]!.equals(big));
});

test('a thousand calls at once on one connection of a stranger: a hundred at a time, none is lost', async (t) => {
  const waiting: Call[] = [];
  const hold = (call: Call): void => {
    call.stream.resume();
    waiting.push(call);
  };
  const servers = [await grpcServer(t, at(17), hold), await grpcServer(t, at(18), hold)];
  const { client } = await grpcMesh(t, { loopback: at(9), servers });
  const calls = Array.from({ length: 1000 }, () => client.call(add));
  // A connection takes as many as the listener lets it; the others follow as those end.
  let most = 0;
  let answered = 0;
  while (answered < 1000) {
    await until(() => waiting.length > 0);
    await sleep(20);
    most = Math.max(most, waiting.length);
    for (const call of waiting.splice(0)) {
      call.reply(['x']);
      answered++;
    }
  }
  t.true((await Promise.all(calls)).every(({ grpcStatus, reset }) => grpcStatus === 0 && reset === 0));
  t.log(`${most} at once`);
  t.is(most, 100);
});

test('what is not gRPC gets a plain answer from a GRPCRoute: gRPC-Web, and gRPC over HTTP/1.1', async (t) => {
  const server = await grpcServer(t, at(19), echo);
  const { client, mesh } = await grpcMesh(t, { loopback: at(20), servers: [server] });
  for (const type of ['application/grpc-web', 'application/grpc-web+proto', 'application/json']) {
    t.like(await client.call(add, 'x', { 'content-type': type }), { status: 404 }, type);
  }
  const gateway = mesh.gateway('shop/g')!;
  const response = await fetch(`http://${gateway.address}:${gateway.port('grpc')}/${add}`, { method: 'POST', headers: { 'content-type': 'application/grpc' }, body: frame('x') });
  t.is(response.status, 200);
  t.deepEqual(Buffer.from(await response.arrayBuffer()), frame('x'));
  t.like(await client.call('shop.Cart/Nope', 'x'), { grpcStatus: 0 });
});

test('in the mesh: a sidecar routes calls that come to it as a proxy of HTTP/2, five hundred open ones too', async (t) => {
  const [v1, v2] = [await grpcServer(t, at(21), (call) => void (call.headers['x-stays'] === undefined && call.reply(['v1']))), await grpcServer(t, at(22), (call) => call.reply(['v2']))];
  const route = grpcRoute([{ matches: [{ headers: [{ name: 'release', value: 'canary' }] }], backendRefs: [{ name: 'canary', port: 9000 }] }, { backendRefs: [{ name: 'cart', port: 9000 }] }], { group: '', kind: 'Service', name: 'cart' });
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'client', namespace: 'shop', labels: { 'weft-mesh.io/inject': 'enabled' } }, spec: { containers: [{ name: 'c' }] }, status: { podIP: at(23) } };
  const { mesh } = await grpcMesh(t, { loopback: at(24), servers: [v1], manifests: [route, pod, ...serviceOf('canary', [v2])] });
  const sidecar = mesh.sidecar('shop/client')!;
  const client = new GrpcClient(`http://${sidecar.address}:${sidecar.port}`);
  t.teardown(() => client.close());
  t.is(String((await client.call(add, '', { ':authority': 'cart.shop:9000' })).messages[0]), 'v1');
  // Calls that stay open do not hold up others: the workload has this one connection.
  const open = Array.from({ length: 500 }, () => client.open('shop.Cart/Watch', { ':authority': 'cart.shop:9000', 'x-stays': '1' }));
  await until(() => v1.calls.length === 501);
  t.is(String((await client.call(add, '', { ':authority': 'cart.shop:9000', release: 'canary' })).messages[0]), 'v2');
  for (const stream of open) stream.close(constants.NGHTTP2_CANCEL);
  await until(() => v1.resets.length === 500);
  t.is(client.goaways, 0);
});
