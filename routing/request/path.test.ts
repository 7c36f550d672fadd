import test from 'ava';
import fc from 'fast-check';
import type { PathEscape } from '#snapshot';
import { escapeProblem, normalizePath, type NormalTarget } from './path.ts';

const normal: readonly [target: string, path: string, query?: string][] = [
  ['/', '/'],
  ['/a/b', '/a/b'],
  ['/a//b', '/a//b'],
  ['/a?x=1', '/a', 'x=1'],
  ['/?', '/', ''],
  ['/a?b?c', '/a', 'b?c'],
  ['/a/./b', '/a/b'],
  ['/a/../b', '/b'],
  ['/a/..', '/'],
  ['/a/.', '/a/'],
  ['/a/b/..', '/a/'],
  ['/../../a', '/a'],
  ['/..?x', '/', 'x'],
  ['/a/%2e%2E/b', '/b'],
  ['/a/.%2e/b', '/b'],
  ['/.well-known/x', '/.well-known/x'],
  ['/a/...', '/a/...'],
  ['/a./b.', '/a./b.'],
  ['/%41%7e%2d%5f%2E1', '/A~-_.1'],
  ['/%3a%c3%a9', '/%3A%C3%A9'],
  ['/%25%32%66', '/%252f'],
  ['/caf\u00c3\u00a9', '/caf%C3%A9'],
  ['/a|b{c}"', '/a%7Cb%7Bc%7D%22'],
  ['/a?x=%2F\\|#'.slice(0, -1), '/a', 'x=%2F\\|'],
];

for (const [target, path, query] of normal) {
  test(`${target} is ${path}`, (t) => t.deepEqual(normalizePath(target), { path, query, escapes: 0 }));
}

const problems = ['', 'a', '*', 'http://a/', '/%', '/%4', '/%zz', '/a\\b', '/a#b', '/a b', '/a\tb', '/a\u0000', '/a\u007f', '/a?b#c', '/a?b c', '/a?\n', '/\u0394'];

for (const target of problems) {
  test(`${JSON.stringify(target)} is refused`, (t) => t.true('problem' in normalizePath(target)));
}

const escaped: readonly (readonly [target: string, path: string, escapes: readonly string[]])[] = [
  ['/a%2fb', '/a%2Fb', ['%2F']],
  ['/a%5cb?c=%2F', '/a%5Cb', ['%5C']],
  ['/a/b%00', '/a/b%00', ['%00']],
  ['/%2F%5c/..a%2f', '/%2F%5C/..a%2F', ['%2F', '%5C']],
  ['/a?b=%2F', '/a', []],
  ['/%252F%255C%2500', '/%252F%255C%2500', []],
];

const subsets: readonly (readonly PathEscape[])[] = [[], ['%2F'], ['%5C'], ['%00'], ['%2F', '%5C'], ['%00', '%2F'], ['%5C', '%00'], ['%2F', '%5C', '%00']];

for (const [target, path, escapes] of escaped) {
  test(`${target} is ${path}, for who allows ${escapes.length === 0 ? 'nothing' : escapes.join(' and ')}`, (t) => {
    const normal = normalizePath(target);
    if ('problem' in normal) throw new Error(normal.problem);
    t.is(normal.path, path);
    for (const allowed of subsets) {
      const missing = escapes.filter((escape) => !allowed.includes(escape as PathEscape));
      t.is(escapeProblem(normal, { allowedEscapes: allowed })?.problem, missing.length === 0 ? undefined : `the path contains the escape ${missing[0]}`);
    }
    t.is(escapeProblem(normal, {}) === undefined, escapes.length === 0);
  });
}

for (const target of ['/..%2Fb', '/a%2F..', '/a%5C..%5Cb', '/a/.%2fb', '/a%2F.', '/a/%2e%2e%2Fb', '/a%2F%2e%2e/b', '/a/..%5C..', '/a%2Fb/../c', '/a/./b%2Fc', '/a%2F../..', '/./%00']) {
  test(`${target} would be another path behind us, and is refused`, (t) => t.true('problem' in normalizePath(target)));
}

for (const target of ['/a/..;/b', '/..;x=1/b', '/a/.;/b', '/a/..;', '/a/%2e%2e;/b', '/a/..%3b/b', '/a/.%2E%3Bx', '/a%2F..;/b', '/a%5C.;']) {
  test(`${target} is a dot segment to who leaves out parameters first, and is refused`, (t) => t.true('problem' in normalizePath(target)));
}

for (const target of ['/a;/b', '/a;x=..', '/a..;/b', '/...;/b', '/.a;b', '/;/..a', '/a?b=/..;/c']) {
  test(`${target} has parameters, and goes on`, (t) => t.is(forwarded(target), target));
}

const bytes = Array.from({ length: 256 }, (_, code) => ({ char: String.fromCharCode(code), escape: `%${code.toString(16).toUpperCase().padStart(2, '0')}` }));

/** The target as forwarded, undefined where it is refused. */
function forwarded(target: string): string | undefined {
  const normal = normalizePath(target);
  if ('problem' in normal) return undefined;
  return normal.query === undefined ? normal.path : `${normal.path}?${normal.query}`;
}

test('what becomes of each byte in a path', (t) => {
  const isRefused = (char: string): boolean => char <= ' ' || '\x7f\\#'.includes(char);
  const isPlain = (char: string): boolean => /[-A-Za-z0-9._~!$&'()*+,;=:@/?]/.test(char);
  for (const { char, escape } of bytes) if (char !== '%') t.is(forwarded(`/a${char}b`), isRefused(char) ? undefined : `/a${isPlain(char) ? char : escape}b`);
});

test('what becomes of the escape of each byte in a path', (t) => {
  for (const { char, escape } of bytes) {
    const expected = `/a${/[-A-Za-z0-9._~]/.test(char) ? char : escape}b`;
    t.deepEqual([forwarded(`/a${escape}b`), forwarded(`/a${escape.toLowerCase()}b`)], [expected, expected]);
    t.is((normalizePath(`/a${escape}b`) as NormalTarget).escapes !== 0, '/\\\0'.includes(char));
  }
});

test('what becomes of each byte in a query', (t) => {
  for (const { char } of bytes) t.is(forwarded(`/?a${char}b`), char <= ' ' || '\x7f#'.includes(char) ? undefined : `/?a${char}b`);
});

test('a normal path stays as it is, has no dot segment and holds only what a path may hold', (t) => {
  const piece = fc.constantFrom('/', '%2f', '%5C', '.', '..', '%2e', '%2E%2e', 'a', '%61', '%c3', '|', '\u00ff', '~', '%3F', '%25');
  const targets = fc.array(piece).map((pieces) => `/${pieces.join('')}`);
  fc.assert(
    fc.property(targets, (target) => {
      const first = normalizePath(target);
      if ('problem' in first) return /%2f|%5C/.test(target) && /\/(\.|%2e){1,2}(\/|$)/i.test(target.replaceAll(/%2f|%5C/g, '/'));
      const again = normalizePath(first.path);
      return 'path' in again && again.path === first.path && !/\/\.{1,2}(\/|$)/.test(first.path.replaceAll(/%2F|%5C/g, '/')) && /^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9A-F]{2})+$/.test(first.path);
    }),
  );
  t.pass();
});

test('whatever the target, the answer is a path or a problem', (t) => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => typeof normalizePath(`/${text}`) === 'object'));
  t.pass();
});
