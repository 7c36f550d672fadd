import { Document, isScalar, type ScalarTag, type SchemaOptions } from 'yaml';
import { yamlOptions } from '../yaml.ts';

/** Exactly the library's: in this order, the first whose test passes. */
const tags = new Document(undefined, yamlOptions).schema!.tags.filter((tag): tag is ScalarTag & { readonly test: RegExp } => !('collection' in tag && tag.collection !== undefined) && tag.default === true && 'test' in tag && tag.test !== undefined);

/** Begins like a word and can be no number (`e5` is one to YAML 1.1), and is none of the words that mean something else. */
const word = /^(?![eE][-+\d])[A-Za-z_/]/;
const meaningful = /^(?:null|yes|no|true|false|on|off)$/i;
const smallNumber = /^(?:0|[1-9]\d{0,14})$/;

/** What a plain scalar means. */
export function resolvePlain(text: string): unknown {
  if (smallNumber.test(text)) return Number(text);
  if (word.test(text) && !meaningful.test(text)) return text;
  const tag = tags.find(({ test }) => test.test(text));
  if (tag === undefined) return text;
  const resolved: unknown = tag.resolve(text, () => undefined, yamlOptions as SchemaOptions & typeof yamlOptions);
  return isScalar(resolved) ? resolved.value : resolved;
}

const double = /"(?:[^"\\\n]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const single = /'(?:[^'\n]|'')*'/y;

export interface Token {
  readonly value: string;
  readonly end: number;
}

/** A string in quotes of one line, with no escapes but JSON's, which are YAML's too. */
export function readQuoted(text: string, at: number): Token | undefined {
  const pattern = text[at] === '"' ? double : single;
  pattern.lastIndex = at;
  const found = pattern.exec(text)?.[0];
  if (found === undefined) return undefined;
  return { value: pattern === single ? found.slice(1, -1).replaceAll("''", "'") : found.includes('\\') ? String(JSON.parse(found)) : found.slice(1, -1), end: at + found.length };
}

const plainKey = /[A-Za-z_][A-Za-z0-9_./-]{0,255}(?=:(?:[ \n]|$))/y;

/** A key with its colon. */
export function readKey(text: string, at: number): Token | undefined {
  if (text[at] === '"' || text[at] === "'") return readQuotedKey(text, at);
  plainKey.lastIndex = at;
  const value = plainKey.exec(text)?.[0];
  return value === undefined || value === '__proto__' ? undefined : { value, end: at + value.length + 1 };
}

/** Behind a key in quotes, a colon is one whatever follows, in flows. */
export function readQuotedKey(text: string, at: number, follows = /:(?=[ \n]|$)/y): Token | undefined {
  const quoted = readQuoted(text, at);
  if (quoted === undefined || quoted.end - at > 256 || quoted.value === '__proto__' || quoted.value === '<<') return undefined;
  follows.lastIndex = quoted.end;
  return follows.test(text) ? { value: quoted.value, end: quoted.end + 1 } : undefined;
}
