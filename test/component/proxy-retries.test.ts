import test from 'ava';
import { createExposition } from '#proxy';
import type { Backend, EffectivePolicy, RetryFields, TimeoutFields } from '#snapshot';
import { applyTo, answering, backendNamed, bodyOf, closedPort, fetchRaw, getRequest, ok, policyOf, rawServer, RawClient, startRig, statusOf, type RawServer, type Rig } from './proxy-rig.ts';

const closing = 'Connection: close\r\n';
const fast = { base: '1ms', max: '2ms' } as const;

interface Parts {
  readonly retry?: RetryFields;
  readonly timeouts?: TimeoutFields;
  readonly stanza?: 'route' | 'default';
}

async function rigWith(ports: readonly number[], { retry, timeouts, stanza }: Parts): Promise<Rig> {
  const policy: EffectivePolicy = policyOf(
    { ...(retry === undefined ? {} : { retry: { backoff: fast, ...retry } }), ...(timeouts === undefined ? {} : { timeouts }) },
    stanza,
  );
  return startRig({ backends: { a: ports }, policies: [policy], rules: [{}] });
}

/** Fails as often as told, then answers. Counts requests. */
async function flaky(failures: number, failure: string): Promise<RawServer & { count(): number }> {
  let requests = 0;
  const server = await rawServer((socket, text) => {
    if (!/^[A-Z]+ /.test(text)) return;
    requests++;
    if (requests > failures) socket.write(ok(`after ${requests}`));
    else if (failure === 'reset') socket.resetAndDestroy();
    else if (failure !== '') socket.write(failure);
  });
  return { ...server, count: () => requests };
}

const unavailable = 'HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nbusy';

test('a listed status is tried again until it is well, and the client sees only that', async (t) => {
  const server = await flaky(3, unavailable);
  const rig = await rigWith([server.port], { retry: { maxRetries: 3, retryOn: { codes: [503] } } });
  t.is(bodyOf(await fetchRaw(rig.listener.port, getRequest('/', closing))), 'after 4');
  t.is(server.count(), 4);
  await rig.close();
  await server.close();
});

test('when retries are used up, the last response goes through', async (t) => {
  const server = await flaky(9, unavailable);
  const rig = await rigWith([server.port], { retry: { maxRetries: 2, retryOn: { codes: [503] } } });
  const text = await fetchRaw(rig.listener.port, getRequest('/', closing));
  t.is(statusOf(text), 503);
  t.is(bodyOf(text), 'busy');
  t.is(server.count(), 3);
  await rig.close();
  await server.close();
});

test('what is not listed, has a method that is not, or no policy, is not tried again', async (t) => {
  const cases: readonly [Parts, string][] = [
    [{ retry: { maxRetries: 3, retryOn: { codes: [500] } } }, getRequest('/', closing)],
    [{ retry: { maxRetries: 3, retryOn: { codes: [503] } } }, `POST / HTTP/1.1\r\nHost: x\r\n${closing}Content-Length: 0\r\n\r\n`],
    [{ retry: { maxRetries: 0, retryOn: { codes: [503] } } }, getRequest('/', closing)],
    [{}, getRequest('/', closing)],
  ];
  for (const [parts, request] of cases) {
    const server = await flaky(9, unavailable);
    const rig = await rigWith([server.port], parts);
    t.is(statusOf(await fetchRaw(rig.listener.port, request)), 503);
    t.is(server.count(), 1);
    await rig.close();
    await server.close();
  }
});

test('a refused connection is tried elsewhere, also for POST', async (t) => {
  const good = await rawServer(answering(ok('good')));
  const rig = await rigWith([await closedPort(), good.port], { retry: { maxRetries: 1 } });
  for (let round = 0; round < 6; round++) {
    const text = await fetchRaw(rig.listener.port, `POST / HTTP/1.1\r\nHost: x\r\n${closing}Content-Length: 5\r\n\r\nhello`);
    t.is(bodyOf(text), 'good');
  }
  t.true(good.received.every((text) => text.endsWith('hello')));
  await rig.close();
  await good.close();
});

test('a retry prefers another endpoint', async (t) => {
  const bad = await flaky(99, unavailable);
  const good = await rawServer(answering(ok('good')));
  const rig = await rigWith([bad.port, good.port], { retry: { maxRetries: 1, retryOn: { codes: [503] } } });
  for (let round = 0; round < 10; round++) t.is(bodyOf(await fetchRaw(rig.listener.port, getRequest('/', closing))), 'good');
  await rig.close();
  await bad.close();
  await good.close();
});

