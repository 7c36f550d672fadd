import test from 'ava';
import fc from 'fast-check';
import { createBalancer, EndpointSet, type EndpointState } from './index.ts';

const endpoints = (count: number) => Array.from({ length: count }, (_, index) => ({ address: `10.0.0.${index}`, port: 80 }));

/** Numbers in [0, 1) that repeat with the seed. */
function chance(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

for (const kind of ['least-request', 'round-robin'] as const) {
  test(`${kind}: picks members only; another than those tried when there is one; nobody ejected while another will do`, (t) => {
    const scenario = fc.record({
      count: fc.integer({ min: 0, max: 12 }),
      seed: fc.integer({ min: 1 }),
      refused: fc.array(fc.nat(11), { maxLength: 8 }),
      tried: fc.array(fc.nat(11), { maxLength: 5 }),
      active: fc.array(fc.nat(5), { minLength: 12, maxLength: 12 }),
    });
    fc.assert(
      fc.property(scenario, ({ count, seed, refused, tried, active }) => {
        const set = new EndpointSet(endpoints(count));
        for (const [index, state] of set.states.entries()) state.active = active[index]!;
        for (const index of refused) if (index < count) set.refused(set.states[index]!, 0);
        const triedStates = tried.filter((index) => index < count).map((index) => set.states[index]!);
        const picked = createBalancer(kind, { random: chance(seed), now: () => 10 }).pick(set, triedStates);
        if (count === 0) return picked === undefined;
        const free = set.states.filter((state) => !triedStates.includes(state));
        const best = free.filter((state) => state.ejectedUntil <= 10);
        const among: readonly EndpointState[] = best.length > 0 ? best : free.length > 0 ? free : set.states;
        return among.includes(picked!);
      }),
    );
    t.pass();
  });
}

test('never more than half of the endpoints is ejected', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 9 }), fc.array(fc.tuple(fc.nat(8), fc.nat(3000)), { maxLength: 60 }), (count, refusals) => {
      const set = new EndpointSet(endpoints(count));
      let now = 0;
      for (const [index, wait] of refusals) {
        now += wait;
        const state = set.states[index];
        if (state !== undefined) set.refused(state, now);
        if (set.states.filter((each) => each.ejectedUntil > now).length * 2 > count) return false;
      }
      return true;
    }),
  );
  t.pass();
});

test('of two choices the one with fewer requests in flight wins, so a slow endpoint gets less', (t) => {
  const set = new EndpointSet(endpoints(2));
  set.states[0]!.active = 9;
  const balancer = createBalancer('least-request', { random: chance(7), now: () => 0 });
  for (let turn = 0; turn < 50; turn++) t.is(balancer.pick(set), set.states[1]);
});

test('with equal load every endpoint gets its share', (t) => {
  const set = new EndpointSet(endpoints(5));
  const balancer = createBalancer('least-request', { random: chance(3), now: () => 0 });
  const counts = new Map<EndpointState, number>();
  for (let turn = 0; turn < 10_000; turn++) {
    const picked = balancer.pick(set)!;
    counts.set(picked, (counts.get(picked) ?? 0) + 1);
  }
  for (const state of set.states) t.true(Math.abs((counts.get(state) ?? 0) - 2000) < 300, String(counts.get(state)));
});

test('round robin takes each in turn, also after the set shrank', (t) => {
  const set = new EndpointSet(endpoints(3));
  const balancer = createBalancer('round-robin', { random: chance(1), now: () => 0 });
  const turn = () => balancer.pick(set)!.endpoint.address;
  t.deepEqual([turn(), turn(), turn(), turn()], ['10.0.0.0', '10.0.0.1', '10.0.0.2', '10.0.0.0']);
  turn();
  turn();
  set.update(endpoints(2));
  t.deepEqual([turn(), turn(), turn()], ['10.0.0.0', '10.0.0.1', '10.0.0.0']);
});

test('an ejected endpoint comes back: after a second, later after each refusal in a row, at once after a connection', (t) => {
  const set = new EndpointSet(endpoints(2));
  const [bad, good] = [set.states[0]!, set.states[1]!];
  let now = 0;
  const balancer = createBalancer('round-robin', { random: chance(1), now: () => now });
  const seen = () => new Set([balancer.pick(set), balancer.pick(set)]);
  t.true(set.refused(bad, now));
  t.false(set.refused(good, now));
  t.deepEqual(seen(), new Set([good]));
  now = 1001;
  t.deepEqual(seen(), new Set([bad, good]));
  set.refused(bad, now);
  now += 1500;
  t.deepEqual(seen(), new Set([good]));
  set.connected(bad);
  t.deepEqual(seen(), new Set([bad, good]));
});

test('an update keeps the state of unchanged address:port, and says which left', (t) => {
  const set = new EndpointSet(endpoints(3));
  const [a, b, c] = set.states;
  b!.active = 4;
  const left = set.update([{ address: '10.0.0.9', port: 80 }, { address: '10.0.0.1', port: 80, workload: 'shop/b' }, { address: '10.0.0.1', port: 80 }]);
  t.deepEqual(left, [a!, c!]);
  t.is(a!.index, -1);
  t.is(set.states[1], b);
  t.deepEqual([set.size, b!.index, b!.active, b!.endpoint.workload], [2, 1, 4, 'shop/b']);
});

test('what was refused at once counts once: many requests may have waited for the same connection', (t) => {
  const set = new EndpointSet(endpoints(4));
  const bad = set.states[0]!;
  for (let count = 0; count < 100; count++) t.true(set.refused(bad, count));
  t.is(bad.failures, 1);
  t.is(bad.ejectedUntil, 1000);
  const alone = new EndpointSet(endpoints(1));
  for (let count = 0; count < 100; count++) t.false(alone.refused(alone.states[0]!, count));
  t.is(alone.states[0]!.failures, 1);
});
