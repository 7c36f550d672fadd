import { FieldLines, framing, isNamed, lookup, stride, valueOf, type Framing } from '../../codec/index.ts';

/** What a header block is: it says which pseudo-header fields it must have. */
export type Side = 'request' | 'response' | 'trailers';

/** Why a header list that is well formed is not taken: codes of the proxy's table of failures. */
export type Excess = 'head-too-large' | 'target-too-long';

/**
 * A decoded header list. Its fields lie in `bytes` as the lines of an HTTP/1.1 head, names in lower case, from `start` to `end` with an
 * empty line behind, and are told by offsets just as `Fields` of the HTTP/1.1 codec tells its own: what reads and writes those can read
 * and write these. Pseudo-header fields are texts beside them. Several cookie fields have become one (RFC 9113, 8.2.3).
 *
 * What a callback gets is lent: it holds until the call returns, unless it is kept.
 */
export class HeaderBlock extends FieldLines {
  side: Side = 'request';
  method = '';
  scheme = '';
  /** `:authority`, or the Host field where there is none. */
  authority = '';
  /** `:path` as sent; empty for CONNECT without a `:protocol`. */
  path = '';
  /** `:protocol` of an extended CONNECT (RFC 8441, 4); empty where there is none. */
  protocol = '';
  /** Every byte of the path stands in a path as it is: no query, no escapes, no dots. */
  pathIsPlain = false;
  status = 0;
  /** -1 where there is none. */
  contentLength = -1;
  /** `te: trailers` was there. It is hop-by-hop, and gRPC servers want it. */
  trailersWelcome = false;
  /** Why it is malformed (RFC 9113, 8.1.1); empty where it is not. */
  fault = '';
  excess: Excess | '' = '';

  bytes: Buffer;
  /** 1: never to be indexed by whoever forwards it (RFC 7541, 6.2.3). */
  sensitive: Uint8Array;
  /** For whoever works with kept blocks: what was made of this one, an encoded block or a decision. */
  attachment: unknown = undefined;
  #kept = false;

  constructor(bytes: Buffer, maxFields: number) {
    super(maxFields);
    this.bytes = bytes;
    this.sensitive = new Uint8Array(maxFields);
  }

  /** Whether it stays as it is. Connections that repeat their header blocks get the same kept block each time. */
  get kept(): boolean {
    return this.#kept;
  }

  /** This block, or a copy that stays as it is. */
  keep(): HeaderBlock {
    if (this.#kept) return this;
    const copy = new HeaderBlock(Buffer.from(this.bytes.subarray(this.start, this.end + 2)), 0);
    copy.#takeTexts(this);
    copy.at = this.at.slice(0, this.count * stride);
    if (this.start !== 0) for (let index = 0; index < copy.at.length; index++) copy.at[index]! -= this.start;
    copy.ids = this.ids.slice(0, this.count);
    copy.treatments = this.treatments.slice(0, this.count);
    copy.sensitive = this.sensitive.slice(0, this.count);
    copy.count = this.count;
    copy.end = this.end - this.start;
    copy.#kept = true;
    return copy;
  }

  name(index: number): string {
    return this.bytes.toString('latin1', this.nameStart(index), this.nameEnd(index));
  }

  value(index: number): string {
    return valueOf(this.bytes, this, index);
  }

  /** The first field of that number, -1 where there is none. */
  indexOf(id: number): number {
    for (let index = 0; index < this.count; index++) if (this.ids[index] === id) return index;
    return -1;
  }

  /** Values of all lines of that name, joined by `, ` (RFC 9110, 5.3). Takes a lower-case name. */
  lookup(name: string): string | undefined {
    return lookup(this.bytes, this, name);
  }

  isNamed(index: number, lower: string): boolean {
    return isNamed(this.bytes, this, index, lower);
  }

  /** How HTTP/1.1 would tell the body's end, where one may follow. */
  bodyFraming(): Framing {
    if (this.contentLength < 0) return framing.chunked;
    return this.contentLength > 0 ? framing.length : framing.none;
  }

  /** All that is there, for tests and logs. */
  entries(): [name: string, value: string][] {
    return Array.from({ length: this.count }, (_, index) => [this.name(index), this.value(index)]);
  }

  #takeTexts(other: HeaderBlock): void {
    this.side = other.side;
    this.method = other.method;
    this.scheme = other.scheme;
    this.authority = other.authority;
    this.path = other.path;
    this.protocol = other.protocol;
    this.pathIsPlain = other.pathIsPlain;
    this.status = other.status;
    this.contentLength = other.contentLength;
    this.trailersWelcome = other.trailersWelcome;
    this.fault = other.fault;
    this.excess = other.excess;
  }
}
