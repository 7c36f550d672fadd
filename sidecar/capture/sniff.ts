/** `http`: HTTP/1. `http2`: HTTP/2 without TLS. `more`: what came so far can become either. */
export type Verdict = 'http' | 'http2' | 'opaque' | 'more';

/** A request line that is longer is refused by the codec; it need not be looked at further to know what it is. Bytes. */
const maxLine = 8192;
/** The longest method of the IANA registry has 17 characters. */
const maxMethod = 20;
const space = 0x20;
const newline = 0x0a;
const version = /^[A-Z-]+ [^ ]+ HTTP\/1\.[01]\r?\n/;
/** RFC 9113, 3.4. */
const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
/** Targets are paths, URLs, or `*`. */
const targetStarts = new Set(['/', '*', 'h', 'H']);

/**
 * What a client's first bytes are. HTTP/1: a method, a target, `HTTP/1.x`. HTTP/2: its whole preface, which is a request `PRI * HTTP/2.0`.
 * CONNECT is left alone, for what follows is not HTTP; so is TLS.
 */
export function sniff(bytes: Buffer): Verdict {
  const length = Math.min(bytes.length, maxMethod + 1);
  let end = 0;
  while (end < length && isMethodByte(bytes[end]!)) end++;
  if (end > maxMethod) return 'opaque';
  if (end === bytes.length) return 'more';
  if (end === 0 || bytes[end] !== space) return 'opaque';
  const method = bytes.toString('latin1', 0, end);
  if (method === 'CONNECT') return 'opaque';
  if (method === 'PRI') return sniffPreface(bytes);
  if (end + 1 === bytes.length) return 'more';
  if (!targetStarts.has(String.fromCharCode(bytes[end + 1]!))) return 'opaque';
  const lineEnd = bytes.subarray(0, maxLine).indexOf(newline);
  if (lineEnd < 0) return bytes.length >= maxLine ? 'http' : 'more';
  return version.test(bytes.toString('latin1', 0, lineEnd + 1)) ? 'http' : 'opaque';
}

function sniffPreface(bytes: Buffer): Verdict {
  const length = Math.min(bytes.length, preface.length);
  if (bytes.compare(preface, 0, length, 0, length) !== 0) return 'opaque';
  return length === preface.length ? 'http2' : 'more';
}

function isMethodByte(byte: number): boolean {
  return (byte >= 0x41 && byte <= 0x5a) || byte === 0x2d;
}
