import test from 'ava';
import { Fields, treatment } from '../../codec/index.ts';
import { HeaderDecoder, HeaderEncoder } from '../hpack/index.ts';
import { defaultHttp2Limits } from '../limits.ts';
import { Collector, type HeaderBlock, type Side } from './index.ts';

type List = readonly (readonly [string, string])[];

const request: List = [[':method', 'GET'], [':scheme', 'https'], [':authority', 'shop'], [':path', '/a']];

/** Encoded as it stands, with nothing checked. */
function encoded(fields: List): Buffer {
  const pieces: Buffer[] = [];
  const length = (size: number): Buffer => (size < 127 ? Buffer.of(size) : Buffer.of(127, ((size - 127) & 127) | 128, (size - 127) >> 7));
  for (const [name, value] of fields) pieces.push(Buffer.of(0), length(name.length), Buffer.from(name, 'latin1'), length(value.length), Buffer.from(value, 'latin1'));
  return Buffer.concat(pieces);
}

function decode(fields: List, side: Side = 'request'): HeaderBlock {
  const bytes = encoded(fields);
  return new HeaderDecoder(new Collector(defaultHttp2Limits)).decode(bytes, 0, bytes.length, side)!;
}

const without = (name: string): List => request.filter(([other]) => other !== name);
const withField = (name: string, value: string): List => [...request, [name, value]];
const replacing = (name: string, value: string): List => request.map(([other, old]) => [other, other === name ? value : old]);

test('a request as it should be', (t) => {
  const block = decode([...request, ['host', 'SHOP'], ['te', 'trailers'], ['content-length', '12'], ['x-a', ' '.trim()], ['x-b', 'a\tb \xff']]);
  t.is(block.fault, '');
  t.deepEqual([block.method, block.scheme, block.authority, block.path, block.contentLength], ['GET', 'https', 'shop', '/a', 12]);
  t.true(block.trailersWelcome);
  t.true(block.pathIsPlain);
});

const malformed: Record<string, readonly [List, string]> = {
  'no method': [without(':method'), 'method-missing'],
  'no scheme': [without(':scheme'), 'scheme-missing'],
  'no path': [without(':path'), 'path-missing'],
  'no authority and no host': [without(':authority'), 'host-missing'],
  'an empty path': [replacing(':path', ''), 'path'],
  'a path without a slash': [replacing(':path', 'a'), 'path'],
  'a path with a space': [replacing(':path', '/a b HTTP/1.1'), 'path'],
  'a path with a line end': [replacing(':path', '/a\r\nx: y'), 'field-value'],
  'an asterisk with GET': [replacing(':path', '*'), 'path'],
  'an absolute path': [replacing(':path', 'http://other/'), 'path'],
  'a method that is no token': [replacing(':method', 'G T'), 'method'],
  'another scheme': [replacing(':scheme', 'ftp'), 'scheme'],
  'user information': [replacing(':authority', 'me@shop'), 'host'],
  'a path in the authority': [replacing(':authority', 'shop/a'), 'host'],
  'another host': [withField('host', 'other'), 'host-disagrees'],
  'two hosts': [[...without(':authority'), ['host', 'a'], ['host', 'a']], 'several-hosts'],
  'a pseudo-header twice': [[[':method', 'GET'], ...request], 'pseudo-twice'],
  'a pseudo-header behind a field': [[['x-a', 'b'], ...request], 'pseudo-after-field'],
  'a pseudo-header of a response': [[...request, [':status', '200']], 'pseudo-unexpected'],
  'an unknown pseudo-header': [[...request, [':x', 'websocket']], 'pseudo-unexpected'],
  'a protocol without CONNECT': [[...request, [':protocol', 'websocket']], 'protocol-without-connect'],
  'upper case': [withField('X-A', 'b'), 'field-name'],
  'an empty name': [withField('', 'b'), 'field-name'],
  'a name with a colon': [withField('a:b', 'c'), 'field-name'],
  'a name with a space': [withField('a b', 'c'), 'field-name'],
  'a name with a line end': [withField('a\r\nb', 'c'), 'field-name'],
  'a value with CR LF': [withField('a', 'b\r\nc: d'), 'field-value'],
  'a value with NUL': [withField('a', 'b\0c'), 'field-value'],
  'a value that starts with a space': [withField('a', ' b'), 'field-value'],
  'a value that ends with a tab': [withField('a', 'b\t'), 'field-value'],
  'connection': [withField('connection', 'close'), 'connection-field'],
  'keep-alive': [withField('keep-alive', '1'), 'connection-field'],
  'proxy-connection': [withField('proxy-connection', 'x'), 'connection-field'],
  'transfer-encoding': [withField('transfer-encoding', 'chunked'), 'connection-field'],
  'upgrade': [withField('upgrade', 'h2c'), 'connection-field'],
  'an alias of content-length': [withField('content_length', '1'), 'connection-field'],
  'te other than trailers': [withField('te', 'gzip'), 'te'],
  'two lengths': [[...request, ['content-length', '1'], ['content-length', '1']], 'content-length'],
  'a signed length': [withField('content-length', '+1'), 'content-length'],
  'a length with zeros in front': [withField('content-length', '01'), 'content-length'],
  'an empty length': [withField('content-length', ''), 'content-length'],
  'CONNECT with a path': [replacing(':method', 'CONNECT'), 'connect-with-path'],
  'CONNECT without an authority': [[[':method', 'CONNECT'], ['host', 'shop:1']], 'host-missing'],
};

