import test from 'ava';
import fc from 'fast-check';
import { backoffMs, parseRetryAfter, retryDelay } from './delay.ts';
import { retrySettings } from './settings.ts';

const settings = retrySettings({ retry: { maxRetries: 5, backoff: { base: '100ms', max: '1s' } }, origins: {} })!;
const most = () => 0.999999;

test('backoff doubles per retry up to the cap, with full jitter below it', (t) => {
  const ceilings = [1, 2, 3, 4, 5, 6, 100].map((retryNumber) => Math.round(backoffMs(settings, retryNumber, most)));
  t.deepEqual(ceilings, [100, 200, 400, 800, 1000, 1000, 1000]);
  t.is(backoffMs(settings, 3, () => 0), 0);
  t.is(backoffMs(settings, 3, () => 0.5), 200);
  t.is(backoffMs({ backoffBase: 0, backoffMax: 0 }, 9, most), 0);
});

test('backoff is never negative, above the cap, or no number', (t) => {
  fc.assert(
    fc.property(fc.nat(400_000_000), fc.nat(400_000_000), fc.integer({ min: 1, max: 1_000_000 }), fc.double({ min: 0, max: 0.9999999, noNaN: true }), (base, extra, retryNumber, chance) => {
      const wait = backoffMs({ backoffBase: base, backoffMax: base + extra }, retryNumber, () => chance);
      return wait >= 0 && wait <= base + extra;
    }),
  );
  t.pass();
});

const now = Date.UTC(2026, 0, 1, 12, 0, 0);
const values: readonly [string, number | undefined][] = [
  ['0', 0], ['2', 2000], ['86400', 86_400_000], ['86401', undefined], ['999999999', undefined], ['99999999999999999999', undefined],
  ['-1', undefined], ['1.5', undefined], ['1e3', undefined], ['', undefined], [' 1', undefined], ['soon', undefined], ['2, 3', undefined],
  ['Thu, 01 Jan 2026 12:00:05 GMT', 5000], ['Thu, 01 Jan 2026 12:00:00 GMT', 0], ['Thu, 01 Jan 2026 11:59:59 GMT', undefined],
  ['Thu, 01 Jan 2099 12:00:05 GMT', undefined], ['Thu, 01 Foo 2026 12:00:05 GMT', undefined], ['Thu, 01 Jan 2026 25:00:05 GMT', undefined],
  ['2026-01-01T12:00:05Z', undefined], ['Thursday, 01-Jan-26 12:00:05 GMT', undefined],
];
for (const [index, month] of ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'].entries()) {
  test(`Retry-After with a date in ${month}`, (t) => t.is(parseRetryAfter(`Mon, 05 ${month} 2026 23:59:60 GMT`, Date.UTC(2026, index, 5, 23, 59, 57)), 3000));
}
for (const time of ['32 Jan 2026 12:00:05', '01 jan 2026 12:00:05', '01 Jan 2026 24:00:00', '01 Jan 2026 12:60:00', '01 Jan 2026 12:00:61']) {
  test(`Retry-After without such a time: ${time}`, (t) => t.is(parseRetryAfter(`Thu, ${time} GMT`, Date.UTC(2026, 0, 1, 12)), undefined));
}
for (const [value, wait] of values) {
  test(`Retry-After: ${JSON.stringify(value)}`, (t) => {
    t.is(parseRetryAfter(value, now), wait);
  });
}

test('Retry-After is a least wait; one beyond the deadline means no further attempt', (t) => {
  const delay = (retryAfter: number | undefined, remaining: number) => retryDelay(settings, { retryNumber: 1, random: () => 0.5, remaining, retryAfter });
  t.is(delay(undefined, Infinity), 50);
  t.is(delay(10, Infinity), 50);
  t.is(delay(2000, Infinity), 2000);
  t.is(delay(2000, 5000), 2000);
  t.is(delay(2000, 1000), undefined);
  t.is(delay(40_000, Infinity), undefined);
  t.is(delay(40_000, 60_000), 40_000);
});

test('no attempt begins at or past the deadline', (t) => {
  t.is(retryDelay(settings, { retryNumber: 1, random: () => 0.5, remaining: 50 }), undefined);
  t.is(retryDelay(settings, { retryNumber: 1, random: () => 0.5, remaining: -1 }), undefined);
});

test('respectRetryAfter false leaves the backoff alone', (t) => {
  t.is(retryDelay({ ...settings, respectRetryAfter: false }, { retryNumber: 1, random: () => 0.5, remaining: Infinity, retryAfter: 9000 }), 50);
});
