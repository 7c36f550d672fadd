/**
 * What a strict reader of RFC 9110 and RFC 9112 makes of bytes (as Latin-1 text), written plainly and apart from the proxy's codec, so
 * that both being wrong in the same way is unlikely. Where the RFCs leave a choice, the reading is `may`: a recipient may refuse it, but
 * if it goes on, it must read it as told here.
 */

export interface FieldLine {
  /** Lower case. */
  readonly name: string;
  readonly value: string;
}

export interface Framed {
  readonly body: string;
  /** Offset behind the message. */
  readonly end: number;
  /** Behind chunks. */
  readonly trailers?: readonly FieldLine[];
}

/** `must`: valid in one way only. `may`: valid or mendable; `why` says what is odd about it. */
export interface Certainty {
  readonly certainty: 'must' | 'may';
  readonly why: string;
}

export interface Refused {
  readonly kind: 'refused';
  readonly reason: string;
}

/** There may be more to come. */
export interface Incomplete {
  readonly kind: 'incomplete';
}

export class Oddities {
  readonly #found: string[] = [];

  note(what: string): void {
    this.#found.push(what);
  }

  get certainty(): Certainty {
    return { certainty: this.#found.length === 0 ? 'must' : 'may', why: this.#found.join('; ') };
  }
}

export const token = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
const fieldLine = new RegExp(`^(${token}):([^]*)$`);
// oxlint-disable-next-line no-control-regex -- control characters are what this is about
export const control = /[\x00-\x08\x0a-\x1f\x7f]/;

export function refused(reason: string): Refused {
  return { kind: 'refused', reason };
}

/** Field lines without their ends. A text says why they are none. */
export function readFields(lines: readonly string[], odd: Oddities): readonly FieldLine[] | string {
  const fields: FieldLine[] = [];
  for (const line of lines) {
    // RFC 9112, 5.2: a folded line is to be refused outside of message/http.
    if (/^[ \t]/.test(line)) return 'folded line';
    if (control.test(line)) return 'control character in a field';
    const parts = fieldLine.exec(line);
    if (parts === null) return 'no field line';
    if (parts[1]!.length > 256) odd.note('long name');
    if (parts[2]!.length > 8000) odd.note('long value');
    fields.push({ name: parts[1]!.toLowerCase(), value: parts[2]!.replace(/^[ \t]+|[ \t]+$/g, '') });
  }
  if (fields.length > 100) odd.note('many fields');
  return fields;
}

export function valuesOf(fields: readonly FieldLine[], name: string): readonly string[] {
  return fields.filter((field) => field.name === name).map(({ value }) => value);
}

/** Members of a list (RFC 9110, 5.6.1): empty ones do not count. */
export function membersOf(values: readonly string[]): readonly string[] {
  return values.join(',').split(',').map((member) => member.replace(/^[ \t]+|[ \t]+$/g, '')).filter((member) => member !== '');
}

export type BodyFraming = { readonly kind: 'none' } | { readonly kind: 'length'; readonly length: number } | { readonly kind: 'chunked' };

/** RFC 9112, 6.1 to 6.3, for what requests and responses have in common. A text says why there is no telling. */
export function readFraming(fields: readonly FieldLine[], minor: number, odd: Oddities): BodyFraming | string {
  const lengths = valuesOf(fields, 'content-length');
  const codings = valuesOf(fields, 'transfer-encoding');
  const length = lengths.length === 0 ? undefined : readLength(lengths, odd);
  if (typeof length === 'string') return length;
  if (codings.length === 0) return length === undefined || length === 0 ? { kind: 'none' } : { kind: 'length', length };
  if (minor === 0) return 'transfer coding in HTTP/1.0';
  const fault = checkCodings(codings, odd);
  if (fault !== undefined) return fault;
  if (length !== undefined) odd.note('length and transfer coding');
  return { kind: 'chunked' };
}

function readLength(lines: readonly string[], odd: Oddities): number | string {
  // A list of the same number may be taken for that number (RFC 9110, 8.6); an empty member is none.
  const members = lines.join(',').split(',').map((member) => member.replace(/^[ \t]+|[ \t]+$/g, ''));
  if (members.some((member) => !/^[0-9]+$/.test(member))) return 'content-length is no number';
  if (members.length > 1) odd.note('several content-lengths');
  if (new Set(members.map((member) => member.replace(/^0+(?=.)/, ''))).size > 1) return 'content-lengths differ';
  const digits = members[0]!;
  if (digits.length > 15) return 'content-length is too large';
  if (/^0[0-9]/.test(digits)) odd.note('content-length with leading zeros');
  return Number(digits);
}

function checkCodings(values: readonly string[], odd: Oddities): string | undefined {
  const members = membersOf(values).map((member) => member.toLowerCase());
  if (members.at(-1) !== 'chunked') return 'chunked is not the last coding';
  if (members.filter((member) => member === 'chunked').length > 1) return 'chunked twice';
  if (members.length > 1) odd.note('a coding that nobody has to know');
  if (values.length > 1 || values[0]!.toLowerCase() !== 'chunked') odd.note('list of codings');
  return undefined;
}

const quoted = String.raw`"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*"`;
const extension = new RegExp(`^(?:[ \\t]*;[ \\t]*${token}(?:[ \\t]*=[ \\t]*(?:${token}|${quoted}))?)*$`);

/** RFC 9112, 7.1. */
export function readChunks(text: string, from: number, odd: Oddities): Framed | Refused | Incomplete {
  let p = from;
  let body = '';
  for (;;) {
    const line = readLine(text, p);
    if (line === undefined) return { kind: 'incomplete' };
    if (control.test(line)) return refused('control character in a chunk line');
    const digits = /^[0-9A-Fa-f]*/.exec(line)![0];
    if (digits === '') return refused('no chunk size');
    if (digits.length > 12) return /^0+$/.test(digits.slice(0, -12)) ? refused('chunk size of many digits') : refused('chunk size is too large');
    const rest = line.slice(digits.length);
    if (rest.length > 200) odd.note('long chunk extension');
    if (!extension.test(rest)) {
      if (!/^[ \t]*;/.test(rest)) return refused('no chunk size');
      odd.note('malformed chunk extension');
    }
    p += line.length + 2;
    const size = Number.parseInt(digits, 16);
    if (size === 0) return readTrailers(text, p, body, odd);
    if (p + size + 2 > text.length) {
      const after = text.slice(p + size);
      return after === '' || after === '\r' ? { kind: 'incomplete' } : refused('chunk without end');
    }
    body += text.slice(p, p + size);
    if (text.slice(p + size, p + size + 2) !== '\r\n') return refused('chunk without end');
    p += size + 2;
  }
}

function readTrailers(text: string, from: number, body: string, odd: Oddities): Framed | Refused | Incomplete {
  const lines: string[] = [];
  let p = from;
  for (;;) {
    const line = readLine(text, p);
    if (line === undefined) return { kind: 'incomplete' };
    p += line.length + 2;
    if (line === '') break;
    lines.push(line);
  }
  const fields = readFields(lines, odd);
  if (typeof fields === 'string') return refused(`trailer: ${fields}`);
  return { body, end: p, trailers: fields };
}

/** Up to CR LF, without it. What has a CR or LF of its own comes with it, for the caller to see. */
export function readLine(text: string, from: number): string | undefined {
  const end = text.indexOf('\r\n', from);
  return end < 0 ? undefined : text.slice(from, end);
}
