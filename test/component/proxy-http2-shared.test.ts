import test, { type ExecutionContext } from 'ava';
import { frame, requestBlock, responseBlock, uint32, type Frame } from '../../proxy/http2/testing/rig.ts';
import { frameClient, frameServer, type FrameEnd, type FrameServer } from './http2-rig.ts';
import { getRequest, policyOf, RawClient, startRig, statusOf, type Rig, type RigOptions } from './proxy-rig.ts';

/** Requests that share connections of HTTP/2 to an endpoint: what becomes of one of them, or of its connection, is not the others' loss. */

const [data, headers, reset, settings, windowUpdate] = [0, 1, 3, 4, 8];
const [END, WHOLE] = [1, 4];

function setting(id: number, value: number): Buffer {
  return frame(settings, 0, 0, Buffer.concat([Buffer.of(0, id), uint32(value)]));
}

function answer(id: number, status = 204, flags = WHOLE | END): Buffer {
  return frame(headers, flags, id, responseBlock(status));
}

function pathOf({ payload }: Frame): string {
  return /\/[a-z]+/.exec(payload.toString('latin1'))?.[0] ?? '';
}

async function scene(t: ExecutionContext, serve: (frame: Frame, end: FrameEnd, connection: number) => void, options: RigOptions & { readonly settings?: (connection: number) => Buffer } = {}): Promise<{ readonly rig: Rig; readonly server: FrameServer }> {
  const faults: unknown[] = [];
  const server = await frameServer(serve, options.settings);
  const rig = await startRig({ backends: { a: [server.port] }, protocol: 'http2', onFault: (error) => faults.push(error), ...options });
  t.teardown(async () => {
    await rig.close();
    await server.close();
    if (faults.length > 0) throw faults[0];
  });
  return { rig, server };
}

