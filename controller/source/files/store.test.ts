import test from 'ava';
import { ManifestStore } from './store.ts';

const service = (name: string, port: number | string): string => `apiVersion: v1\nkind: Service\nmetadata: { name: ${name}, namespace: shop }\nspec: { ports: [{ port: ${port} }] }\n`;
const texts = (files: Readonly<Record<string, string>>): ReadonlyMap<string, string> => new Map(Object.entries(files));
const ports = (loaded: ReturnType<ManifestStore['update']>): Record<string, number | undefined> =>
  Object.fromEntries([...loaded.state.services].map(([key, { spec }]) => [key, spec.ports[0]?.port]));

test('a file that no longer parses goes on as it was, with file, line and column of the fault; the others move on', (t) => {
  const store = new ManifestStore();
  store.update(texts({ 'a.yaml': service('a', 1), 'b.yaml': service('b', 1) }));
  const broken = store.update(texts({ 'a.yaml': `${service('a', 2)}oops: [\n`, 'b.yaml': service('b', 2) }));
  t.deepEqual(ports(broken), { 'shop/a': 1, 'shop/b': 2 });
  t.deepEqual(broken.kept, ['a.yaml']);
  t.is(broken.problems[0]?.source.file, 'a.yaml');
  t.true((broken.problems[0]?.source.line ?? 0) >= 5);
  const mended = store.update(texts({ 'a.yaml': service('a', 3), 'b.yaml': service('b', 2) }));
  t.deepEqual([ports(mended), mended.problems, mended.kept], [{ 'shop/a': 3, 'shop/b': 2 }, [], []]);
});

test('an object that its schema refuses goes on as it was; its neighbours in the file move on', (t) => {
  const store = new ManifestStore();
  store.update(texts({ 'a.yaml': `${service('a', 1)}---\n${service('b', 1)}` }));
  const broken = store.update(texts({ 'a.yaml': `${service('a', 'many')}---\n${service('b', 2)}` }));
  t.deepEqual(ports(broken), { 'shop/b': 2, 'shop/a': 1 });
  t.deepEqual(broken.kept, ['a.yaml: Service shop/a']);
  t.is(broken.problems[0]?.source.line, 4);
});

test('a broken object stays broken over further edits without losing its last good version', (t) => {
  const store = new ManifestStore();
  store.update(texts({ 'a.yaml': service('a', 1) }));
  store.update(texts({ 'a.yaml': service('a', 'many') }));
  t.deepEqual(ports(store.update(texts({ 'a.yaml': service('a', 'more') }))), { 'shop/a': 1 });
});

test('a deleted file and a deleted document take their objects away', (t) => {
  const store = new ManifestStore();
  store.update(texts({ 'a.yaml': `${service('a', 1)}---\n${service('b', 1)}`, 'c.yaml': service('c', 1) }));
  t.deepEqual(ports(store.update(texts({ 'a.yaml': service('a', 1) }))), { 'shop/a': 1 });
});

test('while something in a file cannot be read, nothing is taken away that the file had', (t) => {
  const store = new ManifestStore();
  const whole = `${service('a', 1)}---\n${service('b', 1)}`;
  store.update(texts({ 'a.yaml': whole }));
  for (const text of [whole.replace('kind: Service', 'kind: Services'), whole.replace('name: a', 'nam: a'), whole.slice(0, whole.indexOf('spec')), whole.replace('v1', 'v7')]) {
    const broken = store.update(texts({ 'a.yaml': text }));
    t.deepEqual(Object.keys(ports(broken)).toSorted(), ['shop/a', 'shop/b'], text);
    t.true(broken.problems.length > 0 && broken.kept.length > 0, text);
  }
  t.deepEqual(ports(store.update(texts({ 'a.yaml': service('b', 2) }))), { 'shop/b': 2 });
});

test('the same object in two files is a problem; the first counts', (t) => {
  const loaded = new ManifestStore().update(texts({ 'a.yaml': service('a', 1), 'b.yaml': service('a', 2) }));
  t.deepEqual(ports(loaded), { 'shop/a': 1 });
  t.is(loaded.problems[0]?.message, 'Service shop/a occurs twice, first in a.yaml:1:1; remove one');
});

test('a file that is broken from the start gives what can be read of it', (t) => {
  const loaded = new ManifestStore().update(texts({ 'a.yaml': `${service('a', 1)}---\nkind: [\n` }));
  t.deepEqual(ports(loaded), { 'shop/a': 1 });
  t.true(loaded.problems.length > 0);
});
