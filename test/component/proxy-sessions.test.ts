import test from 'ava';
import type { SessionPersistence } from '#snapshot';
import { originServer, StreamClient } from './proxy-http2-rig.ts';
import { applyTo, answering, backendNamed, backendTo, bodyOf, closedPort, endpointsOf, fetchRaw, getRequest, ok, policyOf, rawServer, startRig, statusOf, type RawServer, type Rig } from './proxy-rig.ts';

const closing = 'Connection: close\r\n';
const cookieSession: SessionPersistence = { type: 'Cookie', name: 'sid', lifetime: 'Session', path: '/' };
const headerSession: SessionPersistence = { type: 'Header', name: 'X-Session', lifetime: 'Session' };

/** Servers whose bodies tell them apart; each sets a cookie of its own. */
async function servers(count: number, lines = ''): Promise<readonly RawServer[]> {
  return Promise.all(Array.from({ length: count }, (_, index) => rawServer(answering(ok(`server ${index}`, `Set-Cookie: own=${index}\r\n${lines}`)))));
}

async function ask(rig: Rig, lines = '', path = '/'): Promise<string> {
  return fetchRaw(rig.listener.port, getRequest(path, closing + lines));
}

function field(text: string, name: string): readonly string[] {
  return text.slice(0, text.indexOf('\r\n\r\n')).split('\r\n').filter((line) => line.toLowerCase().startsWith(`${name}: `)).map((line) => line.slice(name.length + 2));
}

/** The session's cookie, as a browser would send it back. */
function cookieOf(text: string): string | undefined {
  return field(text, 'set-cookie').find((value) => value.startsWith('sid='))?.split(';')[0];
}

test('a client with its cookie gets to one endpoint; it keeps the cookies of that, and is given its own once', async (t) => {
  const all = await servers(3);
  const rig = await startRig({ backends: { a: all.map(({ port }) => port) }, policies: [policyOf({ session: cookieSession })] });
  const first = await ask(rig);
  t.deepEqual(field(first, 'set-cookie').map((value) => value.replace(/=[\w-]{17};/, '=TOKEN;')), [`own=${bodyOf(first).at(-1)}`, 'sid=TOKEN; Path=/; HttpOnly; SameSite=Strict']);
  for (let count = 0; count < 8; count++) {
    const next = await ask(rig, `Cookie: a=b; ${cookieOf(first)}; c=d\r\n`);
    t.is(bodyOf(next), bodyOf(first));
    t.is(cookieOf(next), undefined);
  }
  t.is(new Set(await Promise.all(Array.from({ length: 9 }, async () => bodyOf(await ask(rig))))).size, 3, 'clients without it are spread');
  t.true(all.some(({ received }) => received.some((text) => text.includes(`${cookieOf(first)}; c=d`))), 'the endpoint sees the cookie as well (GEP-1619)');
  await rig.close();
  await Promise.all(all.map((server) => server.close()));
});

test('the session goes on at a second proxy, and ends where its endpoint does', async (t) => {
  const all = await servers(3);
  const ports = all.map(({ port }) => port);
  const [one, other] = await Promise.all([ports, ports.toReversed()].map((each) => startRig({ backends: { a: each }, policies: [policyOf({ session: cookieSession })] })));
  const first = await ask(one!);
  const cookie = `Cookie: ${cookieOf(first)}\r\n`;
  t.is(bodyOf(await ask(other!, cookie)), bodyOf(first));
  const index = Number(bodyOf(first).at(-1));
  applyTo(other!.proxy, { endpoints: { changed: [{ kind: 'Endpoints', name: 'a', endpoints: endpointsOf(ports.filter((port) => port !== ports[index])) }] } });
  const moved = await ask(other!, cookie);
  t.not(bodyOf(moved), bodyOf(first));
  const again = cookieOf(moved);
  t.truthy(again);
  t.is(bodyOf(await ask(other!, `Cookie: ${again}\r\n`)), bodyOf(moved));
  await Promise.all([one!.close(), other!.close(), ...all.map((server) => server.close())]);
});

test('a header carries the session just as well; the client gets it with every response, whatever the endpoint says', async (t) => {
  const all = await servers(3, 'x-session: of-the-endpoint\r\n');
  const rig = await startRig({ backends: { a: all.map(({ port }) => port) }, policies: [policyOf({ session: headerSession })] });
  const first = await ask(rig);
  const [token, ...more] = field(first, 'x-session');
  t.regex(token ?? '', /^[\w-]{17}$/);
  t.deepEqual(more, []);
  for (let count = 0; count < 5; count++) {
    const next = await ask(rig, `X-SESSION: ${token}\r\n`);
    t.is(bodyOf(next), bodyOf(first));
    t.deepEqual(field(next, 'x-session'), [token]);
  }
  await rig.close();
  await Promise.all(all.map((server) => server.close()));
});

