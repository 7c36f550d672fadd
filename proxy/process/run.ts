import { releaseFilePages } from './file-pages.ts';
import type { ProcessParts } from './parts.ts';

export interface RunningProxy {
  /** Why it is not ready for its first traffic; undefined once it is. */
  waitsFor(): string | undefined;
  /** For /config; no secrets. */
  config(): object;
  drain(ms: number): Promise<void>;
}

export interface Ending {
  /** How long connections are still taken after the signal, because senders have not heard yet that this Pod goes. Milliseconds. */
  readonly delayMs: number;
  /** For all of the end. Milliseconds. */
  readonly drainMs: number;
}

/** The process's part of it, so that tests need none. */
export interface Signals {
  /** Aborted by the first signal to end. */
  readonly end: AbortSignal;
  /** Aborted by the second. */
  readonly now: AbortSignal;
}

/** Beyond the end of the drain, for what is still to be written: who takes logs or spans may be slow, or gone. Milliseconds. */
const lastWordsMs = 1500;
/** By then the configuration is there, and no Pod waits for this one to start. Milliseconds. */
const settledMs = 5000;

/** Serves until the signal, then lets what is in flight end. Rejects where the admin port can't be bound. */
export async function runProcess(parts: ProcessParts, running: RunningProxy, ending: Ending, signals: Signals): Promise<void> {
  const { proxy, log } = parts;
  let wasReady = false;
  // Once there was something to serve, a controller that is away is no reason to take traffic from this Pod.
  const notReady = (): string | undefined => {
    if (signals.end.aborted) return 'ending';
    const reason = wasReady ? undefined : running.waitsFor();
    if (reason === undefined && !wasReady) {
      wasReady = true;
      log('info', 'ready');
    }
    return reason;
  };
  const admin = await parts.admin({ notReady, config: () => running.config() });
  setTimeout(() => void releaseFilePages().catch((error: unknown) => log('debug', 'the memory of the start is kept', { error: String(error) })), settledMs).unref();
  await aborted(signals.end);
  log('info', 'ending');
  const over = pause(ending.drainMs + lastWordsMs);
  proxy.retire();
  const delayMs = Math.min(ending.delayMs, ending.drainMs);
  await Promise.race([pause(delayMs), aborted(signals.now)]);
  await Promise.race([running.drain(ending.drainMs - delayMs), aborted(signals.now)]);
  await Promise.race([parts.close(), over, aborted(signals.now)]);
  await admin.close();
  log('info', 'ended');
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