const mutes: readonly [name: string, backend: Backend][] = [
  ['TLS', { ...backendNamed('a'), tls: { hostname: 'shop.example' } }],
  ['HTTP/2', backendNamed('a', 'http2')],
];
for (const [name, backend] of mutes) {
  test(`an attempt whose time ends before there is ${name} to send it by is followed by another, also for POST`, async (t) => {
    const mute = await rawServer(() => {});
    const gone = await closedPort();
    const rig = await rigWith([mute.port, gone], { retry: { maxRetries: 1, perTryTimeout: '100ms' } });
    applyTo(rig.proxy, { backends: { changed: [backend] } });
    const text = await fetchRaw(rig.listener.port, `POST / HTTP/1.1\r\nHost: x\r\n${closing}Content-Length: 5\r\n\r\nhello`);
    // The other one's failure, for which there is no further attempt.
    t.true(text.includes('x-weft-error: connect-failed'), text);
    t.false(mute.received.some((bytes) => bytes.includes('hello')));
    await rig.close();
    await mute.close();
  });
}

test('a body is sent again while it fits the buffer', async (t) => {
  for (const [length, tries] of [[1000, 2], [5000, 1]] as const) {
    for (const framing of ['length', 'chunked']) {
      const bodies: string[] = [];
      const server = await rawServer((socket, _text, connection) => {
        const text = server.received[connection]!;
        const at = text.indexOf('\r\n\r\n') + 4;
        const whole = framing === 'length' ? text.length === at + length : text.endsWith('0\r\n\r\n');
        if (at < 4 || !whole) return;
        bodies.push(text.slice(at).replace(/(^|\r\n)[0-9a-f]+\r\n/g, '').replace(/\r\n/g, ''));
        socket.end(bodies.length === 1 ? `${unavailable.replace('content', 'Connection: close\r\ncontent')}` : ok('second'));
      });
      const rig = await rigWith([server.port], { retry: { maxRetries: 1, retryOn: { codes: [503] }, maxBufferedBodyBytes: 2000 } });
      const body = 'b'.repeat(length);
      const client = new RawClient(rig.listener.port);
      client.send(`PUT / HTTP/1.1\r\nHost: x\r\n${closing}${framing === 'length' ? `Content-Length: ${length}` : 'Transfer-Encoding: chunked'}\r\n\r\n`);
      const cut = framing === 'length' ? body.slice(0, 400) : `190\r\n${body.slice(0, 400)}\r\n`;
      const rest = framing === 'length' ? body.slice(400) : `${(length - 400).toString(16)}\r\n${body.slice(400)}\r\n0\r\n\r\n`;
      client.send(cut);
      await new Promise((resolve) => setTimeout(resolve, 10));
      client.send(rest);
      const text = await client.all();
      t.is(statusOf(text), tries === 2 ? 200 : 503, `${length} ${framing}`);
      t.deepEqual(bodies, Array.from({ length: tries }, () => body), `${length} ${framing}`);
      await rig.close();
      await server.close();
    }
  }
});

test('a reset after the request was sent is tried again only where asked for', async (t) => {
  for (const [conditions, status] of [[['reset'], 200], [['connect-failure'], 502]] as const) {
    const server = await flaky(1, 'reset');
    const rig = await rigWith([server.port], { retry: { maxRetries: 1, retryOn: { conditions } } });
    t.is(statusOf(await fetchRaw(rig.listener.port, getRequest('/', closing))), status);
    await rig.close();
    await server.close();
  }
});

test('one attempt has its own limit, all of them together another', async (t) => {
  const server = await flaky(1, '');
  t.teardown(() => server.close());
  const rig = await rigWith([server.port], { retry: { maxRetries: 1, perTryTimeout: '60ms' } });
  t.teardown(() => rig.close());
  const started = performance.now();
  t.is(bodyOf(await fetchRaw(rig.listener.port, getRequest('/', closing))), 'after 2');
  t.true(performance.now() - started >= 55);
  const silent = await rawServer(() => {});
  t.teardown(() => silent.close());
  const limited = await rigWith([silent.port], { retry: { maxRetries: 100, perTryTimeout: '50ms' }, timeouts: { request: '180ms' } });
  t.teardown(() => limited.close());
  const before = performance.now();
  const text = await fetchRaw(limited.listener.port, getRequest('/', closing));
  const took = performance.now() - before;
  t.is(statusOf(text), 504);
  // The attempts alone would take five seconds.
  t.true(took >= 140 && took < 2500, `${took}`);
  t.true(silent.sockets.length >= 3);
});

