import test from 'ava';
import type { CorsFilter, Filter, Rule } from '#snapshot';
import { answering, backendTo, bodyOf, closedPort, fetchRaw, getRequest, ok, rawServer, RawClient, startRig, statusOf, type RawServer } from './proxy-rig.ts';

const closing = 'Connection: close\r\n';

interface Outcome {
  readonly response: string;
  /** What the backend received. */
  readonly request: string;
}

async function through(rules: readonly Partial<Rule>[], request: string, response = ok('hello')): Promise<Outcome> {
  const server = await rawServer(answering(response));
  const rig = await startRig({ backends: { a: [server.port] }, rules });
  const text = await fetchRaw(rig.listener.port, request);
  await rig.close();
  await server.close();
  return { response: text, request: server.received[0] ?? '' };
}

const requestHeaders: Filter = {
  type: 'RequestHeaderModifier',
  set: [{ name: 'X-Set', value: 'set' }],
  add: [{ name: 'X-Add', value: 'added' }],
  remove: ['x-gone'],
};

test('request headers are set, added and removed, on rule and backend', async (t) => {
  const onBackend: Filter = { type: 'RequestHeaderModifier', set: [], add: [{ name: 'X-Backend', value: 'b' }], remove: ['x-also-gone'] };
  const { request } = await through(
    [{ filters: [requestHeaders], backends: [backendTo('a', { filters: [onBackend] })] }],
    getRequest('/', `${closing}x-set: old\r\nX-SET: older\r\nX-Add: own\r\nX-Gone: 1\r\nX-Also-Gone: 2\r\nX-Kept: 3\r\n`),
  );
  t.true(['X-Set: set\r\n', 'X-Add: own\r\n', 'X-Add: added\r\n', 'X-Backend: b\r\n', 'X-Kept: 3\r\n'].every((line) => request.includes(line)), request);
  t.false(/old|gone/i.test(request));
});

test('response headers too', async (t) => {
  const filter: Filter = { type: 'ResponseHeaderModifier', set: [{ name: 'X-Set', value: 'set' }], add: [{ name: 'X-Add', value: 'added' }], remove: ['server'] };
  const { response } = await through([{ filters: [filter] }], getRequest('/', closing), ok('hello', 'Server: be\r\nX-Set: old\r\nX-Add: own\r\n'));
  t.true(['X-Set: set\r\n', 'X-Add: own\r\n', 'X-Add: added\r\n'].every((line) => response.includes(line)), response);
  t.false(/old|Server/.test(response));
  t.is(bodyOf(response), 'hello');
});

test('what filters set or remove does not come behind the body either', async (t) => {
  const onResponse: Filter = { type: 'ResponseHeaderModifier', set: [{ name: 'X-Set', value: 'set' }], add: [], remove: ['x-gone'] };
  const trailers = 'X-Set: evil\r\nX_Set: evil\r\nX-Gone: evil\r\nx.gone: evil\r\nX-Kept: 1\r\n';
  const { request, response } = await through(
    [{ filters: [requestHeaders, onResponse] }],
    `POST / HTTP/1.1\r\nHost: shop.example\r\n${closing}Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n${trailers}\r\n`,
    `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nho\r\n0\r\n${trailers}\r\n`,
  );
  for (const text of [request, response]) t.regex(text, /\r\nX-Set: set\r\n[^]*\r\n\r\n2\r\nh[io]\r\n0\r\nX-Kept: 1\r\n\r\n$/);
  t.false((request + response).includes('evil'));
});

test('a redirect answers by itself and keeps the connection', async (t) => {
  const filter: Filter = { type: 'RequestRedirect', scheme: 'https', hostname: 'new.example', path: { type: 'ReplaceFullPath', value: '/there' }, statusCode: 308 };
  const rig = await startRig({ rules: [{ filters: [filter], backends: [] }] });
  const client = new RawClient(rig.listener.port);
  client.send(getRequest('/x?y=1') + getRequest('/z'));
  const text = await client.until((got) => got.split('\r\n\r\n').length === 3);
  t.regex(text, /^HTTP\/1\.1 308 Permanent Redirect\r\nlocation: https:\/\/new\.example\/there\?y=1\r\ncontent-length: 0\r\n\r\nHTTP\/1\.1 308 [^]*location: https:\/\/new\.example\/there\r\n/);
  client.close();
  await rig.close();
});

