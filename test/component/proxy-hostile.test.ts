import test from 'ava';
import fc from 'fast-check';
import { answering, fetchRaw, getRequest, ok, rawServer, RawClient, startRig, statusOf, type RawServer, type Rig } from './proxy-rig.ts';

/**
 * What arrives at a backend must be exactly what the proxy understood. The backend here judges heads as a strict reader would; a head
 * that two readers could read in two ways is the failure.
 */
function unsafe(received: string): string | undefined {
  for (const head of received.split('\r\n\r\n')) {
    const lines = head.split('\r\n').slice(1);
    const names = lines.map((line) => line.slice(0, line.indexOf(':')).toLowerCase());
    const values = (name: string): string[] => lines.filter((_, index) => names[index] === name).map((line) => line.slice(line.indexOf(':') + 1).trim());
    const lengths = values('content-length');
    const codings = values('transfer-encoding');
    if (lengths.length + codings.length > 1) return `framed twice: ${head}`;
    if (lengths.some((value) => !/^(0|[1-9][0-9]*)$/.test(value))) return `length: ${head}`;
    if (codings.some((value) => value !== 'chunked')) return `coding: ${head}`;
    if (names.some((name) => /^(content.length|transfer.encoding)$/.test(name) && name.includes('_'))) return `alias: ${head}`;
    // oxlint-disable-next-line no-control-regex -- control characters are what this is about
    if (/[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/.test(head) || /\r(?!\n)|(?<!\r)\n/.test(head)) return `control: ${head}`;
    if (names.some((name, index) => lines[index] !== '' && !/^[!#$%&'*+\-.^_`|~0-9a-z]+$/.test(name))) return `name: ${head}`;
  }
  return undefined;
}

const mutations: readonly string[] = [
  'Transfer-Encoding: xchunked', 'Transfer-Encoding : chunked', 'Transfer-Encoding:\tchunked', 'Transfer-Encoding:chunked', ' Transfer-Encoding: chunked',
  'X: X\nTransfer-Encoding: chunked', 'X: X\r\n\tTransfer-Encoding: chunked', 'Transfer-Encoding\n: chunked', 'Transfer-Encoding: chunk', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: x',
  'Transfer-Encoding: x\r\nTransfer-Encoding: chunked', 'Transfer-Encoding: identity', 'Transfer-Encoding: identity, chunked', 'Transfer-Encoding: chunked, identity', 'Transfer-Encoding: "chunked"',
  'Transfer-Encoding: \'chunked\'', 'Transfer-Encoding: ,chunked', 'Transfer-Encoding: chunked,', 'Transfer-Encoding: chunked;q=1', 'Transfer-Encoding: chunked\x0b', 'Transfer-Encoding: \x0bchunked',
  'Transfer-Encoding: chunked\0', 'Transfer-Encoding: \0chunked', 'Transfer-Encoding\0: chunked', 'Transfer\x00-Encoding: chunked', 'Transfer_Encoding: chunked', 'Transfer-Encoding: chunked\r', 'Transfer-Encoding: \x85chunked',
  'Transfer-Encoding: \xa0chunked', 'transfer-encoding: CHUNKED', 'TRANSFER-ENCODING: chunked', 'Transfer-Encoding:  chunked', 'Transfer-Encoding: chunked ', 'Transfer-Encoding: chunked\t', 'X: 1\rTransfer-Encoding: chunked',
  'Transfer-Encoding', 'Transfer-Encoding:', ': chunked', 'Foo: bar\r\n\rTransfer-Encoding: chunked', 'Content-Encoding: chunked', 'Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked', 'TE: chunked', 'Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked',
];

const lengths: readonly string[] = [
  'Content-Length: 6', 'Content-Length : 6', 'Content-Length: +6', 'Content-Length: -6', 'Content-Length: 06', 'Content-Length: 0x6', 'Content-Length: 6,6', 'Content-Length: 6 6', 'Content-Length: 6\r\nContent-Length: 6', 'Content-Length: 6\r\nContent-Length: 7',
  'Content-Length: "6"', 'Content-Length: 6;', 'Content-Length: 6.0', 'Content-Length: 6e0', 'Content-Length: \xb2', 'Content-Length: 6\0', 'Content-Length: 18446744073709551622', 'Content-Length:', 'Content_Length: 6', 'content-length: 6', 'Content-Length:6', 'Connection: Content-Length\r\nContent-Length: 6', 'Content-Length\t: 6', 'Content-Length: 6\n',
];

const body = '0\r\n\r\nX';

let server: RawServer;
let rig: Rig;

test.before(async () => {
  server = await rawServer(answering(ok('hello')));
  rig = await startRig({ backends: { a: [server.port] }, limits: { lingerMs: 30, halfClosedMs: 30 } });
});

test.after(async () => {
  await rig.close();
  await server.close();
});

/** Sends it, gives it a moment, and says what the backend got of it that it should not have. */
async function attack(request: string): Promise<{ readonly text: string; readonly fault: string | undefined }> {
  const before = server.received.map((text) => text.length);
  const client = new RawClient(rig.listener.port);
  client.socket.end(request, 'latin1');
  const text = await client.all(3000).catch(() => client.text);
  client.close();
  const fault = server.received.map((got, index) => unsafe(got.slice(before[index] ?? 0))).find((found) => found !== undefined);
  return { text, fault };
}

test.serial('every spelling of chunked beside a length, and every spelling of a length beside chunked', async (t) => {
  for (const version of ['1.1', '1.0']) {
    const heads = [
      ...mutations.map((mutation) => `${mutation}\r\nContent-Length: 6\r\n`),
      ...mutations.map((mutation) => `Content-Length: 6\r\n${mutation}\r\n`),
      ...mutations.map((mutation) => `${mutation}\r\n`),
      ...lengths.map((length) => `${length}\r\nTransfer-Encoding: chunked\r\n`),
      ...lengths.map((length) => `Transfer-Encoding: chunked\r\n${length}\r\n`),
      ...lengths.map((length) => `${length}\r\n`),
    ];
    await Promise.all(
      heads.map(async (head) => {
        const { fault, text } = await attack(`POST /attack HTTP/${version}\r\nHost: x\r\n${head}\r\n${body}`);
        t.is(fault, undefined, JSON.stringify(head));
        t.regex(text, /^(HTTP\/1\.1 |$)/);
      }),
    );
  }
});

test.serial('no control byte gets through, wherever in a head it stands', async (t) => {
  const controls = [...Array.from({ length: 32 }, (_, code) => code), 127].filter((code) => code !== 9);
  await Promise.all(
    controls.flatMap((code) => {
      const byte = String.fromCharCode(code);
      return [`X: a${byte}b\r\n`, `X${byte}Y: a\r\n`, `X: ${byte}\r\n`, `X:${byte}a\r\n`, `X: a\r\n${byte}Y: b\r\n`].map(async (line) => {
        const { fault, text } = await attack(`GET /control HTTP/1.1\r\nHost: x\r\n${line}\r\n`);
        t.is(fault, undefined, JSON.stringify(line));
        t.notRegex(text, /^HTTP\/1\.1 200/, JSON.stringify(line));
      });
    }),
  );
});

test.serial('what is valid is still served', async (t) => {
  const valid = [
    'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello',
    'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
    'POST / HTTP/1.1\r\nHost: x\r\ntransfer-encoding:\tCHUNKED \r\nConnection: close\r\n\r\n0\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: x\r\nX-Obs: caf\xe9\r\nConnection: close\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: x\r\nX-Empty:\r\nX-Odd_name.1: v\r\nConnection: close\r\n\r\n',
    'DELETE /a;b=c/%20?q[]=1 HTTP/1.1\r\nHost: [::1]:80\r\nConnection: close\r\n\r\n',
    '\r\nGET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    'M-SEARCH / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
  ];
  for (const request of valid) t.is(statusOf(await fetchRaw(rig.listener.port, request)), 200, request);
});

test.serial('a smuggled request is never a second request', async (t) => {
  const hidden = 'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n';
  const carriers = [
    `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${hidden.length}\r\n\r\n${hidden}`,
    `POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${hidden.length.toString(16)}\r\n${hidden}\r\n0\r\n\r\n`,
    `POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;\n${hidden}\r\nhello\r\n0\r\n\r\n`,
    `POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n${hidden}`,
  ];
  for (const carrier of carriers) {
    const { text } = await attack(carrier);
    t.true(text.split('HTTP/1.1 200').length <= 2, `${carrier} → ${text}`);
  }
});

test.serial('the proxy survives whatever bytes come, and serves on', async (t) => {
  const piece = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom('GET / HTTP/1.1\r\n', 'POST /a HTTP/1.1\r\n', 'Host: x\r\n', '\r\n', 'Content-Length: 5\r\n', 'Transfer-Encoding: chunked\r\n', '5\r\nhello\r\n', '0\r\n\r\n', 'hello', 'Connection: close\r\n', 'Connection: upgrade\r\nUpgrade: websocket\r\n', 'Expect: 100-continue\r\n', 'CONNECT x:1 HTTP/1.1\r\n', 'OPTIONS * HTTP/1.1\r\n', 'HTTP/1.0\r\n') },
    { weight: 1, arbitrary: fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)), maxLength: 40 }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(piece, { maxLength: 6 }), { maxLength: 5 }), async (packets) => {
      const before = server.received.map((text) => text.length);
      const client = new RawClient(rig.listener.port);
      for (const packet of packets) {
        if (client.socket.writable) client.send(packet.join(''));
        await new Promise((resolve) => setImmediate(resolve));
      }
      client.socket.end();
      await client.all(2000).catch(() => {});
      client.close();
      const fault = server.received.map((got, index) => unsafe(got.slice(before[index] ?? 0))).find((found) => found !== undefined);
      // A body that looks like a head is the client's affair; only what has a request line is a head.
      if (fault !== undefined && !/hello|^control/.test(fault)) throw new Error(fault);
    }),
    { numRuns: 150 },
  );
  t.is(statusOf(await fetchRaw(rig.listener.port, getRequest('/', 'Connection: close\r\n'))), 200);
});

