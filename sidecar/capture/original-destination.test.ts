import test from 'ava';
import { parseSockaddr } from './original-destination.ts';

test('an IPv4 and an IPv6 socket address', (t) => {
  const four = Buffer.alloc(28);
  four.writeUInt16LE(2, 0);
  four.writeUInt16BE(8080, 2);
  four.set([10, 96, 0, 1], 4);
  t.deepEqual(parseSockaddr(four), { host: '10.96.0.1', port: 8080 });
  const six = (words: readonly number[]): string | undefined => {
    const bytes = Buffer.alloc(28);
    bytes.writeUInt16LE(10, 0);
    bytes.writeUInt16BE(53, 2);
    for (const [index, word] of words.entries()) bytes.writeUInt16BE(word, 8 + index * 2);
    const parsed = parseSockaddr(bytes);
    t.is(parsed?.port, 53);
    return parsed?.host;
  };
  t.is(six([0xfd00, 0, 0, 1, 0, 0, 0, 1]), 'fd00:0:0:1::1');
  t.is(six([0xfd00, 0, 0, 0, 0, 0, 0, 0xa]), 'fd00::a');
  t.is(six([0, 0, 0, 0, 0, 0, 0, 1]), '::1');
  t.is(six([1, 2, 3, 4, 5, 6, 7, 8]), '1:2:3:4:5:6:7:8');
  t.is(six([1, 0, 3, 4, 5, 6, 7, 8]), '1:0:3:4:5:6:7:8');
  t.is(parseSockaddr(Buffer.alloc(28)), undefined);
});
