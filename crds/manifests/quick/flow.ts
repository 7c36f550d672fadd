import type { Pace } from '../types.ts';
import { readKey, readQuoted, readQuotedKey, resolvePlain } from './scalars.ts';

export interface Flow {
  readonly value: unknown;
  readonly end: number;
  /** Where the items of the list `items` of the outermost mapping begin. */
  readonly itemStarts: readonly number[];
}

export interface FlowLimits {
  readonly depth: number;
  /** Behind the last character that may belong to it. */
  readonly end: number;
}

interface Frame {
  readonly value: Record<string, unknown> | unknown[];
  /** In mappings: whose value comes next. */
  key: string | undefined;
}

const spaces = /[ \n]*/y;
const adjacentColon = /:/y;
/** Nothing that could end it elsewhere than at a comma or bracket. */
const plain = /(?:[A-Za-z0-9_./$+]|-(?=[A-Za-z0-9.]))[^,[\]{}:#\n"'&*!|>%@`]*/y;

/** Reads `{…}` or `[…]` as JSON has them, keys and values without quotes included. Undefined: something else is in it. */
export class FlowReader {
  readonly #text: string;
  readonly #limits: FlowLimits;
  readonly #stack: Frame[] = [];
  readonly #itemStarts: number[] = [];
  #items: unknown;
  #at: number;

  constructor(text: string, at: number, limits: FlowLimits) {
    this.#text = text;
    this.#at = at;
    this.#limits = limits;
  }

  *read(pace: Pace): Generator<undefined, Flow | undefined> {
    const root = this.#open();
    for (;;) {
      if (pace.spend()) yield;
      const top = this.#stack.at(-1)!;
      this.#skip();
      if (this.#text[this.#at] === closerOf(top)) {
        this.#at++;
        this.#stack.pop();
        if (this.#stack.length === 0) return this.#at > this.#limits.end ? undefined : { value: root, end: this.#at, itemStarts: this.#itemStarts };
        if (!this.#goesOn()) return undefined;
        continue;
      }
      if (!this.#entry(top)) return undefined;
    }
  }

  #open(): Frame['value'] {
    const value = this.#text[this.#at] === '{' ? {} : [];
    this.#at++;
    this.#stack.push({ value, key: undefined });
    return value;
  }

  #entry(top: Frame): boolean {
    if (this.#at >= this.#limits.end) return false;
    if (!Array.isArray(top.value) && !this.#key(top)) return false;
    this.#skip();
    if (top.value === this.#items) this.#itemStarts.push(this.#at);
    const character = this.#text[this.#at];
    if (character === '{' || character === '[') {
      if (this.#stack.length >= this.#limits.depth) return false;
      this.#put(top, this.#open());
      if (this.#stack.length === 2 && top.key === 'items') this.#items = this.#stack[1]!.value;
      return true;
    }
    const read = character === '"' || character === "'" ? readQuoted(this.#text, this.#at) : this.#plain();
    if (read === undefined) return false;
    this.#put(top, read.value);
    this.#at = read.end;
    return this.#goesOn();
  }

  #key(top: Frame): boolean {
    const character = this.#text[this.#at];
    const key = character === '"' || character === "'" ? readQuotedKey(this.#text, this.#at, adjacentColon) : readKey(this.#text, this.#at);
    if (key === undefined || Object.hasOwn(top.value, key.value)) return false;
    top.key = key.value;
    this.#at = key.end;
    return true;
  }

  #plain(): { readonly value: unknown; readonly end: number } | undefined {
    plain.lastIndex = this.#at;
    const found = plain.exec(this.#text)?.[0];
    return found === undefined ? undefined : { value: resolvePlain(found.trimEnd()), end: this.#at + found.length };
  }

  #put({ value, key }: Frame, part: unknown): void {
    if (Array.isArray(value)) value.push(part);
    else value[key!] = part;
  }

  /** Behind a value: a comma and another one, or the end of what it is in. */
  #goesOn(): boolean {
    this.#skip();
    if (this.#text[this.#at] === closerOf(this.#stack.at(-1)!)) return true;
    if (this.#text[this.#at] !== ',') return false;
    this.#at++;
    this.#skip();
    return this.#text[this.#at] !== '}' && this.#text[this.#at] !== ']';
  }

  #skip(): void {
    spaces.lastIndex = this.#at;
    spaces.test(this.#text);
    this.#at = spaces.lastIndex;
  }
}

function closerOf({ value }: Frame): string {
  return Array.isArray(value) ? ']' : '}';
}
