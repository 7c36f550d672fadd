import type { RequestView } from '#routing';
import type { RequestHead } from '../codec/index.ts';

/** The request that is being decided upon, over its bytes: a string is made of a header only when a rule names it. */
export class HeadView implements RequestView {
  method = '';
  host = '';
  path = '';
  query: string | undefined = undefined;
  readonly #head: RequestHead;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(head: RequestHead) {
    this.#head = head;
  }

  /** Takes what the head has parsed of these bytes. */
  show(bytes: Buffer): this {
    const head = this.#head;
    this.#bytes = bytes;
    this.method = head.method;
    this.host = head.authority.host;
    this.path = head.path;
    this.query = head.query;
    return this;
  }

  header(name: string): string | undefined {
    // The authority counts where it stands in the target (RFC 9112, 3.2.2).
    if (name === 'host') return this.#head.authorityText;
    return this.#head.fields.lookup(this.#bytes, name);
  }
}