test.serial('and whatever bytes backends answer', async (t) => {
  const piece = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom('HTTP/1.1 200 OK\r\n', 'HTTP/1.1 103 E\r\n', 'HTTP/1.1 101 S\r\n', 'HTTP/1.0 200\r\n', 'HTTP/1.1 304 N\r\n', '\r\n', 'Content-Length: 5\r\n', 'Transfer-Encoding: chunked\r\n', '5\r\nhello\r\n', '0\r\n\r\n', 'hello', 'Connection: close\r\n', 'Upgrade: websocket\r\nConnection: upgrade\r\n') },
    { weight: 1, arbitrary: fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)), maxLength: 40 }) },
  );
  let answer: readonly (readonly string[])[] = [];
  const hostile = await rawServer((socket) => {
    void (async () => {
      for (const packet of answer) {
        if (socket.writable) socket.write(packet.join(''), 'latin1');
        await new Promise((resolve) => setImmediate(resolve));
      }
      socket.end();
    })();
  });
  const target = await startRig({ backends: { a: [hostile.port] } });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(piece, { maxLength: 5 }), { maxLength: 4 }), async (packets) => {
      answer = packets;
      const client = new RawClient(target.listener.port).send(getRequest('/', 'Connection: close\r\n'));
      await client.all(2000);
      client.close();
      // Whatever the client gets is a response of the proxy's making: one final head, no byte of a second one.
      const finals = client.text.match(/^HTTP\/1\.1 [2-5]/gm)?.length ?? 0;
      if (client.text !== '' && client.error === undefined && finals < 1) throw new Error(JSON.stringify(client.text));
    }),
    { numRuns: 150 },
  );
  t.pass();
  await target.close();
  await hostile.close();
});

test.serial('header bombs: 431, and no memory to speak of', async (t) => {
  const { port } = rig.listener;
  t.is(statusOf(await fetchRaw(port, `GET / HTTP/1.1\r\nHost: x\r\n${'a: b\r\n'.repeat(10_000)}\r\n`)), 431);
  const client = new RawClient(port);
  client.send(`GET / HTTP/1.1\r\nHost: x\r\nA: `);
  const sending = setInterval(() => client.socket.writable && client.send('b'.repeat(20_000)), 1);
  t.regex(await client.all(), /^HTTP\/1\.1 431 /);
  clearInterval(sending);
});

test.serial('many slow clients do not keep others out', async (t) => {
  const slow = Array.from({ length: 300 }, () => new RawClient(rig.listener.port).send('GET / HTTP/1.1\r\nHost: x\r\n'));
  for (let round = 0; round < 20; round++) t.is(statusOf(await fetchRaw(rig.listener.port, getRequest('/', 'Connection: close\r\n'))), 200);
  for (const client of slow) client.close();
});
