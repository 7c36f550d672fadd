import type { Channel } from './messages.ts';
import { maxMessageLength } from './codec.ts';

/** Delivers later, in order; by default on the next turn of the event loop. */
export type Deliver = (turn: () => void) => void;

/**
 * Two connected ends in one process. What one sends the other receives in order, never before `send` has returned. A message that
 * is too long closes the channel, as a connection would. `onClose` fires on both ends, once; messages sent before a close arrive.
 */
export function channelPair(deliver: Deliver = setImmediate): readonly [Channel, Channel] {
  const a = new End(deliver);
  const b = new End(deliver);
  a.connect(b);
  b.connect(a);
  return [a, b];
}

class End implements Channel {
  #peer: End | undefined;
  #open = true;
  #message: ((message: string) => void) | undefined;
  #close: (() => void) | undefined;
  readonly #deliver: Deliver;

  constructor(deliver: Deliver) {
    this.#deliver = deliver;
  }

  connect(peer: End): void {
    this.#peer = peer;
  }

  send(message: string): void {
    if (!this.#open) return;
    if (message.length > maxMessageLength) return this.close();
    const peer = this.#peer;
    this.#deliver(() => peer?.arrived(message));
  }

  onMessage(listener: (message: string) => void): void {
    this.#message = listener;
  }

  onClose(listener: () => void): void {
    this.#close = listener;
  }

  close(): void {
    if (!this.#open) return;
    const peer = this.#peer;
    this.#deliver(() => this.ended());
    this.#deliver(() => peer?.ended());
    this.#open = false;
  }

  arrived(message: string): void {
    if (this.#open) this.#message?.(message);
  }

  ended(): void {
    this.#open = false;
    const listener = this.#close;
    this.#close = undefined;
    listener?.();
  }
}
