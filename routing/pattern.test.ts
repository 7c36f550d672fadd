import test from 'ava';
import fc from 'fast-check';
import { checkPattern, literalPrefix, patternOf } from './pattern.ts';

test('a valid pattern has no problem', (t) => {
  for (const pattern of ['', '.*', '/users/[0-9]+', '(?i)foo|bar', '\\d{1,3}', '[[:alpha:]]+', '\\pL', '(?P<id>a)']) t.is(checkPattern(pattern), undefined, pattern);
});

test('what RE2 does not have is a problem: backreferences, lookaround, and what is no pattern at all', (t) => {
  for (const pattern of ['(a)\\1', '(?=a)', '(?<!a)b', '(', 'a**', '[b-a]', 'a{2,1}', '\\']) t.is(typeof checkPattern(pattern), 'string', pattern);
  t.is(checkPattern('('), 'missing closing ): `(`');
});

test('a pattern has bounds: 1024 characters, and repetitions that stay small', (t) => {
  t.is(checkPattern('a'.repeat(1024)), undefined);
  t.regex(checkPattern('a'.repeat(1025))!, /longer than 1024/);
  t.regex(checkPattern('(.{1000}){3}')!, /repeat/);
  t.regex(checkPattern('.{1000}.{1000}.{1000}')!, /repeats too much/);
});

test('a pattern matches the whole value, from the first character to the last', (t) => {
  t.true(patternOf('a|ab')('ab'));
  t.false(patternOf('a|b')('ab'));
  t.true(patternOf('^a$')('a'));
  t.false(patternOf('a')('a\n'));
  t.true(patternOf('')(''));
});

test('a pattern that makes a backtracking engine explode answers at once', (t) => {
  const start = performance.now();
  t.false(patternOf('(a+)+b')('a'.repeat(60_000)));
  t.false(patternOf('(a|a)*b')('a'.repeat(60_000)));
  t.false(patternOf('(a?){30}a{30}b')('a'.repeat(60_000)));
  t.true(performance.now() - start < 2000);
});

test('the literal beginning of a pattern', (t) => {
  const rows = { '/users/[0-9]+': '/users/', '^/a': '/a', '/ab?c': '/a', '/ab+': '/a', '/a{2}': '/', '.*': '', '/a|/b': '', '/(a|b)': '/', '/a\\.b\\-c': '/a.b-c', '(?i)/a': '', '\\Q/a': '' };
  for (const [pattern, prefix] of Object.entries(rows)) t.is(literalPrefix(pattern), prefix, pattern);
});

test('every value that a pattern matches begins with its literal beginning', (t) => {
  const piece = fc.constantFrom('/', 'a', 'b', '|', '(', ')', '*', '*', '?', '+', '{0}', '{2}', '^', '$', '.', '\\.', '\\|', '[|]', '[^(]', '(?i)', '\\Qa|b\\E', '\\Q\\E', '\\b');
  const patterns = fc.array(piece, { maxLength: 7 }).map((pieces) => `/a${pieces.join('')}`);
  const values = fc.array(fc.constantFrom('/', 'a', 'b', 'A', '.', '|'), { maxLength: 5 }).map((pieces) => pieces.join(''));
  let matched = 0;
  fc.assert(
    fc.property(patterns, fc.array(values, { minLength: 20, maxLength: 20 }), (pattern, several) => {
      for (const value of several) {
        if (!patternOf(pattern)(value)) continue;
        matched += 1;
        if (!value.startsWith(literalPrefix(pattern))) throw new Error(`${pattern} matches ${value}, which does not begin with ${literalPrefix(pattern)}`);
      }
    }),
    { numRuns: 1500 },
  );
  t.true(matched > 20, `only ${matched} values matched`);
});
