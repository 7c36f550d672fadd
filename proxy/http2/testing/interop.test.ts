import { createHash, randomBytes } from 'node:crypto';
import { connect, createServer, type ClientHttp2Session, type IncomingHttpHeaders, type OutgoingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream, type ServerOptions } from 'node:http2';
import type { AddressInfo } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import type { Http2Limits } from '../limits.ts';
import { startRelay, type Relay } from './relay.ts';

/** Our server and our client between a client and a server of Node: what one sends has to come out of the other. */

interface Scene {
  readonly relay: Relay;
  readonly client: ClientHttp2Session;
  readonly sessions: Set<ServerHttp2Session>;
}

interface SceneOptions {
  readonly server?: ServerOptions;
  readonly limits?: Partial<Http2Limits>;
}

async function scene(t: ExecutionContext, onStream: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void, options: SceneOptions = {}): Promise<Scene> {
  // In megabytes: Node refuses streams for what it buffers itself.
  const server = createServer({ maxSessionMemory: 1000, ...options.server });
  const sessions = new Set<ServerHttp2Session>();
  server.on('session', (session) => {
    sessions.add(session);
    session.on('error', () => {});
    session.on('close', () => sessions.delete(session));
  });
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    stream.on('error', () => {});
    onStream(stream, headers);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const relay = await startRelay({ upstreamPort: (server.address() as AddressInfo).port, now: () => performance.now(), limits: options.limits ?? {} });
  const client = connect(`http://127.0.0.1:${relay.port}`, { maxSessionMemory: 1000 });
  client.on('error', () => {});
  // Node opens as many streams as it is asked to until it has heard how many it may.
  await new Promise((resolve) => client.once('remoteSettings', resolve));
  t.teardown(async () => {
    client.destroy();
    await relay.close();
    for (const session of sessions) session.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return { relay, client, sessions };
}

interface Answer {
  readonly headers: IncomingHttpHeaders;
  readonly trailers: IncomingHttpHeaders | undefined;
  readonly interims: number[];
  readonly body: Buffer;
  readonly error: string | undefined;
}

function ask(client: ClientHttp2Session, headers: OutgoingHttpHeaders, body?: Buffer, options: { readonly trailers?: Record<string, string> } = {}): Promise<Answer> {
  return new Promise((resolve) => {
    const request = client.request({ ':method': body === undefined ? 'GET' : 'POST', ...headers }, { endStream: body === undefined, waitForTrailers: options.trailers !== undefined });
    const chunks: Buffer[] = [];
    const interims: number[] = [];
    let answered: IncomingHttpHeaders = {};
    let trailers: IncomingHttpHeaders | undefined;
    let error: string | undefined;
    request.on('headers', (interim) => interims.push(Number(interim[':status'])));
    request.on('response', (response) => (answered = response));
    request.on('trailers', (received) => (trailers = received));
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('error', (failure: NodeJS.ErrnoException) => (error = failure.message));
    request.on('wantTrailers', () => request.sendTrailers(options.trailers!));
    request.on('close', () => resolve({ headers: answered, trailers, interims, body: Buffer.concat(chunks), error }));
    if (body !== undefined) request.end(body);
  });
}

/** Sends back what came, with the trailers that came, and says what it saw. */
function echo(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
  const chunks: Buffer[] = [];
  let trailers: IncomingHttpHeaders = {};
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  stream.on('trailers', (received) => (trailers = received));
  stream.on('end', () => {
    if (stream.destroyed) return;
    stream.respond({ ':status': 200, 'x-echo': headers['x-echo'] ?? '', 'x-seen': JSON.stringify({ path: headers[':path'], host: headers[':authority'], te: headers['te'], cookie: headers['cookie'] }) }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', 'x-back': String(trailers['x-there'] ?? '') }));
    stream.end(Buffer.concat(chunks));
  });
}

test('bodies of 0 to 300 KB, hundreds of streams at once, trailers both ways', async (t) => {
  const { relay, client } = await scene(t, echo);
  const sizes = [0, 1, 5, 100, 16_383, 16_384, 16_385, 65_535, 65_536, 300_000];
  const answers = await Promise.all(
    Array.from({ length: 300 }, async (_, index) => {
      const body = randomBytes(sizes[index % sizes.length]!);
      const tag = `t${index}-${'x'.repeat(index % 60)}`;
      const answer = await ask(client, { ':path': `/a/${index}?q=1`, 'x-echo': tag, te: 'trailers', cookie: ['a=1', 'b=2'] }, body, { trailers: { 'x-there': tag } });
      return { answer, body, tag, index };
    }),
  );
  for (const { answer, body, tag, index } of answers) {
    t.is(answer.error, undefined);
    t.is(answer.headers['x-echo'], tag);
    const seen = JSON.parse(String(answer.headers['x-seen'])) as Record<string, string>;
    t.deepEqual(seen, { path: `/a/${index}?q=1`, host: `127.0.0.1:${relay.port}`, te: 'trailers', cookie: 'a=1; b=2' });
    t.is(createHash('sha1').update(answer.body).digest('hex'), createHash('sha1').update(body).digest('hex'));
    t.is(answer.trailers?.['x-back'], tag);
  }
  t.deepEqual(relay.faults, []);
});

test('the bound on concurrent streams of a server is kept: more connections, no refusal', async (t) => {
  const { relay, client } = await scene(t, echo, { server: { settings: { maxConcurrentStreams: 5 } }, limits: { streamsBeforeSettings: 5 } });
  await ask(client, { ':path': '/' });
  const answers = await Promise.all(Array.from({ length: 60 }, () => ask(client, { ':path': '/' }, Buffer.from('x'))));
  t.true(answers.every(({ headers, error }) => Number(headers[':status']) === 200 && error === undefined));
  t.true(relay.dialled() > 1);
});

test('small windows on both ends', async (t) => {
  const { client } = await scene(t, echo, { server: { settings: { initialWindowSize: 1000 } } });
  client.settings({ initialWindowSize: 500 });
  const body = randomBytes(50_000);
  const answer = await ask(client, { ':path': '/' }, body);
  t.true(answer.body.equals(body));
});

test('a resetting server and a resetting client', async (t) => {
  const closes: number[] = [];
  const asked: unknown[] = [];
  const { client, relay } = await scene(t, (stream, headers) => {
    stream.on('close', () => closes.push(stream.rstCode));
    asked.push(headers[':path']);
    if (headers[':path'] === '/reset') stream.close(2);
    else if (headers[':path'] === '/half') {
      stream.respond({ ':status': 200 });
      stream.write('half');
      setTimeout(() => stream.destroy(new Error('on purpose')), 20);
    }
  });
  const reset = await ask(client, { ':path': '/reset' });
  t.regex(reset.error!, /INTERNAL_ERROR/);
  const half = await ask(client, { ':path': '/half' });
  t.is(half.body.toString(), 'half');
  t.regex(half.error!, /INTERNAL_ERROR/);
  const hanging = client.request({ ':path': '/hang' });
  hanging.on('error', () => {});
  while (!asked.includes('/hang')) await new Promise((resolve) => setTimeout(resolve, 5));
  hanging.close(8);
  while (closes.length < 3) await new Promise((resolve) => setTimeout(resolve, 5));
  t.deepEqual(closes, [2, 2, 8]);
  t.deepEqual(relay.faults, []);
});

test('a server that goes away: streams that it has begun end well, new ones go elsewhere', async (t) => {
  const held: ServerHttp2Stream[] = [];
  const { client, relay, sessions } = await scene(t, (stream, headers) => {
    if (headers[':path'] === '/slow') held.push(stream);
    else {
      stream.respond({ ':status': 200 });
      stream.end();
    }
  });
  const slow = ask(client, { ':path': '/slow' });
  while (held.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  for (const session of sessions) session.goaway(0, held[0]!.id);
  await new Promise((resolve) => setTimeout(resolve, 100));
  t.is(Number((await ask(client, { ':path': '/other' })).headers[':status']), 200);
  t.is(relay.dialled(), 2);
  held[0]!.respond({ ':status': 200 });
  held[0]!.end('late');
  t.is((await slow).body.toString(), 'late');
});

test('a client that reads slowly holds back the server', async (t) => {
  let written = 0;
  const { client } = await scene(t, (stream) => {
    stream.respond({ ':status': 200 });
    const chunk = Buffer.alloc(65_537);
    const write = (): void => {
      while (written < 64 && stream.write(chunk)) written++;
      if (written < 64) {
        written++;
        stream.once('drain', write);
      } else stream.end();
    };
    write();
  });
  const request = client.request({ ':path': '/' });
  request.pause();
  await new Promise((resolve) => setTimeout(resolve, 200));
  // 64 KiB for the client's window, 256 KiB for our own, and what Node holds back by itself.
  t.true(written < 16, String(written));
  let bytes = 0;
  request.on('data', (chunk: Buffer) => (bytes += chunk.length));
  request.resume();
  await new Promise((resolve) => request.on('end', resolve));
  t.is(bytes, 64 * 65_537);
});

test('1xx responses, HEAD, 204 and large heads', async (t) => {
  const large = 'y'.repeat(30_000);
  const { client } = await scene(t, (stream, headers) => {
    if (headers[':path'] === '/early') stream.additionalHeaders({ ':status': 103, link: '</a>' });
    stream.respond({ ':status': headers[':path'] === '/none' ? 204 : 200, 'content-length': headers[':method'] === 'HEAD' ? 77 : 0, 'x-large': headers['x-large'] ?? '' });
    stream.end();
  });
  const early = await ask(client, { ':path': '/early' });
  t.deepEqual(early.interims, [103]);
  const head = await ask(client, { ':path': '/', ':method': 'HEAD' });
  t.is(head.headers['content-length'], '77');
  t.is(Number((await ask(client, { ':path': '/none' })).headers[':status']), 204);
  t.is((await ask(client, { ':path': '/', 'x-large': large })).headers['x-large'], large);
});
