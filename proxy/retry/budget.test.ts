import test from 'ava';
import fc from 'fast-check';
import { RetryBudget, RetryBudgets } from './budget.ts';
import type { BudgetSettings } from './settings.ts';

const settings = { percent: 20, interval: 10_000, minPerSecond: 1 };

const limits = fc.record({ percent: fc.nat(100), interval: fc.integer({ min: 1000, max: 20_000 }), minPerSecond: fc.nat(5) });

/** A budget, and when it was asked what. */
class Asked {
  readonly budget: RetryBudget;
  readonly requests: number[] = [];
  readonly retries: number[] = [];
  now = 0;
  readonly #limit: BudgetSettings;

  constructor(limit: BudgetSettings) {
    this.#limit = limit;
    this.budget = new RetryBudget(limit.interval);
  }

  request(): void {
    this.budget.request(this.now);
    this.requests.push(this.now);
  }

  /** False: refused. */
  retry(): boolean {
    const isGranted = this.budget.takeRetry(this.#limit, this.now);
    if (isGranted) this.retries.push(this.now);
    return isGranted;
  }

  /** The ring knows the last nine tenths of the interval at least, and all of it at most. */
  within(times: readonly number[], share: number): number {
    return times.filter((time) => time > this.now - this.#limit.interval * share).length;
  }

  /** What so many requests allow. */
  allowed(paid: number): number {
    const { percent, minPerSecond, interval } = this.#limit;
    return Math.max((percent * paid) / 100, (minPerSecond * interval) / 1000);
  }
}

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
      const asked = new Asked(limit);
      for (const { wait, retry, times } of steps) {
        asked.now += wait;
        for (let count = 0; count < times; count++) {
          if (!retry) asked.request();
          else if (asked.retry() && asked.within(asked.retries, 0.9) > asked.allowed(asked.within(asked.requests, 1)) + 1e-9) return false;
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
      const asked = new Asked(limit);
      for (const { wait, requests, retries } of steps) {
        asked.now += wait;
        for (let count = 0; count < requests; count++) asked.request();
        for (let count = 0; count < retries; count++) {
          if (!asked.retry() && asked.within(asked.retries, 1) + 1 <= asked.allowed(asked.within(asked.requests, 0.9)) - 1e-9) return false;
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

test('a backend that stays keeps its budgets, of every interval; one that went begins anew', (t) => {
  const budgets = new RetryBudgets();
  const settings: BudgetSettings = { percent: 20, interval: 10_000, minPerSecond: 10 };
  const all = () => [budgets.of('shop/a:80', settings), budgets.of('shop/a:80', { ...settings, interval: 5000 }), budgets.of('shop/b:80', settings)];
  const [before, other, gone] = all();
  budgets.retain(new Set(['shop/a:80']));
  const after = all();
  t.is(after[0], before);
  t.is(after[1], other);
  t.not(after[2], gone);
});
