import fc from 'fast-check';
import test from 'ava';
import { Collector } from '../fields/index.ts';
import { defaultHttp2Limits } from '../limits.ts';
import { HeaderDecoder } from './decoder.ts';
import { HeaderEncoder } from './encoder.ts';
import { decodeHuffman, encodeHuffman, notHuffman } from './huffman.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

function decoding(limits: Partial<typeof defaultHttp2Limits> = {}) {
  const decoder = new HeaderDecoder(new Collector({ ...defaultHttp2Limits, ...limits }));
  const decode = (bytes: Buffer, side: 'request' | 'response' | 'trailers' = 'request') => decoder.decode(bytes, 0, bytes.length, side);
  return { decoder, decode };
}

// RFC 7541, Appendix C.3 and C.4: the same three requests, without and with Huffman codes.
const requests = {
  plain: ['8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d', '8286 84be 5808 6e6f 2d63 6163 6865', '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65'],
  huffman: ['8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff', '8286 84be 5886 a8eb 1064 9cbf', '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf'],
};

for (const [coding, blocks] of Object.entries(requests)) {
  test(`RFC 7541, C.3/C.4: three requests on one connection, ${coding}`, (t) => {
    const { decoder, decode } = decoding();
    const first = decode(hex(blocks[0]!))!;
    t.deepEqual([first.method, first.scheme, first.path, first.authority, first.fault], ['GET', 'http', '/', 'www.example.com', '']);
    t.is(decoder.table.size, 57);
    const second = decode(hex(blocks[1]!))!;
    t.deepEqual(second.entries(), [['cache-control', 'no-cache']]);
    t.is(second.authority, 'www.example.com');
    t.is(decoder.table.size, 110);
    const third = decode(hex(blocks[2]!))!;
    t.deepEqual([third.scheme, third.path, third.authority], ['https', '/index.html', 'www.example.com']);
    t.deepEqual(third.entries(), [['custom-key', 'custom-value']]);
    t.is(decoder.table.size, 164);
  });
}

// RFC 7541, C.5 and C.6, whose table holds 256 octets.
const responses = {
  plain: [
    '4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
    '4803 3330 37c1 c0bf',
    '88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31',
  ],
  huffman: [
    '4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3',
    '4883 640e ffc1 c0bf',
    '88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07',
  ],
};

