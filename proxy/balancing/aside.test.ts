import test from 'ava';
import fc from 'fast-check';
import { brokenInARow, createBalancer, EndpointSet, faultOf, type Balancer, type EndpointState, type Fault } from './index.ts';
import { chance, endpoints } from './testing.ts';

const kinds = ['least-request', 'round-robin'] as const;

class World {
  now = 0;
  /** What observers were told. */
  told = 0;
  readonly set: EndpointSet;
  readonly balancer: Balancer;

  constructor(kind: (typeof kinds)[number], count: number, seed = 1) {
    const random = chance(seed);
    this.set = new EndpointSet(endpoints(count), { random, asideChanged: (by) => (this.told += by) });
    this.balancer = createBalancer(kind, { random, now: () => this.now });
  }

  fail(state: EndpointState, fault: Fault, startedAt = this.now): boolean {
    return this.set.failed(state, fault, { startedAt, now: this.now });
  }

  /** A request that is over at once. */
  request(isGood: (state: EndpointState) => boolean, fault: Fault = 'broken'): EndpointState {
    const state = this.balancer.pick(this.set)!;
    if (isGood(state)) this.set.succeeded(state);
    else this.fail(state, fault);
    return state;
  }

  /** So many requests, and how many each got. */
  requests(count: number, isGood: (state: EndpointState) => boolean): ReadonlyMap<EndpointState, number> {
    const got = new Map<EndpointState, number>();
    for (let index = 0; index < count; index++) {
      const state = this.request(isGood);
      got.set(state, (got.get(state) ?? 0) + 1);
    }
    return got;
  }
}

type Step = readonly ['fault' | 'absent' | 'answer' | 'wait' | 'shrink' | 'pick', number];
const step = fc.tuple(fc.constantFrom('fault', 'absent', 'answer', 'wait', 'shrink', 'pick'), fc.nat(40)) as fc.Arbitrary<Step>;

function take(world: World, [what, value]: Step): void {
  const { set } = world;
  const state = set.size === 0 ? undefined : set.states[value % set.size]!;
  if (what === 'wait') world.now += value * 50;
  else if (what === 'shrink') set.update(endpoints(value % 9, value % 3));
  else if (what === 'pick') world.balancer.pick(set);
  else if (state !== undefined && what === 'answer') set.succeeded(state);
  else if (state !== undefined) for (let count = 0; count < brokenInARow; count++) world.fail(state, what === 'absent' ? 'absent' : 'broken');
}

test('whatever happens: an endpoint is picked while there is one, at most two thirds are aside, none when all fail, and observers know the number', (t) => {
  fc.assert(
    fc.property(fc.constantFrom(...kinds), fc.nat(9), fc.array(step, { maxLength: 80 }), (kind, count, steps) => {
      const world = new World(kind, count);
      for (const each of steps) {
        take(world, each);
        const { set } = world;
        const aside = set.states.filter((state) => state.aside).length;
        const picked = world.balancer.pick(set);
        if (set.size > 0 ? picked === undefined || picked.index < 0 : picked !== undefined) return false;
        if (aside * 3 > set.size * 2 || aside !== set.aside || aside !== world.told) return false;
        if (set.size > 0 && set.states.every((state) => state.failing) && aside > 0) return false;
        if (set.states.some((state) => state.aside && !state.failing)) return false;
      }
      return true;
    }),
    { numRuns: 500 },
  );
  t.pass();
});

for (const kind of kinds) {
  test(`${kind}: who fails gets one trial after the other, ever more rarely; the others share the rest evenly`, (t) => {
    fc.assert(
      fc.property(fc.integer({ min: 3, max: 9 }), fc.integer({ min: 1 }), (count, seed) => {
        const world = new World(kind, count, seed);
        const bad = new Set(world.set.states.slice(0, Math.floor((count * 2) / 3)));
        const isGood = (state: EndpointState): boolean => !bad.has(state);
        world.requests(400 * count, isGood);
        if (world.set.aside !== bad.size) return false;
        let trials = 0;
        const good = new Map<EndpointState, number>();
        // 40 seconds: trials after 0.5 to 1, 1 to 2, … and 15 to 30 seconds.
        for (let index = 0; index < 4000; index++) {
          world.now += 10;
          const state = world.request(isGood);
          if (bad.has(state)) trials++;
          else good.set(state, (good.get(state) ?? 0) + 1);
        }
        const share = (4000 - trials) / (count - bad.size);
        return trials >= 4 * bad.size && trials <= 7 * bad.size && [...good.values()].every((got) => Math.abs(got - share) < share * 0.25);
      }),
      { numRuns: 30 },
    );
    t.pass();
  });

  test(`${kind}: one that is well again has its share back with the first request after its trial is due`, (t) => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 9 }), fc.integer({ min: 1 }), fc.nat(12), (count, seed, failedTrials) => {
        const world = new World(kind, count, seed);
        const bad = world.set.states[0]!;
        world.fail(bad, 'absent');
        for (let trial = 0; trial < failedTrials; trial++) {
          world.now += 30_000;
          if (world.request((state) => state !== bad) !== bad) return false;
        }
        const before = world.now;
        world.now += 30_000;
        const got = world.requests(200 * count, () => true);
        return before < bad.trialAt && world.set.aside === 0 && Math.abs((got.get(bad) ?? 0) - 200) < 60;
      }),
      { numRuns: 50 },
    );
    t.pass();
  });
}

