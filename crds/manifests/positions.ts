import { isAlias, isMap, isScalar, isSeq, parseDocument, type Document, type Node } from 'yaml';
import type { SourcePosition } from '../object.ts';
import type { FieldPath } from '../result.ts';
import { yamlOptions } from './yaml.ts';

/** Turns offsets into lines and columns, both 1-based. */
export class TextFile {
  readonly name: string;
  readonly text: string;
  #lineStarts: readonly number[] | undefined;

  constructor(name: string, text: string) {
    this.name = name;
    this.text = text;
  }

  position(offset: number): SourcePosition {
    const starts = (this.#lineStarts ??= lineStarts(this.text));
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((starts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return { file: this.name, line: low + 1, column: offset - (starts[low] ?? 0) + 1 };
  }
}

function lineStarts(text: string): readonly number[] {
  const starts = [0];
  for (let index = text.indexOf('\n'); index !== -1; index = text.indexOf('\n', index + 1)) starts.push(index + 1);
  return starts;
}

/** Where a part of a file stands. It moves along when the file is read again and has the same text elsewhere. */
export class Place {
  #file: TextFile;
  #start: number;

  constructor(file: TextFile, start: number) {
    this.#file = file;
    this.#start = start;
  }

  moveTo(file: TextFile, start: number): void {
    this.#file = file;
    this.#start = start;
  }

  position(offset: number): SourcePosition {
    return this.#file.position(this.#start + offset);
  }

  text(start: number, end: number): string {
    return this.#file.text.slice(this.#start + start, this.#start + end);
  }
}

/** Where in its place a document, or an item of a list, begins and ends. */
export interface Span {
  readonly start: number;
  readonly end: number;
  /** Of its first character, from 0: what follows is indented as much. */
  readonly column: number;
}

/** What was asked last: nodes take many times the room of the text, and of one document several positions are asked for. */
let latest: { readonly of: DocumentText; readonly document: Document.Parsed } | undefined;

/** One YAML document, or an item of a list as if it were one. Positions are asked for when something is wrong only: it is parsed anew for them, and each is kept. */
export class DocumentText {
  readonly place: Place;
  readonly #span: Span;
  #offsets: Map<string, number> | undefined;

  constructor(place: Place, span: Span) {
    this.place = place;
    this.#span = span;
  }

  /** Where the field begins; where it is not written, the nearest thing around it that is. */
  position(path: FieldPath): SourcePosition {
    const key = JSON.stringify(path);
    this.#offsets ??= new Map();
    const offset = this.#offsets.get(key) ?? this.#offset(path);
    this.#offsets.set(key, offset);
    return this.place.position(offset);
  }

  #offset(path: FieldPath): number {
    const { start, end, column } = this.#span;
    if (latest?.of !== this) latest = { of: this, document: parseDocument(' '.repeat(column) + this.place.text(start, end), yamlOptions) };
    return start - column + offsetOf(latest.document, path);
  }
}

/** Of the key in a mapping, of the value in a sequence. */
export function offsetOf(document: Document, path: FieldPath): number {
  let node = target(document, document.contents);
  let offset = node?.range?.[0] ?? 0;
  for (const step of path) {
    const found = isMap(node) ? entry(node, String(step)) : isSeq(node) && typeof step === 'number' ? item(node, step) : undefined;
    if (found === undefined) return offset;
    offset = found.offset ?? offset;
    node = target(document, found.node);
  }
  return offset;
}

interface Found {
  readonly offset: number | undefined;
  readonly node: unknown;
}

function entry(map: { readonly items: readonly { readonly key: unknown; readonly value: unknown }[] }, key: string): Found | undefined {
  const pair = map.items.find((candidate) => isScalar(candidate.key) && String(candidate.key.value) === key);
  return pair === undefined ? undefined : { offset: isScalar(pair.key) ? pair.key.range?.[0] : undefined, node: pair.value };
}

function item(list: { readonly items: readonly unknown[] }, index: number): Found | undefined {
  const node = list.items[index];
  return node === undefined ? undefined : { offset: (node as Node).range?.[0], node };
}

function target(document: Document, node: unknown): Node | undefined {
  return (isAlias(node) ? node.resolve(document) : node) as Node | undefined;
}