test('host and path are rewritten, the client host stays in x-forwarded-host', async (t) => {
  const filter: Filter = { type: 'URLRewrite', hostname: 'inner.example', path: { type: 'ReplacePrefixMatch', value: '/v2' } };
  const matches = [{ index: 0, path: { type: 'PathPrefix', value: '/api' }, headers: [], query: [] }] as const;
  const { request } = await through([{ filters: [filter], matches }], getRequest('/api/items?id=1', closing));
  t.true(request.startsWith('GET /v2/items?id=1 HTTP/1.1\r\n'));
  t.true(request.includes('\r\nhost: inner.example\r\n') && request.includes('x-forwarded-host: shop.example\r\n'));
  t.is(request.toLowerCase().split('\r\nhost:').length, 2);
});

const cors: CorsFilter = {
  type: 'CORS',
  allowOrigins: ['https://app.example'],
  allowCredentials: true,
  allowMethods: ['GET', 'PUT'],
  allowHeaders: ['x-a'],
  exposeHeaders: ['*'],
  maxAge: 60,
};

test('CORS: preflights are answered, responses get our fields and lose the backend’s', async (t) => {
  const preflight = await through(
    [{ filters: [cors] }],
    `OPTIONS / HTTP/1.1\r\nHost: x\r\n${closing}Origin: https://app.example\r\nAccess-Control-Request-Method: PUT\r\n\r\n`,
  );
  t.is(preflight.request, '');
  t.is(statusOf(preflight.response), 204);
  t.regex(preflight.response, /access-control-allow-origin: https:\/\/app\.example\r\n/);
  t.false(/content-length/i.test(preflight.response));
  const actual = await through(
    [{ filters: [cors] }],
    getRequest('/', `${closing}Origin: https://app.example\r\n`),
    ok('hello', 'X-Back: 1\r\nAccess-Control-Allow-Origin: *\r\nAccess-Control-Max-Age: 1\r\n'),
  );
  t.is(actual.response.toLowerCase().split('access-control-allow-origin').length, 2);
  t.regex(actual.response, /access-control-allow-origin: https:\/\/app\.example\r\n/);
  t.regex(actual.response, /access-control-expose-headers: .*x-back/);
  const foreign = await through([{ filters: [cors] }], getRequest('/', `${closing}Origin: https://evil.example\r\n`));
  t.false(/access-control-allow-origin/i.test(foreign.response));
});

test('invalid backends answer with their status, rules without backends 500, rules with a fault theirs', async (t) => {
  const ref = { kind: 'Service', namespace: 'shop', name: 'gone' };
  const invalid = backendTo('a', { target: { kind: 'invalid', ref, port: 80, status: 500, reason: 'BackendNotFound' } });
  const cases: readonly [Partial<Rule>, number, string][] = [
    [{ backends: [invalid] }, 500, 'invalid-backend'],
    [{ backends: [] }, 500, 'no-backends'],
    [{ backends: [backendTo('a', { weight: 0 })] }, 500, 'no-backends'],
    [{ failure: { status: 503, reason: 'x' } }, 503, 'invalid-rule'],
    [{ backends: [backendTo('unheard-of')] }, 503, 'config-missing'],
  ];
  for (const [rule, status, code] of cases) {
    const { response, request } = await through([rule], getRequest('/', closing));
    t.is(statusOf(response), status);
    t.true(response.includes(`x-weft-error: ${code}\r\n`), response);
    t.is(request, '');
  }
});