test('a retry leaves an endpoint that fails, and takes the session along', async (t) => {
  const [well] = await servers(1);
  let requests = 0;
  const failing = await rawServer((socket) => {
    requests++;
    socket.write(requests === 1 ? ok('failing') : 'HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n');
  });
  const retry = { maxRetries: 1, retryOn: { codes: [503] }, backoff: { base: '1ms', max: '1ms' } } as const;
  // The first pick of a round robin is the first endpoint.
  const rig = await startRig({ backends: { a: [failing.port, well!.port] }, policies: [policyOf({ session: cookieSession, retry })] });
  const first = await ask(rig);
  t.is(bodyOf(first), 'failing');
  const second = await ask(rig, `Cookie: ${cookieOf(first)}\r\n`);
  t.is(bodyOf(second), 'server 0');
  t.is(requests, 2);
  t.is(bodyOf(await ask(rig, `Cookie: ${cookieOf(second)}\r\n`)), 'server 0');
  await Promise.all([rig.close(), failing.close(), well!.close()]);
});

test('an endpoint that takes no connections loses its sessions', async (t) => {
  const [well] = await servers(1);
  const gone = await rawServer(answering(ok('gone')));
  const policies = [policyOf({ session: cookieSession, retry: { maxRetries: 1, backoff: { base: '1ms' } } })];
  const rig = await startRig({ backends: { a: [gone.port, well!.port] }, policies });
  const first = await ask(rig);
  t.is(bodyOf(first), 'gone');
  await gone.close();
  for (let count = 0; count < 2; count++) t.is(bodyOf(await ask(rig, `Cookie: ${cookieOf(first)}\r\n`)), 'server 0');
  await Promise.all([rig.close(), well!.close()]);
});

test('weights choose the backend, whatever cookie there is; in each the client has its endpoint', async (t) => {
  const all = await servers(4);
  const [a0, a1, b0, b1] = all.map(({ port }) => port);
  let draw = 0;
  const rig = await startRig({ backends: { a: [a0!, a1!], b: [b0!, b1!] }, policies: [policyOf({ session: cookieSession })], rules: [{ backends: [backendTo('a'), backendTo('b', { index: 1 })] }], random: () => draw });
  let cookie = '';
  const send = async (): Promise<string> => {
    const text = await ask(rig, cookie === '' ? '' : `Cookie: ${cookie}\r\n`);
    cookie = cookieOf(text) ?? cookie;
    return bodyOf(text);
  };
  const inA = await send();
  draw = 0.75;
  const inB = await send();
  t.true(['server 0', 'server 1'].includes(inA) && ['server 2', 'server 3'].includes(inB), `${inA}, ${inB}`);
  for (const [next, expected] of [[0, inA], [0.75, inB], [0, inA], [0.75, inB]] as const) {
    draw = next;
    t.is(await send(), expected);
  }
  await rig.close();
  await Promise.all(all.map((server) => server.close()));
});

test('hostile cookies cost nothing and choose nothing', async (t) => {
  const all = await servers(2);
  const rig = await startRig({ backends: { a: all.map(({ port }) => port), secret: [await closedPort()] }, policies: [policyOf({ session: cookieSession })] });
  applyTo(rig.proxy, { backends: { changed: [backendNamed('secret')] } });
  for (const cookie of ['sid=', `sid=${'A'.repeat(5000)}`, 'sid=127.0.0.1:22', `sid=${Array<string>(20).fill('AAAAAAAAAAAAAAAAA').join('~')}`, `${'sid=x; '.repeat(500)}`, 'sid="']) {
    const text = await ask(rig, `Cookie: ${cookie}\r\n`);
    t.is(statusOf(text), 200, cookie.slice(0, 30));
    t.truthy(cookieOf(text));
  }
  await rig.close();
  await Promise.all(all.map((server) => server.close()));
});

for (const speaks of ['http1', 'http2'] as const) {
  test(`a client of HTTP/2 stays at its endpoint, to endpoints of ${speaks}; its cookies may come in pieces`, async (t) => {
    const origins = await Promise.all(['one', 'two', 'three'].map((body) => originServer(speaks, () => ({ body, headers: { 'set-cookie': 'own=1' } }))));
    const rig = await startRig({ backends: { a: origins.map(({ port }) => port) }, protocol: speaks, policies: [policyOf({ session: cookieSession })] });
    const client = new StreamClient(`http://127.0.0.1:${rig.listener.port}`);
    const first = await client.fetch();
    const [own, session = ''] = first.headers['set-cookie'] ?? [];
    t.is(own, 'own=1');
    t.regex(session, /^sid=[\w-]{17}; Path=\/; HttpOnly; SameSite=Strict$/);
    for (let count = 0; count < 6; count++) {
      const next = await client.fetch({ cookie: ['a=b', session.split(';')[0]!, 'c=d'] as never });
      t.is(next.body, first.body);
      t.deepEqual(next.headers['set-cookie'], ['own=1']);
    }
    client.close();
    await Promise.all([rig.close(), ...origins.map((origin) => origin.close())]);
  });
}
