import test from 'ava';
import fc from 'fast-check';
import { sniff, type Verdict } from './sniff.ts';

const cases: readonly [string, Verdict][] = [
  ['GET / HTTP/1.1\r\nHost: a\r\n', 'http'],
  ['POST /x?y=1 HTTP/1.0\n', 'http'],
  ['OPTIONS * HTTP/1.1\r\n', 'http'],
  ['GET http://a/b HTTP/1.1\r\n', 'http'],
  ['VERSION-CONTROL / HTTP/1.1\r\n', 'http'],
  [`GET /${'x'.repeat(9000)}`, 'http'],
  ['G', 'more'],
  ['GET ', 'more'],
  ['GET /path', 'more'],
  ['GET key\r\n', 'opaque'],
  ['GET /key\r\n', 'opaque'],
  ['PING\r\n', 'opaque'],
  ['*1\r\n$4\r\nPING\r\n', 'opaque'],
  ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0', 'http2'],
  ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r', 'more'],
  ['PRI * HTTP/2.0\r\n\r\nXX', 'opaque'],
  ['PRI / HTTP/1.1\r\n', 'opaque'],
  ['CONNECT a:80 HTTP/1.1\r\n', 'opaque'],
  ['\x16\x03\x01\x02\x00\x01\x00\x01', 'opaque'],
  ['\r\nGET / HTTP/1.1\r\n', 'opaque'],
  ['get / HTTP/1.1\r\n', 'opaque'],
  ['A'.repeat(21), 'opaque'],
  ['GET / HTTP/3.0\r\n', 'opaque'],
];

for (const [text, verdict] of cases) test(`${JSON.stringify(text.slice(0, 30))}: ${verdict}`, (t) => t.is(sniff(Buffer.from(text, 'latin1')), verdict));

test('however the bytes are cut, the last word is the same', (t) => {
  fc.assert(
    fc.property(fc.constantFrom(...cases), fc.nat(), ([text], cut) => {
      const bytes = Buffer.from(text, 'latin1');
      const early = sniff(bytes.subarray(0, cut % (bytes.length + 1)));
      return early === 'more' || early === sniff(bytes);
    }),
  );
  t.pass();
});
