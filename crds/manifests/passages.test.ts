import test from 'ava';
import fc from 'fast-check';
import { builtInKinds, positionOf, readManifests, readManifestsInSteps, type FieldPath, type KubernetesObject, type ManifestFile, type Manifests } from '../index.ts';
import { readDocuments, type Steps, type Written } from './documents.ts';
import { documentsOf } from './passages.ts';
import { Place, TextFile } from './positions.ts';

const numRuns = 3000;
const always = { spend: () => true };

function run<T>(steps: Steps<T>): { readonly value: T; readonly count: number } {
  for (let count = 1; ; count++) {
    const { done, value } = steps.next();
    if (done === true) return { value, count };
  }
}

/** What is written, with offsets in the text. */
function offsets(reads: readonly (readonly [number, Written])[]): { readonly objects: readonly unknown[]; readonly faults: readonly unknown[] } {
  return {
    objects: reads.flatMap(([start, { objects }]) => objects.map(({ raw, offset }) => [raw, start + offset])),
    faults: reads.flatMap(([start, { faults }]) => faults.map(({ offset, message }) => [start + offset, message])),
  };
}

const line = fc.constantFrom('a: b', 'kind: List', 'items:', '- c: 1', '  b: [', ']', '---', '---', '--- # c', '--- a', '--- |', '---x', ' ---', '}', 'a: "x', "a: 'y", 'a: |', '  x', 'a: >-', '&a', '*a', '? x', ': y', '"', '', '# c', '{a: b', 'a: b}', '- - x', 'a: b\r', '---\r', '!!foo a', 'a: &b c', 'b: *b');

test('a file read document by document is what it is read whole', (t) => {
  fc.assert(fc.property(fc.array(line, { maxLength: 14 }), (lines) => {
    const text = lines.join('\n');
    const place = new Place(new TextFile('a', text), 0);
    const whole = run(readDocuments(text, place, always)).value;
    const apart = [...documentsOf(text)].map(([start, end]) => [start, run(readDocuments(text.slice(start, end), place, always)).value] as const);
    if (whole.faults.length === 0) return void t.deepEqual(offsets(apart), offsets([[0, whole]]), JSON.stringify(text));
    // Read whole, a fault may be told of another document than the one that it is in: brackets of the one before, an open quote of all that follow.
    t.true(apart.some(([, { faults }]) => faults.length > 0), JSON.stringify(text));
  }), { numRuns });
});

const documents = ['a', 'b', 'c', 'd', 'e'].flatMap((name) => [
  `apiVersion: v1\nkind: Service\nmetadata: { name: ${name} }\nspec: { ports: [{ port: 80 }] }\n`,
  `# ${name}\n\napiVersion: v1\nkind: Service\nmetadata:\n  name: ${name}\nspec:\n  ports:\n  - port: many\n`,
  `apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: ${name}\n`,
  `apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  metadata: { name: ${name} }\n- apiVersion: v1\n  kind: Namespace\n  metadata:\n    name: ${name}\n`,
  `kind: Service\nmetadata: [\n`,
]);
const files = fc.array(fc.array(fc.constantFrom(...documents), { maxLength: 6 }).map((parts) => parts.join('---\n')), { minLength: 1, maxLength: 2 });

/** All that is said of what was read, positions of fields among it. */
function said({ objects, problems, ignored }: Manifests): unknown {
  const fields = (object: KubernetesObject): unknown => [[], ['metadata', 'name'], ['spec', 'ports', 0, 'port']].map((path) => positionOf(object, path));
  return { objects: objects.map((object) => [object, object.source, fields(object)]), problems, ignored };
}

const named = (texts: readonly string[]): readonly ManifestFile[] => texts.map((text, index) => ({ file: `${index}.yaml`, text }));

test('files that are read again and again, with documents changed, moved, added and removed, are what they are read anew', (t) => {
  fc.assert(fc.property(fc.array(files, { minLength: 2, maxLength: 4 }), (editions) => {
    let before: Manifests | undefined;
    for (const texts of editions) {
      before = run(readManifestsInSteps(named(texts), builtInKinds, { pace: always, before })).value;
      t.deepEqual(said(before), said(readManifests(named(texts), builtInKinds)), JSON.stringify(texts));
    }
  }), { numRuns: 300 });
});

test('a document whose text is the same gives the same object, wherever it stands then; its neighbour that changed does not', (t) => {
  const service = (name: string, port: number): string => `apiVersion: v1\nkind: Service\nmetadata: { name: ${name} }\nspec: { ports: [{ port: ${port} }] }\n`;
  const read = (text: string, before?: Manifests): Manifests => run(readManifestsInSteps(named([text]), builtInKinds, { pace: always, before })).value;
  const first = read(`${service('a', 1)}---\n${service('b', 1)}---\n${service('c', 1)}`);
  const [a, b, c] = first.objects;
  const second = read(`${service('a', 1)}---\n${service('b', 2)}# longer\n---\n${service('c', 1)}`, first);
  t.is(second.objects[0], a);
  t.not(second.objects[1], b);
  t.is(second.objects[2], c);
  t.is(c?.source?.line, 12);
  t.deepEqual(positionOf(c as KubernetesObject, ['spec', 'ports', 0, 'port']), { file: '0.yaml', line: 15, column: 19 });
});

