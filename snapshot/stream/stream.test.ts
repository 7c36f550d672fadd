import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { runSteps, type Steps } from '../steps.ts';
import type { Backend, Destination, Endpoints, Listener, Resource, ResourceKind, RouteTable } from '../resources.ts';
import { channelPair, decodeRequest, decodeResponse, keepConnected, Publisher, references, resourceKinds, Subscriber, unusedGrace, type Channel, type ResourceView, type Update } from './index.ts';

const ref = { kind: 'Gateway', namespace: 'shop', name: 'g' };
const listener = (name: string, routes: string, port = 80): Listener => ({
  kind: 'Listener',
  name,
  gateway: ref,
  address: '127.0.0.1',
  port,
  sections: [{ name: 'http', hostname: '', protocol: 'HTTP', routes }],
});
const destination = (name: string, routes: string): Destination => ({ kind: 'Destination', name, target: { kind: 'service', service: ref, port: 80, routes } });
const table = (name: string, backends: readonly string[], createdAt = 0): RouteTable => ({
  kind: 'RouteTable',
  name,
  policies: [],
  routes: [
    {
      ref,
      createdAt,
      hostnames: [],
      rules: [
        {
          index: 0,
          matches: [{ index: 0, path: { type: 'PathPrefix', value: '/' }, headers: [], query: [] }],
          filters: [],
          backends: backends.map((backend, index) => ({ index, weight: 1, filters: [], target: { kind: 'backend', ref, port: 80, backend } })),
        },
      ],
    },
  ],
});
const backend = (name: string): Backend => ({ kind: 'Backend', name, ref, port: 80, protocol: 'http1', balancing: 'least-request' });
const endpoints = (name: string, ...ports: number[]): Endpoints => ({ kind: 'Endpoints', name, endpoints: ports.map((port) => ({ address: '127.0.1.1', port })) });

type World = ReadonlyMap<string, Resource>;
const key = (type: ResourceKind, name: string): string => `${type} ${name}`;
const world = (...resources: readonly Resource[]): World => new Map(resources.map((resource) => [key(resource.kind, resource.name), resource]));

const viewOf = (current: () => World): ResourceView => ({
  find(type, name) {
    const resource = current().get(key(type, name));
    if (resource === undefined) return undefined;
    const version = JSON.stringify(resource).slice(0, 900);
    return { version, encoded: JSON.stringify({ name, version, resource }) };
  },
  own: (type) => [...current().values()].filter((resource) => resource.kind === type && type === 'Listener').map((resource) => resource.name),
});

/** A proxy that fails where an update leaves something pointing nowhere. */
class ModelProxy {
  readonly live = new Map<string, Resource>();
  readonly dangling: string[] = [];
  updates = 0;

  *prepare({ resources }: Update): Steps<void> {
    for (const resource of resources) {
      this.live.set(key(resource.kind, resource.name), resource);
      this.#look();
      yield;
    }
  }

  *apply({ removed }: Update): Steps<void> {
    this.updates += 1;
    for (const { type, name } of removed) {
      this.live.delete(key(type, name));
      this.#look();
      yield;
    }
  }

  #look(): void {
    for (const resource of this.live.values()) {
      for (const { type, name } of references(resource)) if (!this.live.has(key(type, name))) this.dangling.push(`${resource.kind} ${resource.name} → ${type} ${name}`);
    }
  }
}

/** Both sides and a line between them that the test moves by hand. */
class Rig {
  world: World = new Map();
  now = 0;
  readonly proxy = new ModelProxy();
  readonly check: (resource: Resource) => string | undefined;
  readonly subscriber: Subscriber;
  publisher: Publisher | undefined;
  readonly faults: string[] = [];
  sent: string[] = [];
  #line: (() => void)[] = [];
  #steps: Steps<void> | undefined;

