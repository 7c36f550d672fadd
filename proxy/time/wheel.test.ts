import test from 'ava';
import fc from 'fast-check';
import { TimerWheel, type WheelTimer } from './wheel.ts';
import { driveWheel } from './driver.ts';

class Alarm implements WheelTimer {
  wheelNext: WheelTimer | undefined;
  wheelPrev: WheelTimer | undefined;
  wheelSlot = -1;
  dueAt = 0;
  readonly firedAt: number[] = [];
  readonly #then: (alarm: Alarm) => void;

  constructor(then: (alarm: Alarm) => void = () => {}) {
    this.#then = then;
  }

  expired(now: number): void {
    this.firedAt.push(now);
    this.#then(this);
  }
}

const hours = 3_600_000;
/** Times on every level, around every edge between two. */
const delay = fc.oneof(fc.nat(50), fc.nat(3000), fc.nat(700_000), fc.nat(50 * hours), fc.constantFrom(2550, 2560, 2570, 655_350, 655_360, 655_370));

test('every timer fires once, never early, and at most one tick late', (t) => {
  fc.assert(
    fc.property(fc.array(delay, { maxLength: 40 }), fc.nat(5000), fc.integer({ min: 1, max: 9 }), (delays, start, step) => {
      const wheel = new TimerWheel({ now: start });
      const alarms = delays.map((wait) => {
        const alarm = new Alarm();
        wheel.schedule(alarm, start + wait);
        return alarm;
      });
      // Advance as a driver does: at the announced times, each missed by less than a tick.
      let now = start;
      for (let turn = 0; wheel.size > 0; turn++) {
        if (turn > 200_000) throw new Error('does not end');
        now = Math.max(now, wheel.nextWake()) + (turn % step);
        wheel.advance(now);
      }
      for (const [index, alarm] of alarms.entries()) {
        const due = start + delays[index]!;
        if (alarm.firedAt.length !== 1) throw new Error(`fired ${alarm.firedAt.length} times`);
        const late = alarm.firedAt[0]! - due;
        if (late < 0 || late > 10 + 10 + step) throw new Error(`due ${due}, fired ${alarm.firedAt[0]}`);
      }
    }),
    { numRuns: 150 },
  );
  t.pass();
});

test('schedule, postpone, bring forward and cancel in any order agree with a plain list', (t) => {
  const command = fc.oneof(
    fc.record({ act: fc.constant('schedule' as const), who: fc.nat(9), wait: delay }),
    fc.record({ act: fc.constant('cancel' as const), who: fc.nat(9), wait: fc.constant(0) }),
    fc.record({ act: fc.constant('advance' as const), who: fc.constant(0), wait: fc.nat(20_000) }),
  );
  fc.assert(
    fc.property(fc.array(command, { maxLength: 80 }), (commands) => {
      let now = 0;
      const wheel = new TimerWheel({ now });
      const due = new Map<number, number>();
      const alarms = Array.from({ length: 10 }, () => new Alarm());
      for (const { act, who, wait } of commands) {
        if (act === 'schedule') {
          wheel.schedule(alarms[who]!, now + wait);
          due.set(who, now + wait);
        } else if (act === 'cancel') {
          wheel.cancel(alarms[who]!);
          due.delete(who);
        } else {
          now += wait;
          const before = alarms.map((alarm) => alarm.firedAt.length);
          wheel.advance(now);
          for (const [index, alarm] of alarms.entries()) {
            const fired = alarm.firedAt.length - before[index]!;
            const at = due.get(index);
            // In the last tick before now either is right.
            const must = at !== undefined && at <= now - 10;
            const may = at !== undefined && at <= now;
            if (fired > 1 || (fired === 1 && !may) || (fired === 0 && must)) throw new Error(`timer ${index} due ${at}: fired ${fired} at ${now}`);
            if (fired === 1) due.delete(index);
          }
        }
        if (wheel.size !== due.size) throw new Error(`size ${wheel.size}, expected ${due.size}`);
      }
    }),
    { numRuns: 300 },
  );
  t.pass();
});

test('a timer may reschedule itself and cancel its neighbour of the same tick', (t) => {
  const wheel = new TimerWheel({ now: 0 });
  const neighbour = new Alarm();
  const first: Alarm = new Alarm((alarm) => {
    wheel.cancel(neighbour);
    if (alarm.firedAt.length < 3) wheel.schedule(alarm, 0);
  });
  wheel.schedule(neighbour, 20);
  wheel.schedule(first, 20);
  wheel.advance(100);
  t.deepEqual([first.firedAt.length, neighbour.firedAt.length, wheel.size], [3, 0, 0]);
});

test('an expired() that throws is reported and stops nobody else', (t) => {
  const errors: unknown[] = [];
  const wheel = new TimerWheel({ now: 0, onError: (error) => errors.push(error) });
  const bad = new Alarm(() => {
    throw new Error('broken');
  });
  const good = new Alarm();
  wheel.schedule(good, 20);
  wheel.schedule(bad, 20);
  wheel.advance(40);
  t.is(errors.length, 1);
  t.is(good.firedAt.length, 1);
});

