import { Composer, isAlias, isMap, isScalar, isSeq, Lexer, Parser, type CST, type Document } from 'yaml';
import type { FieldPath } from '../result.ts';
import { isObject } from '../schema/record.ts';
import { quote } from '../schema/words.ts';
import { DocumentText, offsetOf, type Place } from './positions.ts';
import { withoutItems, type ListToken } from './lists.ts';
import type { Pace } from './types.ts';
import { maxAliases, maxDepth, maxSyntaxProblems, yamlOptions } from './yaml.ts';

/** An object as it was written, not checked yet. */
export interface WrittenObject {
  readonly raw: unknown;
  readonly document: DocumentText;
  /** Where in its document it stands: `['items', 3]` in a List. */
  readonly prefix: FieldPath;
  /** Of its beginning, from that of the passage. */
  readonly offset: number;
}

/** An offset in a passage, and what is wrong there. */
export interface Fault {
  readonly offset: number;
  readonly message: string;
}

export interface Written {
  readonly objects: readonly WrittenObject[];
  readonly faults: readonly Fault[];
}

export type Steps<T> = Generator<undefined, T>;

/** What the library costs, in items of a step. */
const costs = { token: 1, document: 30 };

/** The documents of a passage. One with a fault has no objects. */
export function* readDocuments(text: string, place: Place, pace: Pace): Steps<Written> {
  const faults: Fault[] = [];
  const tokens = yield* parsed(text, faults, pace);
  const list = withoutItems(tokens);
  const items = list === undefined ? undefined : yield* readItems(list, { text, place, pace });
  if (items !== undefined) return { objects: items, faults: [] };
  const objects: WrittenObject[] = [];
  for (const document of yield* composed(tokens, faults, pace)) {
    const found = faultsOf(document);
    if (found.length > 0) faults.push(...found);
    else objects.push(...objectsOf(document, place, faults));
    if (pace.spend(costs.document)) yield;
  }
  return { objects, faults };
}

/** What `parseAllDocuments` of the library begins with, giving way. */
function* parsed(text: string, faults: Fault[], pace: Pace): Steps<readonly CST.Token[]> {
  const tokens: CST.Token[] = [];
  const parser = new Parser();
  try {
    for (const lexeme of new Lexer().lex(text)) {
      tokens.push(...parser.next(lexeme));
      if (pace.spend(costs.token)) yield;
    }
    tokens.push(...parser.end());
    return tokens;
  } catch (error) {
    faults.push(unreadable(error));
    return [];
  }
}

/** What it goes on with. */
function* composed(tokens: readonly CST.Token[], faults: Fault[], pace: Pace): Steps<readonly Document.Parsed[]> {
  const documents: Document.Parsed[] = [];
  const composer = new Composer(yamlOptions);
  try {
    for (const token of tokens) {
      documents.push(...composer.next(token));
      if (pace.spend(token.type === 'document' ? costs.document : 1)) yield;
    }
    documents.push(...composer.end());
    if (documents.length > 0) return documents;
    const { errors, warnings } = composer.streamInfo();
    faults.push(...[...errors, ...warnings].slice(0, maxSyntaxProblems).map(({ pos, message }) => ({ offset: pos[0], message })));
    return [];
  } catch (error) {
    faults.push(unreadable(error));
    return [];
  }
}

/** Nesting so deep that the parser runs out of stack ends here. */
function unreadable(error: unknown): Fault {
  return { offset: 0, message: `can't be read as YAML: ${error instanceof Error ? error.message : String(error)}` };
}

/** Levels around an item: the list's mapping, and `items`. */
const depthOfItem = 2;

/** The items of a long list, each as a document of its own. Undefined where one has a fault, or refers to another: then the list is read in one piece. */
function* readItems({ rest, items }: ListToken, { text, place, pace }: { readonly text: string; readonly place: Place; readonly pace: Pace }): Steps<readonly WrittenObject[] | undefined> {
  const about = composeAlone(rest)?.raw;
  if (!isObject(about)) return undefined;
  const objects: WrittenObject[] = [];
  for (const value of items) {
    const alone = composeAlone({ type: 'document', offset: value.offset, start: [], value }, depthOfItem);
    const range = alone?.document.contents?.range;
    if (alone === undefined || range === undefined || range === null) return undefined;
    const [start, end] = range;
    const [item] = expanded({ ...about, items: [alone.raw] });
    if (item === undefined || item.prefix.length === 0) return undefined;
    const column = start - (text.lastIndexOf('\n', start) + 1);
    objects.push({ raw: item.raw, prefix: [], document: new DocumentText(place, { start, end, column }), offset: start });
    if (pace.spend(costs.document)) yield;
  }
  return objects;
}

