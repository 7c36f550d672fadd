import type { ControllerChannel } from './messages.ts';
import type { Subscriber } from './subscriber.ts';

export interface LinkEnvironment {
  /** Opens a channel to the controller; a rejection counts as a failed dial. */
  dial(): Promise<ControllerChannel> | ControllerChannel;
  /** Chance for the jitter, 0 ≤ x < 1. */
  random(): number;
  /** Runs `turn` after so many milliseconds; the result cancels it. */
  after(milliseconds: number, turn: () => void): () => void;
}

export interface Link {
  state(): 'connecting' | 'connected' | 'waiting' | 'closed';
  close(): void;
}

/** Reconnect waits in milliseconds: full jitter below base × 2^failures, at most `max`. */
const backoff = { base: 100, max: 15_000 } as const;
const expiryInterval = 1000;

/** Keeps a subscriber connected: dials, dials again with jittered backoff, and tells it about the end of each stream. */
export function keepConnected(subscriber: Subscriber, env: LinkEnvironment): Link {
  let state: ReturnType<Link['state']> = 'connecting';
  let failures = 0;
  let channel: ControllerChannel | undefined;
  let cancelRetry = (): void => {};
  let cancelExpiry = (): void => {};

  const lost = (): void => {
    if (state === 'closed' || state === 'waiting') return;
    channel = undefined;
    subscriber.disconnected();
    state = 'waiting';
    const ceiling = Math.min(backoff.max, backoff.base * 2 ** Math.min(failures, 16));
    failures += 1;
    cancelRetry = env.after(env.random() * ceiling, () => void connect());
  };

  const attach = (opened: ControllerChannel): void => {
    if (state === 'closed') return opened.close();
    channel = opened;
    state = 'connected';
    opened.onClose(() => {
      if (channel === opened) lost();
    });
    opened.onMessage((message) => {
      if (channel !== opened) return;
      const fault = subscriber.receive(message);
      if (fault === undefined) failures = 0;
      else opened.close();
    });
    subscriber.connected((message) => opened.send(message));
  };

  const connect = async (): Promise<void> => {
    state = 'connecting';
    try {
      attach(await env.dial());
    } catch {
      lost();
    }
  };

  const expireLater = (): void => {
    cancelExpiry = env.after(expiryInterval, () => {
      subscriber.expire();
      expireLater();
    });
  };

  void connect();
  expireLater();
  return {
    state: () => state,
    close: () => {
      state = 'closed';
      cancelRetry();
      cancelExpiry();
      subscriber.disconnected();
      channel?.close();
    },
  };
}