async function until(satisfied: () => boolean, what = ''): Promise<void> {
  for (const deadline = performance.now() + 8000; !satisfied(); ) {
    if (performance.now() > deadline) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function ask(rig: Rig, request = getRequest('/', 'Connection: close\r\n')): Promise<string> {
  return new RawClient(rig.listener.port).send(request).all(8000);
}

function post(path: string, body = 'x'): string {
  return `POST ${path} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}

test('a connection that its server ends without a word: an idempotent request goes on another one, and so does what waited', async (t) => {
  const seen: string[] = [];
  const { rig, server } = await scene(
    t,
    (one, end, connection) => {
      if (one.type !== headers) return;
      const path = pathOf(one);
      seen.push(`${connection} ${path}`);
      if (path === '/hold') return;
      if (path === '/again' && connection === 0) end.socket.end();
      else end.send(answer(one.id));
    },
    { settings: () => setting(3, 1) },
  );
  t.is(statusOf(await ask(rig, getRequest('/first', 'Connection: close\r\n'))), 204);
  t.is(statusOf(await ask(rig, getRequest('/again', 'Connection: close\r\n'))), 204);
  t.deepEqual(seen, ['0 /first', '0 /again', '1 /again']);
  // All connections that there may be are taken; the next request waits for one, which is then ended by its server.
  const held = Array.from({ length: 8 }, () => ask(rig, getRequest('/hold', 'Connection: close\r\n')));
  await until(() => seen.filter((one) => one.endsWith('/hold')).length === 8);
  const waiting = ask(rig, post('/wait'));
  await new Promise((resolve) => setTimeout(resolve, 50));
  const last = server.ends.at(-1)!;
  last.socket.end();
  t.is(statusOf(await waiting), 204);
  t.is(seen.filter((one) => one.endsWith('/wait')).length, 1);
  for (const end of server.ends) end.socket.destroy();
  t.deepEqual(new Set((await Promise.all(held)).map(statusOf)), new Set([502]));
});

test('a stream that the server resets is its answer: nothing is sent twice, on whatever connection', async (t) => {
  let sent = 0;
  const { rig } = await scene(t, (one, end) => {
    if (one.type !== headers) return;
    if (pathOf(one) === '/broken') {
      sent++;
      end.send(frame(reset, 0, one.id, uint32(2)));
    } else end.send(answer(one.id));
  });
  t.is(statusOf(await ask(rig)), 204);
  t.regex(await ask(rig, getRequest('/broken', 'Connection: close\r\n')), /^HTTP\/1.1 502 [^]*x-weft-error: upstream-reset/);
  t.is(sent, 1);
});

test('hundreds of streams that the server resets end themselves alone', async (t) => {
  const { rig, server } = await scene(t, (one, end) => {
    if (one.type === headers && one.payload.includes('/broken')) end.send(frame(reset, 0, one.id, uint32(2)));
  });
  const held = ask(rig, getRequest('/held', 'Connection: close\r\n'));
  await until(() => server.ends[0]?.of(headers).length === 1);
  for (let round = 0; round < 5; round++) {
    const client = frameClient(rig.listener.port);
    client.send(...Array.from({ length: 80 }, (_, index) => frame(headers, WHOLE | END, 2 * index + 1, requestBlock({ 'x-a': '/broken' }))));
    await until(() => client.of(headers).length === 80 || client.ended);
    t.is(client.of(headers).length, 80);
    client.socket.destroy();
  }
  const [end] = server.ends;
  end!.send(answer(end!.of(headers)[0]!.id));
  t.is(statusOf(await held), 204);
  t.is(server.ends.length, 1);
});

test('who waits for room is served when a stream ends, also where the bound is ours', async (t) => {
  // Seven connections of one stream; the eighth takes any number.
  const { rig, server } = await scene(t, () => {}, { settings: (connection) => (connection < 7 ? setting(3, 1) : frame(settings, 0, 0)) });
  const arrived = (): number => server.ends.reduce((sum, end) => sum + end.of(headers).length, 0);
  const clients: FrameEnd[] = [];
  const open = (count: number): void => {
    const client = frameClient(rig.listener.port);
    clients.push(client);
    client.send(...Array.from({ length: count }, (_, index) => frame(headers, WHOLE | END, 2 * index + 1, requestBlock())));
  };
  for (let one = 1; one <= 8; one++) {
    open(1);
    await until(() => arrived() === one, `connection ${one}`);
  }
  for (let more = 0; more < 10; more++) open(more < 9 ? 100 : 99);
  await until(() => arrived() === 1007, 'all that there is room for');
  open(1);
  await new Promise((resolve) => setTimeout(resolve, 100));
  t.is(arrived(), 1007);
  const last = server.ends[7]!;
  last.send(answer(last.of(headers)[3]!.id));
  await until(() => arrived() === 1008, 'the one that waited');
  t.is(server.ends.length, 8);
  for (const client of clients) client.socket.destroy();
});

test('the rest of a response that is tried again is not waited for without end, nor is a body that is not taken', async (t) => {
  let calls = 0;
  const policies = [policyOf({ retry: { maxRetries: 1, retryOn: { codes: [503] }, methods: ['POST'], backoff: { base: '1ms' } } })];
  // The server takes ten bytes of a body.
  const { rig, server } = await scene(
    t,
    (one, end) => {
      if (one.type === headers) end.send(calls++ % 2 === 0 ? answer(one.id, 503, calls === 1 ? WHOLE : WHOLE | END) : Buffer.concat([frame(windowUpdate, 0, one.id, uint32(1000)), answer(one.id)]));
    },
    { policies, settings: () => setting(4, 10) },
  );
  t.is(statusOf(await ask(rig, post('/a'))), 204);
  t.is(statusOf(await ask(rig, post('/b', 'x'.repeat(100)))), 204);
  const [end] = server.ends;
  const ids = end!.of(headers).map(({ id }) => id);
  await until(() => end!.of(reset, ids[0]).length === 1, 'the response without an end');
  await until(() => end!.of(reset, ids[2]).length === 1, 'the body');
  t.is(end!.of(data, ids[3]).length > 0, true);
});