  constructor(check: (resource: Resource) => string | undefined = () => undefined, pace: 'at once' | 'by hand' = 'at once') {
    this.check = check;
    this.subscriber = new Subscriber({
      node: { id: 'gateway/shop/g/0', role: 'gateway', namespace: 'shop', name: 'g' },
      check: (resource) => this.check(resource),
      prepare: (update) => this.proxy.prepare(update),
      apply: (update) => this.proxy.apply(update),
      now: () => this.now,
      ...(pace === 'at once' ? {} : { run: (steps: Steps<void>) => void (this.#steps = steps) }),
    });
  }

  /** Goes on with what the proxy's side is at. */
  step(count = Infinity): void {
    for (let i = 0; i < count && this.#steps !== undefined; i++) if (this.#steps.next().done === true) this.#steps = undefined;
  }

  /** Until there is nothing left to do on either side. */
  settle(): void {
    while (this.#line.length > 0 || this.#steps !== undefined) {
      this.step();
      this.deliver(1);
    }
  }

  /** What the subscriber says is in force, and is not. */
  untrue(): readonly string[] {
    const names = ['l', 'm', 'n', 't', 'u', 'a', 'b', 'c', 'd:80'];
    return resourceKinds.flatMap((kind) => names.filter((name) => this.subscriber.live(kind, name) !== undefined && !this.proxy.live.has(key(kind, name))).map((name) => key(kind, name)));
  }

  connect(): void {
    this.disconnect();
    const publisher = new Publisher({
      send: (message) => {
        this.sent.push(message);
        this.#line.push(() => this.publisher === publisher && this.#note(this.subscriber.receive(message)));
      },
      open: () => viewOf(() => this.world),
    });
    this.publisher = publisher;
    this.subscriber.connected((message) => this.#line.push(() => this.publisher === publisher && this.#note(runSteps(publisher.receive(message)))));
  }

  disconnect(): void {
    this.publisher = undefined;
    this.subscriber.disconnected();
    this.#line = [];
  }

  set(next: World): void {
    this.world = next;
    if (this.publisher !== undefined) runSteps(this.publisher.refresh());
  }

  deliver(count = Infinity): void {
    for (let i = 0; i < count && this.#line.length > 0; i++) this.#line.shift()?.();
  }

  #note(fault: string | undefined): void {
    if (fault !== undefined) this.faults.push(fault);
  }
}

const connected = (...resources: readonly Resource[]): Rig => {
  const rig = new Rig();
  rig.set(world(...resources));
  rig.subscriber.want('Listener', '*');
  rig.connect();
  rig.deliver();
  return rig;
};
const basic = [listener('l', 't'), table('t', ['b']), backend('b'), endpoints('b', 1)] as const;

test('a gateway gets its listeners and all that they refer to', (t) => {
  const rig = connected(...basic);
  t.deepEqual([...rig.proxy.live.values()].map((r) => r.kind).sort(), ['Backend', 'Endpoints', 'Listener', 'RouteTable']);
  t.deepEqual(rig.proxy.dangling, []);
  t.true(rig.publisher?.progress('RouteTable').settled);
  t.is(rig.publisher?.progress('RouteTable').acked.size, 1);
});

test('make before break: a table waits for its new backend, and the old one leaves after it', (t) => {
  const rig = connected(...basic);
  rig.set(world(listener('l', 't'), table('t', ['c'])));
  rig.deliver();
  t.deepEqual(rig.proxy.live.get('RouteTable t'), table('t', ['b']), 'c has not arrived');
  t.true(rig.proxy.live.has('Backend b'));
  rig.set(world(listener('l', 't'), table('t', ['c']), backend('c'), endpoints('c', 1)));
  rig.deliver();
  t.deepEqual(rig.proxy.live.get('RouteTable t'), table('t', ['c']));
  t.false(rig.proxy.live.has('Backend b'));
  t.deepEqual(rig.proxy.dangling, []);
});

test('only what changed is sent', (t) => {
  const rig = connected(...basic);
  rig.sent = [];
  rig.set(world(...basic.slice(0, 3), endpoints('b', 1, 2)));
  rig.deliver();
  t.is(rig.sent.length, 1);
  t.regex(rig.sent[0] ?? '', /^{"type":"Endpoints"/);
});

test('after a reconnect only what changed meanwhile is sent, and what is gone is removed', (t) => {
  const rig = connected(...basic, listener('m', 't', 81));
  rig.disconnect();
  rig.sent = [];
  t.is(rig.proxy.live.size, 5, 'keeps all while the controller is away');
  rig.set(world(...basic.slice(0, 3), endpoints('b', 7)));
  rig.connect();
  rig.deliver();
  t.is(rig.sent.length, 2, rig.sent.join('\n'));
  t.false(rig.proxy.live.has('Listener m'));
  t.deepEqual(rig.proxy.live.get('Endpoints b'), endpoints('b', 7));
});

test('a refused resource is reported by name; the last good one stays, the rest of the response is used', (t) => {
  const rig = new Rig((resource) => (resource.kind === 'RouteTable' && resource.routes[0]?.createdAt === 13 ? 'unlucky' : undefined));
  rig.set(world(...basic, listener('m', 'u', 81), table('u', [])));
  rig.subscriber.want('Listener', '*');
  rig.connect();
  rig.deliver();
  rig.set(world(listener('l', 't'), table('t', ['b'], 13), ...basic.slice(2), listener('m', 'u', 81), table('u', [], 2)));
  rig.deliver();
  t.deepEqual(rig.proxy.live.get('RouteTable t'), table('t', ['b']));
  t.deepEqual(rig.proxy.live.get('RouteTable u'), table('u', [], 2));
  t.deepEqual([...(rig.publisher?.progress('RouteTable').rejected ?? [])], [['t', 'unlucky']]);
  rig.set(world(listener('l', 't'), table('t', ['b'], 14), ...basic.slice(2), listener('m', 'u', 81), table('u', [], 2)));
  rig.deliver();
  t.is(rig.publisher?.progress('RouteTable').rejected.size, 0);
  t.deepEqual(rig.proxy.live.get('RouteTable t'), table('t', ['b'], 14));
});

test('a late report (a socket that can not be bound) reaches the controller and can be taken back', (t) => {
  const rig = connected(...basic);
  rig.subscriber.report('Listener', new Map([['l', 'address in use']]));
  rig.deliver();
  t.deepEqual([...(rig.publisher?.progress('Listener').rejected ?? [])], [['l', 'address in use']]);
  rig.subscriber.report('Listener', new Map());
  rig.deliver();
  t.is(rig.publisher?.progress('Listener').rejected.size, 0);
});

test('a controller that was started anew hears what can not be carried out, though that has not changed, and of what is gone', (t) => {
  const rig = connected(...basic, listener('m', 't', 81));
  rig.subscriber.report('Listener', new Map([['l', 'address in use'], ['m', 'address in use']]));
  rig.disconnect();
  rig.set(world(...basic));
  rig.connect();
  rig.deliver();
  t.is(rig.publisher?.rejected('Listener').get('l'), 'address in use');
  t.true(rig.publisher?.isCurrent('Listener'));
  t.false(rig.proxy.live.has('Listener m'));
});

test('what is no longer referred to is unsubscribed after the grace, and not before', (t) => {
  const rig = connected(...basic);
  rig.set(world(listener('l', 't'), table('t', []), backend('b'), endpoints('b', 1)));
  rig.deliver();
  rig.now += unusedGrace - 1;
  rig.subscriber.expire();
  rig.deliver();
  t.is(rig.publisher?.progress('Backend').wanted.size, 1);
  rig.now += 1;
  rig.subscriber.expire();
  rig.deliver();
  t.is(rig.publisher?.progress('Backend').wanted.size, 0);
});

test('a destination that does not exist is answered as absent', (t) => {
  const rig = connected(...basic);
  t.is(rig.subscriber.answered('Destination', 'x:80'), undefined);
  rig.subscriber.want('Destination', 'x:80');
  rig.deliver();
  t.is(rig.subscriber.answered('Destination', 'x:80'), 'absent');
  rig.set(world(...basic, destination('x:80', 't')));
  rig.deliver();
  t.deepEqual(rig.subscriber.live('Destination', 'x:80'), destination('x:80', 't'));
});

test('whatever a peer sends, decoding answers with a reason and never throws', (t) => {
  for (const message of ['', '{', '[]', 'null', '7', '{"type":"Listener"}', '{"type":7,"subscribe":[],"unsubscribe":[]}', '['.repeat(200_000), '{"__proto__":1}']) {
    t.false(decodeRequest(message).ok, message.slice(0, 40));
    t.false(decodeResponse(message).ok, message.slice(0, 40));
  }
  fc.assert(
    fc.property(fc.json(), (message) => {
      const rig = connected(...basic);
      rig.subscriber.receive(message);
      runSteps(rig.publisher!.receive(message));
    }),
    { numRuns: 200 },
  );
  t.pass();
});

test('a resource of the wrong shape is refused with the place of the fault', (t) => {
  const rig = connected(...basic);
  const bad = { type: 'RouteTable', nonce: '99', removed: [], resources: [{ name: 't', version: 'x', resource: { kind: 'RouteTable', name: 't', policies: [], routes: [{ ref, createdAt: 0, hostnames: [], rules: 'none' }] } }] };
  const answers: string[] = [];
  rig.subscriber.connected((message) => answers.push(message));
  t.is(rig.subscriber.receive(JSON.stringify(bad)), undefined);
  t.true(answers.some((answer) => answer.includes('RouteTable.routes[0].rules: not a list')));
  t.deepEqual(rig.proxy.live.get('RouteTable t'), table('t', ['b']));
});

const arbitraryWorld = fc
  .record({
    tables: fc.dictionary(fc.constantFrom('t', 'u'), fc.uniqueArray(fc.constantFrom('a', 'b', 'c')), { minKeys: 1 }),
    listeners: fc.uniqueArray(fc.constantFrom('l', 'm', 'n')),
    ports: fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 2 }),
    spare: fc.boolean(),
  })
  .map(({ tables, listeners, ports, spare }) => {
    const tableNames = Object.keys(tables);
    const used = new Set(spare ? ['a', 'b', 'c'] : Object.values(tables).flat());
    return world(
      ...listeners.map((name, i) => listener(name, tableNames[i % tableNames.length] ?? 't', 80 + i)),
      ...Object.entries(tables).map(([name, backends]) => table(name, backends, ports.length)),
      ...[...used].flatMap((name) => [backend(name), endpoints(name, ...ports)]),
      destination('d:80', tableNames[0] ?? 't'),
    );
  });

/** What a proxy that wants all listeners and destinations is to have of it. */
function reachable(last: World): ReadonlyMap<string, Resource> {
  const expected = new Map<string, Resource>();
  const visit = (type: ResourceKind, name: string): void => {
    const resource = last.get(key(type, name));
    if (resource === undefined) return;
    expected.set(key(type, name), resource);
    for (const id of references(resource)) visit(id.type, id.name);
  };
  for (const resource of last.values()) if (resource.kind === 'Listener' || resource.kind === 'Destination') visit(resource.kind, resource.name);
  return expected;
}

function sorted(resources: ReadonlyMap<string, Resource>): unknown {
  return [...resources].sort(([a], [b]) => (a < b ? -1 : 1));
}

const step = fc.oneof(
  { weight: 4, arbitrary: arbitraryWorld.map((next) => (rig: Rig) => rig.set(next)) },
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 6 }).map((count) => (rig: Rig) => rig.deliver(count)) },
  { weight: 1, arbitrary: fc.constant((rig: Rig) => rig.disconnect()) },
  { weight: 2, arbitrary: fc.constant((rig: Rig) => rig.connect()) },
  { weight: 1, arbitrary: fc.constantFrom('want' as const, 'unwant' as const).map((verb) => (rig: Rig) => rig.subscriber[verb]('Destination', 'd:80')) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: unusedGrace }).map((passed) => (rig: Rig) => {
    rig.now += passed;
    rig.subscriber.expire();
  }) },
);

