import { createSocket, type Socket } from 'node:dgram';
import { readdirSync } from 'node:fs';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import type { Listener, ListenerSection } from '#snapshot';
import { applyTo } from './proxy-rig.ts';
import { eventually, invalidBackend, setBackends, startStreamRig, streamBackend, streamTable, type StreamRig } from './streams-rig.ts';

const section: ListenerSection = { name: 'udp', hostname: '', protocol: 'UDP', routes: 'listener/shop/gw/udp' };
const udp = { transport: 'udp', name: 'shop/gw/1/udp' } as const satisfies Partial<Listener>;

interface UdpServer {
  readonly port: number;
  /** Ports from which it got datagrams, in order. */
  readonly from: number[];
  close(): Promise<void>;
}

/** Says its name and what it got; `answers` times. */
async function udpServer(name: string, answer: (text: string) => readonly string[] = (text) => [`${name} ${text}`]): Promise<UdpServer> {
  const socket = createSocket('udp4');
  const from: number[] = [];
  socket.on('message', (bytes, { port, address }) => {
    from.push(port);
    for (const text of answer(bytes.toString('latin1'))) socket.send(text, port, address);
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  return { port: socket.address().port, from, close: () => new Promise((resolve) => socket.close(() => resolve())) };
}

class UdpClient {
  readonly socket: Socket = createSocket('udp4');
  readonly got: string[] = [];
  readonly #port: number;

  constructor(port: number) {
    this.#port = port;
    this.socket.on('message', (bytes, from) => this.got.push(from.port === port ? bytes.toString('latin1') : 'from elsewhere'));
  }

  send(text: string): this {
    this.socket.send(text, this.#port, '127.0.0.1');
    return this;
  }

  async ask(text: string): Promise<string> {
    const before = this.got.length;
    this.send(text);
    await eventually(() => this.got.length > before);
    return this.got.at(-1)!;
  }

  close(): void {
    this.socket.close();
  }
}

function route(rig: StreamRig, ...backends: readonly ReturnType<typeof streamBackend>[]): void {
  applyTo(rig.proxy, { streamTables: { changed: [streamTable('udp', backends.length === 0 ? [] : [{ kind: 'UDPRoute', backends }])] } });
}

interface Served {
  readonly rig: StreamRig;
  readonly server: UdpServer;
  client(): UdpClient;
}

interface Serving {
  readonly limits?: NonNullable<Parameters<typeof startStreamRig>[0]>['limits'];
  readonly listener?: Partial<Listener>;
  readonly answer?: (text: string) => readonly string[];
}

/** A listener whose route leads to one server, `a`; all of it ends with the test. */
async function serve(t: ExecutionContext, { limits, listener = udp, answer }: Serving = {}): Promise<Served> {
  const rig = await startStreamRig(limits === undefined ? {} : { limits });
  const server = await udpServer('a', answer);
  t.teardown(async () => {
    await rig.close();
    await server.close();
  });
  setBackends(rig.proxy, { a: [server.port] }, 'udp');
  route(rig, streamBackend('a'));
  const { port } = await rig.listen([section], listener);
  const client = (): UdpClient => {
    const made = new UdpClient(port);
    t.teardown(() => made.close());
    return made;
  };
  return { rig, server, client };
}

const counter = async (rig: StreamRig, name: string): Promise<number> => Number((await rig.metricLines(name))[0]?.split(' ').at(-1));

test('each client is a flow: it stays with one endpoint, answers come from where it sent to; counted and logged', async (t) => {
  const rig = await startStreamRig({ limits: { udpIdleMs: 1000 } });
  const servers = [await udpServer('a'), await udpServer('b')];
  setBackends(rig.proxy, { dns: servers.map(({ port }) => port) }, 'udp');
  route(rig, streamBackend('dns'));
  const { port } = await rig.listen([section], udp);
  const clients = [new UdpClient(port), new UdpClient(port)];
  const names = await Promise.all(clients.map(async (client) => (await client.ask('hello')).split(' ')[0]));
  t.deepEqual(names.toSorted(), ['a', 'b']);
  for (const [index, client] of clients.entries()) for (let round = 0; round < 5; round++) t.is(await client.ask(`r${round}`), `${names[index]} r${round}`);
  t.deepEqual(servers.map(({ from }) => new Set(from).size), [1, 1]);
  // An empty datagram is one.
  t.is(await clients[0]!.ask(''), `${names[0]} `);
  await eventually(async () => (await rig.logged()).length === 2);
  t.deepEqual(rig.log.map(({ bytesIn }) => bytesIn), [15, 15]);
  t.like(rig.log[0], { protocol: 'udp', source: 'shop/gw/udp', route: 'UDPRoute/shop/udp-0', backend: 'dns' });
  t.regex(String(rig.log[0]!['client']), /^127\.0\.0\.1:\d+$/);
  const labels = 'source="shop/gw/udp",route_kind="UDPRoute",route_namespace="shop",route_name="udp-0",rule="0",backend="dns"';
  t.deepEqual(await rig.metricLines('weft_stream_datagrams'), [`weft_stream_datagrams_total{direction="in",${labels}} 13`, `weft_stream_datagrams_total{direction="out",${labels}} 13`]);
  t.deepEqual(await rig.metricLines('weft_streams_active'), [`weft_streams_active{${labels}} 0`]);
  t.deepEqual(rig.faults, []);
  for (const client of clients) client.close();
  await rig.close();
  for (const server of servers) await server.close();
});

test('weights; what is invalid, without route or without endpoint is dropped; a new table counts for flows that are open', async (t) => {
  let drawn = 0;
  const rig = await startStreamRig({ random: () => drawn });
  const [one, two] = [await udpServer('one'), await udpServer('two')];
  setBackends(rig.proxy, { one: [one.port], two: [two.port], none: [] }, 'udp');
  route(rig, streamBackend('one', { weight: 1 }), streamBackend('two', { weight: 1 }), { ...invalidBackend, weight: 2 });
  const { port } = await rig.listen([section], udp);
  const answers: string[] = [];
  for (drawn of [0, 0.3]) {
    const client = new UdpClient(port);
    answers.push(await client.ask('x'));
    client.close();
  }
  t.deepEqual(answers, ['one x', 'two x']);
  drawn = 0.9;
  const lost = new UdpClient(port).send('x');
  await eventually(async () => (await counter(rig, 'weft_udp_datagrams_dropped')) === 1);
  t.deepEqual(lost.got, []);
  drawn = 0;
  t.is(await lost.ask('x'), 'one x');
  route(rig, streamBackend('one', { weight: 1 }));
  t.is(await lost.ask('y'), 'one y');
  t.is(new Set(one.from).size, 2);
  route(rig, streamBackend('two', { weight: 1 }));
  t.is(await lost.ask('z'), 'two z');
  route(rig, streamBackend('none'));
  lost.send('x');
  await eventually(async () => (await counter(rig, 'weft_udp_datagrams_dropped')) === 2);
  route(rig);
  lost.send('x');
  await eventually(async () => (await counter(rig, 'weft_udp_datagrams_dropped')) === 3);
  t.deepEqual((await rig.metricLines('weft_failures_total')).map((line) => /code="([^"]*)"/.exec(line)![1]).toSorted(), ['invalid-backend', 'no-endpoints', 'no-route']);
  lost.close();
  await rig.close();
  await one.close();
  await two.close();
});

test('an endpoint that is gone makes way for another', async (t) => {
  const rig = await startStreamRig();
  const [one, two] = [await udpServer('one'), await udpServer('two')];
  setBackends(rig.proxy, { a: [one.port] }, 'udp');
  route(rig, streamBackend('a'));
  const { port } = await rig.listen([section], udp);
  const client = new UdpClient(port);
  t.is(await client.ask('x'), 'one x');
  // It left the list.
  setBackends(rig.proxy, { a: [two.port] }, 'udp');
  t.is(await client.ask('x'), 'two x');
  // It is there, and nobody listens.
  await one.close();
  setBackends(rig.proxy, { a: [one.port, two.port] }, 'udp');
  const others = Array.from({ length: 4 }, () => new UdpClient(port));
  for (const other of others) {
    await eventually(() => {
      if (other.got.length === 0) other.send('x');
      return other.got.length > 0;
    });
  }
  t.true((await counter(rig, 'weft_upstream_ejections_total')) >= 1);
  t.deepEqual(rig.faults, []);
  for (const each of [client, ...others]) each.close();
  await rig.close();
  await two.close();
});

test('no more flows than the limit: who sent one datagram only goes first', async (t) => {
  const { rig, server, client } = await serve(t, { limits: { maxUdpFlows: 3 } });
  const regular = client();
  await regular.ask('1');
  await regular.ask('2');
  const flood = Array.from({ length: 20 }, client);
  for (const each of flood) await each.ask('x');
  t.is(await counter(rig, 'weft_udp_flows_evicted_total'), 18);
  const before = server.from[0]!;
  t.is(await regular.ask('3'), 'a 3');
  t.is(server.from.at(-1), before, 'the same flow as at first');
  t.is((await rig.metricLines('weft_streams_active'))[0]?.split(' ').at(-1), '3');
});

test('who sent one datagram only gets no more than the limit: it may have been sent under another address', async (t) => {
  const { rig, client } = await serve(t, { limits: { maxUdpUnprovenBytes: 50 }, answer: () => Array.from({ length: 20 }, () => '0123456789') });
  const sender = client().send('x');
  await eventually(async () => (await counter(rig, 'weft_udp_datagrams_dropped')) === 15);
  await eventually(() => sender.got.length === 5);
  sender.send('x');
  await eventually(() => sender.got.length === 25);
  t.pass();
});

test('draining: flows that are busy go on as long as is allowed, nobody new is let in', async (t) => {
  const { rig, client } = await serve(t);
  const busy = client();
  await busy.ask('x');
  const began = performance.now();
  const drained = rig.proxy.drain(500);
  t.is(await busy.ask('y'), 'a y');
  const late = client().send('x');
  await eventually(async () => (await counter(rig, 'weft_udp_datagrams_dropped')) === 1);
  t.deepEqual(late.got, []);
  await drained;
  t.true(performance.now() - began >= 450);
  t.like((await rig.logged())[0], { protocol: 'udp', failure: 'draining' });
});

test('closing again, while it drains or after, hurries it and does no harm', async (t) => {
  const { rig, client } = await serve(t);
  await client().ask('x');
  const began = performance.now();
  const drained = rig.proxy.drain(20_000);
  await rig.proxy.close();
  await drained;
  t.true(performance.now() - began < 2000);
  await rig.proxy.close();
});

test('a listener over IPv6 takes clients of both families', async (t) => {
  const { rig, client } = await serve(t, { listener: { ...udp, address: '::' } });
  t.is(await client().ask('x'), 'a x');
  await rig.proxy.close();
  t.regex(String((await rig.logged())[0]!['client']), /^127\.0\.0\.1:/);
});

test('a port that is taken is said so; closing frees it', async (t) => {
  const rig = await startStreamRig();
  const bound = await rig.listen([section], udp);
  await t.throwsAsync(rig.listen([section], { ...udp, port: bound.port }), { code: 'EADDRINUSE' });
  await bound.close(0);
  const again = await rig.listen([section], { ...udp, port: bound.port });
  t.is(again.port, bound.port);
  await rig.close();
});

const onLinux = process.platform === 'linux' ? test.serial : test.serial.skip;

onLinux('a port that can not be bound costs no descriptor, however often it is tried', async (t) => {
  const rig = await startStreamRig();
  const bound = await rig.listen([section], udp);
  const open = (): number => readdirSync('/proc/self/fd').length;
  const before = open();
  for (let round = 0; round < 20; round++) await t.throwsAsync(rig.listen([section], { ...udp, port: bound.port }), { code: 'EADDRINUSE' });
  await eventually(() => open() < before + 5);
  t.pass();
  await rig.close();
});

test('500 new clients at once are all served', async (t) => {
  const { rig, client } = await serve(t);
  const clients = Array.from({ length: 500 }, () => client());
  for (const each of clients) each.send('x');
  await eventually(() => clients.every(({ got }) => got.length === 1));
  t.is(await counter(rig, 'weft_udp_datagrams_dropped'), 0);
});

test('more than so many new clients a second are turned away and counted; those that are known are served', async (t) => {
  const { rig, client } = await serve(t, { limits: { maxNewUdpFlows: 20 } });
  const known = client();
  await known.ask('a');
  await known.ask('b');
  const others = Array.from({ length: 200 }, () => client());
  for (const each of others) each.send('x');
  await eventually(async () => (await counter(rig, 'weft_udp_newcomers_refused')) > 100);
  t.is(await known.ask('c'), 'a c');
  await eventually(() => others.filter(({ got }) => got.length === 1).length >= 19);
});

test('a policy says how long a flow is kept; of who sent one datagram only no longer than without one', async (t) => {
  const { rig, server, client } = await serve(t, { limits: { udpIdleMs: 300 } });
  const keep = (streamIdle: string) => applyTo(rig.proxy, { streamTables: { changed: [{ ...streamTable('udp', [{ kind: 'UDPRoute', backends: [streamBackend('a', { policy: 0 })] }]), policies: [{ timeouts: { streamIdle }, origins: {} }] }] } });
  const active = async (): Promise<number> => Number((await rig.metricLines('weft_streams_active'))[0]?.split(' ').at(-1));
  const asked = async (times: number): Promise<UdpClient> => {
    const made = client();
    for (let round = 0; round < times; round++) await made.ask('x');
    return made;
  };
  keep('1h');
  const [long, once] = [await asked(2), await asked(1)];
  keep('0s');
  await asked(2);
  t.is(await active(), 3);
  // What has one datagram only goes.
  await eventually(async () => (await active()) === 2);
  const length = new Set(server.from).size;
  keep('1m');
  await new Promise((resolve) => setTimeout(resolve, 400));
  await long.ask('y');
  t.is(new Set(server.from).size, length, 'the same flow');
  await once.ask('y');
  t.is(new Set(server.from).size, length + 1, 'another one');
  keep('100ms');
  await asked(2);
  await eventually(async () => (await active()) === 2);
  // None is cut: while a proxy drains all of them end when they are silent for a while.
  await rig.proxy.drain(20_000);
  await rig.logged();
  t.is(rig.log.length, 5);
  t.deepEqual(rig.log.filter(({ failure }) => failure !== undefined), []);
  t.deepEqual(rig.faults, []);
});

/** One client says something to whoever its flow leads to, which answers so often; or the endpoints become others. */
type UdpStep = { readonly client: number; readonly bytes: number; readonly answers: readonly number[] } | { readonly endpoints: readonly number[] } | 'no route' | 'route';

const datagramBytes = fc.oneof(fc.constantFrom(0, 1, 1472, 9000, 65_507), fc.integer({ min: 0, max: 2000 }));
const udpStep: fc.Arbitrary<UdpStep> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ client: fc.nat(2), bytes: datagramBytes, answers: fc.array(datagramBytes, { maxLength: 3 }) }) },
  { weight: 1, arbitrary: fc.record({ endpoints: fc.constantFrom([0], [1], [0, 1], []) }) },
  { weight: 1, arbitrary: fc.constantFrom('no route' as const, 'route' as const) },
);

