import type { RetrySettings } from './settings.ts';

/** A Retry-After of more than a day is a mistake, not a wish. */
const absurdMs = 86_400_000;
/** How long a request without a `request` timeout is held for a Retry-After. */
const patienceMs = 30_000;

/**
 * Milliseconds to wait before retry number `retryNumber` (1 is the first): exponential, capped, with full jitter. The base is that of
 * the exponent and not a least wait (GEP-1731 leaves curve and jitter to us).
 */
export function backoffMs(settings: Pick<RetrySettings, 'backoffBase' | 'backoffMax'>, retryNumber: number, random: () => number): number {
  // 2^30 × 1 ms is beyond any cap that matters, and keeps the product finite.
  const ceiling = Math.min(settings.backoffMax, settings.backoffBase * 2 ** Math.min(retryNumber - 1, 30));
  return random() * ceiling;
}

/**
 * The wait that a Retry-After field asks for (RFC 9110, 10.2.3: seconds or a date), in milliseconds. Undefined for what is no such
 * value, lies in the past or is absurd. `epochNow` in milliseconds since 1970.
 */
export function parseRetryAfter(value: string, epochNow: number): number | undefined {
  if (/^[0-9]{1,9}$/.test(value)) {
    const wait = Number(value) * 1000;
    return wait > absurdMs ? undefined : wait;
  }
  const date = parseHttpDate(value);
  if (date === undefined) return undefined;
  const wait = date - epochNow;
  return wait < 0 || wait > absurdMs ? undefined : wait;
}

export interface DelayInputs {
  readonly retryNumber: number;
  readonly random: () => number;
  /** Milliseconds until the request's deadline; Infinity where it has none. */
  readonly remaining: number;
  /** What the last response's Retry-After asked for, if it had one (`parseRetryAfter`). */
  readonly retryAfter?: number | undefined;
}

/**
 * Milliseconds to wait before the next attempt, or undefined where it would not begin before the deadline: then the last result is the
 * final one at once. Retry-After, where respected, is a least wait.
 */
export function retryDelay(settings: RetrySettings, inputs: DelayInputs): number | undefined {
  const backoff = backoffMs(settings, inputs.retryNumber, inputs.random);
  const asked = settings.respectRetryAfter ? (inputs.retryAfter ?? 0) : 0;
  if (asked > (inputs.remaining === Infinity ? patienceMs : inputs.remaining)) return undefined;
  const wait = Math.max(backoff, asked);
  return wait < inputs.remaining ? wait : undefined;
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const imfFixdate = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), ([0-9]{2}) ([A-Z][a-z]{2}) ([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT$/;

/** IMF-fixdate alone (RFC 9110, 5.6.7): the two obsolete forms are not worth `Date.parse`, which takes far more than a date. */
function parseHttpDate(value: string): number | undefined {
  const found = imfFixdate.exec(value);
  if (found === null) return undefined;
  const [, day, monthName, year, hour, minute, second] = found;
  const month = months.indexOf(monthName!);
  if (month < 0 || Number(day) > 31 || Number(hour) > 23 || Number(minute) > 59 || Number(second) > 60) return undefined;
  return Date.UTC(Number(year), month, Number(day), Number(hour), Number(minute), Number(second));
}
