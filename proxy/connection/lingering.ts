import { spent } from '../sockets/index.ts';

/** The time after the last response: what the client still sends is dropped, up to a limit, and what it has not taken yet it may take. */
export class Lingering {
  readonly #maxBytes: number;
  #dropped = 0;
  /** Bytes that the client had not taken when last looked at. */
  #unsent: number;

  constructor(limits: { readonly lingerBytes: number }, unsent: number) {
    this.#maxBytes = limits.lingerBytes;
    this.#unsent = unsent;
  }

  /** Whether all had left when last looked at. */
  get hasAll(): boolean {
    return this.#unsent === 0;
  }

  drop(bytes: Buffer): 'some' | 'enough' {
    this.#dropped += bytes.length;
    spent(bytes);
    return this.#dropped > this.#maxBytes ? 'enough' : 'some';
  }

  /** Whether the client has all, or has taken nothing since. */
  standsStill(unsent: number): boolean {
    if (this.#unsent === 0 || unsent === this.#unsent) return true;
    this.#unsent = unsent;
    return false;
  }
}
