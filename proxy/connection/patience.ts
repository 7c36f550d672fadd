import type { TimeoutSettings } from '../retry/index.ts';

/** How long a client's connection is waited for, which is for the policy of the section to say that its requests turn out to be for. Milliseconds. */
export class Patience {
  timeouts: TimeoutSettings;
  /** Since when it is waited: for a request, for the rest of a head (`inHead`), or for the connection's end. */
  since: number;
  inHead = false;
  readonly #openedAt: number;

  constructor(timeouts: TimeoutSettings, now: number) {
    this.timeouts = timeouts;
    this.since = this.#openedAt = now;
  }

  /** When the connection will have been open for as long as it may. Infinity: never. */
  get oldAt(): number {
    const { maxConnectionDuration } = this.timeouts;
    return maxConnectionDuration > 0 ? this.#openedAt + maxConnectionDuration : Infinity;
  }

  /** When there has to be a request, or the rest of its head. Infinity: never. */
  due(): number {
    const { idle, requestHeaders } = this.timeouts;
    const limit = this.inHead ? requestHeaders : idle;
    const due = limit > 0 ? this.since + limit : Infinity;
    return this.inHead ? due : Math.min(due, Math.max(this.since, this.oldAt));
  }

  /** When a client that takes its responses slowly has to have taken some more of them. */
  standingUntil(): number {
    return this.since + (this.timeouts.streamIdle || Infinity);
  }
}