for (const [what, [fields, fault]] of Object.entries(malformed)) test(`malformed: ${what}`, (t) => t.is(decode(fields).fault, fault));

const extended: List = [...replacing(':method', 'CONNECT'), [':protocol', 'websocket']];

// RFC 8441, 4.
const malformedExtended: Record<string, readonly [List, string]> = {
  'no path': [extended.filter(([name]) => name !== ':path'), 'path-missing'],
  'no scheme': [extended.filter(([name]) => name !== ':scheme'), 'scheme-missing'],
  'no authority': [[...extended.filter(([name]) => name !== ':authority'), ['host', 'shop']], 'host-missing'],
  'a path without a slash': [extended.map(([name, value]) => [name, name === ':path' ? '*' : value] as const), 'path'],
  'another scheme': [extended.map(([name, value]) => [name, name === ':scheme' ? 'wss' : value] as const), 'scheme'],
  'a protocol twice': [[...extended, [':protocol', 'websocket']], 'pseudo-twice'],
  'a late protocol': [[...replacing(':method', 'CONNECT'), ['x', 'y'], [':protocol', 'websocket']], 'pseudo-after-field'],
  'an empty protocol': [[...replacing(':method', 'CONNECT'), [':protocol', '']], 'protocol'],
  'a protocol that is no token': [[...replacing(':method', 'CONNECT'), [':protocol', 'web socket']], 'protocol'],
  'a length': [[...extended, ['content-length', '5']], 'connect-with-length'],
  'a length of 0': [[...extended, ['content-length', '0']], 'connect-with-length'],
  'an upgrade as in HTTP/1.1': [[...extended, ['upgrade', 'websocket']], 'connection-field'],
};

for (const [what, [fields, fault]] of Object.entries(malformedExtended)) test(`malformed extended CONNECT: ${what}`, (t) => t.is(decode(fields).fault, fault));

test('an extended CONNECT', (t) => {
  const block = decode([...extended, ['sec-websocket-key', 'forged'], ['sec-websocket-version', '13']]);
  t.is(block.fault, '');
  t.deepEqual([block.method, block.protocol, block.path, block.authority, block.keep().protocol], ['CONNECT', 'websocket', '/a', 'shop', 'websocket']);
  t.deepEqual([...block.treatments.subarray(0, 2)].map((each) => each === treatment.drop), [true, false], 'the key has no meaning here, and must get none');
  t.is(decode([...replacing(':method', 'CONNECT'), [':protocol', 'connect-udp']]).protocol, 'connect-udp');
  t.is(decode(request).protocol, '', 'of no request but its own');
});

test('CONNECT, and OPTIONS for the server itself', (t) => {
  t.is(decode([[':method', 'CONNECT'], [':authority', 'shop:80']]).fault, '');
  t.is(decode([[':method', 'OPTIONS'], [':scheme', 'http'], [':authority', 'shop'], [':path', '*']]).fault, '');
});

test('the host field stands in for the authority', (t) => {
  t.is(decode([...without(':authority'), ['host', 'shop']]).authority, 'shop');
});

test('responses and trailers', (t) => {
  t.is(decode([[':status', '204']], 'response').status, 204);
  for (const status of ['', '20', '2000', '099', '600', '101', 'abc', '2 0']) t.not(decode([[':status', status]], 'response').fault, '', status);
  t.is(decode([['x-a', 'b']], 'response').fault, 'status-missing');
  t.is(decode([[':status', '200'], [':path', '/']], 'response').fault, 'pseudo-unexpected');
  t.is(decode([['grpc-status', '0']], 'trailers').fault, '');
  t.is(decode([[':status', '200']], 'trailers').fault, 'pseudo-unexpected');
  for (const name of ['content-length', 'host', 'te', 'connection']) t.not(decode([[name, '1']], 'trailers').fault, '', name);
});

test('excess is told as such, not as a fault', (t) => {
  t.is(decode(withField('x'.repeat(257), 'a')).excess, 'head-too-large');
  t.is(decode(replacing(':path', `/${'a'.repeat(16_384)}`)).excess, 'target-too-long');
  t.is(decode([...request, ...Array.from({ length: 128 }, (_, index): [string, string] => [`x-${index}`, ''])]).excess, '');
  t.is(decode([...request, ...Array.from({ length: 129 }, (_, index): [string, string] => [`x-${index}`, ''])]).excess, 'head-too-large');
});

