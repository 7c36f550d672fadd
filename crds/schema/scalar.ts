import { isIP } from 'node:net';
import type { Schema } from './schema.ts';
import { describe, quote } from './words.ts';

const patterns = new Map<string, RegExp>();

const label = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const hostname = 'be a host name in lower case, without port, after "*." at most; where every host is meant, leave it out';

/** What the patterns that are most often missed ask for. */
const patternWords: ReadonlyMap<string, string> = new Map([
  ['^([0-9]{1,5}(h|m|s|ms)){1,4}$', 'be a duration such as 1m30s or 250ms: whole numbers, each with h, m, s or ms behind it'],
  [`^(\\*\\.)?${label}(\\.${label})*$`, hostname],
  [`^((\\*\\.)?${label}(\\.${label})*)?$`, hostname],
  [`^${label}$`, 'be a name of lower-case letters, digits and -, with a letter or digit at both ends'],
  [`^${label}(\\.${label})*$`, 'be a name of lower-case letters, digits, - and ., with a letter or digit at both ends'],
  ["^[A-Za-z0-9!#$%&'*+\\-.^_\\x60|~]+$", "be the name of a header: letters, digits and !#$%&'*+-.^_`|~"],
  ['^[!-~]+([\\t ]?[!-~]+)*$', 'be the value of a header: visible ASCII, with single spaces in between'],
]);

/** Strings longer than this meet no pattern that has no `maxLength` beside it (a bound on the time a pattern can take). */
const longestForPattern = 4096;

/**
 * The regular expression of a CRD. They are RE2 there; the subset that CRDs use means the same in JavaScript, apart from the
 * flag group `(?i)` at the start.
 */
export function patternOf(text: string): RegExp {
  let pattern = patterns.get(text);
  if (pattern === undefined) {
    const caseless = /^\^?\(\?i\)/.test(text);
    pattern = new RegExp(caseless ? text.replace('(?i)', '') : text, caseless ? 'iu' : 'u');
    patterns.set(text, pattern);
  }
  return pattern;
}

/** What is wrong with the text, if anything. Lengths count code points, as Kubernetes does. */
export function stringFault(schema: Schema, text: string): string | undefined {
  const { minLength = 0, maxLength = Infinity, pattern, format } = schema;
  if (text.length < minLength) return minLength === 1 ? 'must not be empty' : `must have at least ${minLength} characters, has ${text.length}`;
  if (text.length > maxLength && length(text) > maxLength) return `must have at most ${maxLength} characters, has ${length(text)}`;
  if (pattern !== undefined && (text.length > Math.max(longestForPattern, maxLength === Infinity ? 0 : 2 * maxLength) || !patternOf(pattern).test(text))) {
    return `${quote(text)} must ${patternWords.get(pattern) ?? `match ${pattern}`}`;
  }
  return format === undefined ? undefined : formatFault(format, text);
}

function length(text: string): number {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

function formatFault(format: string, text: string): string | undefined {
  switch (format) {
    case 'date-time':
      return isDateTime(text) ? undefined : `${quote(text)} must be a time such as 2026-01-31T12:00:00Z`;
    case 'byte':
      return isBase64(text) ? undefined : 'must be base64; write plain text below stringData (Secret) or data (ConfigMap)';
    case 'ip':
      return isAddress(text) ? undefined : `${quote(text)} must be an IP address`;
    default:
      return undefined;
  }
}

export function isAddress(text: string): boolean {
  return isIP(text) !== 0 && !text.includes('%');
}

function isDateTime(text: string): boolean {
  return /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)$/.test(text) && !Number.isNaN(Date.parse(text));
}

function isBase64(text: string): boolean {
  const bare = text.replace(/[\r\n]/g, '');
  return bare.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(bare);
}

/** What is wrong with the number, if anything. */
export function numberFault(schema: Schema, value: number): string | undefined {
  if (schema.type === 'integer') {
    if (!Number.isInteger(value)) return `must be a whole number, but is ${describe(value)}`;
    if (schema.format === 'int32' && (value > 2_147_483_647 || value < -2_147_483_648)) return 'must fit in 32 bits';
  }
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = schema;
  if (minimum !== undefined && (exclusiveMinimum === true ? value <= minimum : value < minimum)) return `must be ${exclusiveMinimum === true ? 'more than' : 'at least'} ${minimum}, is ${value}`;
  if (maximum !== undefined && (exclusiveMaximum === true ? value >= maximum : value > maximum)) return `must be ${exclusiveMaximum === true ? 'less than' : 'at most'} ${maximum}, is ${value}`;
  if (typeof exclusiveMinimum === 'number' && value <= exclusiveMinimum) return `must be more than ${exclusiveMinimum}, is ${value}`;
  if (typeof exclusiveMaximum === 'number' && value >= exclusiveMaximum) return `must be less than ${exclusiveMaximum}, is ${value}`;
  if (multipleOf !== undefined && !Number.isInteger(value / multipleOf)) return `must be a multiple of ${multipleOf}, is ${value}`;
  return undefined;
}
