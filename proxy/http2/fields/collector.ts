import { CR, field, HTAB, LF, SP, stride, targetByte, targetClass, tokenByte, treatment, valueByte } from '../../codec/index.ts';
import { entryOverhead, tableBytes } from '../hpack/dynamic-table.ts';
import type { Http2Limits } from '../limits.ts';
import { joinCookies } from './cookies.ts';
import { HeaderBlock, type Excess, type Side } from './header-block.ts';
import { badValue, fieldIdOf, kind, kindOf, neverIndexed } from './traits.ts';

/** A list of so many times the bound is no mistake: a few bytes that refer to large entries cost a thousand times what they are. */
const bombFactor = 8;
/** Of a path that is refused, for the log: more than that shows. */
const shownBytes = 2048;

/**
 * Takes decoded fields, one after the other, and judges the whole (RFC 9113, 8.2 and 8.3). One serves all connections: what it holds is
 * lent until the next block begins. A list that is malformed or too long is still taken to its end, for the sake of the decoder's table.
 */
export class Collector {
  readonly block: HeaderBlock;
  /** Where the next line is to be written. There is always room for a line of a table; of others the writer makes sure. */
  position = 0;

  readonly #limits: Http2Limits;
  #listBytes = 0;
  /** Bits of the kinds of pseudo-header fields that were there. */
  #pseudo = 0;
  #fieldsBegan = false;
  #cookies = 0;
  #host = -1;

  constructor(limits: Http2Limits) {
    this.#limits = limits;
    const room = limits.maxHeaderListBytes + 2 * tableBytes + limits.maxNameBytes;
    this.block = new HeaderBlock(Buffer.allocUnsafeSlow(room), limits.maxHeaders + limits.maxCookies);
  }

  /** The list is far beyond any bound, and not worth being decoded to its end. */
  get isBomb(): boolean {
    return this.#listBytes > bombFactor * this.#limits.maxHeaderListBytes;
  }

  /** Whether fields are looked at still. Of a list that is refused already they are only counted. */
  get takes(): boolean {
    return this.block.excess === '' && this.block.fault === '';
  }

  begin(side: Side): void {
    const { block } = this;
    block.side = side;
    block.count = block.start = block.end = this.position = 0;
    block.contentLength = -1;
    block.trailersWelcome = false;
    block.protocol = '';
    block.fault = '';
    block.excess = '';
    block.attachment = undefined;
    block.status = 0;
    this.#listBytes = this.#pseudo = this.#cookies = 0;
    this.#fieldsBegan = false;
    this.#host = -1;
  }

  /** Takes the line that was written at `position`, where it `takes` one. */
  add(nameLength: number, valueLength: number, traits: number): void {
    const { block, position } = this;
    this.#listBytes += nameLength + valueLength + entryOverhead;
    if (this.#listBytes > this.#limits.maxHeaderListBytes || nameLength > this.#limits.maxNameBytes) {
      this.exceed(kindOf(traits) === kind.path ? 'target-too-long' : 'head-too-large');
    }
    if (!this.takes) return;
    if ((traits & badValue) !== 0) this.#refuse('field-value');
    const is = kindOf(traits);
    const valueStart = position + nameLength + 2;
    if (is >= kind.method && is <= kind.unknownPseudo) {
      this.#addPseudo(is, valueStart, valueStart + valueLength);
      return;
    }
    this.#fieldsBegan = true;
    const isFull = is === kind.cookie && this.#cookies > 0 ? this.#cookies === this.#limits.maxCookies : block.count - this.#crumbs === this.#limits.maxHeaders;
    if (isFull) {
      this.exceed('head-too-large');
      return;
    }
    const index = block.count++;
    const id = fieldIdOf(traits);
    block.at[index * stride] = position;
    block.at[index * stride + 1] = position + nameLength;
    block.at[index * stride + 2] = valueStart;
    block.at[index * stride + 3] = valueStart + valueLength;
    block.ids[index] = id;
    block.treatments[index] = id === field.hopByHop || id === field.te || id === field.internal ? treatment.drop : treatment.copy;
    block.sensitive[index] = (traits & neverIndexed) === 0 ? 0 : 1;
    this.position = valueStart + valueLength + 2;
    if (is !== kind.ordinary) this.#note(is, index);
  }

  /** Cookies behind the first, which will be one field with it. */
  get #crumbs(): number {
    return Math.max(0, this.#cookies - 1);
  }

  exceed(excess: Excess): void {
    if (this.block.excess === '') this.block.excess = excess;
  }