/** The proxy works with all that its roots lead to, and the controller knows it. */
function isSettled(t: ExecutionContext, rig: Rig, last: World): void {
  t.deepEqual(sorted(rig.proxy.live), sorted(reachable(last)));
  t.deepEqual(rig.proxy.dangling, []);
  t.deepEqual(rig.faults, []);
  for (const type of resourceKinds) {
    const progress = rig.publisher?.progress(type);
    for (const [name, version] of progress?.wanted ?? []) t.is(progress?.acked.get(name), version, `${type} ${name}`);
  }
}

test('whatever happens on the way, both sides end equal and the proxy never sees a dangling reference', (t) => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), arbitraryWorld, (steps, last) => {
      const rig = new Rig();
      rig.subscriber.want('Listener', '*');
      for (const each of steps) each(rig);
      if (rig.publisher === undefined) rig.connect();
      rig.subscriber.want('Destination', 'd:80');
      rig.set(last);
      rig.deliver();
      isSettled(t, rig, last);
    }),
    { numRuns: 400 },
  );
});

test('the same where the proxy takes its time: what comes while an update is put into force waits for it; what is said to be in force is', (t) => {
  const advance = fc.integer({ min: 1, max: 12 }).map((count) => (rig: Rig) => rig.step(count));
  fc.assert(
    fc.property(fc.array(fc.oneof({ weight: 1, arbitrary: step }, { weight: 1, arbitrary: advance }), { minLength: 30, maxLength: 100, size: 'max' }), arbitraryWorld, (steps, last) => {
      const rig = new Rig(undefined, 'by hand');
      rig.subscriber.want('Listener', '*');
      rig.connect();
      for (const each of steps) {
        each(rig);
        t.deepEqual(rig.untrue(), []);
      }
      if (rig.publisher === undefined) rig.connect();
      rig.subscriber.want('Destination', 'd:80');
      rig.set(last);
      rig.settle();
      isSettled(t, rig, last);
    }),
    { numRuns: 400 },
  );
});

