import test, { type ExecutionContext } from 'ava';
import type { BoundListener, Proxy } from '#proxy';
import { channelPair, Publisher, runSteps, type Channel, type Listener, type ResourceView, type RouteTable } from '#snapshot';
import { startGateway, type GatewayProxy } from './index.ts';

const listener = (name: string, port: number, section = 'http'): Listener => ({
  kind: 'Listener',
  name,
  gateway: { kind: 'Gateway', namespace: 'shop', name: 'g' },
  address: '127.0.0.1',
  port,
  sections: [{ name: section, hostname: '', protocol: 'HTTP', routes: 'listener/shop/g/http' }],
});
const table: RouteTable = { kind: 'RouteTable', name: 'listener/shop/g/http', routes: [], policies: [] };

/** A proxy without sockets that writes down what it is asked. */
class FakeProxy implements Pick<Proxy, 'applyInSteps' | 'countRefused' | 'listen' | 'drain' | 'close'> {
  readonly log: string[] = [];
  /** By port: how often binding fails before it works. */
  readonly busy = new Map<number, number>();

  countRefused(): void {}

  *applyInSteps({ routeTables }: Parameters<Proxy['applyInSteps']>[0]): ReturnType<Proxy['applyInSteps']> {
    for (const { name } of routeTables?.changed ?? []) this.log.push(`table ${name}`);
    for (const name of routeTables?.removed ?? []) this.log.push(`no table ${name}`);
    yield;
    return [];
  }

  async listen({ address, port }: Listener): Promise<BoundListener> {
    await new Promise((resolve) => setImmediate(resolve));
    const left = this.busy.get(port) ?? 0;
    if (left > 0) {
      this.busy.set(port, left - 1);
      throw Object.assign(new Error('busy'), { code: 'EADDRINUSE' });
    }
    this.log.push(`bound ${port}`);
    return {
      address,
      port,
      update: ({ sections }) => void this.log.push(`updated ${port} ${sections[0]?.name}`),
      close: async () => void this.log.push(`closed ${port}`),
    };
  }

  async drain(): Promise<void> {
    this.log.push('drained');
  }

  async close(): Promise<void> {
    this.log.push('ended');
  }
}

interface Rig {
  readonly proxy: FakeProxy;
  readonly gateway: GatewayProxy;
  readonly rejected: () => Readonly<Record<string, string>>;
  set(...listeners: readonly Listener[]): Promise<void>;
}

function rig(t: ExecutionContext, prepare: (proxy: FakeProxy) => void = () => {}): Rig {
  let world: readonly Listener[] = [];
  let publisher: Publisher | undefined;
  const view: ResourceView = {
    own: (type) => (type === 'Listener' ? world.map(({ name }) => name) : []),
    find: (type, name) => {
      const resource = type === 'RouteTable' ? table : world.find((each) => each.name === name);
      const version = JSON.stringify(resource);
      return resource === undefined ? undefined : { version, encoded: JSON.stringify({ name, version, resource }) };
    },
  };
  const dial = (): Channel => {
    const [ours, theirs] = channelPair();
    publisher = new Publisher({ send: (message) => theirs.send(message), open: () => view });
    theirs.onMessage((message) => t.is(publisher && runSteps(publisher.receive(message)), undefined));
    return ours;
  };
  const proxy = new FakeProxy();
  prepare(proxy);
  const gateway = startGateway({ node: { id: 'x', role: 'gateway', namespace: 'shop', name: 'g' }, proxy, dial, now: () => performance.now(), random: () => 0 });
  t.teardown(() => gateway.close());
  return {
    proxy,
    gateway,
    rejected: () => Object.fromEntries(publisher?.rejected('Listener') ?? []),
    set: async (...listeners) => {
      world = listeners;
      if (publisher !== undefined) runSteps(publisher.refresh());
      await settle();
    },
  };
}

async function settle(): Promise<void> {
  for (let i = 0; i < 30; i++) await new Promise((resolve) => setImmediate(resolve));
}

test('a listener is bound once its table is there, updated in place, and closed before its table goes', async (t) => {
  const { proxy, gateway, set } = rig(t);
  await settle();
  t.false(gateway.ready());
  await set(listener('shop/g/80', 80));
  t.true(gateway.ready());
  await set(listener('shop/g/80', 80, 'other'));
  await set();
  t.deepEqual(proxy.log, ['table listener/shop/g/http', 'bound 80', 'updated 80 other', 'closed 80', 'no table listener/shop/g/http']);
});

test('a listener that moves is bound at the new place before it leaves the old one', async (t) => {
  const { proxy, gateway, set } = rig(t);
  await settle();
  await set(listener('shop/g/80', 80));
  await set(listener('shop/g/80', 8080));
  t.deepEqual(proxy.log.slice(1), ['bound 80', 'bound 8080', 'closed 80']);
  t.is(gateway.sockets().get('shop/g/80')?.port, 8080);
});

test('a port that is taken is reported with what to do, tried again, and taken back from the report', async (t) => {
  const { gateway, set, rejected } = rig(t, (proxy) => proxy.busy.set(80, 2));
  await settle();
  await set(listener('shop/g/80', 80), listener('shop/g/81', 81));
  t.true(gateway.ready(), 'said why it can not serve');
  t.deepEqual(Object.keys(rejected()), ['shop/g/80']);
  t.regex(rejected()['shop/g/80'] ?? '', /^EADDRINUSE: 127\.0\.0\.1:80 is taken .*--port-offset/);
  t.is(gateway.sockets().size, 1);
  await new Promise((resolve) => setTimeout(resolve, 200));
  t.deepEqual(rejected(), {});
  t.is(gateway.sockets().size, 2);
});

test('a listener that goes while it could not be bound is not tried any more', async (t) => {
  const { proxy, set, rejected } = rig(t, (fake) => fake.busy.set(80, 1));
  await settle();
  await set(listener('shop/g/80', 80));
  await set();
  await new Promise((resolve) => setTimeout(resolve, 100));
  t.deepEqual(rejected(), {});
  t.false(proxy.log.includes('bound 80'));
});

test('a listener that can not move, and is to stay then, is taken back from the report', async (t) => {
  const { gateway, set, rejected } = rig(t, (proxy) => proxy.busy.set(8080, Infinity));
  await settle();
  await set(listener('shop/g/80', 80));
  await set(listener('shop/g/80', 8080));
  t.deepEqual(Object.keys(rejected()), ['shop/g/80']);
  await set(listener('shop/g/80', 80, 'other'));
  t.deepEqual(rejected(), {});
  t.is(gateway.sockets().get('shop/g/80')?.port, 80);
});
