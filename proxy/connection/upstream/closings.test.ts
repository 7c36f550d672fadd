import fc from 'fast-check';
import test from 'ava';
import { Closings } from './closings.ts';

/** Closings of connections that were idle for so long, each well apart from the others. */
function after(ages: readonly number[], closings = new Closings()): Closings {
  for (const [index, age] of ages.entries()) closings.closed((index + 1) * 100_000 - age, (index + 1) * 100_000);
  return closings;
}

test('three closings that agree teach a time; a second of it is left, or a quarter', (t) => {
  t.is(after([5003, 5001]).usableMs, Infinity);
  t.is(after([5003, 5001, 5010]).usableMs, 4001);
  t.is(after([300, 304, 310]).usableMs, 225);
});

test('a server that looks once in a second agrees with itself', (t) => {
  t.is(after([2000, 3050, 2500]).usableMs, 1500);
});

/** Lengths that agree among themselves and with no other. */
const scales = [300, 1000, 3000, 9000];
const histories = fc.array(fc.tuple(fc.constantFrom(...scales), fc.double({ min: 1, max: 1.4, noNaN: true })), { maxLength: 20 });

test('known is what three of the last five closings agree on, and it is shorter than all that agree', (t) => {
  fc.assert(
    fc.property(histories, (history) => {
      const last = history.slice(-5);
      const agreed = scales.find((scale) => last.filter(([each]) => each === scale).length >= 3);
      const { usableMs } = after(history.map(([scale, factor]) => scale * factor));
      if (agreed === undefined) return usableMs === Infinity;
      return usableMs > 0 && last.every(([scale, factor]) => scale !== agreed || usableMs < scale * factor);
    }),
  );
  t.pass();
});

test('an endpoint that ends says one thing, however many connections it had; twice is not enough', (t) => {
  const ages = fc.array(fc.integer({ min: 0, max: 60_000 }), { minLength: 1, maxLength: 50 });
  const spread = fc.array(fc.integer({ min: 0, max: 99 }), { minLength: 50, maxLength: 50 });
  fc.assert(
    fc.property(ages, ages, spread, (first, second, delays) => {
      const closings = new Closings();
      const sorted = delays.toSorted((a, b) => a - b);
      for (const [index, age] of first.entries()) closings.closed(100_000 - age, 100_000 + sorted[index]!);
      for (const [index, age] of second.entries()) closings.closed(900_000 - age, 900_000 + sorted[index]!);
      return closings.usableMs === Infinity;
    }),
  );
  t.pass();
});

test('connections that were used last at one moment say one thing, whenever each is closed', (t) => {
  const closings = new Closings();
  for (let closed = 0; closed < 9; closed++) closings.closed(1000 + closed, 6000 + closed * 200);
  t.is(closings.usableMs, Infinity);
});

test('what is closed at once was not closed for being idle', (t) => {
  fc.assert(fc.property(fc.array(fc.double({ min: 0, max: 199, noNaN: true }), { maxLength: 20 }), (ages) => after(ages).usableMs === Infinity));
  t.pass();
});

test('a connection that is open far beyond the time: it is forgotten, and wants three closings again', (t) => {
  const closings = after([5000, 5000, 5000]);
  closings.open(0, 11_000);
  t.is(closings.usableMs, 4000);
  closings.open(0, 11_001);
  t.is(closings.usableMs, Infinity);
  closings.closed(1_000_000, 1_005_000);
  closings.closed(2_000_000, 2_005_000);
  t.is(closings.usableMs, Infinity);
  closings.closed(3_000_000, 3_005_000);
  t.is(closings.usableMs, 4000);
});
