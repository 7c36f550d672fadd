import { TimerWheel } from './wheel.ts';

export interface DriverOptions {
  /** Milliseconds on a monotonic clock: `performance.now`. */
  readonly now: () => number;
  readonly tickMs?: number;
  readonly onError?: (error: unknown) => void;
}

/** Thousands of connections that came at once are due at once: what fires between two looks at all sockets takes about a millisecond at most. */
const maxAtOnce = 32;

/** A wheel that turns by itself, and sleeps while nothing is due. Does not keep the process alive. */
export interface DrivenWheel {
  readonly wheel: TimerWheel;
  /** Stops it; scheduled timers don't fire any more. */
  stop(): void;
}

export function driveWheel(options: DriverOptions): DrivenWheel {
  const { now } = options;
  let timeout: NodeJS.Timeout | undefined;
  let armedFor = Infinity;
  let state: 'idle' | 'advancing' | 'stopped' = 'idle';
  const wheel = new TimerWheel({
    now: now(),
    maxAtOnce,
    ...(options.tickMs === undefined ? {} : { tickMs: options.tickMs }),
    ...(options.onError === undefined ? {} : { onError: options.onError }),
    onEarlier: arm,
  });

  function arm(wakeAt: number): void {
    if (state !== 'idle' || wakeAt >= armedFor) return;
    clearTimeout(timeout);
    armedFor = wakeAt;
    // At most a minute, so that a clock that jumped (a suspended machine) is noticed.
    timeout = setTimeout(turn, Math.min(60_000, Math.max(1, Math.ceil(wakeAt - now())))).unref();
  }

  function turn(): void {
    if (state === 'stopped') return;
    armedFor = Infinity;
    state = 'advancing';
    wheel.advance(now());
    if (state !== 'advancing') return;
    if (wheel.behind) {
      setImmediate(turn).unref();
      return;
    }
    state = 'idle';
    const next = wheel.nextWake();
    if (next < Infinity) arm(next);
  }

  return {
    wheel,
    stop: () => {
      state = 'stopped';
      clearTimeout(timeout);
    },
  };
}
