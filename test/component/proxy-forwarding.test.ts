import test from 'ava';
import { answering, bodyOf, fetchRaw, getRequest, ok, rawServer, RawClient, startRig, statusOf } from './proxy-rig.ts';

test('a request reaches the backend, its response the client, and both connections stay', async (t) => {
  const server = await rawServer(answering(ok('hello', 'X-Back: 1\r\n')));
  const rig = await startRig({ backends: { a: [server.port] } });
  const client = new RawClient(rig.listener.port);
  client.send(getRequest('/x?y=1', 'X-Front: 2\r\n'));
  const first = await client.until((text) => text.endsWith('hello'));
  t.is(first, 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\nX-Back: 1\r\n\r\nhello');
  client.text = '';
  client.send(getRequest('/again'));
  await client.until((text) => text.endsWith('hello'));
  t.is(server.sockets.length, 1);
  const [one, two] = server.received[0]!.split('\r\n\r\n');
  t.regex(one!, /^GET \/x\?y=1 HTTP\/1\.1\r\nHost: shop\.example\r\nX-Front: 2\r\nx-forwarded-for: 127\.0\.0\.1\r\n/);
  t.regex(one!, /\r\nx-request-id: [0-9a-f-]{36}$/);
  t.regex(two!, /^GET \/again HTTP\/1\.1\r\nHost: shop\.example\r\n/);
  client.close();
  await rig.close();
  await server.close();
});

test('no route, and no endpoint', async (t) => {
  const rig = await startRig({ backends: { a: [] }, rules: [{ matches: [{ index: 0, path: { type: 'PathPrefix', value: '/a' }, headers: [], query: [] }] }] });
  const missing = await fetchRaw(rig.listener.port, getRequest('/b', 'Connection: close\r\n'));
  t.is(statusOf(missing), 404);
  t.regex(missing, /\r\nx-weft-error: no-route\r\n/);
  const empty = await fetchRaw(rig.listener.port, getRequest('/a', 'Connection: close\r\n'));
  t.is(statusOf(empty), 503);
  t.is(bodyOf(empty), 'No endpoint is ready.\n');
  await rig.close();
});
