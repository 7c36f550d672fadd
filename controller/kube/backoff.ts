/** Waits in milliseconds: the first about `base`, each about twice the one before, at most `max`. */
export interface BackoffLimits {
  readonly base: number;
  readonly max: number;
}

/** Milliseconds to wait after so many failures in a row: between half and the whole of base × 2^failures, so that many do not come at once. */
export function backoff(failures: number, { base, max }: BackoffLimits, random: () => number): number {
  const ceiling = Math.min(max, base * 2 ** Math.min(Math.max(failures - 1, 0), 20));
  return ceiling / 2 + (random() * ceiling) / 2;
}

/** Resolves after so many milliseconds, or as soon as the signal is aborted; never rejects. */
export function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const over = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', over);
      resolve();
    };
    const timer = setTimeout(over, milliseconds);
    signal.addEventListener('abort', over, { once: true });
  });
}
