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
  const chunk = fc.string({ minLength: 1, maxLength: 40, unit: fc.constantFrom('a', '\r', '\n', '0', ';'), size: 'max' });
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

test('a size is hexadecimal, of up to twelve digits', (t) => {
  for (const [size, digits] of [[15, 'f'], [16, '10'], [255, 'FF'], [4096, '1000'], [4098, '000000001002']] as const) {
    t.deepEqual(readText(`${digits}\r\n${'x'.repeat(size)}\r\n0\r\n\r\n`), { data: 'x'.repeat(size), rest: '' }, digits);
  }
  const reader = new ChunkedReader();
  const bytes = Buffer.from('fFFffFFffFFf\r\nxy');
  t.is(reader.next(bytes, 0, bytes.length), bytes.length);
  t.deepEqual([reader.dataStart, reader.dataEnd, reader.done], [14, 16, false]);
});

test('a size line has room for 256 bytes of extension, and of space behind the first', (t) => {
  for (const [space, extension, whole] of [[0, 256, true], [0, 257, false], [257, 0, true], [258, 0, false], [101, 156, true], [101, 157, false]] as const) {
    t.is(readText(`1${' '.repeat(space)};${'a'.repeat(extension)}\r\nx\r\n0\r\n\r\n`)?.data, whole ? 'x' : undefined, `${space} ${extension}`);
  }
  t.is(readText(`1;${'a'.repeat(200)}\r\nx\r\n`.repeat(20) + '0\r\n\r\n')?.data, 'x'.repeat(20), 'each line anew');
});

test('trailers are kept as they came, up to 8 KiB, and are another body\'s no more', (t) => {
  const reader = new ChunkedReader();
  const trailersOf = (trailers: string): string | undefined => {
    const bytes = Buffer.from(`1\r\nx\r\n0\r\n${trailers}\r\n`, 'latin1');
    reader.reset();
    for (let p = 0; p < bytes.length && !reader.done; ) {
      p = reader.next(bytes, p, bytes.length);
      if (p === brokenChunk) return 'broken';
    }
    return reader.trailers?.toString('latin1');
  };
  t.is(trailersOf(''), undefined);
  for (const length of [1, 500, 503, 504, 505, 506, 507, 508, 2000, 2040, 2041, 2042, 8180, 8184]) {
    const trailers = `A: ${'b\xe9'.repeat(length).slice(0, length)}\r\n`;
    t.is(trailersOf(trailers), trailers.length + 2 <= 8192 ? `${trailers}\r\n` : 'broken', String(length));
  }
  t.is(trailersOf(`A: ${'b'.repeat(8185)}\r\n`), `A: ${'b'.repeat(8185)}\r\n\r\n`);
  t.is(trailersOf(`A: ${'b'.repeat(8186)}\r\n`), 'broken');
  t.is(trailersOf(''), undefined);
});
