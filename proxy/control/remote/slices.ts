import { compileInSteps } from '#routing';
import { decodeResponse, IncomingMessage, readInSteps, referencesInSteps, type Channel, type ControllerChannel, type Decoded, type DeltaResponse, type Pause, type PiecedChannel, type Resource } from '#snapshot';
import { checkInSteps } from '../check.ts';

/** Characters above which a message that came whole is worth the effort. */
const longMessage = 32_768;
/** How long requests may wait for the next slice to end. Milliseconds. */
const sliceMs = 4;

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
      this.#scheduled = false;
      this.#advance();
    });
  }

  #advance(): void {
    const [reading] = this.#readings;
    if (reading === undefined) return;
    const until = this.#now() + sliceMs;
    do {
      const { done, value } = reading.next();
      if (done === true) return this.#give(value);
      // What comes next wakes it.
      if (value === 'more') return;
    } while (this.#now() < until);
    this.#advanceLater();
  }

  /** In a turn of its own, for to put it into force takes its time too. */
  #give(decoded: Decoded<DeltaResponse>): void {
    this.#giving = true;
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
