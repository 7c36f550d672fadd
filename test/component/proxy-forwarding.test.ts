import test from 'ava';
import { answering, backendTo, behind, bodyOf, closedPort, fetchRaw, getRequest, ok, rawServer, RawClient, startRig, statusOf } from './proxy-rig.ts';
import { eventually } from './streams-rig.ts';

test('a request reaches the backend, its response the client, and both connections stay', async (t) => {
  const { server, client } = await behind(t, answering(ok('hello', 'X-Back: 1\r\n')));
  client.send(getRequest('/x?y=1', 'X-Front: 2\r\n'));
  const first = await client.until((text) => text.endsWith('hello'));
  t.is(first, 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\nX-Back: 1\r\n\r\nhello');
  client.text = '';
  client.send(getRequest('/again'));
  await client.until((text) => text.endsWith('hello'));
  t.is(server.sockets.length, 1);
  const [one, two] = server.received[0]!.split('\r\n\r\n');
  t.regex(one!, /^GET \/x\?y=1 HTTP\/1\.1\r\nHost: shop\.example\r\nX-Front: 2\r\nx-forwarded-for: 127\.0\.0\.1\r\n/);
  t.regex(one!, /\r\nx-request-id: [0-9a-f-]{36}\r\nx-weft-hops: 1$/);
  t.regex(two!, /^GET \/again HTTP\/1\.1\r\nHost: shop\.example\r\n/);
});

test('no route is 404, no endpoint 503, a refused connection 503, each with its code', async (t) => {
  const prefix = (value: string) => [{ index: 0, path: { type: 'PathPrefix', value }, headers: [], query: [] }] as const;
  const rig = await startRig({ backends: { a: [] }, rules: [{ matches: prefix('/a') }] });
  const missing = await fetchRaw(rig.listener.port, getRequest('/b', 'Connection: close\r\n'));
  t.is(statusOf(missing), 404);
  t.regex(missing, /\r\nx-weft-error: no-route\r\n/);
  const empty = await fetchRaw(rig.listener.port, getRequest('/a', 'Connection: close\r\n'));
  t.is(statusOf(empty), 503);
  t.is(bodyOf(empty), 'No endpoint is ready.\n');
  await rig.close();
  const refused = await startRig({ backends: { a: [await closedPort()] } });
  t.regex(await fetchRaw(refused.listener.port, getRequest('/', 'Connection: close\r\n')), /^HTTP\/1\.1 503 [^]*x-weft-error: connect-failed\r\n/);
  await refused.close();
});

test('pipelined requests are answered one after the other, in order', async (t) => {
  const { server, client } = await behind(t, (socket, text) => {
    for (const [, path] of text.matchAll(/GET (\S+) HTTP/g)) setTimeout(() => socket.write(ok(`<${path}>`)), path === '/1' ? 30 : 1);
  });
  const paths = ['/1', '/2', '/3', '/4'];
  client.send(paths.map((path) => getRequest(path)).join(''));
  const text = await client.until((got) => got.endsWith('</4>'));
  t.deepEqual([...text.matchAll(/<(\S+)>/g)].map(([, path]) => path), paths);
  t.is(server.sockets.length, 1);
});

test('ten thousand pipelined requests without a route need no stack', async (t) => {
  const rig = await startRig({ rules: [{ matches: [{ index: 0, path: { type: 'Exact', value: '/never' }, headers: [], query: [] }] }] });
  const client = new RawClient(rig.listener.port);
  client.send(getRequest().repeat(10_000));
  await client.until((text) => text.split('no-route').length - 1 === 10_000, 20_000);
  t.pass();
  client.close();
  await rig.close();
});

test('a head may come byte by byte', async (t) => {
  const { client } = await behind(t, answering(ok('hello')));
  for (const byte of `${getRequest('/slow')}`) {
    client.send(byte);
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.is(statusOf(await client.until((text) => text.endsWith('hello'))), 200);
});

const bodies: Record<string, readonly [sent: string, arrived: string]> = {
  'a body with a length': ['Content-Length: 11\r\n\r\nhello world', 'Content-Length: 11\r\n|hello world'],
  'a chunked body, framed anew without extensions, its trailers but for those that a head must have': [
    'Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n6\r\n world\r\n0\r\nX-Trailer:1\r\nContent-Length: 5\r\nX-Weft-Y: 1\r\nAuthorization: x\r\n\r\n',
    'transfer-encoding: chunked\r\n|5\r\nhello\r\n6\r\n world\r\n0\r\nX-Trailer: 1\r\n\r\n',
  ],
  'an empty chunked body': ['Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 'transfer-encoding: chunked\r\n|0\r\n\r\n'],
  'a length of 0': ['Content-Length: 0\r\n\r\n', 'Content-Length: 0\r\n|'],
};

for (const [title, [sent, arrived]] of Object.entries(bodies)) {
  for (const cut of [0, 1, 7]) {
    test(`request: ${title}, ${cut === 0 ? 'at once' : `in pieces of ${cut}`}`, async (t) => {
      const [lines, body] = arrived.split('|') as [string, string];
      const { server, client } = await behind(t, (socket) => {
        if (server.received[0]!.endsWith(`\r\n\r\n${body}`)) socket.write(ok('done'));
      });
      const request = `POST / HTTP/1.1\r\nHost: x\r\n${sent}`;
      if (cut === 0) client.send(request);
      for (let from = 0; cut > 0 && from < request.length; from += cut) {
        client.send(request.slice(from, from + cut));
        await new Promise((resolve) => setImmediate(resolve));
      }
      if (cut === 0 || body === '') await client.until((text) => text.endsWith('done'));
      else {
        // Chunks are framed as they come, so only the data is the same.
        await t.notThrowsAsync(async () => {
          while (plainBody(server.received[0]!) !== plainBody(`x\r\n\r\n${body}`) || !complete(server.received[0]!, lines)) await new Promise((resolve) => setTimeout(resolve, 5));
        });
      }
      t.true(server.received[0]!.includes(lines));
    });
  }
}

function plainBody(message: string): string {
  return message.slice(message.indexOf('\r\n\r\n') + 4).replace(/(^|\r\n)[0-9a-f]+\r\n/g, '').replace(/\r\n/g, '');
}

function complete(message: string, lines: string): boolean {
  return !lines.includes('chunked') || /\r\n0\r\n(?:[^\r\n]+\r\n)*\r\n$/.test(message);
}

const responses: Record<string, readonly [sent: string, arrived: string]> = {
  'chunked, framed anew': [
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n3;x\r\nabc\r\n2\r\nde\r\n0\r\nX-T: 1\r\n\r\n',
    'HTTP/1.1 200 OK\r\nTrailer: X-T\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX-T: 1\r\n\r\n',
  ],
  'no content': ['HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n', 'HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n'],
  'not modified, with the length of what there would be': ['HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n'],
  'no reason phrase': ['HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n', 'HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n'],
  'no space before the missing phrase': ['HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n', 'HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n'],
  'hop-by-hop fields and odd spaces': [
    'HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nX-Odd:\t  a b \t\r\nContent-Length: 0\r\n\r\n',
    'HTTP/1.1 200 OK\r\nX-Odd: a b\r\nContent-Length: 0\r\n\r\n',
  ],
  'a code of ours, claimed by a backend': ['HTTP/1.1 200 OK\r\nX-Weft-Error: no-route\r\nContent-Length: 0\r\n\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'],
};

for (const [title, [sent, arrived]] of Object.entries(responses)) {
  test(`response: ${title}`, async (t) => {
    const { server, client } = await behind(t, answering(sent));
    for (let round = 0; round < 2; round++) {
      client.text = '';
      client.send(getRequest());
      t.is(await client.until((text) => text.length >= arrived.length), arrived);
    }
    t.is(server.sockets.length, 1, 'the connection is used again');
  });
}

test('a response that ends with its connection becomes chunked, and the client stays', async (t) => {
  const { server, client } = await behind(t, (socket) => socket.end('HTTP/1.1 200 OK\r\n\r\nuntil the end'));
  client.send(getRequest());
  t.is(await client.until((text) => text.endsWith('0\r\n\r\n')), 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nd\r\nuntil the end\r\n0\r\n\r\n');
  client.text = '';
  client.send(getRequest());
  await client.until((text) => text.endsWith('0\r\n\r\n'));
  t.is(server.sockets.length, 2);
});

test('HEAD has a head and no body, whatever the head says', async (t) => {
  const { server, rig, client } = await behind(t, (socket, text) => socket.write(text.startsWith('HEAD') ? 'HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n' : ok('got')));
  client.send('HEAD / HTTP/1.1\r\nHost: x\r\n\r\n');
  t.is(await client.until((text) => text.endsWith('\r\n\r\n')), 'HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n');
  client.text = '';
  client.send(getRequest());
  await client.until((text) => text.endsWith('got'));
  t.is(server.sockets.length, 1);
  const missing = new RawClient(rig.listener.port).send('HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: x\r\n\r\n');
  t.regex(await missing.all(), /^HTTP\/1\.1 400 /);
});

test('HTTP/1.0: no chunks, closed unless kept alive', async (t) => {
  const server = await rawServer(answering('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n'));
  const rig = await startRig({ backends: { a: [server.port] } });
  t.is(await fetchRaw(rig.listener.port, 'GET / HTTP/1.0\r\n\r\n'), 'HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello');
  t.regex(server.received[0]!, /^GET \/ HTTP\/1\.1\r\n(?:.*\r\n)*host: \r\n/);
  await rig.close();
  await server.close();
  const sized = await rawServer(answering(ok('hello')));
  const second = await startRig({ backends: { a: [sized.port] } });
  const client = new RawClient(second.listener.port);
  client.send('GET / HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n');
  t.is(await client.until((text) => text.endsWith('hello')), 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: keep-alive\r\n\r\nhello');
  client.close();
  await second.close();
  await sized.close();
});

test('100 and 103 pass through, and the body follows the 100', async (t) => {
  const { server, client } = await behind(t, (socket, text) => {
    if (text.includes('HTTP/1.1')) socket.write('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n');
    if (text.endsWith('hello')) socket.write(ok('got it'));
  });
  client.send('POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n');
  t.is(await client.until((text) => text.includes('100')), 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n');
  t.true(server.received[0]!.includes('Expect: 100-continue'));
  client.send('hello');
  await client.until((text) => text.endsWith('got it'));
});

test('endless interim responses are a bad response', async (t) => {
  const { rig } = await behind(t, answering('HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(100)));
  const text = await fetchRaw(rig.listener.port, getRequest('/', 'Connection: close\r\n'));
  t.regex(text, /HTTP\/1\.1 502 [^]*x-weft-error: bad-response/);
});

const badResponses: Record<string, string> = {
  'no HTTP': 'SSH-2.0-OpenSSH\r\n',
  'length and chunked': 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'two lengths': 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!',
  'an upgrade that nobody asked for': 'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n',
};

for (const [title, response] of Object.entries(badResponses)) {
  test(`bad response: ${title}`, async (t) => {
    const { rig } = await behind(t, answering(response));
    const text = await fetchRaw(rig.listener.port, getRequest('/', 'Connection: close\r\n'));
    t.is(statusOf(text), 502);
    t.regex(text, /x-weft-error: bad-response/);
  });
}

test('bytes behind a response: the client gets the response, the connection is not used again', async (t) => {
  const { server, client } = await behind(t, answering(`${ok('hello')}HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil`));
  for (let round = 1; round <= 3; round++) {
    client.text = '';
    client.send(getRequest());
    t.true((await client.until((text) => text.endsWith('hello'))).endsWith('\r\n\r\nhello'));
    t.is(server.sockets.length, round);
  }
});

test('content of a GET or DELETE that its server takes for a request is answered to nobody', async (t) => {
  for (const method of ['GET', 'DELETE']) {
    for (const framed of [(hidden: string) => `Content-Length: ${hidden.length}\r\n\r\n${hidden}`, (hidden: string) => `Transfer-Encoding: chunked\r\n\r\n${hidden.length.toString(16)}\r\n${hidden}\r\n0\r\n\r\n`]) {
      const asked: string[][] = [];
      const answered: number[] = [];
      // It reads no content, and its answer to what it takes for a request comes late.
      const server = await rawServer((socket, text, connection) => {
        const paths = (asked[connection] ??= []);
        paths.push(...[...text.matchAll(/^(?:GET|DELETE) (\/\S*)/gm)].map(([, path = '']) => path));
        for (let next = (answered[connection] ??= 0); next < paths.length && (next === 0 || paths.at(-1) !== '/hidden'); next = ++answered[connection]!) socket.write(ok(paths[next]!));
      });
      const rig = await startRig({ backends: { a: [server.port] } });
      const { port } = rig.listener;
      t.true((await fetchRaw(port, `${method} /a HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n${framed('GET /hidden HTTP/1.1\r\nHost: shop.example\r\n\r\n')}`)).endsWith('\r\n\r\n/a'));
      t.true((await fetchRaw(port, getRequest('/b', 'Connection: close\r\n'))).endsWith('\r\n\r\n/b'));
      t.deepEqual(asked, [['/a', '/hidden'], ['/b']]);
      await rig.close();
      await server.close();
    }
  }
});

test('an idle connection on which the endpoint says something unasked is dropped', async (t) => {
  const { server, client } = await behind(t, (socket) => {
    socket.write(ok('hello'));
    setTimeout(() => socket.write(ok('unasked')), 20);
  });
  client.send(getRequest());
  await client.until((text) => text.endsWith('hello'));
  await new Promise((resolve) => setTimeout(resolve, 60));
  client.text = '';
  client.send(getRequest());
  await client.until((text) => text.endsWith('hello'));
  t.is(server.sockets.length, 2);
});

test('a body that breaks off breaks the client connection off, so that it is not taken for complete', async (t) => {
  const cases = {
    length: 'HTTP/1.1 200 OK\r\ncontent-length: 77\r\n\r\npartial',
    chunked: 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n7\r\npartial\r\n',
  };
  for (const [framing, response] of Object.entries(cases)) {
    const { client } = await behind(t, (socket) => {
      socket.write(response);
      setTimeout(() => socket.destroy(), 20);
    });
    client.send(getRequest());
    const text = await client.all();
    t.is(statusOf(text), 200, framing);
    t.false(text.includes('0\r\n\r\n'), framing);
    t.is(client.error, 'ECONNRESET', framing);
  }
});

test('a client that leaves takes its request with it', async (t) => {
  const server = await rawServer(() => {});
  const rig = await startRig({ backends: { a: [server.port] }, limits: { halfClosedMs: 50 } });
  const client = new RawClient(rig.listener.port);
  client.send(getRequest());
  while (server.sockets.length === 0 || server.received[0] === '') await new Promise((resolve) => setTimeout(resolve, 5));
  const closed = new Promise<void>((resolve) => server.sockets[0]!.on('close', () => resolve()));
  client.close();
  await closed;
  t.pass();
  await rig.close();
  await server.close();
});

test('a client that ends its side after the request gets its response', async (t) => {
  const { rig, client } = await behind(t, (socket) => setTimeout(() => socket.write(ok('late')), 100));
  client.socket.end(getRequest());
  t.true((await client.all()).endsWith('late'));
  const two = new RawClient(rig.listener.port);
  two.socket.end(getRequest('/1') + getRequest('/2'));
  t.is((await two.all()).split('late').length, 3);
});

test('an early response ends the exchange while the body is still being sent', async (t) => {
  const { client } = await behind(t, (socket, text) => {
    if (text.startsWith('POST')) socket.write('HTTP/1.1 413 Content Too Large\r\ncontent-length: 3\r\n\r\ntoo');
  });
  client.send('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n');
  const sending = setInterval(() => client.socket.writable && client.send('x'.repeat(1000)), 2);
  const text = await client.until((got) => got.endsWith('too'));
  clearInterval(sending);
  t.regex(text, /^HTTP\/1\.1 413 [^]*connection: close\r\n/);
  await client.all();
});

test('an answer to a request whose body did not come: neither connection carries another request', async (t) => {
  const { server, rig, client } = await behind(t, answering(ok('no')));
  // Whoever takes the answer for the end of the request sends the next one, which is in the place of the body.
  client.send('POST /a HTTP/1.1\r\nHost: shop.example\r\nExpect: 100-continue\r\nContent-Length: 60\r\n\r\n');
  await client.until((text) => text.endsWith('no'));
  client.send(getRequest('/b'));
  t.regex(await client.all(), /^HTTP\/1\.1 200 OK\r\n[^]*\r\nconnection: close\r\n\r\nno$/);
  t.true((await fetchRaw(rig.listener.port, getRequest('/c', 'Connection: close\r\n'))).endsWith('no'));
  t.deepEqual(server.received.map((text) => [...text.matchAll(/^[A-Z]+ (\S+) HTTP/gm)].map(([, path]) => path)), [['/a'], ['/c']]);
});

test('large bodies pass both ways at once', async (t) => {
  const size = 8 * 1024 * 1024;
  const { client } = await behind(t, (socket, text) => {
    const at = text.indexOf('\r\n\r\n');
    if (text.startsWith('POST')) socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n${text.slice(at + 4)}`, 'latin1');
    else socket.write(text, 'latin1');
  });
  const pattern = Buffer.alloc(size, 'abcdefghijklmnopqrstuvwxyz0123456789').toString('latin1');
  client.send(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${size}\r\n\r\n${pattern}`);
  const text = await client.until((got) => got.length > size && bodyOf(got).length === size, 20_000);
  t.true(bodyOf(text) === pattern);
});

test('a slow reader holds the endpoint back', async (t) => {
  const size = 64 * 1024 * 1024;
  let sent = 0;
  const { client } = await behind(t, (socket) => {
    socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n`);
    const piece = Buffer.alloc(65_536);
    const pump = (): void => {
      while (sent < size) {
        sent += piece.length;
        if (!socket.write(piece)) return;
      }
    };
    socket.on('drain', pump);
    pump();
  });
  client.socket.pause();
  client.send(getRequest());
  await new Promise((resolve) => setTimeout(resolve, 400));
  const held = sent;
  t.true(held < 24 * 1024 * 1024, `${held} bytes sent to a client that reads nothing`);
  let read = 0;
  client.socket.removeAllListeners('data');
  await new Promise<void>((resolve) => {
    client.socket.on('data', (bytes) => {
      read += bytes.length;
      if (read >= size) resolve();
    });
    client.socket.resume();
  });
  t.true(read >= size);
});

test('a slow endpoint holds the client back', async (t) => {
  const { server, client } = await behind(t, () => {});
  const size = 64 * 1024 * 1024;
  client.send(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${size}\r\n\r\n`);
  while (server.sockets.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  server.sockets[0]!.pause();
  let sent = 0;
  const piece = Buffer.alloc(65_536);
  const pump = (): void => {
    while (sent < size) {
      sent += piece.length;
      if (!client.socket.write(piece)) return;
    }
  };
  client.socket.on('drain', pump);
  pump();
  await new Promise((resolve) => setTimeout(resolve, 400));
  t.true(sent < 24 * 1024 * 1024, `${sent} bytes taken for an endpoint that reads nothing`);
});

test('an idle connection that dies as it is used: an idempotent request is sent again, another is not', async (t) => {
  // The second request on a connection meets a reset.
  const { server, client } = await behind(t, (socket, _text, connection) => {
    if (server.received[connection]!.split('HTTP/1.1').length > 2) socket.resetAndDestroy();
    else socket.write(ok(`c${connection}`));
  });
  client.send(getRequest());
  await client.until((text) => text.endsWith('c0'));
  client.text = '';
  client.send(getRequest());
  t.true((await client.until((text) => text.endsWith('c1'))).startsWith('HTTP/1.1 200'));
  client.text = '';
  client.send('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n');
  t.regex(await client.until((text) => text.includes('502')), /x-weft-error: upstream-reset/);
});

test('a connection is given up before its server would', async (t) => {
  const { server, client } = await behind(t, answering(ok('hello', 'Keep-Alive: timeout=1\r\n')));
  client.send(getRequest());
  await client.until((text) => text.endsWith('hello'));
  client.text = '';
  client.send(getRequest());
  await client.until((text) => text.endsWith('hello'));
  t.is(server.sockets.length, 2);
});

test('a connection whose server says how long it keeps it is closed a second before', async (t) => {
  const { server, client } = await behind(t, answering(ok('hello', 'Keep-Alive: timeout=2\r\n')));
  client.send(getRequest());
  await client.until((text) => text.endsWith('hello'));
  // If that were not heeded, after 30 s.
  await t.notThrowsAsync(eventually(() => server.sockets[0]!.readableEnded, 15_000));
});

test('a fault of the proxy itself ends one connection and is reported', async (t) => {
  const server = await rawServer(answering(ok('hello')));
  const faults: unknown[] = [];
  let broken = true;
  const random = (): number => {
    if (broken) throw new Error('a fault');
    return 0;
  };
  const rig = await startRig({ backends: { a: [server.port], b: [server.port] }, rules: [{ backends: [backendTo('a'), backendTo('b', { index: 1 })] }], random, onFault: (error) => faults.push(error) });
  t.is(await new RawClient(rig.listener.port).send(getRequest()).all(), '');
  t.is(faults.length, 1);
  broken = false;
  t.is(bodyOf(await fetchRaw(rig.listener.port, getRequest('/', 'Connection: close\r\n'))), 'hello');
  await rig.close();
  await server.close();
});
