import { createExposition } from '#proxy';
import type { TimeoutFields } from '#snapshot';
import test, { type ExecutionContext } from 'ava';
import { originServer } from './proxy-http2-rig.ts';
import { answering, backendTo, closedPort, fetchRaw, getRequest, ok, policyOf, rawServer, RawClient, startRig, statusOf, type RawServer, type Rig } from './proxy-rig.ts';

const closing = 'Connection: close\r\n';

interface Served {
  readonly rig: Rig;
  readonly bad: RawServer;
  /** Statuses of so many requests, one after the other. */
  ask(count: number): Promise<readonly number[]>;
}

/** Two endpoints in turn: one that answers, one that treats its connections otherwise. */
async function serve(t: ExecutionContext, treat: Parameters<typeof rawServer>[0], timeouts: TimeoutFields = {}): Promise<Served> {
  const [bad, good] = [await rawServer(treat), await rawServer(answering(ok('good')))];
  const rig = await startRig({ backends: { a: [bad.port, good.port] }, policies: [policyOf({ timeouts })], rules: [{}], random: () => 0 });
  t.teardown(async () => {
    await rig.close();
    await Promise.all([bad.close(), good.close()]);
  });
  const ask = async (count: number): Promise<readonly number[]> => {
    const statuses: number[] = [];
    for (let index = 0; index < count; index++) statuses.push(statusOf(await fetchRaw(rig.listener.port, getRequest('/', closing))));
    return statuses;
  };
  return { rig, bad, ask };
}

const lines = async ({ metrics }: Rig): Promise<readonly string[]> =>
  (await createExposition(metrics)()).body.split('\n').filter((line) => /^weft_upstream_(ejections_total|endpoints_aside)/.test(line));

const broken: readonly [name: string, treat: Parameters<typeof rawServer>[0], status: number, reason: string][] = [
  ['resets', (socket) => socket.resetAndDestroy(), 502, 'upstream-reset'],
  ['cuts its heads', (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Len'), 502, 'upstream-reset'],
  ['speaks something else', (socket) => socket.end('220 mail.example ESMTP\r\n'), 502, 'bad-response'],
  ['swallows requests', () => {}, 504, 'per-try-timeout'],
];

for (const [name, treat, status, reason] of broken) {
  test.serial(`an endpoint that ${name} gets five requests, then trials alone`, async (t) => {
    const { rig, bad, ask } = await serve(t, treat, status === 504 ? { backendRequest: '500ms' } : {});
    const statuses = await ask(16);
    t.deepEqual(statuses.filter((each) => each !== 200), [status, status, status, status, status]);
    t.deepEqual(await lines(rig), ['weft_upstream_endpoints_aside 1', `weft_upstream_ejections_total{reason="${reason}"} 1`]);
    const [aside] = rig.proxy.setAside();
    t.like(aside, { backend: 'a', endpoint: `127.0.0.1:${bad.port}` });
    t.true(aside!.trialInMs <= 1000);
  });
}

test.serial('one that is well again is found so by its trial', async (t) => {
  let isWell = false;
  const { rig, bad, ask } = await serve(t, (socket) => (isWell ? void socket.write(ok('well')) : socket.resetAndDestroy()));
  await ask(10);
  isWell = true;
  t.is(rig.proxy.setAside().length, 1);
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const before = bad.sockets.length;
  t.deepEqual(await ask(6), [200, 200, 200, 200, 200, 200]);
  t.true(bad.sockets.length > before);
  t.deepEqual(rig.proxy.setAside(), []);
});

test.serial('answers are answers: whatever their status, they are no reason', async (t) => {
  const { rig, ask } = await serve(t, answering('HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n'));
  t.is((await ask(40)).filter((status) => status === 503).length, 20);
  t.deepEqual(rig.proxy.setAside(), []);
});

test.serial('a client that sends slowly is not the endpoint’s fault', async (t) => {
  const { rig } = await serve(t, () => {}, { backendRequest: '100ms' });
  for (let count = 0; count < 14; count++) {
    const client = new RawClient(rig.listener.port).send(`POST / HTTP/1.1\r\nHost: x\r\n${closing}Content-Length: 100\r\n\r\n`);
    await client.until((text) => text.includes('\r\n\r\n'));
    client.socket.destroy();
  }
  t.deepEqual(rig.proxy.setAside(), []);
});

test.serial('one to which there is no connection in all of an attempt’s time is at fault, whatever its client has sent by then', async (t) => {
  const [mute, good] = [await rawServer(() => {}), await originServer('http2', () => ({ body: 'good' }))];
  const rig = await startRig({ backends: { a: [mute.port, good.port] }, protocol: 'http2', policies: [policyOf({ timeouts: { backendRequest: '400ms' } })], rules: [{}], random: () => 0 });
  t.teardown(async () => {
    await rig.close();
    await Promise.all([mute.close(), good.close()]);
  });
  const statuses: number[] = [];
  for (let count = 0; count < 12; count++) statuses.push(statusOf(await fetchRaw(rig.listener.port, `POST / HTTP/1.1\r\nHost: x\r\n${closing}Content-Length: 5\r\n\r\nhello`)));
  t.is(statuses.filter((status) => status === 504).length, 5);
  t.like(rig.proxy.setAside(), [{ backend: 'a', endpoint: `127.0.0.1:${mute.port}` }]);
});

test.serial('the copies of a mirror find it out as well, and can be its trial', async (t) => {
  const good = await rawServer(answering(ok('good')));
  const spare = await rawServer(answering(ok('spare')));
  const port = await closedPort();
  const mirror = { type: 'RequestMirror', backend: backendTo('m').target, numerator: 100, denominator: 100 } as const;
  const rig = await startRig({ backends: { a: [good.port], m: [port, spare.port] }, rules: [{ filters: [mirror] }] });
  t.teardown(async () => {
    await rig.close();
    await Promise.all([good.close(), spare.close()]);
  });
  for (let count = 0; count < 2; count++) await fetchRaw(rig.listener.port, getRequest('/', closing));
  while (rig.proxy.setAside().length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  t.like(rig.proxy.setAside()[0], { backend: 'm', endpoint: `127.0.0.1:${port}` });
});
