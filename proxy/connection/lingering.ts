import { spent } from '../sockets/index.ts';

/** The time after the last response: what the client still sends is dropped, up to a limit, and what it has not taken yet it may take. */
export class Lingering {
  /** Nothing more is read, whoever asks for it. */
  hasEnough = false;
  readonly #maxBytes: number;
  /** Until when an upload is dropped without that limit, as long as it goes on. Milliseconds; 0: there is none. */
  readonly #uploadUntil: number;
  #dropped = 0;
  /** The same when last looked at. */
  #droppedBefore = 0;
  /** Bytes that the client had not taken when last looked at. */
  #unsent: number;

  constructor(limits: { readonly lingerBytes: number }, unsent: number, uploadUntil: number) {
    this.#maxBytes = limits.lingerBytes;
    this.#uploadUntil = uploadUntil;
    this.#unsent = unsent;
  }

  drop(bytes: Buffer, now: number): 'some' | 'enough' {
    this.#dropped += bytes.length;
    spent(bytes);
    this.hasEnough = this.#dropped >= this.#maxBytes && now >= this.#uploadUntil;
    return this.hasEnough ? 'enough' : 'some';
  }

  /** Whether nothing is left to wait for: the client has all, or has taken nothing since, and its upload has come to an end or a halt. */
  standsStill(unsent: number, now: number): boolean {
    const uploads = now < this.#uploadUntil && this.#dropped > this.#droppedBefore;
    const isTaken = this.#unsent === 0 || unsent === this.#unsent;
    this.#droppedBefore = this.#dropped;
    this.#unsent = unsent;
    return isTaken && !uploads;
  }
}
