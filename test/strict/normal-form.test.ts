import test from 'ava';
import fc from 'fast-check';
import { RequestHead } from '../../proxy/codec/index.ts';
import { defaultLimits } from '../../proxy/types.ts';
import { normalTarget } from './normal-form.ts';

const forms: Readonly<Record<string, string | undefined>> = {
  '/a]b[': '/a%5Db%5B',
  '/a/./b/../c?x=/../%7e]': '/a/c?x=/../%7e]',
  '/%7eu/%e2%2E%2e/x': '/~u/%E2../x',
  '/a/%2e%2E/b': '/b',
  '/a//../b': '/a/b',
  '/..//a/.': '//a/',
  '/"<>^`{|}\xff': '/%22%3C%3E%5E%60%7B%7C%7D%FF',
  'http://strict.test?a': '/?a',
  'HTTPS://strict.test': '/',
  'http://strict.test/a/..': '/',
  '/a;b/..c;d/...;': '/a;b/..c;d/...;',
  '/a/..;/b': undefined, '/a/.;b=c': undefined, '/%2E%2e%3b': undefined,
  '/a%2fb': undefined, '/a\\b': undefined, '/a%00': undefined, '/a%': undefined, '/a#': undefined, '/a?b#c': undefined, '/a b': undefined, '*': undefined, 'a/b': undefined,
};
for (const [target, form] of Object.entries(forms)) test(`${target} is ${form ?? 'refused'}`, (t) => t.is(normalTarget(target), form));

/** What a proxy that forwards it sends. */
function sent(target: string, escapes: 'refused' | 'allowed'): string | undefined {
  const head = new RequestHead(defaultLimits);
  const bytes = Buffer.from(`GET ${target} HTTP/1.1\r\nHost: strict.test\r\n\r\n`, 'latin1');
  if (head.parse(bytes, 0, bytes.length) < 0 || head.form === 'asterisk' || (escapes === 'refused' && head.escapes !== 0)) return undefined;
  const { path, query, verbatim } = head;
  const whole = query === undefined ? path : `${path}?${query}`;
  if (verbatim && bytes.toString('latin1', head.targetStart, head.targetEnd) !== whole) throw new Error('what is forwarded as it came is not normal');
  return whole;
}

test('the proxy and the judge have one normal form', (t) => {
  const escape = fc.integer({ min: 0, max: 255 }).chain((byte) => fc.constantFrom(`%${byte.toString(16).padStart(2, '0')}`, `%${byte.toString(16).padStart(2, '0').toUpperCase()}`));
  const piece = fc.oneof(fc.constantFrom('/', '.', '..', '/.', '/..', '/./', '/../', '%2e', '%2E', '%2f', '%5C', '..;', '/.%3b', ';', '?', '%', '%4', '//', 'a', ':', '@'), escape, fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)));
  const start = fc.constantFrom('/', '/', '/', '', 'http://strict.test', 'https://strict.test/');
  fc.assert(
    fc.property(start, fc.array(piece, { maxLength: 12 }), (first, rest) => {
      const target = first + rest.join('');
      // Whose authority it is, is another question.
      if (first.startsWith('http') && !/^https?:\/\/strict\.test([/?#]|$)/.test(target)) return;
      for (const escapes of ['refused', 'allowed'] as const) t.is(sent(target, escapes), normalTarget(target, escapes), target);
    }),
    { numRuns: 5000 },
  );
});
