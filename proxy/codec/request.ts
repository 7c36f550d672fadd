import { normalizeHost, normalizePath, type NormalHost } from '#routing';
import { Fields, framing, invalid, needMore, type FieldBlock, type Framing, type HeadLimits } from './fields.ts';
import { field } from './names.ts';
import { CR, isToken, LF, SP, bytesOf, targetByte, targetClass, tokenByte } from './tables.ts';

/** Target forms of RFC 9112, 3.2. */
export type TargetForm = 'origin' | 'absolute' | 'authority' | 'asterisk';

const LETTER_H = 72;
/** What a client that speaks TLS begins with (RFC 8446, 5.1): it came to the wrong port, which is worth a word of its own in the log. */
const tlsHandshake = 22;
const maxMethodBytes = 32;
const maxEmptyLines = 2;
const continueExpectation = bytesOf('100-continue');
const websocket = bytesOf('websocket');
/** A request may leave its Host empty (RFC 9112, 3.2), and one of HTTP/1.0 may have none. */
const noAuthority: NormalHost = { host: '', port: undefined };

/** A request's header block of HTTP/2, known to be well formed. */
export interface RequestBlock extends FieldBlock {
  readonly method: string;
  readonly authority: string;
  readonly path: string;
  /** Of an extended CONNECT (RFC 8441, 4); empty where there is none. */
  readonly protocol: string;
  /** Every byte of the path stands in a path as it is. */
  readonly pathIsPlain: boolean;
  readonly trailersWelcome: boolean;
  /** It stays as it is, and comes again on its connection: what is made of it can be kept in `attachment`. */
  readonly kept: boolean;
  attachment: unknown;
}

/**
 * Head of a request. Strings are made of the method, the authority and the path alone; everything else stays bytes. Like `Fields`, one
 * object serves all requests and holds until the next parse.
 */
export class RequestHead {
  readonly fields: Fields;
  method = 'GET';
  form: TargetForm = 'origin';
  /** As written: the target's for absolute and authority form, else the Host field's. */
  authorityText = '';
  authority: NormalHost = noAuthority;
  /** Absolute form whose authority is another than the Host field's. Which of them counts is for the listener to say. */
  hostDisagrees = false;
  /**
   * OPTIONS of the server as a whole: asterisk form, or absolute form without path and query, of which the last proxy makes the other
   * (RFC 9112, 3.2.4). Its path is `/` for rules.
   */
  serverWide = false;
  /** Normal form, without the query. */
  path = '/';
  /** What follows `?`, as sent. */
  query: string | undefined = undefined;
  /** As `NormalTarget` has it. Which of them may pass is for the table to say. */
  escapes = 0;
  /** Where method and target begin, and where the target ends. */
  lineStart = 0;
  targetStart = 0;
  targetEnd = 0;
  /** Whether the target's bytes are what is to be forwarded. */
  verbatim = true;
  minorVersion = 1;
  framing: Framing = framing.none;
  contentLength = 0;
  keepAlive = true;
  expectsContinue = false;
  /** Asks to become a WebSocket (RFC 6455, 4.1; RFC 8441, 5), the one upgrade that is forwarded. */
  upgradesToWebSocket = false;
  /** What is shown; undefined for a head that was parsed. */
  block: RequestBlock | undefined;

  readonly #limits: HeadLimits;
  #targetClasses = 0;

  constructor(limits: HeadLimits) {
    this.#limits = limits;
    this.fields = new Fields(limits, 'request');
  }

