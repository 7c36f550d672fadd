import { Fields, framing, invalid, needMore, type FieldBlock, type Framing, type HeadLimits } from './fields.ts';
import { bytesOf, CR, LF, SP, valueByte } from './tables.ts';

const statusLineStart = bytesOf('HTTP/1.');

/** A response's header block of HTTP/2, known to be well formed. */
export interface ResponseBlock extends FieldBlock {
  readonly status: number;
  /** It stays as it is, and comes again: what is made of it can be kept in `attachment`. */
  readonly kept: boolean;
  attachment: unknown;
}

/** Head of a response; see `RequestHead` for how long it holds. */
export class ResponseHead {
  readonly fields: Fields;
  status = 0;
  framing: Framing = framing.none;
  contentLength = 0;
  /** Whether the connection may carry another request, as far as the head says. */
  keepAlive = false;
  minorVersion = 1;
  /** From the status code to the end of the reason phrase. */
  statusStart = 0;
  reasonEnd = 0;
  /** What is shown; undefined for a head that was parsed. */
  block: ResponseBlock | undefined;

  readonly #limits: HeadLimits;

  constructor(limits: HeadLimits) {
    this.#limits = limits;
    this.fields = new Fields(limits, 'response');
  }

  /** `method` is that of the request, for a HEAD's response has no body. Returns the offset behind the head, `needMore` or `invalid`. */
  parse(bytes: Buffer, from: number, to: number, method: string): number {
    this.block = undefined;
    let end = this.#parseLine(bytes, from, to);
    if (end >= 0) end = this.fields.parse(bytes, end, to);
    if (end === invalid) return invalid;
    if ((end === needMore ? to : end) - from > this.#limits.maxHeadBytes) return this.fields.refuseSize('head-too-large');
    return end === needMore ? needMore : this.#settle(end, method);
  }

  /** Shows a response of HTTP/2. `body`: whether one may follow, as its frame says. Its end is told by the connection, as with chunks. */
  show(block: ResponseBlock, method: string, body: 'none' | 'follows'): void {
    const { status, contentLength } = block;
    this.fields.show(block);
    this.block = block;
    this.status = status;
    this.minorVersion = 1;
    this.keepAlive = true;
    this.statusStart = this.reasonEnd = 0;
    this.contentLength = contentLength;
    if (body === 'none' || method === 'HEAD' || status < 200 || status === 204 || status === 304) this.framing = framing.none;
    else this.framing = contentLength > 0 ? framing.length : framing.chunked;
  }

  /** Milliseconds for which the server says that it keeps the idle connection (`Keep-Alive: timeout=5`); Infinity where it does not say. */
  keepAliveMs(bytes: Buffer): number {
    const { keepAlive } = this.fields;
    if (keepAlive < 0) return Infinity;
    const seconds = /(?:^|[ ,])timeout=([0-9]{1,6})(?:$|[ ,])/i.exec(this.fields.value(bytes, keepAlive))?.[1];
    return seconds === undefined ? Infinity : Number(seconds) * 1000;
  }

  #parseLine(bytes: Buffer, from: number, to: number): number {
    if (from + 13 > to) return beginsStatusLine(bytes, from, to) ? needMore : this.fields.refuse('status-line');
    let p = from;
    const named = bytes[p] === 72 && bytes[p + 1] === 84 && bytes[p + 2] === 84 && bytes[p + 3] === 80 && bytes[p + 4] === 47 && bytes[p + 5] === 49 && bytes[p + 6] === 46;
    const minor = bytes[p + 7]! - 48;
    if (!named || minor < 0 || minor > 1 || bytes[p + 8] !== SP) return this.fields.refuse('status-line');
    const hundreds = bytes[p + 9]! - 48;
    const tens = bytes[p + 10]! - 48;
    const ones = bytes[p + 11]! - 48;
    if (hundreds < 1 || hundreds > 5 || tens < 0 || tens > 9 || ones < 0 || ones > 9) return this.fields.refuse('status');
    this.status = hundreds * 100 + tens * 10 + ones;
    this.minorVersion = minor;
    this.statusStart = p + 9;
    p += 12;
    // The space is due even before an empty phrase (RFC 9112, 4), and often missing.
    if (bytes[p] === SP) p++;
    else if (bytes[p] !== CR) return this.fields.refuse('status-line');
    for (;;) {
      if (p >= to) return needMore;
      if (valueByte[bytes[p]!] === 0) break;
      p++;
    }
    this.reasonEnd = p;
    if (bytes[p] !== CR) return this.fields.refuse('status-line');
    if (p + 1 >= to) return needMore;
    return bytes[p + 1] === LF ? p + 2 : this.fields.refuse('status-line');
  }

  /** RFC 9112, 6.3, in its order. */
  #settle(end: number, method: string): number {
    const { fields, status } = this;
    this.keepAlive = !fields.closes && (this.minorVersion === 1 || fields.keepsAlive);
    this.contentLength = 0;
    if (method === 'HEAD' || status < 200 || status === 204 || status === 304) {
      this.framing = framing.none;
      this.contentLength = fields.contentLength;
      return end;
    }
    if (fields.transferEncodings > 0) {
      if (this.minorVersion === 0) return fields.refuse('chunked-in-1.0');
      this.framing = framing.chunked;
    } else if (fields.contentLength >= 0) {
      this.contentLength = fields.contentLength;
      this.framing = fields.contentLength > 0 ? framing.length : framing.none;
    } else {
      this.framing = framing.untilClose;
      this.keepAlive = false;
    }
    return end;
  }
}

/** Whether these few bytes may go on as a status line: a server that says `H` and an empty line is not waited for. */
function beginsStatusLine(bytes: Buffer, from: number, to: number): boolean {
  for (let p = from; p < to; p++) {
    const due = statusLineStart[p - from];
    if (due === undefined ? valueByte[bytes[p]!] === 0 : bytes[p] !== due) return false;
  }
  return true;
}
