import test from 'ava';
import type { HeaderFilter } from '#snapshot';
import { editsOf, nameTest, noHeaderEdits, withFilter } from './headers.ts';
import type { HeaderEdits } from '../types.ts';

function filter(actions: { readonly set?: Record<string, string>; readonly add?: Record<string, string>; readonly remove?: readonly string[] }): HeaderFilter {
  const values = (record: Record<string, string> = {}) => Object.entries(record).map(([name, value]) => ({ name, value }));
  return { type: 'RequestHeaderModifier', set: values(actions.set), add: values(actions.add), remove: actions.remove ?? [] };
}

function edits(...filters: readonly HeaderFilter[]): HeaderEdits | undefined {
  return editsOf(filters.reduce(withFilter, noHeaderEdits));
}

/** What is left of a head's lines. */
function applied(lines: readonly string[], edit: HeaderEdits | undefined): readonly string[] {
  if (edit === undefined) return lines;
  const kept = lines.filter((line) => {
    const bytes = new TextEncoder().encode(line);
    return !edit.drops(bytes, 0, line.indexOf(':'));
  });
  return [...kept, ...edit.lines.split('\r\n').slice(0, -1)];
}

const rows: readonly [sentence: string, before: readonly string[], filters: readonly HeaderFilter[], after: readonly string[]][] = [
  ['set overwrites', ['my-header: foo'], [filter({ set: { 'my-header': 'bar' } })], ['my-header: bar']],
  ['set overwrites every line of the name, in any case', ['My-Header: a', 'x: y', 'MY-HEADER: b'], [filter({ set: { 'my-header': 'bar' } })], ['x: y', 'my-header: bar']],
  ['set makes a header that is not there', ['x: y'], [filter({ set: { 'My-Header': 'bar' } })], ['x: y', 'My-Header: bar']],
  ['add appends to what is there', ['my-header: foo'], [filter({ add: { 'my-header': 'bar,baz' } })], ['my-header: foo', 'my-header: bar,baz']],
  ['remove removes, in any case', ['My-Header1: a', 'my-header2: b', 'my-header3: c'], [filter({ remove: ['my-header1', 'MY-HEADER3'] })], ['my-header2: b']],
  ['remove, then set, then add', ['a: 1'], [filter({ remove: ['a'], set: { a: '2' }, add: { a: '3' } })], ['a: 2', 'a: 3']],
  ['of equal names in one list the first counts', [], [filter({ set: { Foo: '1', foo: '2' } })], ['Foo: 1']],
  ['a later filter sees what an earlier one added', ['a: 0'], [filter({ add: { a: '1', b: '1' } }), filter({ remove: ['a'], add: { b: '2' } })], ['b: 1', 'b: 2']],
  ['a later set replaces an earlier one', ['a: 0'], [filter({ set: { a: '1' } }), filter({ set: { A: '2' } })], ['A: 2']],
  ['framing stays the proxy\'s', ['Content-Length: 3'], [filter({ set: { 'Content-Length': '5', 'Transfer-Encoding': 'x' }, remove: ['content-length'], add: { Connection: 'x' } })], ['Content-Length: 3']],
  ['a value can\'t begin a new line', [], [filter({ set: { a: '1\r\nx: 2\0\t3' } })], ['a: 1  x: 2 \t3']],
  ['other spellings of a name are the same to some backends, and go as well', ['X_User: a', 'x.user: b', 'X-User1: c', 'XxUser: d'], [filter({ set: { 'X-User': 'e' } })], ['X-User1: c', 'XxUser: d', 'X-User: e']],
  ['but only for its dashes', ['X-User: a', 'x_user: b'], [filter({ remove: ['x_user'] })], ['X-User: a']],
  ['a name that is none is not written', [], [filter({ set: { 'a b': '1', 'a:': '2' } })], []],
  ['other text goes as UTF-8', [], [filter({ set: { a: 'é' } })], ['a: \u00c3\u00a9']],
];

for (const [sentence, before, filters, after] of rows) test(sentence, (t) => t.deepEqual(applied(before, edits(...filters)), after));

test('no filter, no edits', (t) => {
  t.is(edits(), undefined);
  t.is(edits(filter({})), undefined);
});

test('a Host that is set becomes part of the target, not a second line', (t) => {
  const draft = withFilter(noHeaderEdits, filter({ set: { Host: 'other.org' }, remove: ['host'] }));
  t.deepEqual([draft.host, [...draft.drop], draft.append], ['other.org', [], []]);
});

test('names are compared byte by byte at their place', (t) => {
  const drops = nameTest(new Set(['x-a', 'x_b', '^']));
  const bytes = new TextEncoder().encode('--X-A--x_b--X\u007fb--~--^');
  t.true(drops(bytes, 2, 5));
  t.false(drops(bytes, 2, 4));
  t.true(drops(bytes, 7, 10));
  t.false(drops(bytes, 12, 15));
  t.false(drops(bytes, 17, 18));
  t.true(drops(bytes, 20, 21));
});
