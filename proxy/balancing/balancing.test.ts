import test from 'ava';
import fc from 'fast-check';
import { createBalancer, EndpointSet, type EndpointState } from './index.ts';
import { chance, endpoints } from './testing.ts';

for (const kind of ['least-request', 'round-robin'] as const) {
  test(`${kind}: picks members only; another than those tried when there is one; nobody who is aside while another will do`, (t) => {
    const scenario = fc.record({
      count: fc.integer({ min: 0, max: 12 }),
      seed: fc.integer({ min: 1 }),
      refused: fc.array(fc.nat(11), { maxLength: 12 }),
      tried: fc.array(fc.nat(11), { maxLength: 5 }),
      active: fc.array(fc.nat(5), { minLength: 12, maxLength: 12 }),
    });
    fc.assert(
      fc.property(scenario, ({ count, seed, refused, tried, active }) => {
        const set = new EndpointSet(endpoints(count));
        for (const [index, state] of set.states.entries()) state.active = active[index]!;
        for (const index of refused) if (index < count) set.failed(set.states[index]!, 'absent', { startedAt: 0, now: 0 });
        const triedStates = tried.filter((index) => index < count).map((index) => set.states[index]!);
        const picked = createBalancer(kind, { random: chance(seed), now: () => 10 }).pick(set, triedStates);
        if (count === 0) return picked === undefined;
        const free = set.states.filter((state) => !triedStates.includes(state));
        const best = free.filter((state) => !state.aside);
        const among: readonly EndpointState[] = best.length > 0 ? best : free.length > 0 ? free : set.states;
        return among.includes(picked!);
      }),
    );
    t.pass();
  });
}

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

for (const kind of ['least-request', 'round-robin'] as const) {
  test(`${kind}: first attempts are shared evenly also where those of one endpoint are followed by others`, (t) => {
    for (const count of [2, 3, 5]) {
      const set = new EndpointSet(endpoints(count));
      const balancer = createBalancer(kind, { random: chance(5), now: () => 0 });
      const [bad] = set.states;
      const [firsts, seconds] = [new Map<EndpointState, number>(), new Map<EndpointState, number>()];
      for (let turn = 0; turn < 1000 * count; turn++) {
        const first = balancer.pick(set)!;
        firsts.set(first, (firsts.get(first) ?? 0) + 1);
        if (first !== bad) continue;
        const second = balancer.pick(set, [first])!;
        seconds.set(second, (seconds.get(second) ?? 0) + 1);
      }
      for (const state of set.states) t.true(Math.abs((firsts.get(state) ?? 0) - 1000) < 150, `${firsts.get(state)} of ${count}`);
      for (const state of set.states.slice(1)) t.true(Math.abs((seconds.get(state) ?? 0) - 1000 / (count - 1)) < 150, `${seconds.get(state)} of ${count}`);
    }
  });

  test(`${kind}: while endpoints come and go, each that stays gets its share`, (t) => {
    fc.assert(
      fc.property(fc.integer({ min: 1 }), fc.integer({ min: 2, max: 5 }), fc.integer({ min: 1, max: 4 }), (seed, staying, every) => {
        const random = chance(seed);
        const all = endpoints(staying + 6);
        const isStaying = (index: number): boolean => index % 2 === 0 && index < 2 * staying;
        const set = new EndpointSet(all);
        const balancer = createBalancer(kind, { random, now: () => 0 });
        let due = 0;
        const got = new Map<string, number>();
        for (let turn = 0; turn < 6000; turn++) {
          // Those that come and go stand between the others and behind them.
          if (turn % every === 0) set.update(all.filter((_, index) => isStaying(index) || random() < 0.5));
          due += 1 / set.size;
          const { address } = balancer.pick(set)!.endpoint;
          got.set(address, (got.get(address) ?? 0) + 1);
        }
        return all.filter((_, index) => isStaying(index)).every(({ address }) => Math.abs((got.get(address) ?? 0) - due) < due * 0.3);
      }),
      { numRuns: 20 },
    );
    t.pass();
  });
}

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
