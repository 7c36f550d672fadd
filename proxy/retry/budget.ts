import type { BudgetSettings } from './settings.ts';

const bucketCount = 10;

/**
 * How many retries one backend may get: percent × requests, and never less than minPerSecond × interval (GEP-3388: the budget "never goes
 * below this minimum value"), over a sliding interval, less the retries already made in it. Counts stand in a ring of ten buckets, so the interval slides by a tenth of itself; every call is O(1).
 */
export class RetryBudget {
  readonly #bucketMs: number;
  readonly #requests = new Float64Array(bucketCount);
  readonly #retries = new Float64Array(bucketCount);
  #requestSum = 0;
  #retrySum = 0;
  /** Number of the current bucket since time 0 of the clock. */
  #current = -1;

  /** `interval` in milliseconds. */
  constructor(interval: number) {
    this.#bucketMs = Math.max(1, interval / bucketCount);
  }

  /** A request, its retries not counted. `now` in milliseconds, never running backwards. */
  request(now: number): void {
    this.#slide(now);
    const slot = this.#current % bucketCount;
    this.#requests[slot] = this.#requests[slot]! + 1;
    this.#requestSum++;
  }

  /** Whether a retry may be made now; counts it if so. Percent and floor are the caller's route's own. */
  takeRetry(settings: BudgetSettings, now: number): boolean {
    if (this.balance(settings, now) < 1) return false;
    const slot = this.#current % bucketCount;
    this.#retries[slot] = this.#retries[slot]! + 1;
    this.#retrySum++;
    return true;
  }

  /** Retries left at this moment; below 0 when the requests that paid for them have left the interval. */
  balance(settings: BudgetSettings, now: number): number {
    this.#slide(now);
    return Math.max((settings.percent * this.#requestSum) / 100, (settings.minPerSecond * settings.interval) / 1000) - this.#retrySum;
  }

  #slide(now: number): void {
    const bucket = Math.floor(now / this.#bucketMs);
    if (bucket <= this.#current) return;
    const steps = this.#current < 0 ? bucketCount : Math.min(bucket - this.#current, bucketCount);
    for (let step = 0; step < steps; step++) {
      const slot = (bucket + bucketCount - step) % bucketCount;
      this.#requestSum -= this.#requests[slot]!;
      this.#retrySum -= this.#retries[slot]!;
      this.#requests[slot] = 0;
      this.#retries[slot] = 0;
    }
    this.#current = bucket;
  }
}

/**
 * The budgets of all backends. Routes share a backend's budget (GEP-3388: per Service, across routes); those that state another
 * interval count on their own, for a ring has one width.
 */
export class RetryBudgets {
  readonly #byKey = new Map<string, RetryBudget>();

  /** To be called when a table is compiled, not per request. */
  of(backend: string, settings: BudgetSettings): RetryBudget {
    const key = `${settings.interval} ${backend}`;
    let budget = this.#byKey.get(key);
    if (budget === undefined) {
      budget = new RetryBudget(settings.interval);
      this.#byKey.set(key, budget);
    }
    return budget;
  }

  /** Forgets the budgets of backends that are gone. */
  retain(backends: ReadonlySet<string>): void {
    for (const key of this.#byKey.keys()) if (!backends.has(key.slice(key.indexOf(' ') + 1))) this.#byKey.delete(key);
  }
}
