import { protectedHeaders } from '#snapshot';
import type { HeaderFilter } from '#snapshot';
import type { HeaderEdits, HeaderValue } from '../types.ts';

/** Edits under construction: what filters in turn have asked for so far. */
export interface HeaderDraft {
  readonly drop: ReadonlySet<string>;
  readonly append: readonly HeaderValue[];
  /** A Host that was set: it is part of the request's target, not one of its lines. */
  readonly host: string | undefined;
}

export const noHeaderEdits: HeaderDraft = { drop: new Set(), append: [], host: undefined };

/**
 * Adds a filter's actions to those of the filters before it. Within a filter: remove, then set, then add (HTTPHeaderFilter
 * permits one action per name, so the order shows only where a user broke that rule; then the line that is set stays). Of
 * equal names in one list the first counts. Fields that the proxy owns (`protectedHeaders`) are left alone.
 */
export function withFilter(before: HeaderDraft, filter: HeaderFilter): HeaderDraft {
  const sets = firstOfEachName(filter.set);
  const gone = new Set([...filter.remove.map((name) => name.toLowerCase()), ...sets.map(({ name }) => name.toLowerCase())].filter(isOurs));
  const added = [...sets, ...firstOfEachName(filter.add)];
  const kept = before.append.filter(({ name }) => !gone.has(name.toLowerCase()));
  if (filter.type === 'ResponseHeaderModifier') return { drop: union(before.drop, gone), append: [...kept, ...added], host: undefined };
  const host = added.find(({ name }) => name.toLowerCase() === 'host')?.value ?? before.host;
  gone.delete('host');
  return { drop: union(before.drop, gone), append: [...kept, ...added.filter(({ name }) => name.toLowerCase() !== 'host')], host };
}

function isOurs(name: string): boolean {
  return !protectedHeaders.has(name);
}

function firstOfEachName(values: readonly HeaderValue[]): HeaderValue[] {
  const seen = new Set<string>();
  return values.filter(({ name }) => {
    const lower = name.toLowerCase();
    if (seen.has(lower) || !isOurs(lower) || !token.test(name)) return false;
    seen.add(lower);
    return true;
  });
}

/** RFC 9110, 5.6.2. */
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

function union(a: ReadonlySet<string>, b: ReadonlySet<string>): ReadonlySet<string> {
  return a.size === 0 ? b : new Set([...a, ...b]);
}

/** Undefined where there is nothing to edit. */
export function editsOf({ drop, append }: Pick<HeaderDraft, 'drop' | 'append'>): HeaderEdits | undefined {
  return drop.size === 0 && append.length === 0 ? undefined : headerEdits(drop, append);
}

export function headerEdits(drop: ReadonlySet<string>, append: readonly HeaderValue[]): HeaderEdits {
  return { drop, append, lines: append.map(line).join(''), drops: nameTest(drop) };
}

export function line({ name, value }: HeaderValue): string {
  return `${name}: ${wireValue(value)}\r\n`;
}

const utf8 = new TextEncoder();

/** A value can't end its line: what is no part of a field value (RFC 9110, 5.5) becomes a space. Other text goes as UTF-8. */
function wireValue(value: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what this is about
  if (/^[\x20-\x7e]*$/.test(value)) return value;
  let text = '';
  for (const byte of utf8.encode(value)) text += String.fromCharCode((byte < 0x20 && byte !== 0x09) || byte === 0x7f ? 0x20 : byte);
  return text;
}

/**
 * A test on raw bytes, for which no string is made. Names are compared only with those of their length; the letters' case
 * bit is ignored. Whatever is no letter or digit counts as the `-` of a name: to many a backend `X_User` is `X-User` (CGI, WSGI), and a field that
 * is set or removed here must not come from the client in another spelling.
 */
export function nameTest(names: ReadonlySet<string>): HeaderEdits['drops'] {
  if (names.size === 0) return () => false;
  const byLength: Uint8Array[][] = [];
  for (const name of names) (byLength[name.length] ??= []).push(utf8.encode(name));
  return (bytes, start, end) => {
    const candidates = byLength[end - start];
    if (candidates === undefined) return false;
    for (const candidate of candidates) if (sameName(candidate, bytes, start)) return true;
    return false;
  };
}

/** `name` is lower case. */
function sameName(name: Uint8Array, bytes: Uint8Array, start: number): boolean {
  for (let index = 0; index < name.length; index += 1) {
    const byte = bytes[start + index]!;
    const lower = byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte;
    if (lower !== name[index] && !(name[index] === dash && !isAlphanumeric(lower))) return false;
  }
  return true;
}

const dash = 0x2d;

function isAlphanumeric(lower: number): boolean {
  return (lower >= 0x61 && lower <= 0x7a) || (lower >= 0x30 && lower <= 0x39);
}
