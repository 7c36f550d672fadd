import type { Resource } from '../resources.ts';
import { adoptResponse, isSound, maxMessageLength } from './codec.ts';
import type { Decoded, DeltaResponse } from './messages.ts';

/** Between two steps: `turn`, others may have theirs; `more`, there is nothing to do before more of the message has come. */
export type Pause = 'turn' | 'more';
type Steps<T> = Generator<Pause, T>;

/** Characters that are parsed at a time: a few tenths of a millisecond. */
const slice = 32_768;
/** Envelope, `resources`, one of them, its `resource`: further in, values are taken whole, or, in a list, by the slice. */
const opened = 4;

/**
 * What `decodeResponse` does, in small steps and while the message still comes; and the check of each resource's shape, which `resourceFault`
 * then need not make again. `prepare` gets each resource whose shape is right.
 */
export function* readInSteps(message: IncomingMessage, prepare: (resource: Resource) => Generator<undefined, unknown>): Steps<Decoded<DeltaResponse>> {
  let value: unknown;
  try {
    value = yield* message.value(0);
    yield* message.end();
  } catch (error) {
    yield* message.skip();
    return { ok: false, error: error instanceof TooLong ? error.message : 'message is not JSON' };
  }
  const decoded = adoptResponse(value);
  if (!decoded.ok) return decoded;
  const { type, resources } = decoded.value;
  for (const received of resources) if (yield* turns(isSound(type, received))) yield* turns(prepare(received.resource));
  return decoded;
}

function* turns<T>(steps: Generator<undefined, T>): Steps<T> {
  for (;;) {
    const { done, value } = steps.next();
    // The end of a resource is a step too: a message may have thousands of them.
    yield 'turn';
    if (done === true) return value;
  }
}

class TooLong extends Error {}

/** A message's text as far as it has come. Only tells where values begin and end; JSON.parse reads them, and throws where they are none. */
export class IncomingMessage {
  /** Came, but not looked at yet. */
  #waiting: string[] = [];
  #waitingFrom = 0;
  #waitingLength = 0;
  #length = 0;
  #whole = false;
  /** What is looked at: all from `#start` on is still needed. */
  #text = '';
  #start = 0;
  #at = 0;
  /** Where in a value `#at` is. */
  #depth = 0;
  #inString = false;

  /** The next piece. */
  add(piece: string, place: 'more follow' | 'last'): void {
    this.#length += piece.length;
    this.#whole = place === 'last';
    this.#waiting.push(piece);
    this.#waitingLength += piece.length;
  }

  *value(depth: number): Steps<unknown> {
    yield* this.#skipSpace();
    const first = this.#text[this.#at];
    if (first === '{' && depth < opened) return yield* this.#object(depth);
    if (first === '[') return yield* depth < opened ? this.#list(depth) : this.#longList();
    return yield* this.#one();
  }

