import test from 'ava';
import fc from 'fast-check';
import { needMore, RequestHead } from '../codec/index.ts';
import { defaultLimits } from '../types.ts';
import { PartialHead } from './partial-head.ts';

const max = defaultLimits.maxHeadBytes;

test('property: a head in whatever pieces is found with its last byte, and is what was sent', (t) => {
  const line = fc.tuple(fc.stringMatching(/^[a-z]{1,9}$/), fc.stringMatching(/^[a-z]{0,90}$/)).map(([name, value]) => `${name}: ${value}\r\n`);
  fc.assert(
    fc.property(fc.array(line, { maxLength: 20 }), fc.array(fc.integer({ min: 1, max: 200 }), { maxLength: 30 }), (lines, sizes) => {
      const text = Buffer.from(`GET / HTTP/1.1\r\nHost: x\r\n${lines.join('')}\r\n`);
      const head = new RequestHead(defaultLimits);
      let p = Math.min(sizes[0] ?? 1, text.length - 1);
      const partial = new PartialHead(text.subarray(0, p), max);
      let found = false;
      for (let index = 1; p < text.length; index++) {
        const piece = text.subarray(p, p + (sizes[index] ?? 7));
        p += piece.length;
        const all = partial.append(piece, piece.length);
        if (all !== undefined) found = head.parse(all, 0, all.length) !== needMore;
        if (found && !all!.equals(text)) throw new Error('other bytes');
        if (found !== (p === text.length)) throw new Error(`found ${found} at ${p} of ${text.length}`);
      }
    }),
  );
  t.pass();
});

test('byte by byte it is looked at a few times, not once for each', (t) => {
  const lines = 'A: '.padEnd(520, 'b');
  const text = Buffer.from(`GET / HTTP/1.1\r\nHost: x\r\n${`${lines}\r\n`.repeat(120)}`);
  const partial = new PartialHead(text.subarray(0, 1), max);
  let looks = 0;
  for (let p = 1; p < text.length; p++) if (partial.append(text.subarray(p, p + 1), 1) !== undefined) looks++;
  t.true(text.length > 60_000);
  t.true(looks < 150, `${looks} looks`);
});

test('more than a head may have is looked at with every piece: to be refused', (t) => {
  const partial = new PartialHead(Buffer.alloc(max, 'a'), max);
  t.is(partial.append(Buffer.from('a'), 1)?.length, max + 1);
  t.is(partial.append(Buffer.from('a'), 1)?.length, max + 2);
});