test('a time that is no number or infinite does not hang the wheel', (t) => {
  const wheel = new TimerWheel({ now: 0 });
  const never = new Alarm();
  const soon = new Alarm();
  wheel.schedule(never, Infinity);
  wheel.schedule(soon, NaN);
  wheel.advance(200 * hours);
  t.deepEqual([never.firedAt.length, wheel.size >= 1], [0, true]);
});

test('the driven wheel fires in real time, in order, sleeps when empty, and stops', async (t) => {
  const now = () => performance.now();
  const driven = driveWheel({ now });
  const order: string[] = [];
  const start = now();
  await new Promise<void>((resolve) => {
    driven.wheel.schedule(new Alarm(() => { order.push('late'); resolve(); }), start + 60);
    driven.wheel.schedule(new Alarm(() => order.push('early')), start + 15);
    // The driver's own timer keeps no process alive; this test has to.
    const alive = setInterval(() => {}, 1000);
    t.teardown(() => clearInterval(alive));
  });
  t.deepEqual(order, ['early', 'late']);
  t.true(now() - start >= 60);
  t.is(driven.wheel.nextWake(), Infinity);
  const never = new Alarm();
  driven.wheel.schedule(never, now() + 10);
  driven.stop();
  await new Promise((resolve) => setTimeout(resolve, 40));
  t.is(never.firedAt.length, 0);
});

test('of many that are due at once so many fire in one advance, the rest in the next ones, but for those that were cancelled meanwhile', (t) => {
  const wheel = new TimerWheel({ now: 0, maxAtOnce: 32 });
  const alarms = Array.from({ length: 100 }, (_, index) => {
    const alarm = new Alarm((fired) => {
      if (fired.firedAt.length === 1 && index === 99) wheel.schedule(fired, 40);
    });
    wheel.schedule(alarm, 20 + (index % 2) * 10);
    return alarm;
  });
  const fired = (): number => alarms.reduce((sum, { firedAt }) => sum + firedAt.length, 0);
  const counts: [number, boolean][] = [];
  wheel.advance(30);
  counts.push([fired(), wheel.behind]);
  t.true(wheel.nextWake() <= 30);
  const waiting = alarms.findIndex(({ firedAt, wheelSlot }) => firedAt.length === 0 && wheelSlot >= 0);
  wheel.cancel(alarms[waiting]!);
  for (let round = 0; round < 3; round++) {
    wheel.advance(30);
    counts.push([fired(), wheel.behind]);
  }
  t.deepEqual(counts, [[32, true], [64, true], [96, true], [99, false]]);
  t.is(wheel.nextWake(), 40);
  wheel.advance(40);
  t.deepEqual([fired(), wheel.behind, wheel.size, alarms[waiting]!.firedAt.length], [100, false, 0, 0]);
});

test('the driven wheel lets others have their turn between timers that are due at once', async (t) => {
  const driven = driveWheel({ now: () => performance.now() });
  t.teardown(() => driven.stop());
  const alive = setInterval(() => {}, 1000);
  t.teardown(() => clearInterval(alive));
  let fired = 0;
  const between: number[] = [];
  const due = performance.now() + 20;
  await new Promise<void>((resolve) => {
    for (let index = 0; index < 320; index++) {
      driven.wheel.schedule(new Alarm(() => {
        if (++fired === 1) look();
        if (fired === 320) resolve();
      }), due);
    }
    const look = (): void => {
      between.push(fired);
      if (fired < 320) setImmediate(look);
    };
  });
  t.true(between.every((count, index) => count - (between[index - 1] ?? 0) <= 32), between.join(' '));
});

test('what takes long does so alone between two looks at the others', (t) => {
  let now = 0;
  let shareEnds = 0;
  const wheel = new TimerWheel({ now, maxAtOnce: 32, isEnough: () => now >= shareEnds });
  const costs = [5, 1, 1, 1, 1, 9, 1, 9, 9, 1];
  // Lists begin with what was scheduled last.
  for (const cost of costs.toReversed()) wheel.schedule(new Alarm(() => (now += cost)), 20);
  const fired: number[] = [];
  for (now = 30; wheel.size > 0; ) {
    const before = wheel.size;
    shareEnds = now + 4;
    wheel.advance(now);
    fired.push(before - wheel.size);
  }
  t.deepEqual(fired, [1, 4, 1, 2, 1, 1]);
  t.false(wheel.behind);
});

test('one that takes long is alone in its turn of the loop; all fire, though nothing else goes on that would wake the loop', async (t) => {
  let spent = 0;
  const driven = driveWheel({ now: () => performance.now() + spent });
  t.teardown(() => driven.stop());
  let fired = 0;
  let atOnce = 0;
  let most = 0;
  const due = performance.now() + 20;
  for (let index = 0; index < 100; index++) {
    driven.wheel.schedule(new Alarm(() => {
      fired++;
      spent += 1;
      if (++atOnce === 1) setImmediate(() => (atOnce = 0)).unref();
      most = Math.max(most, atOnce);
    }), due);
  }
  await new Promise((resolve) => setTimeout(resolve, 1000));
  t.deepEqual([fired, most], [100, 1]);
});