test('empty cookie crumbs leave no separator behind', (t) => {
  for (const crumbs of [['a=1', 'c=2', ''], ['', 'a=1', 'c=2'], ['a=1', '', '', 'c=2']]) {
    t.is(decode([...request, ...crumbs.map((crumb): [string, string] => ['cookie', crumb])]).lookup('cookie'), 'a=1; c=2');
  }
  t.is(decode([...request, ['cookie', ''], ['cookie', '']]).lookup('cookie'), '');
});

test('cookie crumbs become one field, for good', (t) => {
  const block = decode([...request, ['cookie', 'a=1'], ['x-a', 'b'], ['cookie', 'c=2'], ['cookie', 'd=3'], ['x-b', 'c']]);
  t.deepEqual(block.entries(), [['x-a', 'b'], ['x-b', 'c'], ['cookie', 'a=1; c=2; d=3']]);
  t.is(block.lookup('cookie'), 'a=1; c=2; d=3');
  t.is(block.bytes.toString('latin1', block.start, block.end + 2), 'x-a: b\r\nx-b: c\r\ncookie: a=1; c=2; d=3\r\n\r\n');
});

test('however many cookies there are, they count as one field', (t) => {
  const cookies = Array.from({ length: 512 }, (_, index): [string, string] => ['cookie', `c${index}=${index}`]);
  const others = (count: number) => Array.from({ length: count }, (_, index): [string, string] => [`x-${index}`, '']);
  const block = decode([...request, ...cookies.slice(0, 300), ...others(127), ...cookies.slice(300)]);
  t.deepEqual([block.excess, block.count], ['', 128]);
  t.is(block.lookup('cookie'), cookies.map(([, value]) => value).join('; '));
  for (const [before, behind] of [[128, 0], [0, 128], [64, 64]] as const) t.is(decode([...request, ...others(before), ...cookies, ...others(behind)]).excess, 'head-too-large');
  t.is(decode([...request, ...cookies, ['cookie', 'one=more']]).excess, 'head-too-large');
});

test('the fields are the lines of an HTTP/1.1 head: its parser reads them, and tells the same', (t) => {
  const block = decode([...request, ['x-request-id', '1'], ['te', 'trailers'], ['x-weft-a', 'b'], ['authorization', 'c']]);
  const fields = new Fields({ maxHeadBytes: 65_536, maxHeaders: 128, maxTargetBytes: 16_384 }, 'request');
  t.is(fields.parse(block.bytes, block.start, block.end + 2), block.end + 2);
  t.is(fields.count, block.count);
  t.deepEqual(fields.at.subarray(0, 4 * block.count), block.at.subarray(0, 4 * block.count));
  t.deepEqual(fields.ids.subarray(0, block.count), block.ids.subarray(0, block.count));
  t.deepEqual(fields.treatments.subarray(0, block.count), block.treatments.subarray(0, block.count));
});

test('fields of an HTTP/1.1 head are encoded in lower case, without what is dropped', (t) => {
  const head = Buffer.from('Host: shop\r\nConnection: x-hop\r\nX-Hop: 1\r\nX-A:  b \r\nAuthorization: secret\r\nTE: trailers\r\n\r\n', 'latin1');
  const fields = new Fields({ maxHeadBytes: 65_536, maxHeaders: 128, maxTargetBytes: 16_384 }, 'request');
  t.is(fields.parse(head, 0, head.length), head.length);
  const drops = new Uint8Array(32);
  drops[1] = 1;
  const block = new HeaderEncoder().begin().putFields(head, fields, { drops, alsoDrops: () => false }).copy();
  const decoded = new HeaderDecoder(new Collector(defaultHttp2Limits)).decode(block, 0, block.length, 'trailers')!;
  t.deepEqual(decoded.entries(), [['x-a', 'b'], ['authorization', 'secret']]);
  t.is(decoded.sensitive[1], 1);
});

test('a kept block does not change with the next', (t) => {
  const collector = new Collector(defaultHttp2Limits);
  const decoder = new HeaderDecoder(collector);
  const indexed = Buffer.concat([encoded([[':method', 'GET']]), encoded([[':scheme', 'http'], [':authority', 'a'], [':path', '/1'], ['x-a', 'first']]), Buffer.of(0x40, 1, 0x62, 1, 0x63)]);
  const block = decoder.decode(indexed, 0, indexed.length, 'request')!;
  t.false(block.kept);
  const kept = block.keep();
  decoder.decode(encoded([[':method', 'POST'], [':scheme', 'http'], [':authority', 'b'], [':path', '/2'], ['x-a', 'other']]), 0, 30, 'request');
  t.deepEqual(kept.entries(), [['x-a', 'first'], ['b', 'c']]);
  t.deepEqual([kept.method, kept.authority, kept.path], ['GET', 'a', '/1']);
  t.is(kept.keep(), kept);
});