test('what is acknowledged is in force; a newer version that comes meanwhile waits, and then takes its place', (t) => {
  const rig = new Rig(undefined, 'by hand');
  rig.set(world(...basic));
  rig.subscriber.want('Listener', '*');
  rig.connect();
  rig.settle();
  const answers: string[] = [];
  rig.subscriber.connected((message) => answers.push(message));
  const say = (nonce: string, version: string, ...ports: number[]): void => void rig.subscriber.receive(JSON.stringify({ type: 'Endpoints', nonce, removed: [], resources: [{ name: 'b', version, resource: endpoints('b', ...ports) }] }));
  answers.length = 0;
  say('n1', 'one', 5);
  say('n2', 'two', 6);
  const seen: unknown[] = [];
  for (let i = 0; i < 40; i++) {
    rig.step(1);
    seen.push([(rig.proxy.live.get('Endpoints b') as Endpoints).endpoints[0]?.port, answers.length]);
  }
  t.deepEqual([...new Set(seen.map((each) => JSON.stringify(each)))], ['[1,0]', '[5,0]', '[5,1]', '[6,1]', '[6,2]'].filter((each) => seen.some((one) => JSON.stringify(one) === each)));
  t.deepEqual(seen.at(-1), [6, 2]);
  t.true(seen.some((each) => JSON.stringify(each) === '[5,0]'));
  t.deepEqual(answers.map((answer) => (JSON.parse(answer) as { nonce: string }).nonce), ['n1', 'n2']);
});

