import { compileInSteps } from '#routing';
import { decodeInSlices, type Channel, type Resource } from '#snapshot';

/** Characters above which a message is worth the effort. */
const longMessage = 131_072;
/** How long requests may wait for the next slice to end. Milliseconds. */
const sliceMs = 4;

/**
 * A channel whose long messages are parsed, checked and compiled in slices before they are given on, so that ten thousand routes that change
 * hold no request up. Messages keep their order: one that comes meanwhile waits.
 */
export function inSlices(channel: Channel, now: () => number): Channel {
  return {
    send: (message) => channel.send(message),
    onMessage: (listener) => {
      const queue = new Queue(listener, now);
      channel.onMessage((message) => queue.add(message));
    },
    onClose: (listener) => channel.onClose(listener),
    close: () => channel.close(),
  };
}

class Queue {
  readonly #listener: (message: string) => void;
  readonly #now: () => number;
  readonly #waiting: string[] = [];
  #steps: Iterator<undefined, unknown> | undefined;

  constructor(listener: (message: string) => void, now: () => number) {
    this.#listener = listener;
    this.#now = now;
  }

  add(message: string): void {
    if (this.#waiting.length === 0 && message.length < longMessage) return this.#listener(message);
    this.#waiting.push(message);
    if (this.#waiting.length === 1) this.#begin();
  }

  #begin(): void {
    const [message] = this.#waiting;
    if (message === undefined) return;
    this.#steps = decodeInSlices(message, prepare);
    this.#advance(message);
  }

  #advance(message: string): void {
    const until = this.#now() + sliceMs;
    while (this.#steps?.next().done === false) {
      if (this.#now() < until) continue;
      setImmediate(() => this.#advance(message));
      return;
    }
    this.#steps = undefined;
    this.#waiting.shift();
    // In the turn in which it was decoded, which is when the result is still known.
    this.#listener(message);
    // A turn for the others, for more may have come.
    if (this.#waiting.length > 0) setImmediate(() => this.#begin());
  }
}

function* prepare(resource: Resource): Generator<undefined, void> {
  if (resource.kind === 'RouteTable') yield* compileInSteps(resource);
}
