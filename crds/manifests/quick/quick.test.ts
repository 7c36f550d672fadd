import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { parseAllDocuments, type Document } from 'yaml';
import { offsetOf } from '../positions.ts';
import { yamlOptions } from '../yaml.ts';
import { readQuickly, type Quick } from './block.ts';

function quickly(text: string): Quick | undefined {
  const steps = readQuickly(text, { spend: () => true });
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

/** Where it is read quickly, it is what the library reads. Returns whether it was. */
function agrees(t: ExecutionContext, text: string): boolean {
  const quick = quickly(text);
  if (quick === undefined) return false;
  const documents = parseAllDocuments(text, yamlOptions) as readonly Document.Parsed[];
  t.true(documents.length <= 1, text);
  const [document] = documents;
  t.deepEqual([...(document?.errors ?? []), ...(document?.warnings ?? [])].map(({ message }) => message), [], text);
  const value: unknown = document?.toJS() ?? undefined;
  t.deepEqual(quick.value ?? undefined, value, text);
  if (document === undefined || value === undefined) return true;
  t.is(quick.start, offsetOf(document, []), text);
  const items = (value as { readonly items?: unknown } | null)?.items;
  if (Array.isArray(items)) t.deepEqual([...quick.itemStarts], items.map((_item, index) => offsetOf(document, ['items', index])), text);
  return true;
}

const words = ['a', 'kind', 'items', 'x-y', 'a.b/c', 'yes', 'null', 'e5', '_', 'on', 'True', 'nULL', 'prefix /a/b', 'http://x:80/y', 'a#b', 'a # b', 'a: b', 'a:', '<<', '__proto__', 'é', 'constructor', 'a b'];
const numbers = ['0', '1', '-1', '007', '08', '1_0', '0x1f', '0b1', '1.5', '1.', '.5', '1e3', '12:30', '10.0.0.1', '5s', '2026-01-01', '1e', '.inf', '-.inf', '.nan', '~', '123456789012345678', '+5', '-', '--', '1.10', '-a'];
const quoted = ['"a"', "'it''s'", '"\\n\\u00e9\\ud83d\\ude00"', '"a # b: c"', '""', "''", '"\\x41"', '"a" # c', '"a"b', "'a", '"yes"', '"<<"', '"\\/"'];
const flows = ['{}', '[]', '{a: 1, b: yes}', '[a, "b", 1.0]', '{"a":1,"b":[{}, null]}', '[a,]', '{a}', '{a: b: c}', '{ "a" : "b" }', '[a b, -1, c # d', '{a: 1, a: 2}', '[[]]', '[-]', '{a: [}', '[a]b', '[a] # b', '{a:1}', '[,]', '[a: b]', '{"<<": {a: 1}}', '[- a]'];
const others = ['|', '>-', '&a b', '*a', '!!str 5', '? a', '@a', '`a', '%a', '{{ .x }}', '#c', '', ' ', '\t', '"a', '!'];
const scalar = fc.oneof(fc.constantFrom(...words), fc.constantFrom(...numbers), fc.constantFrom(...quoted), fc.constantFrom(...flows), fc.constantFrom(...others));
const key = fc.oneof({ weight: 8, arbitrary: fc.constantFrom('a', 'b', 'c', 'items', 'kind', 'a.b/c', 'yes', '"q"', "'r'") }, { weight: 1, arbitrary: scalar });
const line = fc.tuple(fc.nat(4), fc.constantFrom('', '', '', '- ', '-   ', '- - ', '-'), fc.oneof(fc.tuple(key, fc.constantFrom(': ', ': ', ':', ':  ', ' : '), fc.oneof(fc.constant(''), scalar)).map((parts) => parts.join('')), scalar), fc.constantFrom('', '', '', ' ', ' # c', '#'))
  .map(([indent, dashes, content, after]) => `${' '.repeat(indent)}${dashes}${content}${after}`);

test('lines of all kinds, in any order: what is read quickly is what the library reads', (t) => {
  let quick = 0;
  fc.assert(fc.property(fc.constantFrom('', '', '---\n', '--- # c\n', '# c\n'), fc.array(line, { maxLength: 6 }), fc.constantFrom('', '\n', '\n\n'), (start, lines, end) => {
    if (agrees(t, `${start}${lines.join('\n')}${end}`)) quick++;
  }), { numRuns: 3000 });
  t.true(quick > 300, `${quick}`);
});

/** Values as people write them: by indentation, each level with a width of its own, dashes below keys or deeper. */
const written = fc.letrec<{ value: readonly string[] }>((tie) => {
  const one = scalar.filter((text) => !text.includes('\n')).map((text) => [text]);
  const indented = (lines: readonly string[], width: number): string[] => lines.map((text) => `${' '.repeat(width)}${text}`);
  const mapping = fc.tuple(fc.uniqueArray(key, { minLength: 1, maxLength: 4 }), fc.array(tie('value'), { minLength: 4, maxLength: 4 }), fc.integer({ min: 0, max: 3 }))
    .map(([keys, values, width]) => keys.flatMap((name, index) => (values[index]!.length === 1 ? [`${name}: ${values[index]![0]!}`] : [`${name}:`, ...indented(values[index]!, width)])));
  const list = fc.tuple(fc.array(tie('value'), { minLength: 1, maxLength: 3 }), fc.integer({ min: 1, max: 3 }))
    .map(([values, width]) => values.flatMap(([first = '', ...rest]) => [`-${' '.repeat(width)}${first}`, ...indented(rest, width + 1)]));
  return { value: fc.oneof({ maxDepth: 4 }, { weight: 3, arbitrary: one }, { weight: 2, arbitrary: mapping }, { weight: 1, arbitrary: list }) };
}).value;

test('values of all shapes: what is read quickly is what the library reads', (t) => {
  let quick = 0;
  fc.assert(fc.property(written, fc.constantFrom('', 'items:\n', 'kind: List\nitems:\n  '), (lines, before) => {
    if (agrees(t, before === '' ? lines.join('\n') : before + lines.join(before.endsWith('  ') ? '\n  ' : '\n'))) quick++;
  }), { numRuns: 3000 });
  t.true(quick > 150, `${quick}`);
});

test('JSON of all shapes, indented or not', (t) => {
  fc.assert(fc.property(fc.dictionary(fc.constantFrom('a', 'items', 'kind', 'a b', 'é'), fc.jsonValue({ maxDepth: 4 })), fc.constantFrom(undefined, 2), (value, indent) => {
    agrees(t, JSON.stringify(value, null, indent));
  }), { numRuns: 2000 });
  t.true(agrees(t, JSON.stringify({ kind: 'List', items: [{ a: [1, 'b', null, true] }, {}, 5] }, null, 2)));
});

test('the manifests of this repository, nearly all of them quickly', (t) => {
  const texts = ['examples', 'test/golden', 'charts'].flatMap((folder) => readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => /\.ya?ml$/.test(name) && !name.includes('templates')).map((name) => readFileSync(join(folder, name), 'utf8')));
  const documents = texts.flatMap((text) => text.split(/^(?=---$)/m));
  const quick = documents.filter((text) => agrees(t, text)).length;
  t.log(`${quick} of ${documents.length}`);
  t.true(documents.length > 500 && quick > 0.8 * documents.length, `${quick} of ${documents.length}`);
});

test('what is not read quickly: tags, anchors, values of more than one line, nesting without end, keys twice', (t) => {
  for (const text of ['a: !!str 5', 'a: &b c', 'a: b\n  c', 'a: 1\na: 2', '__proto__: 1', `a: ${'['.repeat(150)}${']'.repeat(150)}`, Array.from({ length: 150 }, (_, index) => `${' '.repeat(index)}a:`).join('\n'), 'a: "b\n  c"', 'a:\tb', '\ufeffa: b']) t.is(quickly(text), undefined, text);
});
