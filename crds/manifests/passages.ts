import type { KindRegistry } from '../registry.ts';
import { parseObject } from '../parse.ts';
import type { KubernetesObject } from '../object.ts';
import type { FieldPath, Result, FieldError } from '../result.ts';
import { isObject, own } from '../schema/record.ts';
import { readDocuments, type Fault, type Steps, type WrittenObject } from './documents.ts';
import { Place, type DocumentText, type TextFile } from './positions.ts';
import type { ManifestProblem, Pace, WrittenName } from './types.ts';

/** Where an object was written: there in that document. */
export interface Origin {
  readonly document: DocumentText;
  readonly prefix: FieldPath;
}

/** An object of a passage, checked. Everything but its place is the same wherever the passage stands. */
export interface ReadObject {
  readonly name: WrittenName;
  readonly origin: Origin;
  /** Of its beginning, from that of the passage. */
  readonly offset: number;
  /** Undefined: of a kind that is not read here. */
  readonly result: Result<KubernetesObject, readonly FieldError[]> | undefined;
  /** Of what is wrong with it, if something is. */
  readonly reason: ManifestProblem['reason'];
}

/** What a passage of a file says. Its place may move, everything else stays. */
export interface Passage {
  readonly place: Place;
  readonly objects: readonly ReadObject[];
  readonly faults: readonly Fault[];
}

/** What the check of an object counts, in items of a step. */
const costOfCheck = 15;

export interface ReadingContext {
  readonly registry: KindRegistry;
  readonly pace: Pace;
  /** Each is taken over, and moves, where the text is the same. */
  readonly known: Map<string, Passage>;
}

/** The passages of a file, in order: its documents, where they can be read one by one. */
export function* readPassages(file: TextFile, context: ReadingContext): Steps<readonly (readonly [string, Passage])[]> {
  const found: (readonly [string, Passage])[] = [];
  const whole = dependsOnOthers(file.text);
  for (const [start, end] of whole ? [[0, file.text.length] as const] : documentsOf(file.text)) {
    const text = file.text.slice(start, end);
    const known = context.known.get(text);
    if (context.pace.spend()) yield;
    if (known !== undefined) {
      known.place.moveTo(file, start);
      context.known.delete(text);
      found.push([text, known]);
      continue;
    }
    const place = new Place(file, start);
    const read = yield* readDocuments(text, place, context.pace);
    const objects: ReadObject[] = [];
    for (const written of read.objects) {
      objects.push(checked(written, context.registry));
      if (context.pace.spend(costOfCheck)) yield;
    }
    found.push([text, { place, faults: read.faults, objects }]);
  }
  return found;
}

/** Directives (`%`) and ends of documents (`...`) say something of the document that follows. */
function dependsOnOthers(text: string): boolean {
  return ['%', '...'].some((sign) => text.startsWith(sign) || text.includes(`\n${sign}`));
}

/** YAML 1.2, 9.1.2: dashes at the beginning of a line begin a document whatever they stand in. */
export function* documentsOf(text: string): Generator<readonly [number, number], void> {
  let start = 0;
  for (let at = text.indexOf('\n---'); at >= 0; at = text.indexOf('\n---', at + 4)) {
    const next = text[at + 4];
    if (next !== undefined && next !== '\n' && next !== ' ' && next !== '\t' && next !== '\r') continue;
    yield [start, at + 1];
    start = at + 1;
  }
  yield [start, text.length];
}

function checked({ raw, document, prefix, offset }: WrittenObject, registry: KindRegistry): ReadObject {
  const name = nameOf(raw);
  const lookup = registry.find(name.apiVersion, name.kind);
  const reason = lookup.found === 'version' ? 'UnknownVersion' : lookup.found === 'similar' || lookup.found === 'elsewhere' ? 'UnknownKind' : 'InvalidObject';
  const unread = lookup.found === 'nothing' && name.apiVersion !== '' && name.kind !== '';
  return { origin: { document, prefix }, offset, name, reason, result: unread ? undefined : parseObject(raw, registry) };
}

function nameOf(raw: unknown): WrittenName {
  const object = isObject(raw) ? raw : {};
  const metadata = isObject(own(object, 'metadata')) ? (own(object, 'metadata') as Record<string, unknown>) : {};
  return { apiVersion: text(own(object, 'apiVersion')), kind: text(own(object, 'kind')), namespace: text(own(metadata, 'namespace')), name: text(own(metadata, 'name')) };
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
