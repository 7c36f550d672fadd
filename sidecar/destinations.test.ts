import test from 'ava';
import type { Destination } from '#snapshot';
import { Destinations, RefusedDestination, type DestinationsOptions } from './destinations.ts';

const passthrough = (name: string): Destination => ({ kind: 'Destination', name, target: { kind: 'passthrough' } });

interface Rig {
  readonly destinations: Destinations;
  readonly live: Map<string, Destination>;
  readonly log: string[];
  now: number;
}

function rig(options: Partial<DestinationsOptions> = {}): Rig {
  const live = new Map<string, Destination>();
  const log: string[] = [];
  const rigged: Rig = {
    live,
    log,
    now: 0,
    destinations: new Destinations({
      subscriber: {
        want: (_, name) => void log.push(`+${name}`),
        unwant: (_, name) => void log.push(`-${name}`),
        live: (_, name) => live.get(name),
        answered: () => undefined,
        refusal: () => undefined,
      },
      now: () => rigged.now,
      maxNames: 2,
      timeoutMs: 30,
      refusalMs: 1000,
      ...options,
    }),
  };
  return rigged;
}

test('a name is asked for once; all who wait for it get the answer, later ones get it from memory', async (t) => {
  const { destinations, live, log } = rig();
  const first = destinations.resolve('web.shop', 80);
  const second = destinations.resolve('web.shop', 80);
  live.set('web.shop:80', passthrough('web.shop:80'));
  destinations.arrived([passthrough('web.shop:80')]);
  t.is(await first, await second);
  t.false(destinations.resolve('web.shop', 80) instanceof Promise);
  t.deepEqual(log, ['+web.shop:80']);
});

test('an IPv6 address is asked for in brackets', (t) => {
  const { destinations, log } = rig();
  void destinations.resolve('fd00::1', 80);
  t.deepEqual(log, ['+[fd00::1]:80']);
});

test('without an answer in time the request is refused, and for a while the next ones at once', async (t) => {
  const rigged = rig();
  // The timers of a sidecar keep no process alive.
  const alive = setInterval(() => {}, 1000);
  t.teardown(() => clearInterval(alive));
  await t.throwsAsync(async () => rigged.destinations.resolve('x', 80), { message: 'the controller did not say in time what x:80 is' });
  await t.throwsAsync(async () => rigged.destinations.resolve('x', 80), { message: 'x:80 could not be resolved a moment ago' });
  rigged.live.set('x:80', passthrough('x:80'));
  t.deepEqual(rigged.destinations.resolve('x', 80), passthrough('x:80'), 'a late answer counts');
});

test('what the controller has said and is refused is told apart from silence, at once, until there is something that is not', async (t) => {
  let refusal: string | undefined = 'RouteTable t: has a field "x"';
  const live = new Map<string, Destination>();
  const { destinations } = rig({ timeoutMs: 60_000, subscriber: { want: () => {}, unwant: () => {}, live: (_, name) => live.get(name), answered: () => 'present', refusal: () => refusal } });
  await t.throwsAsync(async () => destinations.resolve('x', 80), { instanceOf: RefusedDestination, message: 'x:80 is refused: RouteTable t: has a field "x"' });
  refusal = undefined;
  live.set('x:80', passthrough('x:80'));
  t.deepEqual(destinations.resolve('x', 80), passthrough('x:80'));
});

test('the name that was not dialled for the longest time makes way', (t) => {
  const { destinations, live, log } = rig();
  for (const host of ['a', 'b', 'c']) live.set(`${host}:80`, passthrough(`${host}:80`));
  for (const host of ['a', 'b', 'a', 'c']) void destinations.resolve(host, 80);
  t.deepEqual(log, ['+a:80', '+b:80', '+c:80', '-b:80']);
  t.is(destinations.size, 2);
});

test('at the end all who wait are refused', async (t) => {
  const { destinations } = rig({ timeoutMs: 60_000 });
  const waiting = destinations.resolve('x', 80) as Promise<Destination>;
  destinations.close();
  await t.throwsAsync(waiting, { message: 'the sidecar is ending' });
});
