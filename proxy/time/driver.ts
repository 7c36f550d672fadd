import { sliceMs } from './turns.ts';
import { TimerWheel } from './wheel.ts';

export interface DriverOptions {
  /** Milliseconds on a monotonic clock: `performance.now`. */
  readonly now: () => number;
  readonly tickMs?: number;
  readonly onError?: (error: unknown) => void;
}

/** Thousands of connections that came at once are due at once: so many fire between two looks at all sockets, and fewer where they take long. */
const maxAtOnce = 32;

/** A wheel that turns by itself, and sleeps while nothing is due. Keeps the process alive for what is due, not for what will be. */
export interface DrivenWheel {
  readonly wheel: TimerWheel;
  /** Stops it; scheduled timers don't fire any more. */
  stop(): void;
}

export function driveWheel(options: DriverOptions): DrivenWheel {
  const { now } = options;
  let timeout: NodeJS.Timeout | undefined;
  let armedFor = Infinity;
  let shareEnds = 0;
  let state: 'idle' | 'advancing' | 'stopped' = 'idle';
  const wheel = new TimerWheel({
    now: now(),
    maxAtOnce,
    isEnough: () => now() >= shareEnds,
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
    const time = now();
    shareEnds = time + sliceMs;
    wheel.advance(time);
    if (state !== 'advancing') return;
    if (wheel.behind) {
      // Not `unref`: where nothing else goes on, the event loop would sleep until something does.
      setImmediate(turn);
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