  /**
   * Shows a request of HTTP/2. `body`: whether one follows. False: it is refused (`fields.failure`, `fields.reason`). An extended CONNECT for a
   * WebSocket is shown as the GET that asks for one over HTTP/1.1: what follows is none of its body.
   */
  show(block: RequestBlock, body: 'none' | 'follows'): boolean {
    const { fields } = this;
    fields.show(block);
    this.block = block;
    fields.failure = 'bad-request';
    fields.trailersWelcome = block.trailersWelcome;
    const isWebSocket = block.protocol === 'websocket';
    this.method = isWebSocket ? 'GET' : block.method;
    this.lineStart = this.targetStart = this.targetEnd = 0;
    this.minorVersion = 1;
    this.keepAlive = true;
    this.hostDisagrees = this.verbatim = false;
    this.upgradesToWebSocket = isWebSocket;
    this.contentLength = Math.max(0, block.contentLength);
    // A length of 0 with the end still to come: until it has, content may follow, and the request be malformed (RFC 9113, 8.1.1).
    this.framing = this.contentLength > 0 ? framing.length : body === 'none' || isWebSocket ? framing.none : framing.chunked;
    const fault = this.#settleExpectation(block.bytes) || this.#settleBlockTarget(block);
    if (fault !== '' && fault !== 'reported') fields.refuse(fault);
    return fault === '';
  }

  /** Returns the offset behind the head, `needMore` or `invalid` (`fields.failure`, `fields.reason`). */
  parse(bytes: Buffer, from: number, to: number): number {
    this.block = undefined;
    const end = this.#parse(bytes, from, to);
    if (end === invalid) return invalid;
    // One that has no end within what it may have gets none.
    const size = end === needMore ? to - from + 1 : end - from;
    if (size > this.#limits.maxHeadBytes) return this.fields.refuseSize('head-too-large');
    return end;
  }

  #parse(bytes: Buffer, from: number, to: number): number {
    let p = this.#parseLine(bytes, from, to);
    if (p < 0) return p;
    p = this.fields.parse(bytes, p, to);
    if (p < 0) return p;
    const fault = this.#settleFields(bytes) || this.#settleTarget(bytes);
    return fault === '' ? p : fault === 'reported' ? invalid : this.fields.refuse(fault);
  }

