import { createHash } from 'node:crypto';
import type { ClientHttp2Stream, IncomingHttpHeaders, OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { connect, type Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { AccessLog, createExposition } from '#proxy';
import { responseOf, StreamClient, streamServer } from './proxy-http2-rig.ts';
import { answering, fetchRaw, ok, policyOf, rawServer, RawClient, startRig, type RawServer, type Rig, type RigOptions } from './proxy-rig.ts';
import { eventually } from './streams-rig.ts';

/** WebSockets over HTTP/2 (RFC 8441), on the client's side and on the endpoint's. Their frames do not matter here: what passes is bytes. */

const request: OutgoingHttpHeaders = { ':method': 'CONNECT', ':protocol': 'websocket', ':scheme': 'http', ':path': '/chat?room=1', 'sec-websocket-version': '13', 'sec-websocket-protocol': 'chat, other', 'origin': 'http://shop.example' };

function acceptOf(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
}

/** What an endpoint of HTTP/1.1 answers to the head that it got. */
function accepting(head: string, accept = acceptOf(/^sec-websocket-key: (.*)\r$/im.exec(head)?.[1] ?? '')): string {
  return `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: chat\r\n\r\n`;
}

/** Accepts, then hands what comes to `serve`. */
async function webSocketServer(serve: (socket: Socket, text: string) => void): Promise<RawServer> {
  return rawServer((socket, text) => {
    if (text.startsWith('GET ')) socket.write(accepting(text));
    else serve(socket, text);
  });
}

interface Parts {
  readonly rig: Rig;
  readonly client: StreamClient;
  /** Lines of the access log, once there are so many. */
  logged(count: number): Promise<readonly Record<string, unknown>[]>;
}

async function start(t: ExecutionContext, servers: readonly { readonly port: number; close(): Promise<void> }[], options: RigOptions = {}): Promise<Parts> {
  const faults: unknown[] = [];
  const log: Record<string, unknown>[] = [];
  const write = async (bytes: Buffer): Promise<void> => {
    for (const line of bytes.toString().trim().split('\n')) log.push(JSON.parse(line) as Record<string, unknown>);
  };
  const accessLog = new AccessLog({ sink: { write, close: async () => {} }, now: () => Date.now() });
  const rig = await startRig({ backends: { a: servers.map(({ port }) => port) }, onFault: (fault) => faults.push(fault), accessLog, ...options });
  const client = new StreamClient(`http://127.0.0.1:${rig.listener.port}`);
  t.teardown(async () => {
    client.close();
    await rig.close();
    for (const server of servers) await server.close();
    if (faults.length > 0) throw faults[0];
  });
  await new Promise((resolve) => client.session.once('remoteSettings', resolve));
  const logged = async (count: number): Promise<readonly Record<string, unknown>[]> => {
    await eventually(async () => {
      await accessLog.flush();
      return log.length >= count;
    });
    return log;
  };
  return { rig, client, logged };
}

/** One WebSocket of a client of HTTP/2. */
class Chat {
  readonly stream: ClientHttp2Stream;
  head: IncomingHttpHeaders | undefined;
  text = '';
  ended = false;
  closed = false;

  constructor(client: StreamClient, headers: OutgoingHttpHeaders = {}, ends: 'ends' | 'goes-on' = 'goes-on') {
    this.stream = client.open({ ...request, ...headers }, ends);
    this.stream.setEncoding('latin1');
    this.stream.on('response', (head) => (this.head = head));
    this.stream.on('data', (piece: string) => (this.text += piece));
    this.stream.on('end', () => (this.ended = true));
    this.stream.on('close', () => (this.closed = true));
  }

  get status(): number {
    return Number(this.head?.[':status']);
  }

  async opened(): Promise<this> {
    await eventually(() => this.head !== undefined || this.closed);
    return this;
  }

  until(text: string): Promise<void> {
    return eventually(() => this.text.endsWith(text));
  }
}

const shout = (socket: Socket, text: string): boolean => socket.write(text.toUpperCase());

test('the handshake is the GET of HTTP/1.1 behind us, and bytes pass both ways', async (t) => {
  const server = await webSocketServer(shout);
  const { rig, client, logged } = await start(t, [server]);
  t.true(client.session.remoteSettings.enableConnectProtocol);
  const chat = await new Chat(client, { 'sec-websocket-key': 'forged' }).opened();
  t.is(chat.status, 200);
  t.is(chat.head!['sec-websocket-protocol'], 'chat');
  t.deepEqual(Object.keys(chat.head!).filter((name) => /upgrade|connection|accept/.test(name)), []);
  const lines = server.received[0]!.split('\r\n');
  t.is(lines[0], 'GET /chat?room=1 HTTP/1.1');
  const named = (name: string): readonly string[] => lines.filter((line) => line.toLowerCase().startsWith(`${name}:`)).map((line) => line.slice(name.length + 2));
  t.deepEqual(['upgrade', 'connection', 'sec-websocket-version', 'sec-websocket-protocol', 'origin', 'host'].map(named), [['websocket'], ['Upgrade'], ['13'], ['chat, other'], ['http://shop.example'], ['shop.example']]);
  t.is(named('sec-websocket-key').length, 1);
  t.is(Buffer.from(named('sec-websocket-key')[0]!, 'base64').length, 16, 'a key of ours, not what the client said');
  t.deepEqual(['content-length', 'transfer-encoding', ':protocol'].flatMap(named), []);
  chat.stream.write('hello');
  await chat.until('HELLO');
  // Beside other streams.
  const other = await new Chat(client, { 'sec-websocket-version': undefined }).opened();
  other.stream.write('beside');
  await other.until('BESIDE');
  t.regex(server.received[1]!, /\r\nsec-websocket-version: 13\r\n/);
  t.not(/key: (.*)/i.exec(server.received[1]!)![1], named('sec-websocket-key')[0]);
  for (const each of [chat, other]) each.stream.end();
  await eventually(() => chat.closed && other.closed);
  t.is(chat.stream.rstCode, 0);
  const [line] = await logged(2);
  t.deepEqual([line!['protocol'], line!['method'], line!['path'], line!['status'], line!['bytesIn'], line!['bytesOut'], line!['failure']], ['HTTP/2', 'GET', '/chat?room=1', 101, 5, 5, undefined]);
  t.regex((await createExposition(rig.metrics)()).body, /^weft_upgrades_total 2$/m);
});

test('a rule for GET takes it, one for CONNECT does not', async (t) => {
  const server = await webSocketServer(shout);
  const match = (method: 'GET' | 'CONNECT') => ({ index: 0, path: { type: 'PathPrefix', value: '/' }, headers: [], query: [], method }) as const;
  const { client } = await start(t, [server], { rules: [{ matches: [match('CONNECT')], backends: [] }, { matches: [match('GET')] }] });
  t.is((await new Chat(client).opened()).status, 200);
});

test('what a client sends ahead of the answer waits for it, its end too', async (t) => {
  let answer = (): void => {};
  const server = await rawServer((socket, text) => {
    if (text.startsWith('GET ')) answer = () => socket.write(accepting(text));
    else socket.write(text.toUpperCase());
  });
  const { client } = await start(t, [server]);
  const chat = new Chat(client);
  chat.stream.end('early');
  await eventually(() => server.received[0]?.includes('\r\n\r\n') === true);
  await new Promise((resolve) => setTimeout(resolve, 50));
  t.true(server.received[0]!.endsWith('\r\n\r\n'), 'nothing passes before the endpoint has agreed');
  answer();
  await chat.until('EARLY');
  await eventually(() => chat.closed);
  t.is(chat.stream.rstCode, 0);
});

test('bytes sent ahead to an endpoint that does not agree are no request of its', async (t) => {
  const server = await rawServer((socket, text) => text.startsWith('GET /chat') && setTimeout(() => socket.write('HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno'), 30));
  const { client, logged } = await start(t, [server]);
  const chat = new Chat(client);
  chat.stream.write('GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n');
  await chat.until('no');
  t.is(chat.status, 403);
  await eventually(() => chat.ended);
  t.is((await client.fetch({ ':path': '/chat' })).status, 403);
  t.false(server.received.join('').includes('smuggled'));
  t.deepEqual((await logged(2)).map(({ status, method }) => [method, status]), [['GET', 403], ['GET', 403]]);
});

const refusals: Readonly<Record<string, (head: string) => string>> = {
  'another key accepted': (head) => accepting(head, acceptOf('dGhlIHNhbXBsZSBub25jZQ==')),
  'no accept': (head) => accepting(head).replace(/Sec-WebSocket-Accept: .*\r\n/, ''),
  'accepted twice': (head) => accepting(head).replace(/(Sec-WebSocket-Accept: .*\r\n)/, '$1$1'),
  'another protocol': (head) => accepting(head).replace('Upgrade: websocket', 'Upgrade: h2c'),
  'no upgrade, as if none was asked for': () => ok('page'),
  'no content': () => 'HTTP/1.1 204 No Content\r\n\r\n',
};

for (const [what, answer] of Object.entries(refusals)) {
  test(`an endpoint that does not become a WebSocket: ${what}`, async (t) => {
    const server = await rawServer((socket, text) => socket.write(answer(text)));
    const { client, logged } = await start(t, [server]);
    const chat = await new Chat(client).opened();
    t.is(chat.status, 502);
    t.is(chat.head!['x-weft-error'], 'bad-response');
    await eventually(() => chat.ended);
    t.is((await logged(1))[0]!['failure'], 'bad-response');
  });
}

test('an attempt that fails is followed by another, with a key of its own', async (t) => {
  const bad = await rawServer(answering('HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n'));
  const good = await webSocketServer(shout);
  const { client, logged } = await start(t, [bad, good], { policies: [policyOf({ retry: { maxRetries: 1, retryOn: { codes: [503] }, backoff: { base: '1ms' } } })], rules: [{}], random: () => 0 });
  const chat = new Chat(client);
  chat.stream.write('ahead');
  await chat.until('AHEAD');
  t.is((await new Chat(client).opened()).status, 200);
  const keys = [bad, good].map(({ received }) => /^sec-websocket-key: (.*)$/im.exec(received[0]!)![1]);
  t.not(keys[0], keys[1]);
  client.close();
  t.true((await logged(2)).some(({ attempts }) => attempts === 2));
});

test('the ends: each side by itself, in order or by force', async (t) => {
  const server = await webSocketServer((socket, text) => {
    if (text === 'reset') socket.resetAndDestroy();
    else if (text === 'end') socket.end('last');
    else socket.write(text.toUpperCase());
  });
  const { client, logged } = await start(t, [server], { policies: [policyOf({ timeouts: { streamIdle: '400ms' } })], rules: [{}] });

  // The endpoint first; the client may go on.
  const first = await new Chat(client).opened();
  first.stream.write('end');
  await first.until('last');
  await eventually(() => first.ended);
  first.stream.write('still');
  await eventually(() => server.received[0]!.endsWith('still'));
  t.false(first.closed);
  first.stream.end();
  await eventually(() => first.closed);
  t.is(first.stream.rstCode, 0);

  const second = await new Chat(client).opened();
  const gone = new Promise((resolve) => server.sockets[1]!.on('close', resolve));
  second.stream.close(8);
  await gone;

  const third = await new Chat(client).opened();
  third.stream.write('reset');
  await eventually(() => third.closed);
  t.is(third.stream.rstCode, 8, 'RFC 8441, 5: CANCEL');

  const fourth = await new Chat(client).opened();
  await eventually(() => fourth.closed);
  t.is(fourth.stream.rstCode, 8);
  const lines = await logged(4);
  t.deepEqual(lines.map(({ status, failure }) => [status, failure]), [[101, undefined], [101, 'client-closed'], [101, 'upstream-reset'], [101, 'stream-idle-timeout']]);
  // The connection is as good as ever.
  t.is((await new Chat(client).opened()).status, 200);
});

test('trailers end it by force: a tunnel has none', async (t) => {
  const server = await webSocketServer(shout);
  const { client } = await start(t, [server]);
  const stream = client.session.request({ ...request, ':authority': 'shop.example' }, { waitForTrailers: true, endStream: false });
  stream.on('error', () => {});
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-a': 'b' }));
  await new Promise((resolve) => stream.once('response', resolve));
  const gone = new Promise((resolve) => server.sockets[0]!.on('close', resolve));
  stream.end('x');
  await gone;
  await eventually(() => stream.closed);
  t.is(stream.rstCode, 1);
});

test('other protocols, CONNECT itself and what is malformed', async (t) => {
  const server = await rawServer(answering(ok('reached')));
  const { client, logged } = await start(t, [server]);
  for (const protocol of ['connect-udp', 'WebSocket', 'websocket2', 'h2c']) t.is((await responseOf(client.open({ ...request, ':protocol': protocol }))).status, 501, protocol);
  t.is((await responseOf(client.session.request({ ':method': 'CONNECT', ':authority': 'shop.example:80' }))).status, 501);
  for (const forged of [{ 'content-length': '5' }, { ':path': 'chat' }, { ':scheme': 'wss' }]) await t.throwsAsync(responseOf(client.open({ ...request, ...forged }, 'goes-on')), { message: 'reset 1' });
  t.deepEqual(server.received, []);
  t.is((await logged(8)).filter(({ status }) => status === 501).length, 5);
});

test('much in both directions, at the pace of a slow reader', async (t) => {
  const size = 12 * 1024 * 1024;
  const server = await rawServer((socket, text) => {
    if (!text.startsWith('GET ')) return;
    socket.write(accepting(text));
    socket.removeAllListeners('data');
    socket.pipe(socket, { end: true });
  });
  const { client } = await start(t, [server]);
  const stream = client.open(request, 'goes-on');
  const sent = createHash('sha256');
  const got = createHash('sha256');
  let bytes = 0;
  stream.on('data', (piece: Buffer) => {
    got.update(piece);
    const before = bytes;
    bytes += piece.length;
    if (before >> 20 === bytes >> 20) return;
    stream.pause();
    setTimeout(() => stream.resume(), 10);
  });
  for (let index = 0; index < size / 65_536; index++) {
    const piece = Buffer.alloc(65_536, index);
    piece.writeUInt32BE(index, 1000);
    sent.update(piece);
    if (!stream.write(piece)) await new Promise((resolve) => stream.once('drain', resolve));
  }
  stream.end();
  await new Promise((resolve) => stream.once('end', resolve));
  t.is(bytes, size);
  t.is(got.digest('hex'), sent.digest('hex'));
});

test('who takes nothing gets no more than windows and sockets hold, in either direction', async (t) => {
  const much = 64 * 1024 * 1024;
  let taken = 0;
  const server = await rawServer((socket, text, connection) => {
    if (!text.startsWith('GET ')) return;
    socket.write(accepting(text));
    if (connection > 0) {
      socket.pause();
      return;
    }
    const more = (): void => {
      while (taken < much) {
        taken += 65_536;
        if (!socket.write(Buffer.alloc(65_536), () => {})) return void socket.once('drain', more);
      }
    };
    more();
  });
  const { client } = await start(t, [server]);
  const reads = client.open(request, 'goes-on');
  await new Promise((resolve) => reads.once('response', resolve));
  const writes = client.open(request, 'goes-on');
  await new Promise((resolve) => writes.once('response', resolve));
  let written = 0;
  const more = (): void => {
    while (written < much) {
      written += 65_536;
      if (!writes.write(Buffer.alloc(65_536))) return void writes.once('drain', more);
    }
  };
  more();
  for (let before = -1; before !== taken + written; ) {
    before = taken + written;
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
  t.true(taken < much / 2, `${taken} of the endpoint`);
  t.true(written < much / 2, `${written} of the client`);
  // Others on the same connection go on.
  t.is((await new Chat(client).opened()).status, 200);
});

test('a drain announces the end of the connection, and waits for it', async (t) => {
  const server = await webSocketServer(shout);
  const { rig, client, logged } = await start(t, [server]);
  const chat = await new Chat(client).opened();
  const cut = await new Chat(client).opened();
  let isDrained = false;
  const drained = rig.proxy.drain(600).then(() => (isDrained = true));
  await eventually(() => client.goaways > 0);
  chat.stream.write('on');
  await chat.until('ON');
  t.false(isDrained);
  chat.stream.end();
  await eventually(() => chat.closed);
  await drained;
  await eventually(() => cut.closed);
  t.deepEqual((await logged(2)).map(({ failure }) => failure), [undefined, 'draining']);
});

test('a connection is idle once its WebSockets are over, not before, however they ended', async (t) => {
  const server = await webSocketServer((socket, text) => (text === 'reset' ? socket.resetAndDestroy() : shout(socket, text)));
  const ends: Readonly<Record<string, (chat: Chat) => void>> = {
    'in order': ({ stream }) => stream.end(),
    'by the client': ({ stream }) => stream.close(8),
    'by the endpoint': ({ stream }) => stream.write('reset'),
  };
  const { rig } = await start(t, [server], { listenerPolicy: policyOf({ timeouts: { idle: '150ms' } }) });
  await Promise.all(Object.entries(ends).map(async ([how, end]) => {
    const client = new StreamClient(`http://127.0.0.1:${rig.listener.port}`);
    await new Promise((resolve) => client.session.once('remoteSettings', resolve));
    const chat = await new Chat(client).opened();
    await new Promise((resolve) => setTimeout(resolve, 400));
    t.is(client.goaways, 0, how);
    end(chat);
    await eventually(() => client.goaways > 0);
    client.close();
  }));
});

const handshake = 'GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nContent-Length: 0\r\n\r\n';

function echo(stream: ServerHttp2Stream): void {
  stream.respond({ ':status': 200, 'sec-websocket-protocol': 'chat' });
  stream.on('data', (piece: Buffer) => stream.write(piece.toString('latin1').toUpperCase()));
  stream.on('end', () => stream.end());
}

test('an endpoint of HTTP/2 that takes extended CONNECT gets one, from clients of both', async (t) => {
  const server = await streamServer(echo, { enableConnectProtocol: true });
  const { rig, client, logged } = await start(t, [server], { protocol: 'http2' });
  for (const _ of [1, 2]) {
    const chat = await new Chat(client, { 'sec-websocket-key': 'forged' }).opened();
    t.is(chat.status, 200);
    t.is(chat.head!['sec-websocket-protocol'], 'chat');
    chat.stream.write('hello');
    await chat.until('HELLO');
    chat.stream.end();
    await eventually(() => chat.closed);
    t.is(chat.stream.rstCode, 0);
  }
  const old = new RawClient(rig.listener.port);
  old.send(`${handshake}early`);
  const text = await old.until((all) => all.endsWith('EARLY'));
  t.is(text, 'HTTP/1.1 101 Switching Protocols\r\nsec-websocket-protocol: chat\r\ndate: DATE\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\nEARLY'.replace('DATE', /date: (.*)\r/.exec(text)![1]!));
  old.socket.end();
  await old.all();
  for (const { headers: head } of server.seen) {
    t.deepEqual([head[':method'], head[':protocol'], head[':scheme'], head['sec-websocket-version'], head['sec-websocket-key'], head['content-length'], head['upgrade']], ['CONNECT', 'websocket', 'http', '13', undefined, undefined, undefined]);
  }
  t.deepEqual(server.seen.map(({ path }) => path), ['/chat?room=1', '/chat?room=1', '/chat']);
  t.deepEqual((await logged(3)).map(({ protocol, method, status, failure }) => [protocol, method, status, failure]), [['HTTP/2', 'GET', 101, undefined], ['HTTP/2', 'GET', 101, undefined], ['HTTP/1.1', 'GET', 101, undefined]]);
});

test('an endpoint of HTTP/2 that refuses, or ends by force', async (t) => {
  const server = await streamServer((stream, { path }) => {
    if (path === '/no') {
      stream.respond({ ':status': 403 });
      stream.end('no');
      return;
    }
    echo(stream);
    stream.once('data', () => stream.close(2));
  }, { enableConnectProtocol: true });
  const { rig, client, logged } = await start(t, [server], { protocol: 'http2' });
  const refused = new Chat(client, { ':path': '/no' });
  await refused.until('no');
  t.is(refused.status, 403);
  t.regex(await fetchRaw(rig.listener.port, handshake.replace('/chat', '/no').replace('Connection: Upgrade', 'Connection: Upgrade, close')), /^HTTP\/1.1 403 /);
  const chat = await new Chat(client).opened();
  chat.stream.write('x');
  await eventually(() => chat.closed);
  t.is(chat.stream.rstCode, 8);
  const old = new RawClient(rig.listener.port);
  old.send(handshake);
  await old.until((all) => all.endsWith('\r\n\r\n'));
  old.send('x');
  await old.all();
  t.deepEqual((await logged(4)).map(({ failure }) => failure), [undefined, undefined, 'upstream-reset', 'upstream-reset']);
});

test('an endpoint of HTTP/2 that takes no extended CONNECT gets a GET, which is not taken for a WebSocket', async (t) => {
  const server = await streamServer((stream) => {
    stream.respond({ ':status': 200 });
    stream.end('page');
  });
  const { rig, client } = await start(t, [server], { protocol: 'http2' });
  t.is((await new Chat(client).opened()).status, 502);
  t.regex(await fetchRaw(rig.listener.port, handshake.replace('Connection: Upgrade', 'Connection: Upgrade, close')), /^HTTP\/1.1 200 [^]*page/);
  t.deepEqual(server.seen.map(({ method, headers }) => [method, headers[':protocol']]), [['GET', undefined], ['GET', undefined]]);
});

for (const from of ['HTTP/2', 'HTTP/1.1'] as const) {
  test(`much of ${from} both ways through a stream to the endpoint`, async (t) => {
    const size = 8 * 1024 * 1024;
    const server = await streamServer((stream) => {
      stream.respond({ ':status': 200 });
      stream.pipe(stream);
    }, { enableConnectProtocol: true });
    const { rig, client } = await start(t, [server], { protocol: 'http2' });
    let bytes = 0;
    let sum = 0;
    const take = (piece: Buffer): void => {
      bytes += piece.length;
      for (let index = 0; index < piece.length; index += 997) sum += piece[index]! > 0 ? 1 : 0;
    };
    if (from === 'HTTP/2') {
      const stream = client.open(request, 'goes-on');
      stream.on('data', take);
      await new Promise((resolve) => stream.once('response', resolve));
      stream.end(Buffer.alloc(size, 7));
      await new Promise((resolve) => stream.once('end', resolve));
    } else {
      const socket = connect({ port: rig.listener.port, allowHalfOpen: true });
      socket.write(handshake);
      await new Promise((resolve) => socket.once('data', resolve));
      socket.on('data', take);
      socket.end(Buffer.alloc(size, 7));
      await new Promise((resolve) => socket.once('end', resolve));
    }
    t.is(bytes, size);
    t.true(sum > 8000);
  });
}
