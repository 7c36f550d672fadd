import { isAlias, isMap, isScalar, isSeq, parseAllDocuments, type Document } from 'yaml';
import type { SourcePosition } from '../object.ts';
import type { FieldPath } from '../result.ts';
import { isObject } from '../schema/record.ts';
import { quote } from '../schema/words.ts';
import { DocumentText, offsetOf, TextFile } from './positions.ts';
import { maxAliases, maxDepth, maxFileLength, maxSyntaxProblems, yamlOptions } from './yaml.ts';
import type { ManifestProblem, ManifestFile } from './types.ts';

/** An object as it was written, not checked yet. */
export interface WrittenObject {
  readonly raw: unknown;
  readonly source: SourcePosition;
  readonly document: DocumentText;
  /** Where in its document it stands: `['items', 3]` in a List. */
  readonly prefix: FieldPath;
}

export interface Written {
  readonly objects: readonly WrittenObject[];
  readonly problems: readonly ManifestProblem[];
}

/** The objects of a file of YAML or JSON documents. A document with a fault is missing from the result; the others stay. */
export function readDocuments({ file, text }: ManifestFile): Written {
  const textFile = new TextFile(file, spacesForTabs(text));
  if (text.length > maxFileLength) {
    return { objects: [], problems: [problem(textFile, 0, ['TooLarge', `has ${text.length} characters; at most ${maxFileLength} are read: split it into several files`])] };
  }
  const objects: WrittenObject[] = [];
  const problems: ManifestProblem[] = [];
  for (const document of parsed(textFile, problems)) {
    const faults = [...syntaxFaults(document), ...structureFaults(document)].slice(0, maxSyntaxProblems);
    if (faults.length > 0) problems.push(...faults.map(({ offset, message }) => problem(textFile, offset, ['SyntaxError', message])));
    else objects.push(...objectsOf(document, textFile, problems));
  }
  return { objects, problems };
}

function parsed(file: TextFile, problems: ManifestProblem[]): readonly Document.Parsed[] {
  try {
    const documents = parseAllDocuments(file.text, yamlOptions);
    if (!('empty' in documents)) return documents;
    const faults = [...documents.errors, ...documents.warnings].slice(0, maxSyntaxProblems);
    problems.push(...faults.map((fault) => problem(file, fault.pos[0], ['SyntaxError', fault.message])));
    return [];
  } catch (error) {
    // Nesting so deep that the parser runs out of stack ends here.
    problems.push(problem(file, 0, ['SyntaxError', `can't be read as YAML: ${error instanceof Error ? error.message : String(error)}`]));
    return [];
  }
}

interface Fault {
  readonly offset: number;
  readonly message: string;
}

const messages: Readonly<Partial<Record<string, string>>> = {
  NON_STRING_KEY: 'a key must be a string; where this is a template, render it first',
};

function syntaxFaults(document: Document.Parsed): readonly Fault[] {
  return [...document.errors, ...document.warnings].map((error) => ({ offset: error.pos[0], message: messages[error.code] ?? error.message }));
}

/** Keys that occur twice, and nesting beyond the bound. */
function structureFaults(document: Document.Parsed): readonly Fault[] {
  const faults: Fault[] = [];
  const waiting: { readonly node: unknown; readonly depth: number }[] = [{ node: document.contents, depth: 0 }];
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

function objectsOf(document: Document.Parsed, file: TextFile, problems: ManifestProblem[]): readonly WrittenObject[] {
  const [start, , end] = document.range;
  try {
    const raw: unknown = document.toJS({ maxAliasCount: maxAliases });
    if (raw === null || raw === undefined) return [];
    const text = new DocumentText(file, start, end);
    return expanded(raw).map((part) => ({ ...part, document: text, source: file.position(offsetOf(document, part.prefix)) }));
  } catch (error) {
    problems.push(problem(file, startOf(document.contents), ['SyntaxError', aliasFault(error)]));
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

function problem(file: TextFile, offset: number, [reason, message]: readonly [ManifestProblem['reason'], string]): ManifestProblem {
  return { source: file.position(offset), reason, message, path: [] };
}

/** JSON may be indented with tabs, YAML may not; a JSON text has no other tabs. Positions stay. */
function spacesForTabs(text: string): string {
  if (!/^\s*[[{]/.test(text) || !text.includes('\t') || text.length > maxFileLength) return text;
  try {
    JSON.parse(text);
    return text.replaceAll('\t', ' ');
  } catch {
    return text;
  }
}
