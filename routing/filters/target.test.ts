import test from 'ava';
import { match } from '../fixtures.ts';
import { targetRewrite } from './target.ts';

/** The table in the documentation of HTTPPathModifier.replacePrefixMatch, then cases that it leaves open. */
const prefixes: readonly [path: string, prefix: string, replacement: string, result: string][] = [
  ['/foo/bar', '/foo', '/xyz', '/xyz/bar'],
  ['/foo/bar', '/foo', '/xyz/', '/xyz/bar'],
  ['/foo/bar', '/foo/', '/xyz', '/xyz/bar'],
  ['/foo/bar', '/foo/', '/xyz/', '/xyz/bar'],
  ['/foo', '/foo', '/xyz', '/xyz'],
  ['/foo/', '/foo', '/xyz', '/xyz/'],
  ['/foo/bar', '/foo', '', '/bar'],
  ['/foo/', '/foo', '', '/'],
  ['/foo', '/foo', '', '/'],
  ['/foo/', '/foo', '/', '/'],
  ['/foo', '/foo', '/', '/'],
  ['/foo/bar', '/', '/xyz', '/xyz/foo/bar'],
  ['/', '/', '/xyz', '/xyz/'],
  ['/foo//bar', '/foo', '/xyz', '/xyz//bar'],
  ['/foo/bar', '/foo', 'xyz', '/xyz/bar'],
  ['/~foo/bar', '/%7efoo', '/xyz', '/xyz/bar'],
];

for (const [path, prefix, value, result] of prefixes) {
  test(`${path} with prefix ${prefix} replaced by "${value}" is ${result}`, (t) => {
    const rewrite = targetRewrite({ type: 'ReplacePrefixMatch', value }, match({ prefix }));
    t.is(rewrite(path, undefined), result);
    t.is(rewrite(path, 'a=1'), `${result}?a=1`);
  });
}

const fulls: readonly [value: string, query: string | undefined, result: string][] = [
  ['/one', undefined, '/one'],
  ['/one', 'a=1', '/one?a=1'],
  ['/one', '', '/one?'],
  ['/one?b=2', 'a=1', '/one?b=2'],
  ['one', undefined, '/one'],
  ['', undefined, '/'],
  ['/a b\r\nx: y#z', undefined, '/a%20b%0D%0Ax:%20y%23z'],
  ['/é', undefined, '/%C3%A9'],
  ['/!"$~\x7f', undefined, '/!"$~%7F'],
];

for (const [value, query, result] of fulls) {
  test(`a path replaced by ${JSON.stringify(value)} (query ${query ?? 'absent'}) is ${result}`, (t) => {
    t.is(targetRewrite({ type: 'ReplaceFullPath', value }, match({ exact: '/x' }))('/x', query), result);
  });
}

test('a replaced prefix on a match that has no prefix cuts nothing', (t) => {
  for (const sketch of [{ exact: '/foo' }, { prefix: '/a?b' }]) t.is(targetRewrite({ type: 'ReplacePrefixMatch', value: '/v2' }, match(sketch))('/foo', undefined), '/v2/foo');
});