test('a refused connection is enough, of anything else it takes five in a row', (t) => {
  const world = new World('round-robin', 3);
  const [one, other] = world.set.states;
  t.true(world.fail(one!, 'absent'));
  for (let round = 0; round < 10; round++) {
    for (let count = 1; count < brokenInARow; count++) t.false(world.fail(other!, 'broken'));
    world.set.succeeded(other!);
  }
  for (let count = 1; count < brokenInARow; count++) t.false(world.fail(other!, 'broken'));
  t.true(world.fail(other!, 'broken'));
  t.deepEqual([one!.aside, other!.aside, world.set.aside], [true, true, 2]);
});

test('what was under way together counts once: a connection takes all of its requests with it', (t) => {
  const world = new World('least-request', 4);
  const state = world.set.states[0]!;
  world.now = 100;
  for (let count = 0; count < 100; count++) {
    world.now++;
    t.false(world.fail(state, 'broken', 50));
  }
  t.is(state.faults, 1);
  for (let count = 0; count < 100; count++) world.fail(world.set.states[1]!, 'absent', 50);
  t.deepEqual([world.set.states[1]!.faults, world.set.states[1]!.trials], [1, 1]);
});

test('while a trial is under way nobody else is sent there; one of which nothing is heard is followed by another', (t) => {
  const world = new World('round-robin', 3);
  const bad = world.set.states[0]!;
  world.fail(bad, 'absent');
  const picked = (): boolean => world.balancer.pick(world.set) === bad;
  world.now = bad.trialAt;
  t.deepEqual([picked(), picked(), picked()], [true, false, false]);
  world.now += 1000;
  t.deepEqual([picked(), picked()], [true, false]);
  // A request's further attempts are no trials.
  world.now += 1000;
  t.not(world.balancer.pick(world.set, [world.set.states[1]!]), bad);
  // One that came for want of another does not count.
  world.now += 1;
  t.is(bad.trials, 1);
  world.fail(bad, 'absent');
  t.is(bad.trials, 2);
  world.now++;
  world.fail(bad, 'absent');
  t.is(bad.trials, 2);
});

test('when the last one fails, too, all are asked again; with one that answers, those that go on failing are set aside', (t) => {
  const world = new World('least-request', 2);
  const [one, other] = world.set.states;
  t.true(world.fail(one!, 'absent'));
  t.false(world.fail(other!, 'absent'));
  t.is(world.set.aside, 0);
  t.is(new Set(Array.from({ length: 40 }, () => world.balancer.pick(world.set))).size, 2);
  world.set.succeeded(other!);
  world.now++;
  t.true(world.fail(one!, 'broken'));
  t.deepEqual([one!.aside, world.set.aside, world.told], [true, 1, 1]);
  const alone = new World('least-request', 1);
  t.false(alone.fail(alone.set.states[0]!, 'absent'));
  t.is(alone.balancer.pick(alone.set), alone.set.states[0]);
});

test('what is kept goes with the endpoint', (t) => {
  const world = new World('round-robin', 3);
  const bad = world.set.states[0]!;
  world.fail(bad, 'absent');
  world.set.update(endpoints(2, 1));
  t.deepEqual([world.set.aside, world.told, bad.index], [0, 0, -1]);
  t.false(world.fail(bad, 'absent'));
  world.set.succeeded(bad);
  world.set.update(endpoints(3));
  t.false(world.set.states[0]!.aside);
});

test('which failures are an endpoint’s fault', (t) => {
  t.is(faultOf('connect-failed', 'ECONNREFUSED'), 'absent');
  t.is(faultOf('connect-failed', 'EMFILE'), undefined);
  t.is(faultOf('upstream-reset', 'ECONNRESET'), 'broken');
  t.is(faultOf('refused-stream', 'goaway'), undefined);
  t.is(faultOf('client-closed', undefined), undefined);
});
