import { compileInSteps } from '#routing';
import { decodeResponse, IncomingMessage, inTurns, readInSteps, referencesInSteps, type Channel, type ControllerChannel, type Decoded, type DeltaResponse, type Pause, type PiecedChannel, type Resource, type Steps } from '#snapshot';
import { checkInSteps } from '../check.ts';

/** Characters above which a message that came whole is worth the effort. */
const longMessage = 32_768;

/**
 * A channel whose long messages are parsed, checked and compiled in slices, beginning while they still come, so that ten thousand routes that
 * change hold no request up. Messages keep their order: one that comes meanwhile waits.
 */
export function inSlices(channel: Channel | PiecedChannel, now: () => number): ControllerChannel {
  return {
    send: (message) => channel.send(message),
    onMessage: (listener) => {
      const queue = new Queue(listener, now);
      if ('onPieces' in channel) channel.onPieces((piece, place) => queue.add(piece, place));
      else channel.onMessage((message) => queue.add(message, 'last'));
    },
    onClose: (listener) => channel.onClose(listener),
    close: () => channel.close(),
  };
}

class Queue {
  readonly #listener: (message: Decoded<DeltaResponse>) => void;
  readonly #now: () => number;
  /** The first is being read. */
  readonly #readings: Iterator<Pause, Decoded<DeltaResponse>>[] = [];
  /** The last one's message is still coming. */
  #coming: IncomingMessage | undefined;
  /** The first is being read, or will be in the next turn. */
  #scheduled = false;
  /** What was read last is about to be given on. */
  #giving = false;

  constructor(listener: (message: Decoded<DeltaResponse>) => void, now: () => number) {
    this.#listener = listener;
    this.#now = now;
  }

  add(piece: string, place: 'more follow' | 'last'): void {
    const idle = this.#readings.length === 0 && !this.#giving;
    if (idle && place === 'last' && piece.length < longMessage) return this.#listener(decodeResponse(piece));
    if (this.#coming === undefined) {
      this.#coming = new IncomingMessage();
      this.#readings.push(readInSteps(this.#coming, prepare));
    }
    this.#coming.add(piece, place);
    if (place === 'last') this.#coming = undefined;
    this.#advanceLater();
  }

  #advanceLater(): void {
    if (this.#scheduled || this.#giving || this.#readings.length === 0) return;
    this.#scheduled = true;
    setImmediate(() => {
      inTurns(this.#advance(), { monotonic: this.#now, failed: (error) => this.#fail(error) });
    });
  }

  /** Until the first message is read, or as far as it has come. */
  *#advance(): Steps<void> {
    for (;;) {
      const next = this.#readings[0]?.next();
      // What comes next wakes it.
      if (next === undefined || next.value === 'more') break;
      if (next.done === true) return this.#give(next.value);
      yield;
    }
    this.#scheduled = false;
  }

  /** What comes is data: whatever it is, reading it ends in a result. */
  #fail(error: unknown): never {
    throw error;
  }

  /** In a turn of its own, for to put it into force takes its time too. */
  #give(decoded: Decoded<DeltaResponse>): void {
    this.#giving = true;
    this.#scheduled = false;
    this.#readings.shift();
    setImmediate(() => {
      this.#giving = false;
      this.#advanceLater();
      this.#listener(decoded);
    });
  }
}

function* prepare(resource: Resource): Generator<undefined, void> {
  yield* checkInSteps(resource);
  if (resource.kind !== 'RouteTable') return;
  yield* referencesInSteps(resource);
  yield* compileInSteps(resource);
}