test('property: whatever is sent, when endpoints and routes come and go: each datagram once, whole and in order, in the flow of its client', async (t) => {
  t.timeout(120_000);
  const run = async (steps: readonly UdpStep[]): Promise<void> => {
    const rig = await startStreamRig();
    const heard: { readonly server: number; readonly from: number; readonly bytes: Buffer }[] = [];
    let answers: readonly number[] = [];
    const servers = [createSocket('udp4'), createSocket('udp4')];
    const clients = Array.from({ length: 3 }, () => createSocket('udp4'));
    const got: Buffer[][] = clients.map(() => []);
    for (const socket of [...servers, ...clients]) await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
    const ports = servers.map((socket) => socket.address().port);
    for (const [server, socket] of servers.entries()) {
      socket.on('message', (bytes, { port, address }) => {
        heard.push({ server, from: port, bytes });
        for (const [index, length] of answers.entries()) socket.send(Buffer.alloc(length, index + 1), port, address);
      });
    }
    for (const [index, socket] of clients.entries()) socket.on('message', (bytes) => got[index]!.push(bytes));
    const use = (endpoints: readonly number[]): void => setBackends(rig.proxy, { a: endpoints.map((index) => ports[index]!) }, 'udp');
    let [reachable, isRouted, dropped]: [readonly number[], boolean, number] = [[0, 1], true, 0];
    use(reachable);
    route(rig, streamBackend('a'));
    const { port } = await rig.listen([section], udp);
    /** By client: which server, and from which port of the proxy. */
    const flows = new Map<number, { readonly server: number; readonly from: number }>();
    for (const [index, step] of steps.entries()) {
      if (step === 'route' || step === 'no route') {
        isRouted = step === 'route';
        route(rig, ...(isRouted ? [streamBackend('a')] : []));
      } else if ('endpoints' in step) {
        use((reachable = step.endpoints));
        for (const [client, { server }] of flows) if (!reachable.includes(server)) flows.delete(client);
      } else {
        answers = step.answers;
        const bytes = Buffer.alloc(step.bytes, index + 1);
        const before = heard.length;
        for (const each of got) each.length = 0;
        clients[step.client]!.send(bytes, port, '127.0.0.1');
        if (!isRouted || reachable.length === 0) {
          dropped++;
          flows.delete(step.client);
          await eventually(async () => (await counter(rig, 'weft_udp_datagrams_dropped')) === dropped);
        } else {
          await eventually(() => heard.length > before && got[step.client]!.length >= answers.length);
          const { server, from, bytes: arrived } = heard[before]!;
          const flow = flows.get(step.client);
          if (!arrived.equals(bytes) || !reachable.includes(server)) throw new Error(`${arrived.length} of ${bytes.length} bytes at ${server}`);
          if (flow !== undefined && reachable.includes(flow.server) && (flow.server !== server || flow.from !== from)) throw new Error('another flow');
          if ([...flows].some(([client, other]) => client !== step.client && other.from === from && other.server === server)) throw new Error("another client's flow");
          flows.set(step.client, { server, from });
        }
        const expected = !isRouted || reachable.length === 0 ? [] : answers.map((length, place) => Buffer.alloc(length, place + 1));
        if (heard.length > before + 1) throw new Error('more than once');
        for (const [client, each] of got.entries()) if (!Buffer.concat(each).equals(client === step.client ? Buffer.concat(expected) : Buffer.alloc(0)) || each.length !== (client === step.client ? expected.length : 0)) throw new Error(`client ${client} got ${each.map(({ length }) => length).join()}`);
      }
    }
    const { faults } = rig;
    await rig.close();
    const active = (await rig.metricLines('weft_streams_active')).filter((line) => !line.endsWith(' 0'));
    for (const socket of [...servers, ...clients]) socket.close();
    if (faults.length > 0 || active.length > 0) throw new Error(`${faults.join()} ${active.join()}`);
  };
  await fc.assert(fc.asyncProperty(fc.array(udpStep, { minLength: 1, maxLength: 25 }), run), { numRuns: 40, endOnFailure: true });
  t.pass();
});
