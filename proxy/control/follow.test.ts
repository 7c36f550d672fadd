import test from 'ava';
import { channelPair, Publisher, runSteps, type Backend, type Channel, type Listener, type Resource, type ResourceView, type RouteTable } from '#snapshot';
import type { Refusal, ResourceUpdate } from '../types.ts';
import { follow } from './follow.ts';

const ref = { kind: 'Gateway', namespace: 'shop', name: 'g' };
const listener: Listener = { kind: 'Listener', name: 'l', gateway: ref, address: '127.0.0.1', port: 80, sections: [{ name: 'http', hostname: '', protocol: 'HTTP', routes: 't' }] };
const backend = (name: string, port: number): Backend => ({ kind: 'Backend', name, ref, port, protocol: 'http1', balancing: 'least-request' });
const table = (...backends: readonly string[]): RouteTable => ({
  kind: 'RouteTable',
  name: 't',
  policies: [],
  routes: [{
    ref, createdAt: 0, hostnames: [],
    rules: [{ index: 0, matches: [], filters: [], backends: backends.map((name, index) => ({ index, weight: 1, filters: [], target: { kind: 'backend', ref, port: 80, backend: name } })) }],
  }],
});

let refused = 0;

/** Takes no Backend whose port is 13. */
const proxy = {
  countRefused: () => void refused++,
  *applyInSteps({ backends }: ResourceUpdate): Generator<undefined, readonly Refusal[]> {
    yield;
    return (backends?.changed ?? []).flatMap(({ name, port }) => (port === 13 ? [{ kind: 'Backend' as const, name, reason: 'unlucky' }] : []));
  },
};

async function settle(): Promise<void> {
  for (let turn = 0; turn < 40; turn++) await new Promise((resolve) => setImmediate(resolve));
}

test('what the proxy did not take is told until it takes a newer version, or it is gone', async (t) => {
  let world: readonly Resource[] = [];
  let publisher: Publisher | undefined;
  const view: ResourceView = {
    own: (type) => (type === 'Listener' ? [listener.name] : []),
    find: (type, name) => {
      const resource = world.find((each) => each.kind === type && each.name === name);
      const version = JSON.stringify(resource);
      return resource === undefined ? undefined : { version, encoded: JSON.stringify({ name, version, resource }) };
    },
  };
  const dial = (): Channel => {
    const [ours, theirs] = channelPair();
    const made = (publisher = new Publisher({ send: (message) => theirs.send(message), open: () => view }));
    theirs.onMessage((message) => void runSteps(made.receive(message)));
    return ours;
  };
  const set = async (...resources: readonly Resource[]): Promise<ReadonlyMap<string, string> | undefined> => {
    world = resources;
    if (publisher !== undefined) runSteps(publisher.refresh());
    await settle();
    return publisher?.rejected('Backend');
  };
  const following = follow({ proxy, node: { id: 'x', role: 'gateway', namespace: 'shop', name: 'g' }, dial, now: () => performance.now(), random: () => 0, roots: () => {} });
  t.teardown(() => following.close());
  following.subscriber.want('Listener', '*');
  await set();
  const endpoints = (name: string): Resource => ({ kind: 'Endpoints', name, endpoints: [] });
  const others = [listener, endpoints('a'), endpoints('b'), endpoints('c')];
  t.deepEqual(await set(...others, table('a', 'b', 'c'), backend('a', 13), backend('b', 13), backend('c', 80)), new Map([['a', 'unlucky'], ['b', 'unlucky']]));
  // Another update of the kind does not make them right.
  t.deepEqual(await set(...others, table('a', 'b', 'c'), backend('a', 13), backend('b', 13), backend('c', 81)), new Map([['a', 'unlucky'], ['b', 'unlucky']]));
  t.deepEqual(await set(...others, table('a', 'b', 'c'), backend('a', 80), backend('b', 13), backend('c', 13)), new Map([['b', 'unlucky'], ['c', 'unlucky']]));
  t.deepEqual(await set(...others, table('a', 'c'), backend('a', 80), backend('c', 82)), new Map());
  t.is(refused, 0);
  // What does not pass the check never comes to the proxy, which counts it all the same.
  t.is((await set(...others, table('a', 'c'), backend('a', 70_000), backend('c', 82)))?.size, 1);
  t.is(refused, 1);
});