test('timeouts answer 504 and their code; 0s is none', async (t) => {
  const server = await rawServer((socket) => setTimeout(() => socket.write(ok('late')), 150));
  const cases: readonly [TimeoutFields, number, string][] = [
    [{ request: '50ms' }, 504, 'request-timeout'],
    [{ backendRequest: '50ms' }, 504, 'per-try-timeout'],
    [{ streamIdle: '50ms' }, 504, 'stream-idle-timeout'],
    [{ request: '0s', backendRequest: '0s', streamIdle: '0s' }, 200, 'late'],
  ];
  for (const [timeouts, status, code] of cases) {
    const rig = await rigWith([server.port], { timeouts });
    const text = await fetchRaw(rig.listener.port, getRequest('/', closing));
    t.is(statusOf(text), status);
    t.true(text.includes(code), text);
    await rig.close();
  }
  await server.close();
});

for (const [name, request] of [['with a length', 'Content-Length: 5\r\n\r\nhello'], ['in chunks', 'Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n']] as const) {
  test(`a PUT ${name} runs into the end of an idle connection, and is sent again, without a policy`, async (t) => {
    const ended = new Set<number>();
    const server = await rawServer((socket, _text, connection) => {
      // The second request on a connection finds it closed.
      if (ended.has(connection)) socket.resetAndDestroy();
      else if (/hello|GET/.test(server.received[connection]!)) {
        ended.add(connection);
        socket.write(ok('well'));
      }
    });
    const rig = await rigWith([server.port], {});
    t.is(bodyOf(await fetchRaw(rig.listener.port, getRequest('/', closing))), 'well');
    t.is(bodyOf(await fetchRaw(rig.listener.port, `PUT / HTTP/1.1\r\nHost: x\r\n${closing}${request}`)), 'well');
    t.is(server.received.length, 2);
    await rig.close();
    await server.close();
  });
}

