import test from 'ava';
import { compile } from '#routing';
import { Subscriber, type Backend, type Channel, type Endpoints, type Match, type Resource, type Route, type RouteTable } from '#snapshot';
import { checkResource } from '../check.ts';
import { inSlices } from './slices.ts';
import { Watch } from './testing.ts';

/**
 * What one turn of the event loop does must not grow with a table. Time would tell it badly; what tells is how often each block of our code
 * runs between two turns, which V8 counts.
 */

const kinds = { kind: 'HTTPRoute', namespace: 'a' } as const;
const backend: Backend = { kind: 'Backend', name: 'a/b:80', ref: { kind: 'Service', namespace: 'a', name: 'b' }, port: 80, protocol: 'http1', balancing: 'least-request' };
const endpoints: Endpoints = { kind: 'Endpoints', name: 'a/b:80', endpoints: [] };

function routeOf(index: number, hosts: readonly string[], matches: readonly Partial<Match>[]): Route {
  return {
    ref: { ...kinds, name: `r${(index * 7919) % 10_007}` },
    createdAt: index % 3,
    hostnames: hosts.map((host) => ({ match: host, written: host })),
    rules: [
      {
        index: 0,
        matches: matches.map((match, at) => ({ index: at, path: { type: 'PathPrefix', value: `/${index}` }, headers: [], query: [], ...match })),
        filters: [],
        backends: [{ index: 0, target: { kind: 'backend', ref: backend.ref, port: 80, backend: backend.name }, weight: 1, filters: [] }],
      },
    ],
  };
}

const prefix = { type: 'PathPrefix', value: '/' } as const;
/** One way each in which everything may come together in one place. */
const shapes: Readonly<Record<string, (index: number) => Route>> = {
  'a host each': (index) => routeOf(index, [`h${index}.example`], [{}]),
  'one host, a prefix each': (index) => routeOf(index, ['one.example'], [{}]),
  'one host, a prefix under the other each': (index) => routeOf(index, ['one.example'], [{ path: { type: 'PathPrefix', value: `/${'a/'.repeat(index % 100)}${index}` } }]),
  'one path, a header value each': (index) => routeOf(index, [], [{ path: prefix, headers: [{ name: 'x', type: 'Exact', value: String(index) }] }]),
  'one path, nothing to tell them apart': (index) => routeOf(index, [], [{ path: prefix }]),
  'a pattern each': (index) => routeOf(index, [], [{ path: { type: 'RegularExpression', value: `/${index % 50}/.*${index}` } }]),
  'a gRPC method each': (index) => routeOf(index, [], [{ path: prefix, grpc: { type: 'Exact', service: 'shop.Shop', method: `M${index}` } }]),
  'many matches each': (index) => routeOf(index, ['a.example', 'b.example'], Array.from({ length: 8 }, (_, at) => ({ path: { type: 'Exact', value: `/${index}/${at}` } }) as const)),
};

/** How often each block of our code ran at most in one turn, and how many turns there were. */
interface Ran {
  readonly blocks: ReadonlyMap<string, number>;
  readonly turns: number;
}

async function run(routes: readonly Route[]): Promise<Ran> {
  const name = 'listener/a/gw/http';
  const table: RouteTable = { kind: 'RouteTable', name, routes, policies: [] };
  let give: (piece: string, place: 'more follow' | 'last') => void = () => {};
  const channel: Channel = { send: () => {}, onMessage: () => {}, onClose: () => {}, close: () => {} };
  let clock = 0;
  let inForce: RouteTable | undefined;
  const subscriber = new Subscriber({
    node: { id: 'gateway/a/gw/1', role: 'gateway', namespace: 'a', name: 'gw' },
    check: checkResource,
    now: () => 0,
    apply: ({ resources }) => {
      for (const resource of resources) if (resource.kind === 'RouteTable') inForce = compile(resource).table;
    },
  });
  subscriber.want('RouteTable', name);
  subscriber.connected(() => {});
  // Each step is a turn: the clock jumps further than a slice is long.
  inSlices({ ...channel, onPieces: (listener) => (give = listener) }, () => (clock += 10)).onMessage((message) => void subscriber.receive(message));
  const texts = [table, backend, endpoints].map(messageOf);
  const watch = new Watch(/\/(proxy|routing|snapshot)\//);
  await watch.turn();
  let turns = 0;
  for (const text of texts) {
    for (let at = 0; at < text.length; at += 16_384) give(text.slice(at, at + 16_384), at + 16_384 >= text.length ? 'last' : 'more follow');
  }
  for (; inForce === undefined && turns < 100_000; turns++) await watch.turn();
  return { blocks: watch.most, turns };
}

function messageOf(resource: Resource): string {
  return JSON.stringify({ type: resource.kind, nonce: resource.kind, removed: [], resources: [{ name: resource.name, version: '1', resource }] });
}

const [short, long] = [300, 1500];
/** A step may end a little later than the one before. What runs less often than that says nothing. */
const [slack, few] = [2, 300];

for (const [shape, route] of Object.entries(shapes)) {
  test.serial(`no turn does more for a long table than for a short one: ${shape}`, async (t) => {
    t.timeout(60_000);
    // The long one first: every block it tells of is known when the short one is counted. None of its patterns comes again, for those are remembered.
    const after = await run(Array.from({ length: long }, (_, index) => route(index)));
    const before = await run(Array.from({ length: short }, (_, index) => route(long + index)));
    const grown = [...after.blocks].filter(([block, count]) => count > few && count > slack * (before.blocks.get(block) ?? 0));
    t.deepEqual(grown.map(([block, count]) => `${before.blocks.get(block) ?? 0} → ${count} × ${block}`), []);
    t.true(after.turns > 3 * before.turns, `${before.turns} turns, then ${after.turns}`);
  });
}