test('weights share requests out', async (t) => {
  const one = await rawServer(answering(ok('one')));
  const two = await rawServer(answering(ok('two')));
  let drawn = 0;
  const rig = await startRig({
    backends: { one: [one.port], two: [two.port] },
    rules: [{ backends: [backendTo('one', { weight: 3 }), backendTo('two', { weight: 1, index: 1 })] }],
    random: () => (drawn++ % 4) / 4,
  });
  const client = new RawClient(rig.listener.port);
  client.send(getRequest().repeat(8));
  const text = await client.until((got) => got.split('HTTP/1.1').length === 9 && /(one|two)$/.test(got));
  t.is(text.split('one').length - 1, 6);
  t.is(text.split('two').length - 1, 2);
  client.close();
  await rig.close();
  await one.close();
  await two.close();
});

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    if (tries > 400) throw new Error('never came true');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function mirrored(request: string, mirror: RawServer | number, filters: readonly Filter[] = []): Promise<Outcome> {
  const server = await rawServer(answering(ok('hello')));
  const port = typeof mirror === 'number' ? mirror : mirror.port;
  const target = { kind: 'backend', ref: { kind: 'Service', namespace: 'shop', name: 'm' }, port: 80, backend: 'm' } as const;
  const rig = await startRig({
    backends: { a: [server.port], m: [port] },
    rules: [{ filters: [...filters, { type: 'RequestMirror', backend: target, numerator: 100, denominator: 100 }] }],
  });
  const response = await fetchRaw(rig.listener.port, request);
  if (typeof mirror !== 'number') await until(() => mirror.received.length > 0 && mirror.received[0] !== '').catch(() => {});
  await rig.close();
  await server.close();
  return { response, request: server.received[0] ?? '' };
}

test('a mirror gets the same request, and its answer changes nothing', async (t) => {
  const mirror = await rawServer(answering('HTTP/1.1 500 No\r\ncontent-length: 3\r\n\r\nbad'));
  const body = 'POST /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello';
  const { response, request } = await mirrored(body, mirror, [requestHeaders]);
  t.is(bodyOf(response), 'hello');
  t.true(mirror.received[0]!.startsWith('POST /x HTTP/1.1\r\n') && mirror.received[0]!.endsWith('\r\n\r\nhello'));
  t.true(mirror.received[0]!.includes('X-Set: set\r\n') && request.includes('X-Set: set\r\n'));
  await mirror.close();
});

test('chunked requests are mirrored whole', async (t) => {
  const mirror = await rawServer(() => {});
  await mirrored('POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n', mirror);
  t.true(mirror.received[0]!.endsWith('\r\n\r\nb\r\nhello world\r\n0\r\n\r\n'), mirror.received[0]!);
  await mirror.close();
});

test('what filters take off the head does not reach a mirror behind the body either', async (t) => {
  const mirror = await rawServer(() => {});
  const { request } = await mirrored('POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nb\r\n0\r\nX-Gone: secret\r\nX-Kept: b\r\n\r\n', mirror, [requestHeaders]);
  for (const text of [request, mirror.received[0]!]) {
    t.true(text.endsWith('X-Kept: b\r\n\r\n'), text);
    t.false(text.includes('secret'));
  }
  await mirror.close();
});

test('a mirror that is not there, says nothing or nonsense, is not noticed', async (t) => {
  t.is(bodyOf((await mirrored(getRequest('/', closing), await closedPort())).response), 'hello');
  for (const answer of [() => {}, answering('nonsense\r\n\r\n')]) {
    const mirror = await rawServer(answer);
    t.is(bodyOf((await mirrored(getRequest('/', closing), mirror)).response), 'hello');
    await mirror.close();
  }
});

test('a body over the limit is not mirrored, and arrives', async (t) => {
  const mirror = await rawServer(() => {});
  const body = 'x'.repeat(100_000);
  const server = await rawServer((socket) => {
    if (server.received[0]!.endsWith(body)) socket.write(ok('whole'));
  });
  const target = { kind: 'backend', ref: { kind: 'Service', namespace: 'shop', name: 'm' }, port: 80, backend: 'm' } as const;
  const rig = await startRig({
    backends: { a: [server.port], m: [mirror.port] },
    rules: [{ filters: [{ type: 'RequestMirror', backend: target, numerator: 1, denominator: 1 }] }],
  });
  const text = await fetchRaw(rig.listener.port, `POST / HTTP/1.1\r\nHost: x\r\n${closing}Content-Length: ${body.length}\r\n\r\n${body}`);
  t.is(bodyOf(text), 'whole');
  t.deepEqual(mirror.received, []);
  await rig.close();
  await server.close();
  await mirror.close();
});
