import test from 'ava';
import { AccessLog } from '#proxy';
import { answering, fetchRaw, getRequest, ok, rawServer, startRig, statusOf, type RigOptions } from './proxy-rig.ts';

/** The head that the backend gets for these lines. */
async function forwarded(request: string, options: RigOptions = {}): Promise<string> {
  const server = await rawServer(answering(ok('')));
  const rig = await startRig({ backends: { a: [server.port] }, ...options });
  await fetchRaw(rig.listener.port, request);
  await rig.close();
  await server.close();
  return server.received[0] ?? '';
}

const closing = 'Connection: close\r\n';

test('a first hop replaces what clients say about themselves', async (t) => {
  const lines = 'X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Port: 1\r\nForwarded: for=9.9.9.9\r\nX-Request-Id: mine\r\nX-Weft-Route: x\r\nx-weft-: evil\r\nx_weft_: evil\r\nX_Forwarded_For: 9.9.9.9\r\nX-Forwarded-Prefix: /evil\r\nX-Forwarded-User: evil\r\nx-forwarded-: evil\r\nX_Forwarded_Groups: evil\r\nx.forwarded-proto: https\r\nX-Request_Id: mine\r\nx_weft.route: x-weft-route\r\n';
  const head = await forwarded(getRequest('/', `${closing}${lines}X-Kept: 1\r\n`));
  t.false(/9\.9\.9\.9|evil|mine|https|x-weft-route/i.test(head));
  t.regex(head, /\r\nx-forwarded-for: 127\.0\.0\.1\r\nx-forwarded-proto: http\r\nx-forwarded-host: shop\.example\r\nx-forwarded-port: \d+\r\nx-request-id: [0-9a-f-]{36}\r\nx-weft-hops: 1\r\n\r\n$/);
  t.true(head.includes('X-Kept: 1\r\n'));
});

test('behind a trusted hop it adds to what that says', async (t) => {
  const lines = 'Connection: close, X-Forwarded-Prefix\r\nX-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Prefix: /shop\r\nX_Forwarded_User: evil\r\nX-Request-Id: theirs\r\n';
  const head = await forwarded(getRequest('/', lines), { trustedHops: 1 });
  t.regex(head, /X-Forwarded-Prefix: \/shop\r\n/);
  t.false(head.includes('evil'));
  t.regex(head, /x-forwarded-for: 9\.9\.9\.9, 127\.0\.0\.1\r\n/);
  t.regex(head, /X-Forwarded-Proto: https\r\n/);
  t.regex(head, /X-Request-Id: theirs\r\n/);
  t.regex(head, /x-forwarded-host: shop\.example\r\n/);
  t.is(head.toLowerCase().split('x-request-id').length, 2);
});

test('the client of the log is who asked the farthest trusted proxy, where all of them say so', async (t) => {
  const lines: string[] = [];
  const accessLog = new AccessLog({ sink: { write: async (bytes) => void lines.push(...bytes.toString().trim().split('\n')), close: async () => {} }, now: () => Date.now() });
  for (const said of ['6.6.6.6, 10.0.0.1\r\nx-forwarded-for: 10.0.0.2', '2001:db8::1,10.0.0.2', '10.0.0.2', '10.0.0.1:99, 10.0.0.2', '_hidden, 10.0.0.2', '']) {
    await forwarded(getRequest('/', `Connection: close\r\nX-Forwarded-For: ${said}\r\n`), { accessLog, trustedHops: 2 });
  }
  await accessLog.flush();
  const clients = lines.map((line) => (JSON.parse(line) as { client: string }).client);
  t.deepEqual(clients, ['10.0.0.1', '2001:db8::1', '127.0.0.1', '127.0.0.1', '127.0.0.1', '127.0.0.1']);
});

test('a field that a filter sets or removes does not come from the client in another spelling', async (t) => {
  const filters = [{ type: 'RequestHeaderModifier', set: [{ name: 'X-User', value: 'alice' }], add: [], remove: ['X-Is-Admin'] }] as const;
  const head = await forwarded(getRequest('/', `${closing}X_User: root\r\nx.user: root\r\nX_Is-Admin: root\r\nX-Is-Administrator: no\r\n`), { rules: [{ filters }] });
  t.false(head.includes('root'), head);
  t.true(head.includes('X-Is-Administrator: no\r\n') && head.includes('X-User: alice\r\n'));
});

test('hop-by-hop fields end here, and Connection can not remove what others rely on', async (t) => {
  const lines =
    'Connection: close, X-Mine, X-Forwarded-For, Host, Authorization\r\nX-Mine: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\nProxy-Authorization: b\r\nProxy-Connection: c\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\nAuthorization: kept\r\n';
  const head = await forwarded(getRequest('/', lines));
  t.false(/x-mine|keep-alive|trailer|proxy-|upgrade|http2|connection/i.test(head), head);
  t.true(head.includes('Authorization: kept\r\n') && head.includes('Host: shop.example\r\n') && head.includes('x-forwarded-for: 127.0.0.1\r\n'));
});

test('the path goes on in the form that was decided upon', async (t) => {
  t.true((await forwarded(getRequest('/a/../b/%7Ec?d=%2f..', closing))).startsWith('GET /b/~c?d=%2f.. HTTP/1.1\r\n'));
});

test('absolute form is taken where it agrees with Host, and goes on in origin form', async (t) => {
  const head = await forwarded(getRequest('http://shop.example:80/x?y', closing));
  t.true(head.startsWith('GET /x?y HTTP/1.1\r\n'));
  t.is(head.toLowerCase().split('\r\nhost:').length, 2);
  t.is(await forwarded(getRequest('http://other.example/x', closing)), '');
});

test('trace headers pass untouched where nothing is traced', async (t) => {
  const trace = 'traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\ntracestate: a=b\r\n';
  t.true((await forwarded(getRequest('/', closing + trace))).includes(trace));
});

test('what the gateway does not carry', async (t) => {
  const rig = await startRig({ rules: [{}] });
  const { port } = rig.listener;
  t.is(statusOf(await fetchRaw(port, 'CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\nConnection: close\r\n\r\n')), 501);
  for (const target of ['*', 'http://x']) t.is(statusOf(await fetchRaw(port, `OPTIONS ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)), 200, target);
  t.is(statusOf(await fetchRaw(port, 'GET / HTTP/2.0\r\nHost: x\r\n\r\n')), 505);
  t.is(await fetchRaw(port, 'INVALID CONNECTION PREFACE\r\n\r\n'), '');
  await rig.close();
});

test('trailers get to whoever asks for none, and are announced as they were', async (t) => {
  const server = await rawServer(answering('HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\nTrailer: X\r\nAge: 5\r\n\r\n'));
  const rig = await startRig({ backends: { a: [server.port] } });
  const text = await fetchRaw(rig.listener.port, `POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTrailer: X-T\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-T: 2\r\n\r\n`);
  t.regex(text, /^HTTP\/1\.1 200 OK\r\nTrailer: X-Sum\r\n[^]*\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n$/);
  t.regex(server.received[0]!, /\r\nTrailer: X-T\r\n[^]*\r\n\r\n0\r\nX-T: 2\r\n\r\n$/);
  t.regex(await fetchRaw(rig.listener.port, 'GET / HTTP/1.0\r\nHost: x\r\n\r\n'), /\r\n\r\nok$/);
  await rig.close();
  await server.close();
});