for (const [coding, blocks] of Object.entries(responses)) {
  test(`RFC 7541, C.5/C.6: three responses through a table of 256 octets, ${coding}`, (t) => {
    const { decoder, decode } = decoding();
    const date = 'Mon, 21 Oct 2013 20:13:21 GMT';
    const common = [['cache-control', 'private'], ['date', date], ['location', 'https://www.example.com']];
    const first = decode(Buffer.concat([hex('3f e1 01'), hex(blocks[0]!)]), 'response')!;
    t.is(first.status, 302);
    t.deepEqual(first.entries(), common);
    t.is(decoder.table.size, 222);
    const second = decode(hex(blocks[1]!), 'response')!;
    t.is(second.status, 307);
    t.deepEqual(second.entries(), common);
    t.is(decoder.table.size, 222);
    const third = decode(hex(blocks[2]!), 'response')!;
    t.is(third.status, 200);
    t.deepEqual(third.entries(), [
      ['cache-control', 'private'],
      ['date', 'Mon, 21 Oct 2013 20:13:22 GMT'],
      ['location', 'https://www.example.com'],
      ['content-encoding', 'gzip'],
      ['set-cookie', 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1'],
    ]);
    t.is(decoder.table.size, 215);
  });
}

test('RFC 7541, C.2: each kind of literal; a never-indexed one stays so', (t) => {
  const { decoder, decode } = decoding();
  t.deepEqual(decode(hex('400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572'), 'trailers')!.entries(), [['custom-key', 'custom-header']]);
  t.is(decoder.table.size, 55);
  const secret = decode(hex('1008 7061 7373 776f 7264 0673 6563 7265 74'), 'trailers')!;
  t.deepEqual(secret.entries(), [['password', 'secret']]);
  t.is(secret.sensitive[0], 1);
  t.is(decoder.table.size, 55);
  const encoded = new HeaderEncoder().begin().putFields(secret.bytes, secret, { drops: new Uint8Array(32) }).copy();
  t.deepEqual(encoded, hex('1008 7061 7373 776f 7264 0673 6563 7265 74'));
});

test('what is not HPACK is refused', (t) => {
  const bad = {
    'index 0': '80',
    'index beyond the tables': 'ff 80 01',
    'index of an empty dynamic table': 'be',
    'index without an end': 'ff',
    'integer beyond 2^28': 'ff ff ff ff ff ff 0f',
    'integer of zeros without an end': 'ff 80 80 80 80 80 80 80 80 00',
    'name beyond the end': '00 7f 01 61',
    'value missing': '00 01 61',
    'value beyond the end': '00 01 61 05 62',
    'table larger than allowed': '3f e2 1f',
    'size update behind a field': '82 20',
    'three size updates': '20 20 20',
    'Huffman padding of zeros': '00 01 61 81 18',
    'Huffman padding of a whole byte': '00 01 61 82 1f ff',
    'Huffman end of string': '00 01 61 84 ff ff ff ff',
  };
  for (const [what, bytes] of Object.entries(bad)) t.is(decoding().decode(hex(bytes)), undefined, what);
});

test('size updates: down to nothing and up again empties the table', (t) => {
  const { decoder, decode } = decoding();
  decode(hex(requests.plain[0]!));
  t.is(decoder.table.count, 1);
  t.truthy(decode(hex('20 3f e1 1f 82 86 84 01 01 61')));
  t.is(decoder.table.count, 0);
  t.is(decode(hex('be')), undefined);
});

test('an entry larger than the table empties it', (t) => {
  const { decoder, decode } = decoding();
  decode(hex(requests.plain[0]!));
  const value = Buffer.alloc(5000, 0x61);
  const block = decode(Buffer.concat([hex('40 01 78'), hex('7f 89 26'), value]), 'trailers')!;
  t.is(block.value(0).length, 5000);
  t.is(decoder.table.count, 0);
});

test('Huffman: round trips', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const coded = encodeHuffman(Buffer.from(bytes).toString('latin1'));
      const out = Buffer.alloc(bytes.length + 8);
      t.is(decodeHuffman(coded, 0, coded.length, out, 3), 3 + bytes.length);
      t.deepEqual(out.subarray(3, 3 + bytes.length), Buffer.from(bytes));
    }),
  );
});

test('Huffman: what does not fit is told, and nothing is written behind', (t) => {
  const coded = encodeHuffman('aaaaaaaaaaaaaaaa');
  const out = Buffer.alloc(4);
  t.is(decodeHuffman(coded, 0, coded.length, out, 0), 16);
  t.is(decodeHuffman(Buffer.of(0xff, 0xff), 0, 2, out, 0), notHuffman);
});

