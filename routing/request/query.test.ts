import test from 'ava';
import fc from 'fast-check';
import { queryValue } from './query.ts';

const rows: readonly [query: string, name: string, value: string | undefined][] = [
  ['a=1&b=2', 'b', '2'],
  ['a=1&a=2', 'a', '1'],
  ['ab=1&a=2', 'a', '2'],
  ['a', 'a', ''],
  ['a=', 'a', ''],
  ['a=b=c', 'a', 'b=c'],
  ['&&a=1', 'a', '1'],
  ['b&a=1', 'a', '1'],
  ['%61=1', 'a', '1'],
  ['a%2Bb=1', 'a+b', '1'],
  ['a+b=1', 'a b', '1'],
  ['a+b=1', 'a+b', undefined],
  ['a=1+2%2B3', 'a', '1 2+3'],
  ['a=%C3%A9', 'a', 'é'],
  ['a=\u00c3\u00a9', 'a', 'é'],
  ['a=100%', 'a', '100%'],
  ['a=%zz%4', 'a', '%zz%4'],
  ['a=%FF', 'a', '\ufffd'],
  ['a=1;b=2', 'b', undefined],
  ['', 'a', undefined],
];

for (const [query, name, value] of rows) {
  test(`in "${query}" the parameter ${name} is ${value ?? 'absent'}`, (t) => t.is(queryValue(query, name), value));
}

test('agrees with URLSearchParams', (t) => {
  const piece = fc.constantFrom('a', 'b', '&', '=', '+', '%', '%61', '%26', '%C3%A9', '1');
  const queries = fc.array(piece).map((pieces) => pieces.join(''));
  fc.assert(
    fc.property(queries, fc.constantFrom('a', 'b', 'aa', 'a b', '1', 'é'), (query, name) => (queryValue(query, name) ?? null) === new URLSearchParams(query).get(name)),
    { numRuns: 2000 },
  );
  t.pass();
});