  /** The block has ended. */
  finish(): HeaderBlock {
    const { block } = this;
    block.end = this.position;
    block.bytes[this.position] = CR;
    block.bytes[this.position + 1] = LF;
    if (block.fault === '' && block.excess === '') {
      if (block.side === 'request') this.#finishRequest();
      else if (block.side === 'response' && this.#pseudo === 0) this.#refuse('status-missing');
      if (this.#cookies > 1) joinCookies(block);
    }
    if (block.fault !== '' || block.excess !== '') this.#forgetUntold();
    return block;
  }

  /** The texts stay from list to list, and may be of another client: of a list that is refused, those count alone that it has told itself. */
  #forgetUntold(): void {
    const { block } = this;
    const told = this.#pseudo;
    if ((told & (1 << kind.method)) === 0) block.method = '';
    if ((told & (1 << kind.path)) === 0) block.path = '';
    if ((told & (1 << kind.authority)) === 0) block.authority = this.#host < 0 ? '' : block.value(this.#host);
  }

  #addPseudo(is: number, start: number, end: number): void {
    const { block } = this;
    const bit = 1 << is;
    if (this.#fieldsBegan) this.#refuse('pseudo-after-field');
    else if ((this.#pseudo & bit) !== 0) this.#refuse('pseudo-twice');
    else if (is === kind.unknownPseudo || block.side === 'trailers' || (block.side === 'response') !== (is === kind.status)) this.#refuse('pseudo-unexpected');
    if (block.fault !== '') return;
    this.#pseudo |= bit;
    if (is === kind.method) this.#takeMethod(start, end);
    else if (is === kind.path) this.#takePath(start, end);
    else if (is === kind.authority) block.authority = textAt(block.bytes, start, end, block.authority);
    else if (is === kind.scheme) block.scheme = textAt(block.bytes, start, end, block.scheme);
    else if (is === kind.protocol) this.#takeProtocol(start, end);
    else this.#takeStatus(start, end);
  }

  #takeMethod(start: number, end: number): void {
    const { block } = this;
    const valid = isShortToken(block.bytes, start, end);
    block.method = valid ? textAt(block.bytes, start, end, block.method) : '';
    if (!valid) this.#refuse('method');
  }

  #takeProtocol(start: number, end: number): void {
    const { block } = this;
    if (isShortToken(block.bytes, start, end)) block.protocol = textAt(block.bytes, start, end, 'websocket');
    else this.#refuse('protocol');
  }

  #takePath(start: number, end: number): void {
    const { block } = this;
    if (end - start > this.#limits.maxTargetBytes) {
      block.path = block.bytes.toString('latin1', start, start + shownBytes);
      this.exceed('target-too-long');
      return;
    }
    let classes = 0;
    let valid = end > start;
    for (let p = start; valid && p < end; p++) {
      const byteClass = targetByte[block.bytes[p]!]!;
      valid = byteClass !== 0;
      classes |= byteClass;
    }
    if (!valid) {
      block.path = block.bytes.toString('latin1', start, Math.min(end, start + shownBytes));
      this.#refuse('path');
      return;
    }
    block.path = textAt(block.bytes, start, end, block.path);
    block.pathIsPlain = classes === targetClass.plain;
  }

