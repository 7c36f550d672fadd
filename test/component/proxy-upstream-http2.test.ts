import test, { type ExecutionContext } from 'ava';
import type { Rule } from '#snapshot';
import { Authority } from './authority.ts';
import { http2Rig, peerServer, type Answer, type PeerOptions, type PeerServer } from './http2-rig.ts';
import { applyTo, closedPort, getRequest, ok, policyOf, RawClient, rawServer, statusOf, type Rig, type RigOptions } from './proxy-rig.ts';

const closing = 'Connection: close\r\n';
const answered: Answer = (stream, _headers, body) => {
  void body.then((bytes) => {
    stream.respond({ ':status': 200, 'content-type': 'text/plain' });
    stream.end(`got ${bytes.length}`);
  });
};

async function served(t: ExecutionContext, answer: Answer, options: PeerOptions = {}): Promise<PeerServer> {
  const server = await peerServer(answer, options);
  t.teardown(() => server.close());
  return server;
}

async function rigFor(t: ExecutionContext, ports: readonly number[], options: RigOptions = {}): Promise<Rig & { readonly faults: unknown[] }> {
  const faults: unknown[] = [];
  const rig = await http2Rig({ backends: { a: ports }, onFault: (error) => faults.push(error), ...options });
  t.teardown(async () => {
    await rig.close();
    if (faults.length > 0) throw new Error('faults', { cause: faults });
  });
  return { ...rig, faults };
}

async function ask(rig: Rig, request = getRequest('/', closing), ms = 5000): Promise<string> {
  return new RawClient(rig.listener.port).send(request).all(ms);
}

function post(body: string, lines = closing): string {
  return `POST /p HTTP/1.1\r\nHost: shop\r\nContent-Length: ${body.length}\r\n${lines}\r\n${body}`;
}

async function eventually(satisfied: () => boolean, ms = 3000): Promise<void> {
  for (const deadline = performance.now() + ms; !satisfied() && performance.now() < deadline; ) await new Promise((resolve) => setTimeout(resolve, 5));
}

test.serial('a request of HTTP/1.1 becomes one of HTTP/2, and its response comes back', async (t) => {
  const server = await served(t, answered);
  const rig = await rigFor(t, [server.port]);
  const text = await ask(rig, `POST /a/b?c=d HTTP/1.1\r\nHost: shop.example:8080\r\nX-One: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n${closing}\r\n5\r\nhello\r\n0\r\n\r\n`);
  t.regex(text, /^HTTP\/1.1 200 [^]*content-type: text\/plain\r\n[^]*got 5/);
  const { [Symbol.for('x')]: _, ...headers } = server.requests[0] as Record<string | symbol, unknown>;
  t.like(headers, { ':method': 'POST', ':path': '/a/b?c=d', ':authority': 'shop.example:8080', ':scheme': 'http', 'x-one': '1', te: 'trailers' });
  for (const gone of ['keep-alive', 'connection', 'transfer-encoding', 'host']) t.false(gone in headers, gone);
});

test.serial('requests share a connection; beyond what the server takes there are more connections, and beyond these a wait', async (t) => {
  for (const [maxConcurrentStreams, connections] of [[100, 1], [4, 4], [1, 8]] as const) {
    let [now, most] = [0, 0];
    const server = await served(
      t,
      (stream) => {
        most = Math.max(most, ++now);
        setTimeout(() => {
          now--;
          stream.respond({ ':status': 200 });
          stream.end('x');
        }, 30);
      },
      { settings: { maxConcurrentStreams } },
    );
    const rig = await rigFor(t, [server.port]);
    const answers = await Promise.all(Array.from({ length: 16 }, () => ask(rig)));
    t.deepEqual(new Set(answers.map(statusOf)), new Set([200]));
    t.true(server.opened() <= connections, `${server.opened()} of ${connections}`);
    t.true(most <= maxConcurrentStreams * connections);
    t.is(await ask(rig).then(statusOf), 200);
    t.true(server.opened() <= connections);
  }
});

