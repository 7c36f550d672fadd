import { escapedByte } from './path.ts';

/**
 * The value of the first parameter of that name, after decoding (`application/x-www-form-urlencoded`, as the WHATWG URL
 * standard parses it: `&` separates, `+` is a space, an escape that is none stays as it is). Undefined where there is none.
 * Takes the query as sent, one character per byte.
 */
export function queryValue(query: string, name: string): string | undefined {
  for (let start = 0; start <= query.length; ) {
    const found = query.indexOf('&', start);
    const end = found < 0 ? query.length : found;
    const equals = query.indexOf('=', start);
    const nameEnd = equals < 0 || equals > end ? end : equals;
    if (end > start && isName(query, start, nameEnd, name)) return decoded(query.slice(Math.min(nameEnd + 1, end), end));
    start = end + 1;
  }
  return undefined;
}

/** Compares without making a string unless the name in the query is an encoded one. */
function isName(query: string, start: number, end: number, name: string): boolean {
  if (end - start < name.length) return false;
  if (!isEncoded(query, start, end)) return end - start === name.length && query.startsWith(name, start);
  return decoded(query.slice(start, end)) === name;
}

function isEncoded(text: string, start: number, end: number): boolean {
  for (let index = start; index < end; index += 1) {
    const code = text.charCodeAt(index);
    if (code === 0x25 || code === 0x2b || code >= 0x80) return true;
  }
  return false;
}

const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

function decoded(text: string): string {
  if (!isEncoded(text, 0, text.length)) return text;
  const bytes = new Uint8Array(text.length);
  let length = 0;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    const byte = code === 0x25 ? escapedByte(text, index) : undefined;
    if (byte !== undefined) index += 2;
    bytes[length] = byte ?? (code === 0x2b ? 0x20 : code);
    length += 1;
  }
  return utf8.decode(bytes.subarray(0, length));
}
