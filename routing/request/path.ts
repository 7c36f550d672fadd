import { pathEscapes, type RouteTable } from '#snapshot';

/**
 * The form of a request target that rules are matched against and that is forwarded, so that a backend can't read a path
 * other than the one that was matched: dot segments are gone (RFC 3986, 5.2.4), escapes of unreserved characters are decoded
 * (6.2.2.2), other escapes have upper-case digits (6.2.2.1), and characters outside the grammar of a path are escaped. What
 * two servers may read in two ways is a problem, answered 400: `\`, `#` and control characters, dot segments with parameters (`..;x`: servlet
 * containers leave out the parameters first), and of `%2F`, `%5C` and `%00` those that the table does not let pass (`escapesAllowed`). Slashes
 * are not merged.
 */

export interface NormalTarget {
  readonly path: string;
  /** What follows the first `?`, as sent; undefined where there is none. */
  readonly query: string | undefined;
  /** Which of `pathEscapes` are in the path, a bit for each in their order; 0 for none, nearly always. */
  readonly escapes: number;
}

/** Why a request can't be served; the text is for its sender. */
export interface RequestProblem {
  readonly problem: string;
}

const plain = 0;
const dot = 1;
const question = 2;
const percent = 3;
/** Outside the grammar of RFC 3986, but sent by real clients (raw UTF-8, `|`, `{`): escaped. */
const tolerated = 4;
const forbidden = 5;

/** Kinds of the characters of a path, one character per byte. */
const kinds = new Uint8Array(256).fill(tolerated);
for (const char of "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_~!$&'()*+,;=:@/") kinds[char.charCodeAt(0)] = plain;
kinds.fill(forbidden, 0, 0x21);
for (const char of '\\#\x7f') kinds[char.charCodeAt(0)] = forbidden;
kinds['.'.charCodeAt(0)] = dot;
kinds['?'.charCodeAt(0)] = question;
kinds['%'.charCodeAt(0)] = percent;

const slash = 0x2f;

/**
 * Splits and normalises a request target in origin form. Takes the bytes as characters (latin1). A target that is normal
 * already, as nearly all are, costs one scan and keeps its characters.
 */
export function normalizePath(target: string): NormalTarget | RequestProblem {
  if (target.charCodeAt(0) !== slash) return { problem: 'the request target does not start with "/"' };
  const end = normalEnd(target);
  if (end === target.length) return { path: target, query: undefined, escapes: 0 };
  if (end >= 0) return withQuery(target.slice(0, end), target, end);
  const cut = target.indexOf('?');
  const text = rewritten(cut < 0 ? target : target.slice(0, cut));
  if (typeof text !== 'string') return text;
  const escapes = escapesIn(text);
  const slashed = escapes === 0 ? text : text.replaceAll(/%2F|%5C/g, '/');
  // Who decodes them first would come to another path.
  if (escapes !== 0 && dotSegment.test(slashed)) return { problem: 'the path contains a dot segment beside an escaped slash, backslash or NUL' };
  if (dotSegmentWithParameters.test(slashed)) return { problem: 'the path contains a dot segment with parameters' };
  const path = withoutDotSegments(text);
  return cut < 0 ? { path, query: undefined, escapes } : withQuery(path, target, cut, escapes);
}

const dotSegment = /\/\.\.?(?:\/|$)/;
const dotSegmentWithParameters = /\/\.\.?(?:;|%3B)/;

/** Of a path whose escapes are in normal form. */
function escapesIn(path: string): number {
  let bits = 0;
  for (const [index, escape] of pathEscapes.entries()) if (path.includes(escape)) bits |= 1 << index;
  return bits;
}

/** The bits of `NormalTarget.escapes` that a table lets pass. */
export function escapesAllowed({ allowedEscapes = [] }: Pick<RouteTable, 'allowedEscapes'>): number {
  return allowedEscapes.reduce((bits, escape) => bits | (1 << pathEscapes.indexOf(escape)), 0);
}