test.serial('trailers both ways, 1xx, HEAD, 204 and 304', async (t) => {
  const server = await served(t, (stream, headers, body) => {
    stream.on('trailers', (trailers) => void body.then(() => answer(trailers['x-sum'])));
    const answer = (sum: unknown): void => {
      stream.additionalHeaders({ ':status': 103, link: '</a>' });
      stream.respond({ ':status': 200, 'x-sum': String(sum) }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-end': 'yes', 'grpc-status': '0' }));
      stream.end('body');
    };
    if (headers[':method'] === 'HEAD') stream.respond({ ':status': 200, 'content-length': '1234' }, { endStream: true });
    else if (headers[':path'] === '/204') stream.respond({ ':status': 204 }, { endStream: true });
    else if (headers[':path'] === '/304') stream.respond({ ':status': 304, etag: '"a"' }, { endStream: true });
  });
  const rig = await rigFor(t, [server.port]);
  const text = await ask(rig, `POST / HTTP/1.1\r\nHost: shop\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n${closing}\r\n3\r\nabc\r\n0\r\nx-sum: 7\r\n\r\n`);
  t.regex(text, /^HTTP\/1.1 103 [^]*link: <\/a>\r\n[^]*HTTP\/1.1 200 [^]*x-sum: 7\r\n[^]*4\r\nbody\r\n0\r\nx-end: yes\r\ngrpc-status: 0\r\n\r\n$/);
  t.regex(await ask(rig, `HEAD / HTTP/1.1\r\nHost: shop\r\n${closing}\r\n`), /^HTTP\/1.1 200 [^]*content-length: 1234\r\n[^]*\r\n\r\n$/);
  t.regex(await ask(rig, getRequest('/204', closing)), /^HTTP\/1.1 204 [^]*\r\n\r\n$/);
  t.regex(await ask(rig, getRequest('/304', closing)), /^HTTP\/1.1 304 [^]*\r\n\r\n$/);
});

test.serial('bodies of many windows go both ways as they were', async (t) => {
  const size = 8_000_000;
  const server = await served(t, (stream, _headers, body) => {
    void body.then((bytes) => {
      stream.respond({ ':status': 200, 'content-length': String(bytes.length) });
      stream.end(bytes);
    });
  });
  const rig = await rigFor(t, [server.port]);
  const body = Buffer.alloc(size);
  for (let p = 0; p < size; p += 4) body.writeUInt32LE((p * 2_654_435_761) >>> 0, p);
  const text = await ask(rig, post(body.toString('latin1')), 20_000);
  const start = text.indexOf('\r\n\r\n') + 4;
  t.is(text.length - start, size);
  t.true(Buffer.from(text.slice(start), 'latin1').equals(body));
});

test.serial('a client that takes nothing holds its server back, and nobody else', async (t) => {
  const size = 60_000_000;
  let written = 0;
  const server = await served(t, (stream, headers) => {
    stream.respond({ ':status': 200 });
    if (headers[':path'] !== '/big') {
      stream.end('small');
      return;
    }
    const piece = Buffer.alloc(65_536);
    const write = (): void => {
      while (written < size) {
        written += piece.length;
        if (!stream.write(piece)) {
          stream.once('drain', write);
          return;
        }
      }
      stream.end();
    };
    write();
  });
  const rig = await rigFor(t, [server.port]);
  const slow = Array.from({ length: 4 }, () => new RawClient(rig.listener.port));
  for (const client of slow) {
    client.socket.pause();
    client.send(getRequest('/big', closing));
  }
  let held = -1;
  while (held !== written || held === 0) {
    held = written;
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  t.true(held < size / 2, `${held}`);
  t.regex(await ask(rig, getRequest('/', closing)), /small/);
  await new Promise((resolve) => setTimeout(resolve, 100));
  t.is(written, held);
  t.is(server.opened(), 1);
  for (const client of slow) client.socket.destroy();
  // What they left is reset, and the connection goes on.
  t.regex(await ask(rig, getRequest('/', closing)), /small/);
  t.is(server.opened(), 1);
});

test.serial('a server that takes nothing holds its client back', async (t) => {
  const server = await served(t, (stream) => stream.pause());
  const rig = await rigFor(t, [server.port]);
  const client = new RawClient(rig.listener.port);
  client.send(`POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 60000000\r\n\r\n`);
  for (let sent = 0; sent < 60; sent++) client.socket.write(Buffer.alloc(1_000_000));
  await new Promise((resolve) => setTimeout(resolve, 400));
  t.true(client.socket.writableLength > 30_000_000, String(client.socket.writableLength));
  client.socket.destroy();
});

test.serial('GOAWAY: what the server has not begun with goes elsewhere, what it has begun with ends in peace', async (t) => {
  const server = await served(t, (stream, headers) => {
    const { session } = stream;
    if (headers[':path'] === '/last') {
      // Later streams than this one are refused.
      session!.goaway(0, stream.id!);
      setTimeout(() => {
        stream.respond({ ':status': 200 });
        stream.end('last');
      }, 50);
    } else {
      stream.respond({ ':status': 200 });
      stream.end('other');
    }
  });
  const rig = await rigFor(t, [server.port]);
  for (let round = 0; round < 20; round++) {
    const answers = await Promise.all([ask(rig, getRequest('/last', closing)), ...Array.from({ length: 8 }, (_, index) => ask(rig, index % 2 === 0 ? getRequest('/', closing) : post('abc')))]);
    t.regex(answers[0]!, /last/);
    t.deepEqual(answers.slice(1).map(statusOf), Array.from({ length: 8 }, () => 200));
  }
});

test.serial('20,000 requests while endpoints restart, gently and at once: none fails', async (t) => {
  const answer: Answer = (stream, headers) => {
    stream.respond({ ':status': 200 });
    stream.end(String(headers[':path']));
  };
  const servers: PeerServer[] = [await peerServer(answer), await peerServer(answer), await peerServer(answer)];
  const ports = servers.map(({ port }) => port);
  const retry = { maxRetries: 8, retryOn: { conditions: ['connect-failure', 'refused-stream', 'reset'] }, backoff: { base: '5ms' }, budget: { percent: 100, minPerSecond: 1000 } } as const;
  const rig = await rigFor(t, ports, { policies: [policyOf({ retry })] });
  let over = false;
  let restarts = 0;
  const restarting = (async () => {
    for (let round = 0; !over; round++) {
      const at = round % ports.length;
      const server = servers[at]!;
      if (round % 2 === 0) for (const session of server.sessions) session.close();
      await new Promise((resolve) => setTimeout(resolve, 30));
      await server.close();
      servers[at] = await peerServer(answer, { port: ports[at]! });
      restarts++;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  })();
  const wrong: string[] = [];
  const run = async (client: number): Promise<void> => {
    const connection = new RawClient(rig.listener.port);
    for (let count = 0; count < 400; count++) {
      connection.text = '';
      const path = `/${client}/${count}`;
      const text = await connection.send(getRequest(path)).until((received) => received.endsWith('0\r\n\r\n') || received.includes('x-weft-error'), 10_000);
      if (!text.startsWith('HTTP/1.1 200 ') || !text.includes(`\r\n${path}\r\n`)) wrong.push(text);
    }
    connection.socket.destroy();
  };
  await Promise.all(Array.from({ length: 50 }, (_, client) => run(client)));
  over = true;
  await restarting;
  t.deepEqual(wrong.slice(0, 3), []);
  t.true(restarts > 5, String(restarts));
  await Promise.all(servers.map((server) => server.close()));
});

test.serial('a stream that is reset fails its own request; REFUSED_STREAM is tried again where that is asked for', async (t) => {
  let refusals = 0;
  const server = await served(t, (stream, headers) => {
    const path = headers[':path'];
    if (path === '/refused' && refusals++ % 2 === 0) stream.close(7);
    else if (path === '/refused') {
      stream.respond({ ':status': 200 });
      stream.end('second');
    } else if (path === '/before') stream.close(2);
    else {
      stream.respond({ ':status': 200, 'content-length': '100' });
      stream.write('half');
      setTimeout(() => stream.close(2), 500);
    }
  });
  const plain = await rigFor(t, [server.port]);
  t.regex(await ask(plain, getRequest('/before', closing)), /^HTTP\/1.1 502 [^]*x-weft-error: upstream-reset/);
  t.regex(await ask(plain, getRequest('/refused', closing)), /^HTTP\/1.1 503 [^]*x-weft-error: refused-stream/);
  const client = new RawClient(plain.listener.port).send(getRequest('/half'));
  await client.until((text) => text.includes('half'));
  await eventually(() => client.ended);
  t.is(client.error, 'ECONNRESET');
  refusals = 0;
  const trying = await rigFor(t, [server.port], { policies: [policyOf({ retry: { maxRetries: 1 } })] });
  t.regex(await ask(trying, post('abc').replace('/p', '/refused')), /^HTTP\/1.1 200 [^]*second/);
  t.is(server.opened(), 2);
});

test.serial('no server, one that never says a word, one that closes, one that speaks HTTP/1.1: refused, and nothing was sent', async (t) => {
  const [closed, silent, shut, http1] = [await closedPort(), await rawServer(() => {}), await rawServer((socket) => socket.end()), await rawServer((socket) => socket.end(ok('http1')))];
  const policies = [policyOf({ timeouts: { connect: '200ms' } })];
  const cases: readonly [number, RegExp][] = [
    [closed, /^HTTP\/1.1 503 [^]*x-weft-error: connect-failed/],
    [silent.port, /^HTTP\/1.1 504 [^]*x-weft-error: connect-timeout/],
    [shut.port, /^HTTP\/1.1 503 [^]*x-weft-error: connect-failed/],
    [http1.port, /^HTTP\/1.1 502 [^]*x-weft-error: bad-response/],
  ];
  for (const [port, expected] of cases) {
    const rig = await rigFor(t, [port], port === silent.port ? { policies } : {});
    for (const text of await Promise.all(Array.from({ length: 20 }, () => ask(rig, post('secret'))))) t.regex(text, expected);
  }
  for (const server of [silent, shut, http1]) {
    t.true(server.received.length > 0 && server.received.length < 40);
    t.false(server.received.join('').includes('secret'));
    await server.close();
  }
});

const settingsFrame = Buffer.of(0, 0, 0, 4, 0, 0, 0, 0, 0);

test.serial('a server that takes no streams, and one that leaves before it took any', async (t) => {
  const noStreams = Buffer.concat([Buffer.of(0, 0, 6, 4, 0, 0, 0, 0, 0), Buffer.of(0, 3, 0, 0, 0, 0)]);
  const goaway = Buffer.of(0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  const policies = [policyOf({ timeouts: { connect: '300ms' } })];
  const none = await rawServer((socket, text) => void (text.startsWith('PRI') && socket.write(noStreams)));
  const leaving = await rawServer((socket, text) => void (text.startsWith('PRI') && socket.end(Buffer.concat([noStreams, goaway]))));
  const [one, other] = [await rigFor(t, [none.port], { policies }), await rigFor(t, [leaving.port])];
  for (const text of await Promise.all(Array.from({ length: 12 }, () => ask(one, post('secret'))))) t.regex(text, /^HTTP\/1.1 504 [^]*connect-timeout/);
  for (const text of await Promise.all(Array.from({ length: 12 }, () => ask(other, post('secret'))))) t.regex(text, /^HTTP\/1.1 503 [^]*connect-failed/);
  t.true(none.received.length < 20);
  t.true(leaving.received.length < 40);
  t.false([...none.received, ...leaving.received].join('').includes('secret'));
  await Promise.all([none.close(), leaving.close()]);
});

test.serial('a server that breaks the protocol: its requests fail, and the proxy lives', async (t) => {
  const frames: readonly Buffer[] = [
    // DATA on stream 0; HEADERS on stream 2; a HPACK error; WINDOW_UPDATE of 0; an unknown stream; PUSH_PROMISE; a frame too long.
    Buffer.of(0, 0, 1, 0, 0, 0, 0, 0, 0, 1),
    Buffer.of(0, 0, 1, 1, 4, 0, 0, 0, 2, 0x88),
    Buffer.of(0, 0, 2, 1, 4, 0, 0, 0, 1, 0xff, 0xff),
    Buffer.of(0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0),
    Buffer.of(0, 0, 1, 0, 0, 0, 0, 0, 99, 1),
    Buffer.of(0, 0, 5, 5, 4, 0, 0, 0, 1, 0, 0, 0, 2, 0x88),
    Buffer.of(0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1),
  ];
  for (const frame of frames) {
    const server = await rawServer((socket, text, connection) => {
      if (text.startsWith('PRI')) socket.write(settingsFrame);
      // HEADERS of the requests are here.
      if (text.includes('shop') && server.received[connection]!.length > 0) socket.write(frame);
    });
    const rig = await rigFor(t, [server.port]);
    const answers = await Promise.all(Array.from({ length: 5 }, () => ask(rig)));
    for (const text of answers) t.regex(text, /^HTTP\/1.1 502 [^]*x-weft-error: (?:bad-response|upstream-reset)/, frame.toString('hex'));
    await server.close();
  }
});

test.serial('malformed responses fail one request, not the connection', async (t) => {
  // :status 101 as a literal; status twice; upper case; connection-specific; CR and LF.
  const literal = (name: string, value: string): Buffer => Buffer.concat([Buffer.of(0, name.length), Buffer.from(name), Buffer.of(value.length), Buffer.from(value)]);
  const blocks: readonly Buffer[] = [
    literal(':status', '101'),
    Buffer.of(0x88, 0x88),
    Buffer.concat([Buffer.of(0x88), literal('X-Upper', '1')]),
    Buffer.concat([Buffer.of(0x88), literal('connection', 'close')]),
    Buffer.concat([Buffer.of(0x88), literal('transfer-encoding', 'chunked')]),
    Buffer.concat([Buffer.of(0x88), literal('x', 'a\r\nb: c')]),
  ];
  for (const block of blocks) {
    let stream = 1;
    const server = await rawServer((socket, text) => {
      if (text.startsWith('PRI')) socket.write(settingsFrame);
      if (!text.includes('shop')) return;
      const bytes = stream === 1 ? block : Buffer.of(0x89);
      socket.write(Buffer.concat([Buffer.of(0, 0, bytes.length, 1, 5, 0, 0, 0, stream), bytes]));
      stream += 2;
    });
    const rig = await rigFor(t, [server.port]);
    t.regex(await ask(rig), /^HTTP\/1.1 502 [^]*x-weft-error: bad-response/, block.toString('latin1'));
    t.is(statusOf(await ask(rig)), 204);
    t.is(server.received.length, 1);
    await server.close();
  }
});

test.serial('a request without answer does not leave others on a connection that is dead', async (t) => {
  let connections = 0;
  const server = await rawServer((socket, text, connection) => {
    connections = Math.max(connections, connection + 1);
    if (text.startsWith('PRI')) socket.write(settingsFrame);
    // The first connection takes all and says nothing any more.
    if (connection === 0 || !text.includes('shop')) return;
    socket.write(Buffer.concat([Buffer.of(0, 0, 1, 1, 5, 0, 0, 0, 1), Buffer.of(0x89)]));
  });
  const rig = await rigFor(t, [server.port], { policies: [policyOf({ timeouts: { backendRequest: '2500ms' } })] });
  t.regex(await ask(rig), /^HTTP\/1.1 504 [^]*per-try-timeout/);
  t.is(statusOf(await ask(rig)), 204);
  t.is(connections, 2);
  await server.close();
});

test.serial('TLS: h2 is asked for by ALPN, and has to be agreed upon', async (t) => {
  const authority = await Authority.named('root');
  const pair = await authority.issue('shop', { dns: ['shop.example'] });
  const tls = { hostname: 'shop.example', authorities: authority.certificate };
  const server = await served(t, answered, { tls: { key: pair.key, cert: pair.chain } });
  const rig = await http2Rig({ backends: { a: [server.port] } }, tls);
  t.regex(await ask(rig, post('hello')), /^HTTP\/1.1 200 [^]*got 5/);
  t.is(server.requests[0]![':scheme'], 'https');
  await Promise.all(Array.from({ length: 20 }, () => ask(rig, post('x'.repeat(100_000)))));
  t.is(server.opened(), 1);
  await rig.close();
  const other = await http2Rig({ backends: { a: [server.port] } }, { ...tls, hostname: 'other.example' });
  t.regex(await ask(other, post('hello')), /x-weft-error: tls-failed/);
  t.is(server.requests.length, 21);
  await other.close();
});

test.serial('a changed Backend and an endpoint that is gone: connections close when their requests are over', async (t) => {
  const server = await served(t, (stream) => {
    setTimeout(() => {
      stream.respond({ ':status': 200 });
      stream.end('late');
    }, 150);
  });
  const rig = await rigFor(t, [server.port]);
  const first = ask(rig);
  await eventually(() => server.requests.length === 1);
  applyTo(rig.proxy, { endpoints: { changed: [{ kind: 'Endpoints', name: 'a', endpoints: [] }] } });
  t.is(server.sessions.size, 1);
  t.regex(await first, /late/);
  await eventually(() => server.sessions.size === 0);
  t.is(server.sessions.size, 0);
});

test.serial('mirrors go over HTTP/2', async (t) => {
  const [main, copy] = [await rawServer((socket) => void socket.write(ok('main'))), await served(t, answered)];
  const mirror: Partial<Rule> = { filters: [{ type: 'RequestMirror', backend: { kind: 'backend', ref: { kind: 'Service', namespace: 'shop', name: 'b' }, port: 80, backend: 'b' }, numerator: 1, denominator: 1 }] };
  const rig = await http2Rig({ backends: { b: [copy.port] }, rules: [mirror] });
  applyTo(rig.proxy, {
    backends: { changed: [{ kind: 'Backend', name: 'a', ref: { kind: 'Service', namespace: 'shop', name: 'a' }, port: 80, protocol: 'http1', balancing: 'round-robin' }] },
    endpoints: { changed: [{ kind: 'Endpoints', name: 'a', endpoints: [{ address: '127.0.0.1', port: main.port }] }] },
  });
  t.regex(await ask(rig, post('hello')), /main$/);
  await eventually(() => copy.requests.length === 1);
  t.like(copy.requests[0], { ':path': '/p', 'content-length': '5' });
  await rig.close();
  await main.close();
});