/** Undefined where something is wrong with it. `depth`: levels around it. */
function composeAlone(token: CST.Document, depth = 0): { readonly document: Document.Parsed; readonly raw: unknown } | undefined {
  const composer = new Composer(yamlOptions);
  try {
    const [document] = [...composer.next(token), ...composer.end()];
    return document === undefined || faultsOf(document, depth).length > 0 ? undefined : { document, raw: document.toJS({ maxAliasCount: maxAliases }) };
  } catch {
    return undefined;
  }
}

function faultsOf(document: Document.Parsed, depth = 0): readonly Fault[] {
  return [...syntaxFaults(document), ...structureFaults(document, depth)].slice(0, maxSyntaxProblems);
}

const messages: Readonly<Partial<Record<string, string>>> = {
  NON_STRING_KEY: 'a key must be a string; where this is a template, render it first',
};

function syntaxFaults(document: Document.Parsed): readonly Fault[] {
  return [...document.errors, ...document.warnings].map((error) => ({ offset: error.pos[0], message: messages[error.code] ?? error.message }));
}

/** Keys that occur twice, and nesting beyond the bound. */
function structureFaults(document: Document.Parsed, around: number): readonly Fault[] {
  const faults: Fault[] = [];
  const waiting: { readonly node: unknown; readonly depth: number }[] = [{ node: document.contents, depth: around }];
  for (let next = waiting.pop(); next !== undefined && faults.length < maxSyntaxProblems; next = waiting.pop()) {
    const { node, depth } = next;
    if (depth > maxDepth) return [{ offset: startOf(node), message: `nests deeper than ${maxDepth} levels` }];
    if (isSeq(node)) for (const item of node.items) waiting.push({ node: item, depth: depth + 1 });
    if (!isMap(node)) continue;
    const seen = new Set<string>();
    for (const { key, value } of node.items) {
      const name = isScalar(key) ? String(key.value) : '';
      if (seen.has(name) && name !== '<<') faults.push({ offset: startOf(key), message: `the key ${quote(name)} occurs twice; remove one` });
      seen.add(name);
      waiting.push({ node: value, depth: depth + 1 });
    }
  }
  return faults.reverse();
}

function startOf(node: unknown): number {
  return isScalar(node) || isMap(node) || isSeq(node) || isAlias(node) ? (node.range?.[0] ?? 0) : 0;
}

function objectsOf(document: Document.Parsed, place: Place, faults: Fault[]): readonly WrittenObject[] {
  const [start, , end] = document.range;
  try {
    const raw: unknown = document.toJS({ maxAliasCount: maxAliases });
    if (raw === null || raw === undefined) return [];
    const text = new DocumentText(place, { start, end, column: 0 });
    return expanded(raw).map((part) => ({ ...part, document: text, offset: offsetOf(document, part.prefix) }));
  } catch (error) {
    faults.push({ offset: startOf(document.contents), message: aliasFault(error) });
    return [];
  }
}

function aliasFault(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.startsWith('Excessive alias count') ? `aliases repeat more than ${maxAliases} nodes; write the values out` : message;
}

/** The items of a `List` (or of a list of one kind, such as `ServiceList`) in the place of the list; lists don't nest. */
function expanded(raw: unknown): readonly Pick<WrittenObject, 'raw' | 'prefix'>[] {
  if (!isObject(raw) || typeof raw['kind'] !== 'string' || !raw['kind'].endsWith('List') || !Array.isArray(raw['items'])) return [{ raw, prefix: [] }];
  const common = raw['kind'] === 'List' ? {} : { apiVersion: raw['apiVersion'], kind: raw['kind'].slice(0, -'List'.length) };
  return raw['items'].map((item: unknown, index) => ({ raw: isObject(item) ? { ...common, ...item } : item, prefix: ['items', index] }));
}
