import type { Resource } from '../resources.ts';
import { adoptResponse, decodeResponse, isSound, type Decoded } from './codec.ts';
import type { DeltaResponse } from './messages.ts';

/** Characters that are parsed at a time: a few tenths of a millisecond. */
const slice = 32_768;
/** Envelope, `resources`, one of them, its `resource`: further in, values are taken whole, or, in a list, by the slice. */
const opened = 4;

/**
 * What `decodeResponse` does, in small steps, and the check of long tables too: who runs it may let others have their turn between two.
 * `prepare` gets each resource whose shape is right. At the end `decodeResponse` and `resourceFault` know the result, the former until that
 * turn of the event loop is over.
 */
export function* decodeInSlices(message: string, prepare: (resource: Resource) => Generator<undefined, unknown>): Generator<undefined, Decoded<DeltaResponse>> {
  let value: unknown;
  try {
    const text = new SlicedText(message);
    value = yield* text.value(0);
    text.end();
  } catch {
    // Whatever is wrong with it, the usual way says.
    return decodeResponse(message);
  }
  const decoded = adoptResponse(message, value);
  if (!decoded.ok) return decoded;
  const { type, resources } = decoded.value;
  for (const received of resources) if (yield* isSound(type, received)) yield* prepare(received.resource);
  // Steps took turns, and the memory of what was decoded last is for one.
  return adoptResponse(message, value);
}

/** Only tells where values begin and end; JSON.parse reads them, and throws where they are none. */
class SlicedText {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  *value(depth: number): Generator<undefined, unknown> {
    this.#skipSpace();
    const first = this.#text[this.#at];
    if (first === '{' && depth < opened) return yield* this.#object(depth);
    if (first === '[') return yield* depth < opened ? this.#list(depth) : this.#longList();
    return this.#parse(this.#at, this.#skipValue());
  }

  end(): void {
    this.#skipSpace();
    if (this.#at !== this.#text.length) throw new SyntaxError('more than one value');
  }

  *#object(depth: number): Generator<undefined, unknown> {
    const made: Record<string, unknown> = {};
    this.#at += 1;
    if (this.#takes('}')) return made;
    for (;;) {
      this.#skipSpace();
      const key = this.#parse(this.#at, this.#skipValue());
      // An assignment of that name would not make a property.
      if (typeof key !== 'string' || key === '__proto__') throw new SyntaxError('not a usable key');
      this.#expect(':');
      made[key] = yield* this.value(depth + 1);
      if (this.#takes('}')) return made;
      this.#expect(',');
    }
  }

  *#list(depth: number): Generator<undefined, unknown> {
    const made: unknown[] = [];
    this.#at += 1;
    if (this.#takes(']')) return made;
    for (;;) {
      made.push(yield* this.value(depth + 1));
      if (this.#takes(']')) return made;
      this.#expect(',');
    }
  }

  *#longList(): Generator<undefined, unknown> {
    const made: unknown[] = [];
    this.#at += 1;
    if (this.#takes(']')) return made;
    for (let start = this.#at; ; ) {
      this.#skipSpace();
      const begin = this.#at;
      const end = this.#skipValue();
      if (end === begin) throw new SyntaxError('no value');
      const last = this.#takes(']');
      if (last || end - start >= slice) {
        for (const item of JSON.parse(`[${this.#text.slice(start, end)}]`) as unknown[]) made.push(item);
        yield;
      }
      if (last) return made;
      this.#expect(',');
      if (end - start >= slice) start = this.#at;
    }
  }

  #parse(from: number, to: number): unknown {
    return JSON.parse(this.#text.slice(from, to));
  }

  /** Goes behind the value that begins here, and returns where that is. */
  #skipValue(): number {
    const text = this.#text;
    let depth = 0;
    for (; this.#at < text.length; this.#at++) {
      const code = text.charCodeAt(this.#at);
      if (code === 0x22) this.#skipString();
      else if (code === 0x7b || code === 0x5b) depth += 1;
      else if (code === 0x7d || code === 0x5d || (code === 0x2c && depth === 0)) {
        if (depth === 0) return this.#at;
        depth -= 1;
      } else if (depth === 0 && code === 0x3a) return this.#at;
      if (depth === 0 && (code === 0x22 || code === 0x7d || code === 0x5d)) return ++this.#at;
    }
    return this.#at;
  }

  /** To the closing quote. */
  #skipString(): void {
    for (;;) {
      const quote = this.#text.indexOf('"', this.#at + 1);
      if (quote < 0) throw new SyntaxError('a string without end');
      this.#at = quote;
      let escapes = 0;
      while (this.#text.charCodeAt(quote - 1 - escapes) === 0x5c) escapes += 1;
      if (escapes % 2 === 0) return;
    }
  }

  #takes(mark: string): boolean {
    this.#skipSpace();
    if (this.#text[this.#at] !== mark) return false;
    this.#at += 1;
    return true;
  }

  #expect(mark: string): void {
    if (!this.#takes(mark)) throw new SyntaxError(`no ${mark}`);
  }

  #skipSpace(): void {
    for (; ; this.#at++) {
      const code = this.#text.charCodeAt(this.#at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
    }
  }
}
