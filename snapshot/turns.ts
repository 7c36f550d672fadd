import type { Steps } from './steps.ts';

export interface TurnsEnvironment {
  /** Milliseconds of a clock that never goes back. Without one, each step has a turn of its own. */
  monotonic?(): number;
}

/** How long others may wait for the next slice to end. Milliseconds. */
const sliceMs = 4;

/** Runs steps to their end, in slices: the first at once, each further one in a turn of the event loop of its own. `failed` gets what is thrown. */
export function inTurns(steps: Steps<void>, env: TurnsEnvironment & { failed(error: unknown): void }): void {
  const until = env.monotonic === undefined ? undefined : env.monotonic() + sliceMs;
  try {
    do {
      if (steps.next().done === true) return;
    } while (until !== undefined && env.monotonic!() < until);
  } catch (error) {
    return env.failed(error);
  }
  setImmediate(() => inTurns(steps, env));
}

/** The same, for what comes of it. */
export function resultInTurns<T>(steps: Steps<T>, env: TurnsEnvironment): Promise<T> {
  return new Promise((resolve, reject) => {
    inTurns(passOn(steps, resolve), { ...env, failed: reject });
  });
}

function* passOn<T>(steps: Steps<T>, to: (value: T) => void): Steps<void> {
  to(yield* steps);
}