test('a timeout in the middle of a response breaks it off', async (t) => {
  const server = await rawServer((socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\npart'));
  const rig = await rigWith([server.port], { timeouts: { request: '500ms' } });
  const client = new RawClient(rig.listener.port);
  client.send(getRequest());
  t.true((await client.all()).endsWith('part'));
  t.is(client.error, 'ECONNRESET');
  const failures = (await createExposition(rig.metrics)()).body.split('\n').filter((line) => line.startsWith('weft_failures_total{'));
  t.regex(failures.join('\n'), /^weft_failures_total\{code="request-timeout",[^\n]*\} 1$/);
  await rig.close();
  await server.close();
});

test('Retry-After is waited for, unless the request would not live that long', async (t) => {
  const later = unavailable.replace('content', 'Retry-After: 1\r\ncontent');
  const server = await flaky(1, later);
  const rig = await rigWith([server.port], { retry: { maxRetries: 1, retryOn: { codes: [503] } } });
  const started = performance.now();
  t.is(statusOf(await fetchRaw(rig.listener.port, getRequest('/', closing))), 200);
  t.true(performance.now() - started >= 990);
  await rig.close();
  await server.close();
  const other = await flaky(1, later);
  const limited = await rigWith([other.port], { retry: { maxRetries: 1, retryOn: { codes: [503] } }, timeouts: { request: '500ms' } });
  t.is(statusOf(await fetchRaw(limited.listener.port, getRequest('/', closing))), 503);
  await limited.close();
  await other.close();
});

test('a spent budget ends in 503', async (t) => {
  const server = await rawServer(answering('HTTP/1.1 500 Broken\r\ncontent-length: 0\r\n\r\n'));
  const rig = await rigWith([server.port], {
    retry: { maxRetries: 1, retryOn: { codes: [500] }, budget: { percent: 0, interval: '10s', minPerSecond: 1 } },
  });
  const client = new RawClient(rig.listener.port);
  client.send(getRequest().repeat(20));
  const text = await client.until((got) => got.split('HTTP/1.1').length === 21);
  t.is(text.split('HTTP/1.1 500').length - 1, 10);
  t.is(text.split('retry-budget-exhausted').length - 1, 10);
  client.close();
  await rig.close();
  await server.close();
});

test('a retry’s discarded response leaves the connection in use', async (t) => {
  const server = await flaky(1, unavailable);
  const rig = await rigWith([server.port], { retry: { maxRetries: 1, retryOn: { codes: [503] } } });
  t.is(statusOf(await fetchRaw(rig.listener.port, getRequest('/', closing))), 200);
  t.is(server.sockets.length, 1);
  await rig.close();
  await server.close();
});

test('a slow head is 408, an idle connection is closed', async (t) => {
  const rig = await startRig({ rules: [{}], listenerPolicy: policyOf({ timeouts: { requestHeaders: '60ms', idle: '120ms' } }) });
  const slow = new RawClient(rig.listener.port);
  slow.send('GET / HTTP/1.1\r\nHost: x\r\n');
  const dripping = setInterval(() => slow.socket.writable && slow.send('A: b\r\n'), 10);
  t.regex(await slow.all(), /^HTTP\/1\.1 408 [^]*header-timeout/);
  clearInterval(dripping);
  const idle = new RawClient(rig.listener.port);
  const started = performance.now();
  t.is(await idle.all(), '');
  t.true(performance.now() - started >= 110);
  await rig.close();
});

test('a connection over its age ends with its response', async (t) => {
  const server = await rawServer(answering(ok('hello')));
  const rig = await startRig({ backends: { a: [server.port] }, listenerPolicy: policyOf({ timeouts: { maxConnectionDuration: '400ms' } }) });
  const client = new RawClient(rig.listener.port);
  client.send(getRequest());
  t.false((await client.until((text) => text.endsWith('hello'))).includes('connection: close'));
  t.is(await client.all(), client.text);
  await rig.close();
  await server.close();
});

const unreached = 'HTTP/1.1 503 Service Unavailable\r\nx-weft-error: connect-failed\r\ncontent-length: 4\r\n\r\ngone';

test("a sidecar's word that its workload refused the connection counts as a refused connection, also for POST; nobody else's does", async (t) => {
  const post = `POST / HTTP/1.1\r\nHost: x\r\n${closing}Content-Length: 5\r\n\r\nhello`;
  for (const [sidecar, retry, expected] of [[true, true, 200], [true, false, 503], [false, true, 503]] as const) {
    const gone = await flaky(99, unreached);
    const good = await rawServer(answering(ok('good')));
    const rig = await rigWith([gone.port, good.port], retry ? { retry: { maxRetries: 1, retryOn: { conditions: ['connect-failure'] } } } : {});
    const endpoints = [gone, good].map(({ port }) => ({ address: '127.0.0.1', port, sidecar }));
    applyTo(rig.proxy, { endpoints: { changed: [{ kind: 'Endpoints', name: 'a', endpoints }] } });
    const texts: string[] = [];
    for (let round = 0; round < 2; round++) texts.push(await fetchRaw(rig.listener.port, post));
    const failed = texts.filter((text) => statusOf(text) === 503);
    t.is(failed.length, expected === 200 ? 0 : 1, `${sidecar} ${retry}`);
    // Ours where it is believed; never the endpoint's own.
    for (const text of failed) t.is(text.includes('x-weft-error: connect-failed'), sidecar);
    t.true(good.received.every((text) => text.endsWith('hello')));
    t.is(gone.count(), 1);
    await rig.close();
    await gone.close();
    await good.close();
  }
});

test('Expect: 100-continue: no body is lost or comes twice, whichever attempt asks for it, and the client is told once', async (t) => {
  const bodies: string[] = [];
  const server = await rawServer((socket, text) => {
    if (text.startsWith('POST')) {
      // The first answers without asking for the body, the second fails when it has it.
      if (bodies.push('') === 1) {
        socket.write(unavailable);
        return;
      }
      socket.write('HTTP/1.1 100 Continue\r\n\r\n');
    }
    bodies[bodies.length - 1] += text.startsWith('POST') ? bodyOf(text) : text;
    if (bodies.at(-1) === 'hello') socket.write(bodies.length === 2 ? unavailable : ok('well'));
  });
  const rig = await rigWith([server.port], { retry: { maxRetries: 2, retryOn: { codes: [503] }, methods: ['POST'] } });
  const client = new RawClient(rig.listener.port);
  client.send('POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n');
  t.is(await client.until((text) => text.endsWith('\r\n\r\n')), 'HTTP/1.1 100 Continue\r\n\r\n');
  client.send('hello');
  t.regex(await client.until((text) => text.endsWith('well')), /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 /);
  t.deepEqual(bodies, ['', 'hello', 'hello']);
  client.close();
  await rig.close();
  await server.close();
});