test('what an older stream has said and was not taken yet is left out: the newer one says it again', (t) => {
  const rig = new Rig(undefined, 'by hand');
  rig.set(world(...basic));
  rig.subscriber.want('Listener', '*');
  rig.connect();
  rig.settle();
  const [older, newer]: [string[], string[]] = [[], []];
  rig.subscriber.connected((message) => older.push(message));
  const say = (nonce: string, version: string, port: number): void => void rig.subscriber.receive(JSON.stringify({ type: 'Endpoints', nonce, removed: [], resources: [{ name: 'b', version, resource: endpoints('b', port) }] }));
  older.length = 0;
  say('1', 'one', 5);
  say('2', 'two', 6);
  rig.subscriber.disconnected();
  rig.subscriber.connected((message) => newer.push(message));
  newer.length = 0;
  rig.step();
  t.deepEqual([older, newer], [[], []]);
  t.deepEqual(rig.proxy.live.get('Endpoints b'), endpoints('b', 1));
});

test('channelPair delivers in order and later, and closes both ends once', async (t) => {
  const [a, b] = channelPair();
  const got: string[] = [];
  const closed = new Promise<void>((resolve) => b.onClose(resolve));
  b.onMessage((message) => got.push(message));
  a.send('1');
  a.send('2');
  t.deepEqual(got, []);
  a.close();
  a.send('3');
  await closed;
  t.deepEqual(got, ['1', '2']);
});

test('the link dials again with growing, jittered waits until the controller is back', async (t) => {
  const rig = new Rig();
  const waits: number[] = [];
  const turns: (() => void)[] = [];
  let dials = 0;
  let open: Channel | undefined;
  const link = keepConnected(rig.subscriber, {
    dial: () => {
      dials += 1;
      if (dials < 4) throw new Error('refused');
      const [ours, theirs] = channelPair();
      open = theirs;
      return ours;
    },
    random: () => 0.5,
    after: (milliseconds, turn) => {
      if (milliseconds === 1000) return () => {};
      waits.push(milliseconds);
      turns.push(turn);
      return () => {};
    },
  });
  for (let i = 0; i < 5; i++) {
    await new Promise((resolve) => setImmediate(resolve));
    turns.shift()?.();
  }
  await new Promise((resolve) => setImmediate(resolve));
  t.deepEqual(waits, [50, 100, 200]);
  t.is(link.state(), 'connected');
  open?.send('nonsense');
  await new Promise((resolve) => setTimeout(resolve, 20));
  t.is(link.state(), 'waiting', 'a peer that sends nonsense is left');
  link.close();
  t.is(link.state(), 'closed');
});

test('what is too much for one message comes in several, each after the one before was acknowledged', (t) => {
  const many = Array.from({ length: 40 }, (_, i) => `b${i}`);
  const wide = many.map((name) => ({ kind: 'Endpoints', name, endpoints: Array.from({ length: 1500 }, (_, i) => ({ address: '127.0.1.1', port: i })) }) as const);
  const rig = connected(listener('l', 't'), table('t', many), ...many.map(backend), ...wide);
  t.is(rig.proxy.live.size, 82);
  t.true(rig.sent.filter((message) => message.startsWith('{"type":"Endpoints"')).length > 1);
  t.true(rig.sent.every((message) => message.length < 2 << 20));
  t.deepEqual(rig.proxy.dangling, []);
});
