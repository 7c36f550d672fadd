/** Milliseconds by which a connection is given up before its server closes it: a request on its way at that moment would be lost. */
export const closingMarginMs = 1000;
/** As much of a time that was learned is enough: short times are kept more exactly, and most of them is to be of use. */
const marginShare = 0.25;

/** Closings that are remembered, and how many of them have to agree. */
const remembered = 5;
const needed = 3;
/** No server closes connections so soon for being idle: it ends, or has had enough of this one. */
const leastMs = 200;
/** Connections that were used last, or closed, within this time of each other say one thing: an endpoint that ends closes all that it has. */
const momentMs = 100;
/** What two clocks and a busy event loop may differ by. */
const slackMs = 100;

/**
 * Learns after what idle time an endpoint closes its connections, where it does not say so by `Keep-Alive`. A request that is sent just then is
 * lost, and one that is not idempotent may not be sent again (RFC 9110, 9.2.2).
 *
 * Endpoints close connections for other reasons as well: they end, or drain. So of the last five closings three have to agree, of connections
 * that were neither used nor closed together. Some servers look once in a second: what is half as long again still agrees. What was learned
 * wrongly does little harm, and shows itself by connections that are open beyond it.
 *
 * Times are milliseconds, all on one clock.
 */
export class Closings {
  /** A connection that was idle for this long may be about to be closed; `Infinity`: nothing is known of that. */
  usableMs = Infinity;
  /** Idle times, the oldest closing first. */
  readonly #ages: number[] = [];
  /** The shortest of those that agree. */
  #learnedMs = Infinity;
  #idleSince = -Infinity;
  #closedAt = -Infinity;

  /** The endpoint closed a connection that had been idle since `idleSince`; where a request ran into that, `now` is when it was sent. */
  closed(idleSince: number, now: number): void {
    const age = now - idleSince;
    if (age < leastMs || now - this.#closedAt < momentMs || Math.abs(idleSince - this.#idleSince) < momentMs) return;
    this.#idleSince = idleSince;
    this.#closedAt = now;
    this.#ages.push(age);
    if (this.#ages.length > remembered) this.#ages.shift();
    this.#learnedMs = shortestAgreed(this.#ages);
    this.usableMs = this.#learnedMs - Math.min(closingMarginMs, this.#learnedMs * marginShare);
  }

  /** A connection that has been idle since then is open. Far beyond the time that was learned, that time is wrong, and forgotten. */
  open(idleSince: number, now: number): void {
    if (now - idleSince <= 2 * this.#learnedMs + closingMarginMs) return;
    this.#ages.length = 0;
    this.#learnedMs = this.usableMs = Infinity;
  }
}

function shortestAgreed(ages: readonly number[]): number {
  const sorted = ages.toSorted((a, b) => a - b);
  return sorted.find((shortest, index) => (sorted[index + needed - 1] ?? Infinity) <= shortest * 1.5 + slackMs) ?? Infinity;
}
