import test from 'ava';
import { spent } from './spent.ts';

test('the memory of a large read is given back at once; what is small, or part of other memory, stays', (t) => {
  const read = Buffer.from(new ArrayBuffer(65_536));
  spent(read);
  t.is(read.length, 0);
  t.is(read.buffer.byteLength, 0);
  const small = Buffer.from(new ArrayBuffer(1000));
  spent(small);
  t.is(small.length, 1000);
  const memory = new ArrayBuffer(65_536);
  spent(Buffer.from(memory, 0, 32_768));
  spent(Buffer.from(memory, 16_384));
  t.is(memory.byteLength, 65_536);
  const shared = Buffer.from(new SharedArrayBuffer(65_536));
  spent(shared);
  t.is(shared.length, 65_536);
});
