/** Byte classes of HTTP/1.1 (RFC 9110, 5.6.2; RFC 9112) as tables: one load per byte, no branch. */

const tokenCharacters = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/** Lower case of a token's byte, 0 for every byte that a token can't have. */
export const tokenByte = new Uint8Array(256);
for (const character of tokenCharacters) tokenByte[character.charCodeAt(0)] = character.toLowerCase().charCodeAt(0);

/** 1 for what a field value may hold: visible bytes, space, tab and obs-text. No control byte, so no CR, LF or NUL. */
export const valueByte = new Uint8Array(256).fill(1, 0x20);
valueByte[0x7f] = 0;
valueByte[0x09] = 1;

/** Classes of a request target's bytes; 0 ends it. */
export const targetClass = {
  /** Stands in a path as it is. */
  plain: 1,
  /** `%`, `.`, `?` and what is not in the grammar of paths: there may be a query, or a path that is not in normal form. */
  special: 2,
} as const;

export const targetByte = new Uint8Array(256).fill(targetClass.special, 0x21, 0x7f);
for (const character of "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_~!$&'()*+,;=:@/") targetByte[character.charCodeAt(0)] = targetClass.plain;

/** Value of a hexadecimal digit, 255 for every other byte. */
export const hexValue = new Uint8Array(256).fill(255);
for (let digit = 0; digit < 16; digit++) {
  hexValue[digit.toString(16).charCodeAt(0)] = digit;
  hexValue[digit.toString(16).toUpperCase().charCodeAt(0)] = digit;
}

export const CR = 13;
export const LF = 10;
export const SP = 32;
export const HTAB = 9;
export const COLON = 58;

export function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** Whether the token that starts at `start` is `lower`, regardless of case. The caller has compared the lengths. */
export function isToken(bytes: Uint8Array, start: number, lower: Uint8Array): boolean {
  for (let index = 0; index < lower.length; index++) if (tokenByte[bytes[start + index]!] !== lower[index]) return false;
  return true;
}

/** A field name as it may be sent: a token. */
export function isFieldName(text: string): boolean {
  if (text.length === 0 || text.length > 256) return false;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code > 255 || tokenByte[code] === 0) return false;
  }
  return true;
}

/** A field value as it may be sent: what is not Latin-1 or a control character would end the line or be garbled. */
export function isFieldValue(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code > 255 || valueByte[code] === 0) return false;
  }
  return true;
}
