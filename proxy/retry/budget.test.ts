import test from 'ava';
import fc from 'fast-check';
import { RetryBudget, RetryBudgets } from './budget.ts';

const settings = { percent: 20, interval: 10_000, minPerSecond: 1 };

const limits = fc.record({ percent: fc.nat(100), interval: fc.integer({ min: 1000, max: 20_000 }), minPerSecond: fc.nat(5) });

/** Takes all there is; a budget without bound ends it at 1000. */
function spend(budget: RetryBudget, now: number): number {
  let granted = 0;
  while (granted < 1000 && budget.takeRetry(settings, now)) granted++;
  return granted;
}

test('percent of the requests, or the floor where that is more, and not both', (t) => {
  const budget = new RetryBudget(settings.interval);
  for (let count = 0; count < 40; count++) budget.request(0);
  t.is(spend(budget, 1), 10, '20 % of 40 are 8, 1 a second for 10 s are 10');
  for (let count = 0; count < 40; count++) budget.request(1);
  t.is(spend(budget, 2), 6, '20 % of 80, less the 10');
});

test('what was spent comes back when it leaves the interval', (t) => {
  const budget = new RetryBudget(settings.interval);
  spend(budget, 500);
  t.false(budget.takeRetry(settings, 9999));
  t.true(budget.takeRetry(settings, 10_500));
  spend(budget, 10_500);
  t.true(budget.takeRetry(settings, 10_000_000));
});

test('0 percent and no floor: never', (t) => {
  const budget = new RetryBudget(1000);
  budget.request(0);
  t.false(budget.takeRetry({ percent: 0, interval: 1000, minPerSecond: 0 }, 0));
});

test('in any stretch of the interval that ends with a grant, retries stay within percent of requests or the floor, whichever is more', (t) => {
  const events = fc.array(fc.record({ wait: fc.nat(1500), retry: fc.boolean(), times: fc.integer({ min: 1, max: 12 }) }), { maxLength: 60 });
  fc.assert(
    fc.property(events, limits, (steps, limit) => {
      const budget = new RetryBudget(limit.interval);
      const requests: number[] = [];
      const retries: number[] = [];
      let now = 0;
      for (const { wait, retry, times } of steps) {
        now += wait;
        for (let count = 0; count < times; count++) {
          if (!retry) {
            budget.request(now);
            requests.push(now);
          } else if (budget.takeRetry(limit, now)) {
            retries.push(now);
            // The ring knows the last nine tenths at least, and the interval at most.
            const made = retries.filter((time) => time > now - limit.interval * 0.9).length;
            const paid = requests.filter((time) => time > now - limit.interval).length;
            if (made > Math.max((limit.percent * paid) / 100, (limit.minPerSecond * limit.interval) / 1000) + 1e-9) return false;
          }
        }
      }
      return true;
    }),
    { numRuns: 300 },
  );
  t.pass();
});

test('whatever was asked before, a retry is refused only when the floor and the share of the requests are both spent', (t) => {
  const events = fc.array(fc.record({ wait: fc.nat(1500), requests: fc.nat(12), retries: fc.nat(12) }), { maxLength: 40 });
  fc.assert(
    fc.property(events, limits, (steps, limit) => {
      const budget = new RetryBudget(limit.interval);
      const requests: number[] = [];
      const retries: number[] = [];
      let now = 0;
      for (const { wait, requests: more, retries: asked } of steps) {
        now += wait;
        for (let count = 0; count < more; count++) {
          budget.request(now);
          requests.push(now);
        }
        for (let count = 0; count < asked; count++) {
          if (budget.takeRetry(limit, now)) {
            retries.push(now);
            continue;
          }
          const made = retries.filter((time) => time > now - limit.interval).length;
          const paid = requests.filter((time) => time > now - limit.interval * 0.9).length;
          if (made + 1 <= Math.max((limit.percent * paid) / 100, (limit.minPerSecond * limit.interval) / 1000) - 1e-9) return false;
        }
      }
      return true;
    }),
    { numRuns: 300 },
  );
  t.pass();
});

test('over a long storm retries stay within percent of requests', (t) => {
  const budget = new RetryBudget(settings.interval);
  let granted = 0;
  for (let now = 0; now < 60_000; now += 10) {
    budget.request(now);
    if (budget.takeRetry(settings, now)) granted++;
  }
  // 6000 requests; at the start, the floor of one interval is more than their share.
  t.true(granted <= 6000 * 0.2 + 10, String(granted));
  t.true(granted >= 6000 * 0.2, String(granted));
});

test('routes share the budget of a backend; another interval or backend has its own', (t) => {
  const budgets = new RetryBudgets();
  const one = budgets.of('shop/reviews:9080', settings);
  t.is(budgets.of('shop/reviews:9080', { ...settings, percent: 50 }), one);
  t.not(budgets.of('shop/reviews:9080', { ...settings, interval: 5000 }), one);
  t.not(budgets.of('shop/ratings:9080', settings), one);
  budgets.retain(new Set(['shop/ratings:9080']));
  t.not(budgets.of('shop/reviews:9080', settings), one);
});