  #takeStatus(start: number, end: number): void {
    const { bytes } = this.block;
    let status = 0;
    for (let p = start; p < end; p++) {
      const digit = bytes[p]! - 48;
      status = digit >= 0 && digit <= 9 ? 10 * status + digit : 1000;
    }
    // 101 has no meaning in HTTP/2 (RFC 9113, 8.6).
    if (end - start !== 3 || status < 100 || status > 599 || status === 101) this.#refuse('status');
    else this.block.status = status;
  }

  #note(is: number, index: number): void {
    const { block } = this;
    const inTrailers = block.side === 'trailers';
    switch (is) {
      case kind.cookie:
        this.#cookies++;
        return;
      case kind.te:
        if (inTrailers || block.value(index).toLowerCase() !== 'trailers') this.#refuse('te');
        block.trailersWelcome = true;
        return;
      case kind.contentLength:
        if (inTrailers) this.#refuse('field-in-trailers');
        else this.#takeContentLength(index);
        return;
      case kind.host:
        if (inTrailers) this.#refuse('field-in-trailers');
        else if (this.#host >= 0) this.#refuse('several-hosts');
        this.#host = index;
        return;
      case kind.forbidden:
        this.#refuse('connection-field');
        return;
      default:
        this.#refuse('field-name');
    }
  }

  /** `0|[1-9][0-9]*`, once: any other spelling is read differently by different servers. */
  #takeContentLength(index: number): void {
    const { block } = this;
    const start = block.valueStart(index);
    const end = block.valueEnd(index);
    // 15 digits stay below 2^53.
    let valid = block.contentLength < 0 && end > start && end - start <= 15 && (block.bytes[start] !== 48 || end - start === 1);
    let length = 0;
    for (let p = start; valid && p < end; p++) {
      const digit = block.bytes[p]! - 48;
      valid = digit >= 0 && digit <= 9;
      length = 10 * length + digit;
    }
    if (valid) block.contentLength = length;
    else this.#refuse('content-length');
  }

  #finishRequest(): void {
    const { block } = this;
    const seen = this.#pseudo;
    if ((seen & (1 << kind.method)) === 0) {
      this.#refuse('method-missing');
      return;
    }
    if (block.protocol !== '') this.#finishExtended();
    if (block.method === 'CONNECT' && block.protocol === '') {
      // RFC 9113, 8.5.
      if ((seen & ((1 << kind.path) | (1 << kind.scheme))) !== 0) this.#refuse('connect-with-path');
      block.path = block.scheme = '';
      block.pathIsPlain = false;
    } else if ((seen & (1 << kind.path)) === 0) this.#refuse('path-missing');
    else if ((seen & (1 << kind.scheme)) === 0) this.#refuse('scheme-missing');
    else if (block.scheme !== 'http' && block.scheme !== 'https') this.#refuse('scheme');
    else if (block.path.charCodeAt(0) !== 47 && (block.path !== '*' || block.method !== 'OPTIONS')) this.#refuse('path');
    this.#settleAuthority((seen & (1 << kind.authority)) !== 0);
  }

  /** What `:protocol` asks for beside the fields that every request must have (RFC 8441, 4). */
  #finishExtended(): void {
    const { block } = this;
    if (block.method !== 'CONNECT') this.#refuse('protocol-without-connect');
    // What follows is no content (RFC 9110, 9.3.6), and must not be taken for that of the request that goes on.
    else if (block.contentLength >= 0) this.#refuse('connect-with-length');
    // It has no meaning here (RFC 8441, 5), and would have one behind us.
    for (let index = 0; index < block.count; index++) if (block.isNamed(index, 'sec-websocket-key')) block.treatments[index] = treatment.drop;
  }

  #settleAuthority(told: boolean): void {
    const { block } = this;
    if (!told) block.authority = this.#host < 0 ? '' : textAt(block.bytes, block.valueStart(this.#host), block.valueEnd(this.#host), block.authority);
    // Whoever routes by one and forwards the other would serve a host that was not asked for.
    else if (this.#host >= 0 && block.authority.toLowerCase() !== block.value(this.#host).toLowerCase()) this.#refuse('host-disagrees');
    if (block.authority === '' || (!told && block.method === 'CONNECT')) this.#refuse('host-missing');
    else if (!isAuthority(block.authority)) this.#refuse('host');
  }

  #refuse(fault: string): void {
    if (this.block.fault === '') this.block.fault = fault;
  }
}

/** Whether a value may stand as it is: no control byte, no space around it (RFC 9113, 8.2.1). */
export function isValidValue(bytes: Uint8Array, start: number, end: number): boolean {
  if (start === end) return true;
  for (let p = start; p < end; p++) if (valueByte[bytes[p]!] === 0) return false;
  return !isBlank(bytes[start]!) && !isBlank(bytes[end - 1]!);
}

function isShortToken(bytes: Uint8Array, start: number, end: number): boolean {
  let valid = end > start && end - start <= 32;
  for (let p = start; valid && p < end; p++) valid = tokenByte[bytes[p]!] !== 0;
  return valid;
}

function isBlank(byte: number): boolean {
  return byte === SP || byte === HTAB;
}

/** The text of these bytes: mostly the same as the last one of its kind, which is told sooner than a text is made. */
function textAt(bytes: Buffer, start: number, end: number, last: string): string {
  const length = end - start;
  if (last.length === length) {
    let offset = 0;
    while (offset < length && last.charCodeAt(offset) === bytes[start + offset]) offset++;
    if (offset === length) return last;
  }
  return bytes.toString('latin1', start, end);
}

/** No user information (RFC 9113, 8.3.1), and nothing that ends an authority in a URI. What it names is for routing to say. */
function isAuthority(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (targetByte[code] === 0 || code === 64 || code === 47 || code === 63 || code === 35 || code === 92) return false;
  }
  return true;
}
