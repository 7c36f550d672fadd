/** How a stream came to its end. */
export type Ending = 'finished' | 'reset-here' | 'reset-there';

const resetsKept = 256;
const finishedKept = 32;
const byPeer = 1;
const byUs = 2;

/**
 * Remembers streams that ended lately, for frames that come after the end: on a stream that we have reset they are to be expected and are
 * dropped, on others they are faults (RFC 9113, 5.1). Bounded; what is forgotten may be one of a thousand that were reset at once, and a fault would
 * end those that go on.
 */
export class ClosedStreams {
  #resets: Int32Array | undefined;
  #resetBy: Uint8Array | undefined;
  #finished: Int32Array | undefined;
  #nextReset = 0;
  #nextFinished = 0;

  add(id: number, ending: Ending): void {
    if (ending === 'finished') {
      this.#finished ??= new Int32Array(finishedKept);
      this.#finished[this.#nextFinished] = id;
      this.#nextFinished = (this.#nextFinished + 1) % finishedKept;
      return;
    }
    this.#resets ??= new Int32Array(resetsKept);
    this.#resetBy ??= new Uint8Array(resetsKept);
    this.#resets[this.#nextReset] = id;
    this.#resetBy[this.#nextReset] = ending === 'reset-here' ? byUs : byPeer;
    this.#nextReset = (this.#nextReset + 1) % resetsKept;
  }

  /** Undefined where it is not known, or not any more. */
  ending(id: number): Ending | undefined {
    const place = this.#resets?.lastIndexOf(id) ?? -1;
    if (place >= 0) return this.#resetBy![place] === byUs ? 'reset-here' : 'reset-there';
    return this.#finished?.includes(id) === true ? 'finished' : undefined;
  }
}