test('reading gives way after a few documents, also within one that is a long list, as YAML and as JSON', (t) => {
  const items = Array.from({ length: 500 }, (_, index) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: `c${index}` }, data: { key: 'value' } }));
  const blocks = items.map((item) => `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: ${item.metadata.name}\ndata:\n  key: value`);
  const texts = [blocks.join('\n---\n'), `apiVersion: v1\nkind: List\nitems:\n- ${blocks.map((block) => block.replaceAll('\n', '\n  ')).join('\n- ')}\n`, JSON.stringify({ apiVersion: 'v1', kind: 'List', items }, null, 2), blocks.map((block) => `${block}\n  tagged: !!str 5`).join('\n---\n')];
  for (const text of texts) {
    let spent = 0;
    const pace = { spend: (count = 1) => (spent += count) >= 100 && (spent = 0) === 0 };
    const { value, count } = run(readManifestsInSteps(named([text]), builtInKinds, { pace }));
    t.is(value.objects.length, 500);
    t.true(count > 100, `${count} steps`);
  }
});

test('a long list is what its items are in a short one: as YAML, as JSON, with positions of fields', (t) => {
  const item = (name: string): object => ({ apiVersion: 'v1', kind: 'Service', metadata: { name, annotations: { a: 'b # c', d: "it's" } }, spec: { ports: [{ name: 'a', port: 80 }, { name: 'b', port: 81 }] } });
  const block = (name: string): string => `apiVersion: v1\n  kind: Service # c\n  metadata:\n    name: ${name}\n    annotations: { a: "b # c", d: 'it''s' }\n  spec:\n    ports:\n    - name: a\n      port: 80\n    - {port: 81, name: b}`;
  const names = Array.from({ length: 60 }, (_, index) => `s${index}`);
  const paths: readonly FieldPath[] = [[], ['kind'], ['metadata', 'name'], ['spec', 'ports'], ['spec', 'ports', 0], ['spec', 'ports', 1, 'name'], ['spec', 'ports', 1, 'targetPort']];
  const forms: readonly ((of: readonly string[]) => string)[] = [
    (of) => `# c\nkind: List\napiVersion: v1\nitems:\n- ${of.map(block).join('\n# between\n- ')}\nmetadata: {}\n`,
    (of) => `---\nkind: ServiceList\napiVersion: v1\nitems:\n  -\n    ${of.map((name) => block(name).replaceAll('\n', '\n  ')).join('\n\n  -\n    ')}\n`,
    (of) => JSON.stringify({ kind: 'List', apiVersion: 'v1', items: of.map(item) }),
    (of) => JSON.stringify({ kind: 'List', apiVersion: 'v1', items: of.map(item) }, null, 2),
  ];
  for (const form of forms) {
    const long = readManifests(named([form(names)]), builtInKinds);
    const short = readManifests(named([form(names.slice(0, 3))]), builtInKinds).objects;
    t.deepEqual(long.problems, []);
    t.is(long.objects.length, 60);
    for (const [index, object] of short.entries()) {
      t.deepEqual(long.objects[index], object);
      for (const path of paths) t.deepEqual(positionOf(long.objects[index]!, path), positionOf(object, path), path.join('.'));
    }
  }
});

test('in a long list an alias of another item, a tag of an item and a fault are what they are in a short one', (t) => {
  const service = (name: string): string => `- {apiVersion: v1, kind: Service, metadata: {name: ${name}}, spec: {ports: [{port: 80}]}}`;
  const many = Array.from({ length: 60 }, (_, index) => service(`s${index}`));
  const read = (...lines: readonly string[]): Manifests => readManifests(named([`kind: List\napiVersion: v1\nitems:\n${lines.join('\n')}\n`]), builtInKinds);
  t.is(read(...many, '- &a {apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: &d {k: v}}', '- {apiVersion: v1, kind: Secret, metadata: {name: b}, stringData: *d}').objects.length, 62);
  for (const line of ['- {a: 1, a: 2}', '- [', '- !!foo {}', '- {a: *nowhere}', '- {? [a] : b}', `- {a: ${'['.repeat(99)}${']'.repeat(99)}}`]) {
    const [long, short] = [read(...many, line), read(many[0]!, line)];
    t.deepEqual([long.objects.length, long.problems.map(({ message }) => message)], [0, short.problems.map(({ message }) => message)], line);
    // An alias of nothing is told of the document as a whole.
    const at = short.problems[0]?.source.line ?? 0;
    t.is(long.problems[0]?.source.line, at === 1 ? 1 : at + 59, line);
  }
});