/** Why a table refuses the path; undefined where it does not. */
export function escapeProblem({ escapes }: Pick<NormalTarget, 'escapes'>, table: Pick<RouteTable, 'allowedEscapes'>): RequestProblem | undefined {
  const refused = escapes & ~escapesAllowed(table);
  const found = pathEscapes.find((_, index) => (refused & (1 << index)) !== 0);
  return found === undefined ? undefined : { problem: `the path contains the escape ${found}` };
}

/** Where the path ends if it is normal, else -1. */
function normalEnd(target: string): number {
  for (let index = 1; index < target.length; index += 1) {
    const kind = kinds[target.charCodeAt(index)];
    if (kind === plain) continue;
    if (kind === question) return index;
    if (kind !== dot || startsDotSegment(target, index)) return -1;
  }
  return target.length;
}

function startsDotSegment(target: string, index: number): boolean {
  if (target.charCodeAt(index - 1) !== slash) return false;
  const next = target.charAt(index + 1) === '.' ? index + 2 : index + 1;
  const after = target.charAt(next);
  return after === '' || after === '/' || after === '?' || after === ';';
}

function withQuery(path: string, target: string, cut: number, escapes = 0): NormalTarget | RequestProblem {
  for (let index = cut + 1; index < target.length; index += 1) {
    const code = target.charCodeAt(index);
    if (code <= 0x20 || code === 0x7f || code === 0x23) return { problem: `the query contains the character ${shown(code)}` };
  }
  return { path, query: target.slice(cut + 1), escapes };
}

/** With escapes and characters in normal form. */
function rewritten(path: string): string | RequestProblem {
  let text = '';
  for (let index = 0; index < path.length; index += 1) {
    const code = path.charCodeAt(index);
    const kind = code < 256 ? kinds[code] : forbidden;
    if (kind === forbidden) return { problem: `the path contains the character ${shown(code)}` };
    if (kind === percent) {
      const byte = escapedByte(path, index);
      if (byte === undefined) return { problem: 'a "%" in the path is not followed by two hexadecimal digits' };
      text += isUnreserved(byte) ? String.fromCharCode(byte) : escapeByte(byte);
      index += 2;
    } else text += kind === tolerated ? escapeByte(code) : path.charAt(index);
  }
  return text;
}

/** RFC 3986, 5.2.4, for a path that starts with `/`. `..` at the root stays at the root. */
function withoutDotSegments(path: string): string {
  if (!path.includes('/.')) return path;
  const kept: string[] = [];
  const segments = path.split('/');
  const last = segments.length - 1;
  for (let index = 1; index <= last; index += 1) {
    const segment = segments[index]!;
    if (segment !== '.' && segment !== '..') {
      kept.push(segment);
      continue;
    }
    if (segment === '..') kept.pop();
    if (index === last) kept.push('');
  }
  return `/${kept.join('/')}`;
}

/** The byte that the escape at `index` stands for, undefined where it is no escape. */
export function escapedByte(text: string, index: number): number | undefined {
  const high = hexValue(text.charCodeAt(index + 1));
  const low = hexValue(text.charCodeAt(index + 2));
  return high < 0 || low < 0 ? undefined : high * 16 + low;
}

function hexValue(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** RFC 3986, 2.3. */
function isUnreserved(code: number): boolean {
  const lower = code | 0x20;
  return (lower >= 0x61 && lower <= 0x7a) || (code >= 0x30 && code <= 0x39) || code === 0x2d || code === 0x2e || code === 0x5f || code === 0x7e;
}

export function escapeByte(byte: number): string {
  return `%${byte < 16 ? '0' : ''}${byte.toString(16).toUpperCase()}`;
}

function shown(code: number): string {
  return code > 0x20 && code < 0x7f ? `"${String.fromCharCode(code)}"` : `0x${code.toString(16).padStart(2, '0')}`;
}

/**
 * A rule's path value in the form that requests have, so that `/caf%c3%a9` and `/%7Euser` find theirs. Undefined where no
 * request can have it. One with an escape that the table refuses finds none either, but is not told from others here.
 */
export function reachablePath(value: string): string | undefined {
  const target = normalizePath(value);
  return 'problem' in target || target.query !== undefined ? undefined : target.path;
}
