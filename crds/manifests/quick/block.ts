import { maxDepth } from '../yaml.ts';
import type { Pace } from '../types.ts';
import { FlowReader } from './flow.ts';
import { readKey, readQuoted, resolvePlain } from './scalars.ts';

/** A document, and where its content begins. */
export interface Quick {
  readonly value: unknown;
  readonly start: number;
  /** Where the items of its list `items` begin. */
  readonly itemStarts: readonly number[];
}

interface Frame {
  readonly value: Record<string, unknown> | unknown[];
  /** Its column; -1 of the frame around the document. */
  readonly indent: number;
  /** In mappings: the key that was read last. */
  key: string;
  /** Its last entry has no value yet. */
  pending: boolean;
}

/** Tabs, other breaks of lines than `\n`, and what can't be seen. */
// oxlint-disable-next-line no-control-regex
const unusual = /[\u0000-\u0009\u000b-\u001f\u007f-\u00a0\u2028\u2029\ufeff]/;
/** Characters that are looked through in one step. */
const lookedAtOnce = 0x4_00_00;
const lineEnd = / *(?: #[^\n]*)?(?:\n|$)/y;
const plainLine = /(?:[A-Za-z0-9_./$+~(^;]|-(?=[^\s-]))[^\n]*/y;
const empty = Symbol('no value on this line');
const unclear = Symbol('not to be read here');

/**
 * Reads one document in the part of YAML that most manifests are written in, some thirty times as fast as the library, and in steps: mappings and
 * lists by indentation, scalars of one line, JSON. Undefined for anything else, and for anything that could be wrong: that is the library's to read.
 */
export function* readQuickly(text: string, pace: Pace): Generator<undefined, Quick | undefined> {
  for (let at = 0; at < text.length; at += lookedAtOnce) {
    if (unusual.test(text.slice(at, at + lookedAtOnce))) return undefined;
    if (text.length > lookedAtOnce) yield;
  }
  const flow = /^(?:---[ \n])?\s*(?=[{[])/.exec(text)?.[0].length;
  return flow === undefined ? yield* new BlockReader(text).read(pace) : yield* readFlow(text, flow, pace);
}

function* readFlow(text: string, start: number, pace: Pace): Generator<undefined, Quick | undefined> {
  const flow = yield* new FlowReader(text, start, { depth: maxDepth - 2, end: text.length }).read(pace);
  return flow === undefined || text.slice(flow.end).trim() !== '' ? undefined : { value: flow.value, start, itemStarts: flow.itemStarts };
}

class BlockReader {
  readonly #text: string;
  readonly #stack: Frame[] = [{ value: [], indent: -1, key: '', pending: true }];
  readonly #itemStarts: number[] = [];
  #start: number | undefined;
  /** Of the line that is being read. */
  #lineStart = 0;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  *read(pace: Pace): Generator<undefined, Quick | undefined> {
    if (this.#text.startsWith('---')) {
      this.#at = 3;
      if (!this.#endLine()) return undefined;
    }
    while (this.#at < this.#text.length) {
      this.#lineStart = this.#at;
      while (this.#text[this.#at] === ' ') this.#at++;
      if (this.#text[this.#at] === '#') this.#skipLine();
      else if (this.#text[this.#at] === '\n') this.#at++;
      else if (this.#at < this.#text.length && !this.#content()) return undefined;
      if (pace.spend()) yield;
    }
    const [value] = this.#stack[0]!.value as readonly unknown[];
    const items = (value as { readonly items?: unknown } | undefined)?.items;
    if (Array.isArray(items) && items.some((_item, index) => this.#itemStarts[index] === undefined)) return undefined;
    return { value, start: this.#start ?? 0, itemStarts: this.#itemStarts };
  }

  #skipLine(): void {
    const end = this.#text.indexOf('\n', this.#at);
    this.#at = end < 0 ? this.#text.length : end + 1;
  }

  /** Goes on behind the end of the line, where nothing but a comment is left of it. */
  #endLine(): boolean {
    lineEnd.lastIndex = this.#at;
    if (!lineEnd.test(this.#text)) return false;
    this.#at = lineEnd.lastIndex;
    return true;
  }

  /** A line from its first character that is no space: dashes, then perhaps a key, then perhaps a value. */
  #content(): boolean {
    for (;;) {
      const indent = this.#at - this.#lineStart;
      const dash = this.#text[this.#at] === '-' && /[ \n]|^$/.test(this.#text[this.#at + 1] ?? '');
      const key = dash ? undefined : readKey(this.#text, this.#at);
      if (!dash && key === undefined) return this.#scalarItem(indent);
      const frame = this.#frameAt(indent, dash ? 'list' : 'mapping');
      if (frame === undefined) return false;
      this.#start ??= this.#at;
      if (key !== undefined) return this.#entry(frame, key);
      if (!this.#item(frame)) return false;
      if (frame.pending && this.#at > this.#lineStart && this.#text[this.#at] !== undefined && !this.#atLineStart()) continue;
      return true;
    }
  }

  #atLineStart(): boolean {
    return this.#text[this.#at - 1] === '\n';
  }

  /** Behind a dash: on to what stands there, or to the next line where nothing does. */
  #item(frame: Frame): boolean {
    (frame.value as unknown[]).push(null);
    frame.pending = true;
    this.#at++;
    const before = this.#at;
    if (this.#endLine()) return true;
    this.#at = before;
    while (this.#text[this.#at] === ' ') this.#at++;
    return true;
  }

  #entry(frame: Frame, { value: key, end }: { readonly value: string; readonly end: number }): boolean {
    if (Object.hasOwn(frame.value, key)) return false;
    frame.key = key;
    this.#at = end;
    const value = this.#value();
    if (value === unclear) return false;
    frame.pending = value === empty;
    (frame.value as Record<string, unknown>)[key] = value === empty ? null : value;
    if (this.#stack.length === 2 && key === 'items' && Array.isArray(value) && value.length > 0) return false;
    return true;
  }

  /** `- value`; a value anywhere else goes on from another line. */
  #scalarItem(indent: number): boolean {
    const frame = this.#stack.at(-1)!;
    if (!Array.isArray(frame.value) || !frame.pending || frame.indent < 0 || indent <= frame.indent || this.#isOnOwnLine()) return false;
    this.#noteItem(frame);
    const value = this.#value();
    if (value === unclear || value === empty) return false;
    frame.value[frame.value.length - 1] = value;
    frame.pending = false;
    return true;
  }

  #isOnOwnLine(): boolean {
    return this.#text.slice(this.#lineStart, this.#at).trim() === '';
  }

  /** The list or mapping to which an entry in this column belongs: one that is there, or a new one where a value is still missing. */
  #frameAt(indent: number, kind: 'list' | 'mapping'): Frame | undefined {
    let top = this.#stack.at(-1)!;
    const fits = (frame: Frame): boolean => frame.indent === indent && Array.isArray(frame.value) === (kind === 'list');
    while (top.indent > indent || (top.indent === indent && kind === 'mapping' && !fits(top))) {
      this.#stack.pop();
      top = this.#stack.at(-1)!;
    }
    if (fits(top)) return top;
    // The dashes of a list may stand below its key.
    const opens = top.pending && (indent > top.indent || (indent === top.indent && kind === 'list' && !Array.isArray(top.value)));
    if (!opens || this.#stack.length >= maxDepth - 2) return undefined;
    return this.#openIn(top, { value: kind === 'list' ? [] : {}, indent, key: '', pending: false });
  }

  #openIn(top: Frame, frame: Frame): Frame {
    this.#noteItem(top);
    if (!Array.isArray(top.value)) top.value[top.key] = frame.value;
    else if (top.indent < 0) top.value.push(frame.value);
    else top.value[top.value.length - 1] = frame.value;
    top.pending = false;
    this.#stack.push(frame);
    return frame;
  }

  /** An item of the document's `items` begins here. */
  #noteItem(frame: Frame): void {
    if (this.#stack.length === 3 && frame === this.#stack[2] && Array.isArray(frame.value) && this.#stack[1]!.key === 'items') this.#itemStarts[frame.value.length - 1] = this.#at;
  }

  /** To the end of the line, and on behind it. */
  #value(): unknown {
    const text = this.#text;
    if (this.#endLine()) return empty;
    while (text[this.#at] === ' ') this.#at++;
    const character = text[this.#at];
    if (character === '"' || character === "'") {
      const quoted = readQuoted(text, this.#at);
      if (quoted === undefined) return unclear;
      this.#at = quoted.end;
      return this.#endLine() ? quoted.value : unclear;
    }
    return character === '{' || character === '[' ? this.#flow() : this.#plain();
  }

  /** Of one line: on others, its column would count. */
  #flow(): unknown {
    const newline = this.#text.indexOf('\n', this.#at);
    const line = this.#text.slice(this.#at, newline < 0 ? undefined : newline);
    const steps = new FlowReader(line, 0, { depth: maxDepth - this.#stack.length - 2, end: line.length }).read({ spend: () => false });
    const flow = steps.next().value;
    if (flow === undefined) return unclear;
    this.#at += flow.end;
    return this.#endLine() ? flow.value : unclear;
  }

  #plain(): unknown {
    plainLine.lastIndex = this.#at;
    const line = plainLine.exec(this.#text)?.[0];
    if (line === undefined) return unclear;
    const comment = line.indexOf(' #');
    const value = (comment < 0 ? line : line.slice(0, comment)).trimEnd();
    if (value.includes(': ') || value.endsWith(':')) return unclear;
    this.#at += line.length + 1;
    return resolvePlain(value);
  }
}