  #parseLine(bytes: Buffer, from: number, to: number): number {
    let p = from;
    this.method = '';
    // RFC 9112, 2.2: empty lines before a request are to be ignored.
    while (p < to && bytes[p] === CR) {
      if (p + 1 >= to) return needMore;
      if (bytes[p + 1] !== LF || (p - from) / 2 >= maxEmptyLines) return this.fields.refuse('empty-line');
      p += 2;
    }
    const methodStart = (this.lineStart = p);
    for (;;) {
      if (p >= to) return p - methodStart > maxMethodBytes ? this.fields.refuse('method') : needMore;
      if (tokenByte[bytes[p]!] === 0) break;
      p++;
    }
    if (bytes[p] !== SP || p === methodStart || p - methodStart > maxMethodBytes) return this.fields.refuse(bytes[methodStart] === tlsHandshake ? 'tls' : 'method');
    this.method = methodText(bytes, methodStart, p);
    return this.#parseTarget(bytes, p + 1, to);
  }

  #parseTarget(bytes: Buffer, from: number, to: number): number {
    // What is behind the limit needs no look: there may be much of it.
    const end = Math.min(to, from + this.#limits.maxTargetBytes + 1);
    let p = from;
    let classes = 0;
    for (;;) {
      if (p >= end) return p - from > this.#limits.maxTargetBytes ? this.#refuseTarget() : needMore;
      const byteClass = targetByte[bytes[p]!]!;
      if (byteClass === 0) break;
      classes |= byteClass;
      p++;
    }
    if (p - from > this.#limits.maxTargetBytes) return this.#refuseTarget();
    if (bytes[p] !== SP || p === from) return this.fields.refuse('target');
    this.targetStart = from;
    this.targetEnd = p;
    this.#targetClasses = classes;
    return this.#parseVersion(bytes, p + 1, to);
  }

  #parseVersion(bytes: Buffer, p: number, to: number): number {
    if (p >= to) return needMore;
    if (bytes[p] !== LETTER_H) return this.fields.refuse('not-http');
    if (p + 10 > to) return needMore;
    const named = bytes[p] === 72 && bytes[p + 1] === 84 && bytes[p + 2] === 84 && bytes[p + 3] === 80 && bytes[p + 4] === 47;
    if (!named || bytes[p + 6] !== 46 || bytes[p + 8] !== CR || bytes[p + 9] !== LF) return this.fields.refuse('version');
    const major = bytes[p + 5]! - 48;
    const minor = bytes[p + 7]! - 48;
    if (major < 0 || major > 9 || minor < 0 || minor > 9) return this.fields.refuse('version');
    if (major !== 1 || minor > 1) return this.#refuseWith('unsupported-version', 'version');
    this.minorVersion = minor;
    return p + 10;
  }

  /** What the fields say together. Returns a reason to refuse, `reported` where it is noted already, or the empty text. */
  #settleFields(bytes: Buffer): string {
    const { fields } = this;
    if (fields.hosts > 1) return 'several-hosts';
    if (this.minorVersion === 1 && fields.hosts === 0) return 'host-missing';
    if (fields.transferEncodings > 0) {
      if (this.minorVersion === 0) return 'chunked-in-1.0';
      this.framing = framing.chunked;
      this.contentLength = 0;
    } else {
      this.contentLength = Math.max(0, fields.contentLength);
      this.framing = this.contentLength > 0 ? framing.length : framing.none;
    }
    this.keepAlive = !fields.closes && (this.minorVersion === 1 || fields.keepsAlive);
    this.upgradesToWebSocket =
      fields.upgrade >= 0 && fields.upgrades && this.method === 'GET' && this.minorVersion === 1 && this.framing === framing.none && this.#valueIs(bytes, fields.upgrade, websocket);
    // RFC 9110, 10.1.1: to be ignored in HTTP/1.0, so the upstream, which gets HTTP/1.1, must not see it.
    if (fields.expect >= 0 && this.minorVersion === 0) fields.dropAll(field.expect);
    this.expectsContinue = false;
    return this.minorVersion === 0 ? '' : this.#settleExpectation(bytes);
  }

  #settleExpectation(bytes: Buffer): string {
    const { fields } = this;
    this.expectsContinue = false;
    if (fields.expect < 0) return '';
    for (let index = 0; index < fields.count; index++) {
      if (fields.ids[index] === field.expect && !this.#valueIs(bytes, index, continueExpectation)) return this.#report('expectation-failed', 'expect');
    }
    this.expectsContinue = this.framing !== framing.none;
    return '';
  }

  /** A block's authority and path have been looked at for what HTTP/2 allows (RFC 9113, 8.3.1). */
  #settleBlockTarget(block: RequestBlock): string {
    if (block.authority !== this.authorityText) {
      const authority = normalizeHost(block.authority);
      if ('problem' in authority) return 'host';
      this.authority = authority;
      this.authorityText = block.authority;
    }
    this.query = undefined;
    this.escapes = 0;
    this.serverWide = block.path === '*';
    if (this.serverWide) {
      this.form = 'asterisk';
      this.path = '/';
      return '';
    }
    if (this.method === 'CONNECT') {
      this.form = 'authority';
      this.path = block.path;
      return '';
    }
    this.form = 'origin';
    if (block.pathIsPlain) {
      this.path = block.path;
      return '';
    }
    const target = normalizePath(block.path);
    if ('problem' in target) return 'path';
    this.path = target.path;
    this.query = target.query;
    this.escapes = target.escapes;
    return '';
  }

  #settleTarget(bytes: Buffer): string {
    const { fields } = this;
    const start = this.targetStart;
    // Nearly all requests of a connection are for one host: then no text is made of it.
    if (!this.#hasSameHost(bytes)) {
      const text = fields.host >= 0 ? fields.value(bytes, fields.host) : '';
      const authority = text === '' ? noAuthority : normalizeHost(text);
      if ('problem' in authority) return 'host';
      this.authority = authority;
      this.authorityText = text;
    }
    this.hostDisagrees = false;
    this.verbatim = this.serverWide = false;
    this.escapes = 0;
    if (this.method === 'CONNECT') return this.#settleAuthorityForm(bytes);
    if (bytes[start] === 47) {
      this.form = 'origin';
      return this.#settlePath(bytes, start);
    }
    if (bytes[start] === 42 && this.targetEnd - start === 1) {
      this.form = 'asterisk';
      this.serverWide = true;
      this.path = '/';
      this.query = undefined;
      return this.method === 'OPTIONS' ? '' : 'target';
    }
    return this.#settleAbsoluteForm(bytes);
  }

  #hasSameHost(bytes: Uint8Array): boolean {
    const { fields, authorityText } = this;
    if (fields.host < 0) return authorityText === '';
    const start = fields.valueStart(fields.host);
    if (fields.valueEnd(fields.host) - start !== authorityText.length) return false;
    for (let index = 0; index < authorityText.length; index++) if (bytes[start + index] !== authorityText.charCodeAt(index)) return false;
    return true;
  }

  #settleAuthorityForm(bytes: Buffer): string {
    const text = bytes.toString('latin1', this.targetStart, this.targetEnd);
    const authority = normalizeHost(text);
    if ('problem' in authority || authority.port === undefined) return 'target';
    this.form = 'authority';
    this.authority = authority;
    this.authorityText = text;
    this.path = '';
    this.query = undefined;
    return '';
  }

  #settleAbsoluteForm(bytes: Buffer): string {
    const text = bytes.toString('latin1', this.targetStart, Math.min(this.targetEnd, this.targetStart + 8)).toLowerCase();
    const schemeLength = text.startsWith('http://') ? 7 : text.startsWith('https://') ? 8 : 0;
    if (schemeLength === 0) return 'target';
    const authorityStart = this.targetStart + schemeLength;
    let p = authorityStart;
    while (p < this.targetEnd && bytes[p] !== 47 && bytes[p] !== 63 && bytes[p] !== 35) p++;
    const authorityText = bytes.toString('latin1', authorityStart, p);
    const authority = normalizeHost(authorityText);
    if ('problem' in authority) return 'target';
    this.hostDisagrees = this.authorityText !== '' && !sameAuthority(authority, this.authority, schemeLength === 7 ? 80 : 443);
    this.form = 'absolute';
    this.authority = authority;
    this.authorityText = authorityText;
    this.serverWide = this.method === 'OPTIONS' && p === this.targetEnd;
    return this.#settlePath(bytes, p);
  }

  #settlePath(bytes: Buffer, start: number): string {
    const text = bytes.toString('latin1', start, this.targetEnd);
    // Most targets are in normal form and without a query, which the scan of their bytes has told.
    if (this.#targetClasses === targetClass.plain && text !== '') {
      this.path = text;
      this.query = undefined;
      this.verbatim = this.form === 'origin';
      return '';
    }
    const target = normalizePath(text.startsWith('/') ? text : `/${text}`);
    if ('problem' in target) return 'path';
    this.path = target.path;
    this.query = target.query;
    this.escapes = target.escapes;
    return '';
  }

  #valueIs(bytes: Uint8Array, index: number, lower: Uint8Array): boolean {
    const start = this.fields.valueStart(index);
    return this.fields.valueEnd(index) - start === lower.length && isToken(bytes, start, lower);
  }

  #refuseTarget(): typeof invalid {
    return this.#refuseWith('target-too-long', 'target');
  }

  #refuseWith(failure: 'target-too-long' | 'unsupported-version', reason: string): typeof invalid {
    this.fields.failure = failure;
    this.fields.reason = reason;
    return invalid;
  }

  #report(failure: 'expectation-failed', reason: string): 'reported' {
    this.fields.failure = failure;
    this.fields.reason = reason;
    return 'reported';
  }
}

function sameAuthority(one: NormalHost, other: NormalHost, defaultPort: number): boolean {
  return one.host === other.host && (one.port ?? defaultPort) === (other.port ?? defaultPort);
}

function methodText(bytes: Buffer, start: number, end: number): string {
  if (end - start === 3 && bytes[start] === 71 && bytes[start + 1] === 69 && bytes[start + 2] === 84) return 'GET';
  return bytes.toString('latin1', start, end);
}
