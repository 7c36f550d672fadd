import test from 'ava';
import fc from 'fast-check';
import { brokenChunk, ChunkedReader } from './chunked.ts';

/** The body's data and what is left behind it, or undefined where it is broken or unfinished. */
function read(pieces: readonly Buffer[]): { data: string; rest: string } | undefined {
  const reader = new ChunkedReader();
  let data = '';
  let rest = '';
  for (const piece of pieces) {
    let p = 0;
    while (p < piece.length && !reader.done) {
      p = reader.next(piece, p, piece.length);
      if (p === brokenChunk) return undefined;
      data += piece.toString('latin1', reader.dataStart, reader.dataEnd);
    }
    rest += piece.toString('latin1', p);
  }
  return reader.done ? { data, rest } : undefined;
}

const readText = (text: string) => read([Buffer.from(text, 'latin1')]);

test('data comes out, extensions and trailers do not', (t) => {
  t.deepEqual(readText('5\r\nhello\r\n6;a=b;c="d"\r\n world\r\n0\r\nX-Trailer: 1\r\nB: 2\r\n\r\nGET'), { data: 'hello world', rest: 'GET' });
  t.deepEqual(readText('0\r\n\r\n'), { data: '', rest: '' });
  t.deepEqual(readText('5 \t;a\r\nhello\r\n0 ; b\r\n\r\n'), { data: 'hello', rest: '' });
  t.deepEqual(readText('00A\r\n0123456789\r\n0\r\n\r\n'), { data: '0123456789', rest: '' });
});

const broken: Record<string, string> = {
  'no size': '\r\nhello\r\n0\r\n\r\n',
  'a negative size': '-5\r\nhello\r\n0\r\n\r\n',
  'a size with 0x': '0x5\r\nhello\r\n0\r\n\r\n',
  'a space before the size': ' 5\r\nhello\r\n0\r\n\r\n',
  'a space behind the size': '5 \r\nhello\r\n0\r\n\r\n',
  'a size line that ends in LF': '5\nhello\r\n0\r\n\r\n',
  'data that ends in LF': '5\r\nhello\n0\r\n\r\n',
  'data that is too long': '5\r\nhello!\r\n0\r\n\r\n',
  'a size of 13 digits': '0000000000005\r\nhello\r\n0\r\n\r\n',
  'a bare CR in an extension': '5;a\rb\r\nhello\r\n0\r\n\r\n',
  'a LF in an extension': '5;a\nb\r\nhello\r\n0\r\n\r\n',
  'an extension without end': `5;${'a'.repeat(300)}\r\nhello\r\n0\r\n\r\n`,
  'trailers without end': `0\r\n${'A: b\r\n'.repeat(2000)}\r\n`,
  'a folded trailer': '0\r\nA: b\r\n c\r\n\r\n',
  'a trailer that is no field': '0\r\nA\r\n\r\n',
  'a space in the name of a trailer': '0\r\nA : b\r\n\r\n',
  'a trailer without name': '0\r\n: b\r\n\r\n',
  'a digit behind space': '5 5;a\r\nhello\r\n0\r\n\r\n',
  'space without end': `5${' '.repeat(300)};a\r\nhello\r\n0\r\n\r\n`,
  'a bare CR in a trailer': '0\r\nA: b\rc\r\n\r\n',
  'LF for the last line': '0\r\n\n',
};

for (const [title, text] of Object.entries(broken)) {
  test(`broken: ${title}`, (t) => t.is(readText(text), undefined));
}

test('however it is cut, the same data comes out', (t) => {
  const chunk = fc.string({ minLength: 1, maxLength: 40, unit: fc.constantFrom('a', '\r', '\n', '0', ';') });
  fc.assert(
    fc.property(fc.array(chunk, { maxLength: 6 }), fc.array(fc.nat(60), { maxLength: 12 }), (chunks, cuts) => {
      const coded = Buffer.from(`${chunks.map((data) => `${data.length.toString(16)};x\r\n${data}\r\n`).join('')}0\r\n\r\nrest`, 'latin1');
      const pieces: Buffer[] = [];
      let from = 0;
      for (const cut of cuts) {
        pieces.push(coded.subarray(from, from + cut));
        from = Math.min(coded.length, from + cut);
      }
      pieces.push(coded.subarray(from));
      t.deepEqual(read(pieces), { data: chunks.join(''), rest: 'rest' });
    }),
  );
});
