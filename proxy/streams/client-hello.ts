/**
 * The ClientHello that opens a TLS connection, as far as a proxy that does not end TLS needs it: whole or not, valid or not, its server
 * name. RFC 8446 (5.1, 4.1.2), RFC 5246 (7.4.1.2), RFC 6066 (3). Extensions are passed over unread, so what is new does no harm.
 */
export type HelloVerdict =
  /** Not before so many bytes are there. */
  | { readonly kind: 'more'; readonly bytes: number }
  /** Lower case, no trailing dot; empty without one. */
  | { readonly kind: 'hello'; readonly serverName: string }
  /** Bytes that no TLS connection begins with. */
  | { readonly kind: 'foreign' }
  | { readonly kind: 'malformed'; readonly reason: string };

/** Of one record's content, by the RFC. Bytes. */
const maxRecord = 16_384;
/** Of the message. Hellos with post-quantum key shares have 2 KiB. Bytes. */
const maxHello = 65_536;
/** Over which a hello may be spread. */
const maxRecords = 256;
const recordHead = 5;
const messageHead = 4;

/** All bytes that a caller need ever keep. */
export const maxHelloBytes = maxHello + messageHead + maxRecords * recordHead;

const nothingMore = (bytes: number): HelloVerdict => ({ kind: 'more', bytes });
const malformed = (reason: string): HelloVerdict => ({ kind: 'malformed', reason });

/** What the first bytes of a connection are. What follows a whole hello is not looked at. */
export function readClientHello(bytes: Uint8Array): HelloVerdict {
  const message = collect(bytes);
  return message instanceof Uint8Array ? readMessage(message) : message;
}

/** The first handshake message out of the records it is spread over. */
function collect(bytes: Uint8Array): Uint8Array | HelloVerdict {
  const parts: Uint8Array[] = [];
  let collected = 0;
  for (let at = 0, records = 0; ; records++) {
    if (records === maxRecords) return malformed('records');
    const fault = faultOfRecord(bytes, at, records === 0);
    if (fault !== undefined) return fault;
    if (bytes.length < at + recordHead) return nothingMore(at + recordHead);
    const length = (bytes[at + 3]! << 8) | bytes[at + 4]!;
    if (length === 0 || length > maxRecord) return malformed('record-length');
    const part = bytes.subarray(at + recordHead, at + recordHead + length);
    parts.push(part);
    collected += part.length;
    const size = sizeOfMessage(parts);
    if (typeof size === 'object') return size;
    if (part.length < length) return nothingMore(at + recordHead + length);
    // A hello is followed by records of another kind, or by nothing until the server has spoken.
    if (size !== undefined && collected > size) return malformed('bytes-behind-hello');
    if (collected === size) return parts.length === 1 ? part : Buffer.concat(parts);
    at += recordHead + length;
  }
}

function faultOfRecord(bytes: Uint8Array, at: number, first: boolean): HelloVerdict | undefined {
  // Content type handshake (22), version 3.x whatever x is: the RFC wants it ignored.
  if (bytes.length > at && bytes[at] !== 22) return first ? { kind: 'foreign' } : malformed('record-type');
  if (bytes.length > at + 1 && bytes[at + 1] !== 3) return first ? { kind: 'foreign' } : malformed('record-version');
  return undefined;
}

/** With its head; undefined while that is not there. */
function sizeOfMessage(parts: readonly Uint8Array[]): number | undefined | HelloVerdict {
  const head: number[] = [];
  for (const part of parts) {
    for (let index = 0; index < part.length && head.length < messageHead; index++) head.push(part[index]!);
    if (head.length === messageHead) break;
  }
  if (head.length > 0 && head[0] !== 1) return malformed('no-client-hello');
  if (head.length < messageHead) return undefined;
  const length = (head[1]! << 16) | (head[2]! << 8) | head[3]!;
  return length > maxHello ? malformed('hello-length') : messageHead + length;
}

/** Reads lengths and what they announce; never beyond its end. */
class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;
  /** Something was announced that is not there. */
  short = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  number(size: 1 | 2): number {
    const bytes = this.take(size);
    return bytes.length < size ? 0 : size === 1 ? bytes[0]! : (bytes[0]! << 8) | bytes[1]!;
  }

  take(length: number): Uint8Array {
    if (length > this.left) {
      this.short = true;
      this.#at = this.#bytes.length;
      return new Uint8Array(0);
    }
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  /** A vector behind its length of so many bytes. */
  vector(size: 1 | 2): Uint8Array {
    return this.take(this.number(size));
  }
}

function readMessage(message: Uint8Array): HelloVerdict {
  const reader = new Reader(message.subarray(messageHead));
  const version = reader.take(2);
  reader.take(32);
  const session = reader.vector(1);
  const ciphers = reader.vector(2);
  const compressions = reader.vector(1);
  if (reader.short) return malformed('short');
  if (version[0] !== 3) return malformed('version');
  if (session.length > 32 || ciphers.length < 2 || ciphers.length % 2 !== 0 || compressions.length < 1) return malformed('lengths');
  if (reader.left === 0) return { kind: 'hello', serverName: '' };
  const extensions = new Reader(reader.vector(2));
  if (reader.short || reader.left > 0) return malformed('extensions-length');
  return readExtensions(extensions);
}

function readExtensions(extensions: Reader): HelloVerdict {
  let serverName: string | undefined;
  while (extensions.left > 0) {
    const type = extensions.number(2);
    const data = extensions.vector(2);
    if (extensions.short) return malformed('extension-length');
    if (type !== 0) continue;
    // Two names could be read in two ways.
    if (serverName !== undefined) return malformed('two-server-names');
    serverName = readServerName(data);
    if (serverName === undefined) return malformed('server-name');
  }
  return { kind: 'hello', serverName: serverName ?? '' };
}

/** One label or more of letters, digits, hyphens and underscores; not longer than a host name (RFC 1035). */
const validName = /^(?=.{1,253}$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*$/;

/** RFC 6066, 3: a list with one host name. Undefined: anything else. */
function readServerName(data: Uint8Array): string | undefined {
  const outer = new Reader(data);
  const list = new Reader(outer.vector(2));
  if (outer.short || outer.left > 0) return undefined;
  const type = list.number(1);
  const name = list.vector(2);
  if (list.short || list.left > 0 || type !== 0) return undefined;
  const text = normalServerName(Buffer.from(name).toString('latin1'));
  return validName.test(text) ? text : undefined;
}

/** As hostnames are compared: lower case, no trailing dot. */
export function normalServerName(name: string): string {
  const lower = name.toLowerCase();
  return lower.endsWith('.') ? lower.slice(0, -1) : lower;
}
