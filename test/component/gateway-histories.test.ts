import { createHash } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { readdirSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import test from 'ava';
import fc from 'fast-check';
import { startGateway, type GatewayProxy } from '#gateway';
import { createExposition, createProxy, Metrics } from '#proxy';
import { channelPair, Publisher, runSteps, type Channel, type Listener, type ListenerSection, type Resource, type ResourceView } from '#snapshot';
import { answering, backendNamed, backendTo, closedPort, endpointsOf, getRequest, ok, rawServer, tableOf, type RawServer } from './proxy-rig.ts';
import { socketIO } from './socket-io.ts';
import { certificateFor, echoServer, eventually, streamBackend, streamTable } from './streams-rig.ts';

/** Two gateways that want the same few ports, by turns: whatever they have been through, what counts in the end is the last configuration alone. */

const carried = ['HTTP', 'HTTPS', 'TCP', 'TLS ended', 'TLS passed', 'UDP'] as const;
type Carried = (typeof carried)[number];
type Target = 'a' | 'b' | 'nobody' | 'closed';

/** What a port carries, for whom, and where to; undefined: nobody wants it. */
type Wanted = { readonly gateway: 0 | 1; readonly carries: Carried; readonly target: Target } | undefined;
/** By port. */
type World = readonly Wanted[];
const portCount = 3;

const wanted: fc.Arbitrary<Wanted> = fc.option(
  fc.record({ gateway: fc.constantFrom<(0 | 1)[]>(0, 0, 0, 1), carries: fc.constantFrom(...carried), target: fc.constantFrom<Target[]>('a', 'a', 'b', 'nobody', 'closed') }),
  { nil: undefined, freq: 4 },
);
const world: fc.Arbitrary<World> = fc.array(wanted, { minLength: portCount, maxLength: portCount });
/** What a client does and then leaves as it is: all that is there of a connection when the next configuration comes. */
const begun = ['silent', 'part of a head', 'request', 'request and end', 'bytes', 'part of a hello', 'handshake', 'handshake and request', 'datagram', 'reset'] as const;
type Begun = (typeof begun)[number];
const step = fc.record({
  world,
  clients: fc.array(fc.record({ port: fc.nat(portCount - 1), does: fc.constantFrom<Begun[]>(...begun) }), { maxLength: 6 }),
  /** Turns of the event loop until the clients come, and until what is next. */
  before: fc.nat(30),
  after: fc.nat(30),
  /** The stream of the controller breaks. */
  breaks: fc.boolean(),
});

const name = 'end.example';

class Servers {
  readonly #close: (() => void)[] = [];
  /** By what is spoken to them, then by target. */
  readonly #ports = new Map<string, number>();
  readonly #raw: RawServer[] = [];
  closed = 0;

  async start(): Promise<this> {
    this.closed = await closedPort();
    for (const target of ['a', 'b']) {
      const http = await rawServer(answering(ok(target)));
      const [tcp, tls] = [await echoServer(target), await echoServer(target, certificateFor(name))];
      const udp = createSocket('udp4');
      udp.on('message', (_bytes, from) => udp.send(target, from.port, from.address));
      await new Promise<void>((resolve) => udp.bind(0, '127.0.0.1', resolve));
      for (const [spoken, port] of [['http', http.port], ['tcp', tcp.port], ['tls', tls.port], ['udp', udp.address().port]] as const) this.#ports.set(`${spoken} ${target}`, port);
      this.#raw.push(http);
      this.#close.push(() => void http.close(), () => tcp.close(), () => tls.close(), () => udp.close());
    }
    return this;
  }

  portsOf({ carries, target }: NonNullable<Wanted>): readonly number[] {
    if (target === 'nobody') return [];
    const spoken = { HTTP: 'http', HTTPS: 'http', TCP: 'tcp', 'TLS ended': 'tcp', 'TLS passed': 'tls', UDP: 'udp' }[carries];
    return [target === 'closed' ? this.closed : this.#ports.get(`${spoken} ${target}`)!];
  }

  close(): void {
    for (const close of this.#close) close();
  }
}

const sections: Readonly<Record<Carried, Pick<ListenerSection, 'protocol' | 'mode' | 'certificates'>>> = {
  HTTP: { protocol: 'HTTP' }, HTTPS: { protocol: 'HTTPS', certificates: [name] }, TCP: { protocol: 'TCP' },
  'TLS ended': { protocol: 'TLS', mode: 'Terminate', certificates: [name] }, 'TLS passed': { protocol: 'TLS', mode: 'Passthrough' }, UDP: { protocol: 'UDP' },
};

/** Of one gateway. `version`: tells the routes of one configuration from those of another. */
function resourcesOf(servers: Servers, ports: readonly number[], { gateway, wants, version }: { readonly gateway: number; readonly wants: World; readonly version: number }): readonly Resource[] {
  const resources: Resource[] = [{ kind: 'Certificate', name, ...certificateFor(name) }];
  for (const [index, wish] of wants.entries()) {
    if (wish?.gateway !== gateway) continue;
    const { carries } = wish;
    const isHttp = carries === 'HTTP' || carries === 'HTTPS';
    const routes = `listener/shop/gw/${isHttp ? 'http' : 'stream'}-${index}`;
    const backend = `b${index}`;
    const listener: Listener = {
      kind: 'Listener', name: `shop/gw/${index}${carries === 'UDP' ? '/udp' : ''}`, ...(carries === 'UDP' ? { transport: 'udp' } : {}),
      gateway: { kind: 'Gateway', namespace: 'shop', name: 'gw' }, address: '127.0.0.1', port: ports[index]!, sections: [{ name: 'section', hostname: '', routes, ...sections[carries] }],
    };
    const [route] = tableOf([{ backends: [backendTo(backend)] }], [{ origins: {} }]).routes;
    resources.push(
      listener,
      isHttp
        ? { kind: 'RouteTable', name: routes, routes: [{ ...route!, ref: { ...route!.ref, name: `r${version}` } }], policies: [{ origins: {} }] }
        : { ...streamTable(`stream-${index}`, [{ kind: `${version}`, backends: [streamBackend(backend)] }]), name: routes },
      backendNamed(backend, isHttp ? 'http1' : carries === 'UDP' ? 'udp' : 'tcp'),
      { kind: 'Endpoints', name: backend, endpoints: endpointsOf(servers.portsOf(wish)) },
    );
  }
  return resources;
}

/** A gateway and what stands for its controller. */
class Running {
  readonly gateway: GatewayProxy;
  readonly #channels = new Set<Channel>();
  #publisher: Publisher | undefined;
  #resources: readonly Resource[] = [];

  constructor(metrics: Metrics, faults: unknown[]) {
    const proxy = createProxy({
      now: () => performance.now(), wallClock: () => Date.now(), random: Math.random, metrics, io: socketIO, onFault: (error) => faults.push(error), options: { tlsHandshakeMs: 60_000, udpIdleMs: 50 },
    });
    const node = { id: 'x', role: 'gateway', namespace: 'shop', name: 'gw' } as const;
    this.gateway = startGateway({ node, proxy, dial: () => this.#dial(), now: () => performance.now(), random: () => 0, drainMs: 20 });
  }

  set(resources: readonly Resource[]): void {
    this.#resources = resources;
    if (this.#publisher !== undefined) runSteps(this.#publisher.refresh());
  }

  /** The stream ends; the gateway opens another. */
  break(): void {
    this.#publisher = undefined;
    for (const channel of this.#channels) channel.close();
    this.#channels.clear();
  }

  #dial(): Channel {
    const [ours, theirs] = channelPair();
    const view: ResourceView = {
      own: (type) => (type === 'Listener' ? this.#resources.flatMap((one) => (one.kind === 'Listener' ? [one.name] : [])) : []),
      find: (type, wantedName) => {
        const resource = this.#resources.find((one) => one.kind === type && one.name === wantedName);
        if (resource === undefined) return undefined;
        const version = createHash('sha256').update(JSON.stringify(resource)).digest('hex');
        return { version, encoded: JSON.stringify({ name: wantedName, version, resource }) };
      },
    };
    const publisher = (this.#publisher = new Publisher({ send: (message) => theirs.send(message), open: () => view }));
    theirs.onMessage((message) => void runSteps(publisher.receive(message)));
    this.#channels.add(theirs);
    return ours;
  }
}

function begin(port: number, does: Begun): { close(): void } {
  if (does === 'datagram') {
    const socket = createSocket('udp4').on('error', () => {});
    for (const text of ['x', 'y']) socket.send(text, port, '127.0.0.1');
    let isOpen = true;
    return {
      close: () => {
        if (isOpen) socket.close();
        isOpen = false;
      },
    };
  }
  const isTls = does.startsWith('handshake');
  const socket: Socket = isTls ? connectTls({ port, host: '127.0.0.1', servername: name, rejectUnauthorized: false }) : connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  socket.on('error', () => {}).resume();
  if (does === 'reset') socket.once('connect', () => socket.resetAndDestroy());
  const sent = { 'part of a head': 'GET / HT', request: getRequest(), 'request and end': getRequest(), bytes: 'bytes', 'part of a hello': '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 'handshake and request': getRequest('/', '', name) };
  if (does in sent) socket.write(sent[does as keyof typeof sent], 'latin1');
  if (does === 'request and end') socket.end();
  return { close: () => void socket.destroy() };
}

/** What a client gets there. */
async function ask(port: number, wish: Wanted): Promise<string> {
  const carries = wish?.carries ?? 'UDP';
  if (carries === 'UDP') {
    const tcp = await said(connect({ port, host: '127.0.0.1' }), 'connect', '');
    return tcp === 'ECONNREFUSED' && isThere(wish) ? datagram(port) : tcp;
  }
  const isTls = carries !== 'HTTP' && carries !== 'TCP';
  const socket = isTls ? connectTls({ port, host: '127.0.0.1', allowHalfOpen: true, servername: name, rejectUnauthorized: false } as ConnectionOptions) : connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  const isHttp = carries === 'HTTP' || carries === 'HTTPS';
  const text = await said(socket, isTls ? 'secureConnect' : 'connect', isHttp ? getRequest('/', 'Connection: close\r\n', name) : 'x');
  return text.replace(/^HTTP\/1\.1 (\d+).*?\r\n\r\n(.*)$/s, (_, status: string, body: string) => (status === '200' ? body : status));
}

/** All that comes after `text` was sent; why it broke; or nothing in time. */
function said(socket: Socket, event: 'connect' | 'secureConnect', text: string): Promise<string> {
  let got = '';
  return new Promise<string>((resolve) => {
    const timer = setTimeout(resolve, 1000, 'late');
    socket.on('data', (bytes) => (got += bytes.toString('latin1')));
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED' ? error.code : 'broken'));
    socket.on('end', () => resolve(got || 'broken'));
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(got || 'broken');
    });
    socket.once(event, () => (text === 'x' ? socket.end(text) : socket.write(text)));
  }).finally(() => socket.destroy());
}

/** What comes back, or nothing for a while. */
function datagram(port: number): Promise<string> {
  const socket = createSocket('udp4').on('error', () => {});
  return new Promise<string>((resolve) => {
    socket.once('message', (bytes) => resolve(bytes.toString()));
    setTimeout(resolve, 200, 'silent');
    socket.send('x', port, '127.0.0.1');
  }).finally(() => socket.close());
}

function isThere(wish: Wanted): boolean {
  return wish?.target === 'a' || wish?.target === 'b';
}

function expected(wish: Wanted): string {
  if (wish === undefined) return 'ECONNREFUSED';
  const { carries, target } = wish;
  if (carries === 'UDP') return isThere(wish) ? target : 'ECONNREFUSED';
  if (carries === 'HTTP' || carries === 'HTTPS') return isThere(wish) ? target : '503';
  if (!isThere(wish)) return 'broken';
  return carries === 'TLS passed' ? `${target} ${name}\nxend` : `${target}\nxend`;
}

/** Until it is so; a history that ends elsewhere is told by where it ended. */
async function becomes(what: () => Promise<unknown>, wish: unknown): Promise<void> {
  let last: unknown;
  const isSo = async (): Promise<boolean> => JSON.stringify((last = await what())) === JSON.stringify(wish);
  await eventually(isSo, 10_000).catch(() => {
    throw new Error(`${JSON.stringify(last)} and not ${JSON.stringify(wish)}`);
  });
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

test('property: whatever configurations and connections there were, the last one is in force exactly, and nothing else is left', async (t) => {
  const servers = await new Servers().start();
  t.teardown(() => servers.close());
  const ports: number[] = [];
  while (ports.length < portCount) ports.push(await closedPort());
  const faults: unknown[] = [];
  // They outlive the gateways, so that what each history leaves behind adds up.
  const metrics = [new Metrics({ maxSeries: 16 }), new Metrics({ maxSeries: 16 })] as const;
  const pages = metrics.map((each) => createExposition(each));
  const moving = async (families: RegExp): Promise<readonly string[]> => (await Promise.all(pages.map(async (page) => (await page()).body.split('\n')))).flat().filter((line) => families.test(line) && !line.endsWith(' 0'));
  let version = 0;
  const files = (): number => (process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0);
  const filesBefore = files();
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 6 }), async (history) => {
      const running = metrics.map((each) => new Running(each, faults));
      const clients: { close(): void }[] = [];
      for (const { world: wants, clients: come, before, after, breaks } of history) {
        version++;
        for (const [gateway, one] of running.entries()) one.set(resourcesOf(servers, ports, { gateway, wants, version }));
        await turns(before);
        for (const { port, does } of come) clients.push(begin(ports[port]!, does));
        await turns(after);
        if (breaks) for (const one of running) one.break();
      }
      try {
        const last = history.at(-1)!.world;
        await becomes(() => Promise.all(ports.map((port, index) => ask(port, last[index]))), last.map(expected));
        for (const client of clients) client.close();
        await becomes(() => moving(/^weft_(client_connections|requests|streams)_active\b/), []);
      } finally {
        for (const client of clients) client.close();
        await Promise.all(running.map(({ gateway }) => gateway.close()));
      }
      await becomes(() => moving(/^weft_(\w+_active|\w+_idle|\w+_aside|internal_errors_total)\b/), []);
      await becomes(() => Promise.all(ports.map((port) => ask(port, undefined))), ports.map(() => 'ECONNREFUSED'));
      // A place for those of a route that is new.
      for (const each of metrics) {
        const series = each.series({ source: `new ${version}`, routeKind: '', routeNamespace: '', routeName: '', rule: '', backend: '' });
        if (each.labels[series]!.source === 'other') throw new Error('series stay for ever');
        each.release(series);
      }
    }),
    { numRuns: 30, includeErrorInReport: true },
  );
  t.deepEqual(faults, []);
  await becomes(async () => Math.max(0, files() - filesBefore - 5), 0);
});