const name = fc.stringMatching(/^[a-z0-9!#$%&'*+.^_`|~-]{1,20}$/).filter((text) => !/^(connection|keep-alive|proxy-connection|transfer-encoding|upgrade|te|host|content-length|cookie|content_length|transfer_encoding)$/.test(text));
const value = fc.oneof(fc.stringMatching(/^[!-~]{0,40}$/), fc.stringMatching(/^[!-~\x80-\xff][ -~\x80-\xff]{0,200}[!-~\x80-\xff]$/));

test('encoder and decoder: round trips', (t) => {
  const encoder = new HeaderEncoder();
  const { decode } = decoding();
  fc.assert(
    fc.property(fc.array(fc.tuple(name, value), { maxLength: 30 }), (fields) => {
      encoder.begin();
      for (const [fieldName, fieldValue] of fields) encoder.put(fieldName, fieldValue);
      const block = decode(encoder.copy(), 'trailers')!;
      t.is(block.fault, '');
      t.deepEqual(block.entries(), fields);
      const again = encoder.begin().putFields(block.bytes, block, { drops: new Uint8Array(32) }).copy();
      const dropped = fields.filter(([fieldName]) => !/^(x-weft-.*|trailer|http2-settings|proxy-auth.*)$/.test(fieldName));
      t.deepEqual(decode(again, 'trailers')!.entries(), dropped);
    }),
  );
});

/** An encoder that uses everything that there is: for the decoder to be tested against. */
function indexing(fields: readonly (readonly [string, string])[], choices: readonly number[], table: [string, string][]): Buffer {
  const out: number[] = [];
  const integer = (number: number, bits: number, first: number): void => {
    const mask = (1 << bits) - 1;
    if (number < mask) out.push(first | number);
    else {
      out.push(first | mask);
      let rest = number - mask;
      for (; rest >= 128; rest = Math.floor(rest / 128)) out.push((rest % 128) | 128);
      out.push(rest);
    }
  };
  const string = (content: string, coded: boolean): void => {
    const bytes = coded ? encodeHuffman(content) : Buffer.from(content, 'latin1');
    integer(bytes.length, 7, coded ? 128 : 0);
    out.push(...bytes);
  };
  const size = (): number => table.reduce((sum, [n, v]) => sum + n.length + v.length + 32, 0);
  for (const [place, [fieldName, fieldValue]] of fields.entries()) {
    const choice = choices[place % choices.length]!;
    const whole = table.findIndex(([n, v]) => n === fieldName && v === fieldValue);
    if (whole >= 0 && (choice & 1) === 1) {
      integer(62 + whole, 7, 128);
      continue;
    }
    const named = (choice & 2) === 2 ? table.findIndex(([n]) => n === fieldName) : -1;
    const incremental = (choice & 4) === 4;
    integer(named < 0 ? 0 : 62 + named, incremental ? 6 : 4, incremental ? 64 : (choice & 8) << 1);
    if (named < 0) string(fieldName, (choice & 16) === 16);
    string(fieldValue, (choice & 32) === 32);
    if (!incremental) continue;
    table.unshift([fieldName, fieldValue]);
    while (size() > 4096) table.pop();
  }
  return Buffer.from(out);
}

test('decoder: agrees over many blocks with an encoder that indexes, evicts and codes at random', (t) => {
  const few = fc.constantFrom('a', 'b-c', 'x-long-name-of-a-field', 'grpc-timeout');
  const values = fc.oneof(value, fc.constantFrom('1', '2', 'x'.repeat(900), 'y'.repeat(3000)));
  fc.assert(
    fc.property(fc.array(fc.array(fc.tuple(few, values), { maxLength: 8 }), { maxLength: 30 }), fc.array(fc.nat(63), { minLength: 1, maxLength: 50 }), (blocks, choices) => {
      const { decoder, decode } = decoding();
      const table: [string, string][] = [];
      for (const fields of blocks) {
        const block = decode(indexing(fields, choices, table), 'trailers');
        t.deepEqual(block?.entries(), fields);
        t.is(decoder.table.count, table.length);
      }
    }),
    { numRuns: 200 },
  );
});

test('decoder: lists that are refused leave the same table behind as those that are taken', (t) => {
  const few = fc.constantFrom('a', 'b-c', 'x-long-name-of-a-field');
  const values = fc.oneof(value, fc.constantFrom('1', '2', 'x'.repeat(900)));
  fc.assert(
    fc.property(fc.array(fc.array(fc.tuple(few, values), { maxLength: 12 }), { maxLength: 10 }), fc.array(fc.nat(63), { minLength: 1, maxLength: 50 }), (blocks, choices) => {
      const { decoder, decode } = decoding({ maxHeaders: 2 });
      const table: [string, string][] = [];
      for (const fields of blocks) {
        const block = decode(indexing(fields, choices, table), 'trailers');
        t.is(block?.excess, fields.length > 2 ? 'head-too-large' : '');
        t.is(decoder.table.count, table.length);
        for (const [index, entry] of table.slice(0, 60).entries()) t.deepEqual(decode(hex((190 + index).toString(16).padStart(2, '0')), 'trailers')?.entries(), [entry]);
      }
    }),
    { numRuns: 200 },
  );
});

test('random bytes: never a throw, never more than the bound', (t) => {
  const { decoder, decode } = decoding({ maxHeaderListBytes: 4096 });
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2000 }), fc.constantFrom('request' as const, 'response' as const, 'trailers' as const), (bytes, side) => {
      const block = decode(Buffer.from(bytes), side);
      if (block !== undefined) t.true(block.end <= 4096);
      t.true(decoder.table.size <= 4096);
    }),
    { numRuns: 2000 },
  );
});