  /** Throws where something follows. */
  *end(): Steps<void> {
    yield* this.#skipSpace();
    if (this.#at !== this.#text.length) throw new SyntaxError('more than one value');
  }

  /** Lets go of the rest. */
  *skip(): Steps<void> {
    for (;;) {
      this.#waiting = [];
      this.#text = '';
      if (this.#whole) return;
      yield 'more';
    }
  }

  *#object(depth: number): Steps<unknown> {
    const made: Record<string, unknown> = {};
    this.#at += 1;
    if (yield* this.#takes('}')) return made;
    for (;;) {
      yield* this.#skipSpace();
      const key = yield* this.#one();
      if (typeof key !== 'string') throw new SyntaxError('not a key');
      yield* this.#expect(':');
      const value = yield* this.value(depth + 1);
      // An assignment of `__proto__` would not make a property.
      Object.defineProperty(made, key, { value, enumerable: true, configurable: true, writable: true });
      if (yield* this.#takes('}')) return made;
      yield* this.#expect(',');
    }
  }

  *#list(depth: number): Steps<unknown> {
    const made: unknown[] = [];
    this.#at += 1;
    if (yield* this.#takes(']')) return made;
    for (;;) {
      made.push(yield* this.value(depth + 1));
      yield 'turn';
      if (yield* this.#takes(']')) return made;
      yield* this.#expect(',');
    }
  }

  *#longList(): Steps<unknown> {
    const made: unknown[] = [];
    this.#at += 1;
    if (yield* this.#takes(']')) return made;
    for (this.#start = this.#at; ; ) {
      if (!this.#passSpace()) yield* this.#skipSpace();
      // Relative to the start, which may be another place of another text after each pause.
      const begin = this.#at - this.#start;
      if (!this.#passValue('begins')) yield* this.#skipValue();
      const end = this.#at - this.#start;
      if (end === begin) throw new SyntaxError('no value');
      if (!this.#passSpace()) yield* this.#skipSpace();
      const last = this.#text[this.#at] === ']';
      if (!last && this.#text[this.#at] !== ',') throw new SyntaxError('no ,');
      this.#at += 1;
      if (last || end >= slice) {
        for (const item of JSON.parse(`[${this.#text.slice(this.#start, this.#start + end)}]`) as unknown[]) made.push(item);
        this.#start = this.#at;
        yield 'turn';
      }
      if (last) return made;
    }
  }

  *#one(): Steps<unknown> {
    this.#start = this.#at;
    if (!this.#passValue('begins')) yield* this.#skipValue();
    return JSON.parse(this.#text.slice(this.#start, this.#at));
  }

  /** Goes on behind a value of which the text has run out. */
  *#skipValue(): Steps<void> {
    while (yield* this.#more()) if (this.#passValue('goes on')) return;
    if (this.#inString || this.#depth > 0) throw new SyntaxError('a value without end');
  }

  /** Goes behind the value, as far as there is text; whether its end was there. A number's may be where the text ends. */
  #passValue(state: 'begins' | 'goes on'): boolean {
    const text = this.#text;
    if (state === 'begins') {
      this.#depth = 0;
      this.#inString = false;
    }
    for (; this.#at < text.length; this.#at++) {
      const code = this.#inString ? 0x22 : text.charCodeAt(this.#at);
      if (code === 0x22) {
        if (!this.#inString) this.#at += 1;
        this.#inString = true;
        if (!this.#passString()) return false;
        this.#inString = false;
      } else if (code === 0x7b || code === 0x5b) this.#depth += 1;
      else if (code === 0x7d || code === 0x5d || (code === 0x2c && this.#depth === 0)) {
        if (this.#depth === 0) return true;
        this.#depth -= 1;
      } else if (this.#depth === 0 && code === 0x3a) return true;
      if (this.#depth === 0 && (code === 0x22 || code === 0x7d || code === 0x5d)) {
        this.#at += 1;
        return true;
      }
    }
    return false;
  }

  /** From within a string to its closing quote, or to the end of the text. */
  #passString(): boolean {
    for (;;) {
      const quote = this.#text.indexOf('"', this.#at);
      this.#at = quote < 0 ? this.#text.length : quote;
      if (quote < 0) return false;
      let escapes = 0;
      while (this.#text.charCodeAt(quote - 1 - escapes) === 0x5c) escapes += 1;
      if (escapes % 2 === 0) return true;
      this.#at += 1;
    }
  }

  *#takes(mark: string): Steps<boolean> {
    if (!this.#passSpace()) yield* this.#skipSpace();
    if (this.#text[this.#at] !== mark) return false;
    this.#at += 1;
    return true;
  }

  *#expect(mark: string): Steps<void> {
    if (!(yield* this.#takes(mark))) throw new SyntaxError(`no ${mark}`);
  }

  *#skipSpace(): Steps<void> {
    while (!this.#passSpace() && (yield* this.#more()));
  }

  /** Whether something else follows, as far as there is text. */
  #passSpace(): boolean {
    for (; this.#at < this.#text.length; this.#at++) {
      const code = this.#text.charCodeAt(this.#at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return true;
    }
    return false;
  }

  /** Takes more of the message to what is looked at; false where that was all. */
  *#more(): Steps<boolean> {
    // As much again as is kept, so that a long value is not copied once for each piece of it.
    const wanted = Math.max(slice, this.#text.length - this.#start);
    while (this.#waitingLength < wanted && !this.#whole) yield 'more';
    if (this.#length > maxMessageLength) throw new TooLong(`message longer than ${maxMessageLength}`);
    if (this.#waitingLength === 0) return false;
    const [start, at] = [this.#start, this.#at - this.#start];
    this.#text = this.#text.slice(start) + this.#take(wanted);
    this.#start = 0;
    this.#at = at;
    return true;
  }

  #take(wanted: number): string {
    let text = '';
    while (text.length < wanted && this.#waitingFrom < this.#waiting.length) {
      text += this.#waiting[this.#waitingFrom]!;
      // What was taken is not kept for those that follow.
      this.#waiting[this.#waitingFrom++] = '';
    }
    this.#waitingLength -= text.length;
    if (this.#waitingFrom === this.#waiting.length) {
      this.#waiting = [];
      this.#waitingFrom = 0;
    }
    return text;
  }
}