test('a bomb of references to one large entry is told to be too large, and costs no memory; a larger one ends the connection', (t) => {
  const { decode } = decoding();
  const entry = Buffer.concat([hex('40 01 78'), hex('7f 81 1e'), Buffer.alloc(3968, 0x61)]);
  t.is(decode(Buffer.concat([entry, Buffer.alloc(60_000, 0xbe)]), 'trailers'), undefined);
  const bomb = Buffer.concat([entry, Buffer.alloc(100, 0xbe)]);
  const block = decode(bomb, 'trailers')!;
  t.is(block.excess, 'head-too-large');
  t.true(block.end <= 65_536);
  // The connection goes on.
  t.is(decode(Buffer.from([0xbe]), 'trailers')!.value(0).length, 3968);
});

test('of a list that is refused already nothing is written but what the table takes, and all of it counts', (t) => {
  const { decode } = decoding({ maxHeaders: 1 });
  const taken = hex('00 01 61 01 62');
  const entry = hex('40 01 78 01 79');
  const before = decode(Buffer.concat([taken, entry]), 'trailers')!;
  t.is(before.excess, 'head-too-large');
  // A reference to the entry, one to the static table, literals with a name of each and without: a coded one is read by being decoded.
  const parts = [hex('be'), hex('8f'), hex('0f 2f 03 71 71 71'), hex('0f 11 03 71 71 71'), hex('00 01 71 03 71 71 71'), hex('10 01 71 03 71 71 71')];
  for (const [place, part] of parts.entries()) {
    before.bytes.fill(0xee);
    const block = decode(Buffer.concat([taken, hex('00 01 63 01 64'), part]), 'trailers')!;
    t.deepEqual([block.excess, block.end], ['head-too-large', 6], `${place}`);
    t.true(block.bytes.subarray(block.end + 8).every((byte) => byte === 0xee), `${place}`);
  }
  t.is(decode(Buffer.concat([taken, ...Array.from({ length: 14_000 }, () => hex('00 01 71 06 71 71 71 71 71 71'))]), 'trailers'), undefined, 'a bomb is one by what it would be');
  t.is(decode(Buffer.concat([taken, ...Array.from({ length: 13_000 }, () => hex('00 01 71 06 71 71 71 71 71 71'))]), 'trailers')!.excess, 'head-too-large');
});

test('what is not HPACK is refused behind the bound as well', (t) => {
  const rest = ['ff 80 01', 'bf', '0f 30 01 61', '00', '00 7f 01 61', '00 01 61', '00 01 61 05 62', '00 ff ff ff ff ff ff 0f', '00 01 61 81 18', '00 82 1f ff 01 61', '00 01 61 84 ff ff ff ff'];
  for (const each of rest) {
    const { decode } = decoding({ maxHeaders: 1 });
    t.is(decode(Buffer.concat([hex('40 01 61 01 62 00 01 63 01 64'), hex(each)]), 'trailers'), undefined, each);
  }
});

test('cookie crumbs count, each with its overhead, and are few', (t) => {
  const { decode } = decoding();
  const crumbs = Buffer.concat([hex('82 86 84 01 01 61'), ...Array.from({ length: 512 }, () => hex('0f 11 01 62'))]);
  t.is(decode(crumbs)!.excess, '');
  const many = Buffer.concat([hex('82 86 84 01 01 61'), ...Array.from({ length: 513 }, () => hex('0f 11 01 62'))]);
  t.is(decode(many)!.excess, 'head-too-large');
  // 304 of 178 bytes are more than 64 KiB by what each costs besides.
  const large = Array.from({ length: 300 }, () => Buffer.concat([hex('0f 11 7f 33'), Buffer.alloc(178, 'b')]));
  t.is(decode(Buffer.concat([hex('82 86 84 01 01 61'), ...large]))!.excess, '');
  t.is(decode(Buffer.concat([hex('82 86 84 01 01 61'), ...large, ...large.slice(0, 4)]))!.excess, 'head-too-large');
});

test('a block that was decoded before is the same object, until the table changes', (t) => {
  const { decode } = decoding();
  const block = hex('82 86 84 01 01 61');
  const first = decode(block)!;
  t.true(first.kept);
  t.is(decode(block), first);
  t.not(decode(block, 'trailers'), first);
  decode(hex('40 01 61 01 62'), 'trailers');
  t.not(decode(block), first);
});
