import test from 'ava';
import { framing, invalid, needMore } from './fields.ts';
import { RequestHead } from './request.ts';

const limits = { maxHeadBytes: 65_536, maxHeaders: 128, maxTargetBytes: 8192 };

function parse(text: string): { head: RequestHead; end: number; bytes: Buffer } {
  const bytes = Buffer.from(text, 'latin1');
  const head = new RequestHead(limits);
  return { head, end: head.parse(bytes, 0, bytes.length), bytes };
}

function get(lines = '', target = '/'): string {
  return `GET ${target} HTTP/1.1\r\nHost: shop.example\r\n${lines}\r\n`;
}

test('method, authority, path, query and framing of a plain request', (t) => {
  const { head, end, bytes } = parse('POST /a/b?x=1&y HTTP/1.1\r\nHost: Shop.Example:8080\r\nContent-Length: 12\r\nX-A: 1\r\nx-a:2\r\n\r\nhello');
  t.is(end, bytes.length - 5);
  t.is(head.method, 'POST');
  t.deepEqual(head.authority, { host: 'shop.example', port: 8080 });
  t.is(head.authorityText, 'Shop.Example:8080');
  t.is(head.path, '/a/b');
  t.is(head.query, 'x=1&y');
  t.is(head.framing, framing.length);
  t.is(head.contentLength, 12);
  t.true(head.keepAlive);
  t.is(head.fields.lookup(bytes, 'x-a'), '1, 2');
  t.is(head.fields.lookup(bytes, 'x-b'), undefined);
});

test('escapes that are for the table to allow are told of each request alone', (t) => {
  const head = new RequestHead(limits);
  const escapesOf = (target: string): number => {
    const bytes = Buffer.from(get('', target), 'latin1');
    t.is(head.parse(bytes, 0, bytes.length), bytes.length);
    return head.escapes;
  };
  t.deepEqual(['/a%2fb', '/a', '/a%5Cb?c', '/a?b=%2F', '/a%00b', 'http://shop.example/%2F%5c', '/%7E', '/%2F'].map(escapesOf), [1, 0, 2, 0, 4, 3, 0, 1]);
  for (const target of ['*', 'shop.example:80']) {
    escapesOf('/%2F');
    const bytes = Buffer.from(get('', target).replace('GET', target === '*' ? 'OPTIONS' : 'CONNECT'), 'latin1');
    t.true(head.parse(bytes, 0, bytes.length) > 0);
    t.is(head.escapes, 0);
  }
});

test('every proper prefix of a head asks for more', (t) => {
  const whole = 'POST /a?b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nConnection: close\r\n\r\n';
  for (let length = 0; length < whole.length; length++) t.is(parse(whole.slice(0, length)).end, needMore, String(length));
  t.is(parse(whole).end, whole.length);
});

const refused: Record<string, readonly [request: string, failure: string]> = {
  'length and chunked together': [get('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n'), 'bad-request'],
  'chunked before length': [get('Transfer-Encoding: chunked\r\nContent-Length: 5\r\n'), 'bad-request'],
  'two lengths that differ': [get('Content-Length: 5\r\nContent-Length: 6\r\n'), 'bad-request'],
  'two lengths that agree': [get('Content-Length: 5\r\nContent-Length: 5\r\n'), 'bad-request'],
  'a list as length': [get('Content-Length: 5, 5\r\n'), 'bad-request'],
  'a signed length': [get('Content-Length: +5\r\n'), 'bad-request'],
  'a hexadecimal length': [get('Content-Length: 0x5\r\n'), 'bad-request'],
  'a length with leading zero': [get('Content-Length: 05\r\n'), 'bad-request'],
  'an empty length': [get('Content-Length:\r\n'), 'bad-request'],
  'a length beyond 2^53': [get('Content-Length: 9999999999999999\r\n'), 'bad-request'],
  'a coding that is not chunked': [get('Transfer-Encoding: xchunked\r\n'), 'unsupported-transfer-coding'],
  'chunked twice in one line': [get('Transfer-Encoding: chunked, chunked\r\n'), 'unsupported-transfer-coding'],
  'chunked twice in two lines': [get('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n'), 'unsupported-transfer-coding'],
  'identity': [get('Transfer-Encoding: identity\r\n'), 'unsupported-transfer-coding'],
  'gzip then chunked': [get('Transfer-Encoding: gzip, chunked\r\n'), 'unsupported-transfer-coding'],
  'a comma before chunked': [get('Transfer-Encoding: ,chunked\r\n'), 'unsupported-transfer-coding'],
  'a vertical tab before chunked': [get('Transfer-Encoding: \x0bchunked\r\n'), 'bad-request'],
  'the alias content_length': [get('Content_Length: 5\r\n'), 'bad-request'],
  'the alias transfer_encoding': [get('transfer_encoding: chunked\r\n'), 'bad-request'],
  'a space before the colon': [get('Content-Length : 5\r\n'), 'bad-request'],
  'a folded line': [get('A: b\r\n c\r\n'), 'bad-request'],
  'a line that begins with a space': ['GET / HTTP/1.1\r\n Host: x\r\n\r\n', 'bad-request'],
  'line feeds alone': ['GET / HTTP/1.1\nHost: x\n\n', 'bad-request'],
  'a field line that ends in LF': [`GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n`, 'bad-request'],
  'a bare CR in a value': [get('A: b\rc\r\n'), 'bad-request'],
  'CR CR LF': [get('A: b\r\r\n'), 'bad-request'],
  'a head ended by CR and something': ['GET / HTTP/1.1\r\nHost: x\r\n\rX', 'bad-request'],
  'NUL in a value': [get('A: b\0c\r\n'), 'bad-request'],
  'NUL in a name': [get('A\0: b\r\n'), 'bad-request'],
  'LF in a name': [get('A\nB: c\r\n'), 'bad-request'],
  'an empty name': [get(': c\r\n'), 'bad-request'],
  'a name of 257 bytes': [get(`${'n'.repeat(257)}: c\r\n`), 'head-too-large'],
  'a name outside of ASCII': [get('N\xe4me: c\r\n'), 'bad-request'],
  'no host': ['GET / HTTP/1.1\r\n\r\n', 'bad-request'],
  'two hosts': [get('Host: other\r\n'), 'bad-request'],
  'a host with userinfo': ['GET / HTTP/1.1\r\nHost: me@x\r\n\r\n', 'bad-request'],
  'a host with a path': ['GET / HTTP/1.1\r\nHost: x/y\r\n\r\n', 'bad-request'],
  'a host with a bad port': ['GET / HTTP/1.1\r\nHost: x:99999\r\n\r\n', 'bad-request'],
  'a host that is a list': ['GET / HTTP/1.1\r\nHost: x, y\r\n\r\n', 'bad-request'],
  'HTTP/1.2': ['GET / HTTP/1.2\r\nHost: x\r\n\r\n', 'unsupported-version'],
  'HTTP/2.0': ['GET / HTTP/2.0\r\nHost: x\r\n\r\n', 'unsupported-version'],
  'the preface of HTTP/2': ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'unsupported-version'],
  'no version': ['GET /\r\nHost: x\r\n\r\n', 'bad-request'],
  'two spaces': ['GET  / HTTP/1.1\r\nHost: x\r\n\r\n', 'bad-request'],
  'a tab for a space': ['GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n', 'bad-request'],
  'a space behind the version': ['GET / HTTP/1.1 \r\nHost: x\r\n\r\n', 'bad-request'],
  'a lower-case version': ['GET / http/1.1\r\nHost: x\r\n\r\n', 'bad-request'],
  'a method that is no token': ['G(T / HTTP/1.1\r\nHost: x\r\n\r\n', 'bad-request'],
  'a control byte in the target': [get('', '/a\x01b'), 'bad-request'],
  'a byte beyond ASCII in the target': [get('', '/a\xe4b'), 'bad-request'],
  'a fragment': [get('', '/a#b'), 'bad-request'],
  'a fragment in the query': [get('', '/a?b#c'), 'bad-request'],
  'a backslash in the path': [get('', '/a\\b'), 'bad-request'],
  'a dot segment beside an escaped slash': [get('', '/a/..%2fb'), 'bad-request'],
  'a broken escape': [get('', '/a%g0b'), 'bad-request'],
  'a cut escape': [get('', '/a%2'), 'bad-request'],
  'a target that is no path': [get('', 'a/b'), 'bad-request'],
  'another scheme': [get('', 'ftp://shop.example/'), 'bad-request'],
  'an absolute target without host': [get('', 'http:///a'), 'bad-request'],
  'an asterisk for GET': [get('', '*'), 'bad-request'],
  'CONNECT without a port': ['CONNECT shop.example HTTP/1.1\r\nHost: shop.example\r\n\r\n', 'bad-request'],
  'a target of 8193 bytes': [get('', `/${'a'.repeat(8192)}`), 'target-too-long'],
  'a head over 64 KiB': [get(`A: ${'b'.repeat(66_000)}\r\n`), 'head-too-large'],
  '129 fields': [get('A: b\r\n'.repeat(128)), 'head-too-large'],
  'chunked in HTTP/1.0': ['POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n', 'bad-request'],
  'an unknown expectation': [get('Expect: 200-ok\r\n'), 'expectation-failed'],
  'three empty lines': [`\r\n\r\n\r\n${get()}`, 'bad-request'],
  'Connection with more than options': [get('Connection: close; x\r\n'), 'bad-request'],
  '33 connection options': [get(`Connection: ${'a,'.repeat(33)}\r\n`), 'bad-request'],
};

for (const [title, [request, failure]] of Object.entries(refused)) {
  test(`refused: ${title}`, (t) => {
    const { head, end } = parse(request);
    t.is(end, invalid);
    t.is(head.fields.failure, failure as typeof head.fields.failure);
    t.not(head.fields.reason, '');
  });
}

test('one or two empty lines before a request are ignored', (t) => {
  t.true(parse(`\r\n\r\n${get()}`).end > 0);
});

test('the path is decided upon in normal form', (t) => {
  const path = (target: string): string => {
    const { head, end } = parse(get('', target));
    return end > 0 ? head.path : 'refused';
  };
  t.is(path('/a/./b/../c'), '/a/c');
  t.is(path('/../../x'), '/x');
  t.is(path('/a/..'), '/');
  t.is(path('/a/.'), '/a/');
  t.is(path('/%61%2d%7E'), '/a-~');
  t.is(path('/%2e%2E/a'), '/a');
  t.is(path('/a%c3%a4'), '/a%C3%A4');
  t.is(path('/a//b'), '/a//b');
  t.is(path('/a.html'), '/a.html');
  t.is(path('/...'), '/...');
});

test('absolute form: its authority counts, and a Host that differs is noted', (t) => {
  const { head } = parse(get('', 'http://SHOP.example:80/a?b'));
  t.is(head.form, 'absolute');
  t.is(head.path, '/a');
  t.is(head.query, 'b');
  t.false(head.hostDisagrees);
  t.true(parse(get('', 'http://other.example/')).head.hostDisagrees);
  t.is(parse(get('', 'http://shop.example')).head.path, '/');
  t.is(parse(get('', 'http://shop.example?x')).head.query, 'x');
});

test('OPTIONS of the server as a whole: an asterisk, or absolute form without path and query', (t) => {
  const head = new RequestHead(limits);
  const asked = (line: string): [boolean, string] => {
    const bytes = Buffer.from(`${line} HTTP/1.1\r\nHost: shop.example\r\n\r\n`);
    t.is(head.parse(bytes, 0, bytes.length), bytes.length, line);
    return [head.serverWide, head.path];
  };
  for (const target of ['*', 'http://shop.example', 'HTTP://shop.example:80']) {
    t.deepEqual(asked(`OPTIONS ${target}`), [true, '/'], target);
    t.deepEqual(asked('OPTIONS /'), [false, '/'], 'the next');
  }
  for (const line of ['OPTIONS http://shop.example/', 'OPTIONS http://shop.example?', 'GET http://shop.example', 'OPTIONSX http://shop.example']) t.false(asked(line)[0], line);
});

test('hosts lose port and trailing dot; addresses keep their brackets', (t) => {
  const host = (text: string) => parse(`GET / HTTP/1.1\r\nHost: ${text}\r\n\r\n`).head.authority;
  t.deepEqual(host('A.example.:81'), { host: 'a.example', port: 81 });
  t.deepEqual(host('[::1]:80'), { host: '[::1]', port: 80 });
  t.deepEqual(host('[::1]'), { host: '[::1]', port: undefined });
  t.deepEqual(host(''), { host: '', port: undefined });
});

test('HTTP/1.0 needs no host, and stays open only when asked', (t) => {
  t.false(parse('GET / HTTP/1.0\r\n\r\n').head.keepAlive);
  t.true(parse('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n').head.keepAlive);
  t.false(parse(get('Connection: keep-alive, Close\r\n')).head.keepAlive);
});

test('Connection removes the fields that it lists, except those that others rely on', (t) => {
  const { head, bytes } = parse(get('Connection: X-One, host, Content-Length, x-forwarded-for, authorization\r\nX-One: 1\r\nX-Two: 2\r\nX-Forwarded-For: 9.9.9.9\r\nAuthorization: b\r\nContent-Length: 0\r\n'));
  const kept: string[] = [];
  for (let index = 0; index < head.fields.count; index++) {
    if (head.fields.treatments[index] !== 1) kept.push(bytes.toString('latin1', head.fields.nameStart(index), head.fields.nameEnd(index)));
  }
  t.deepEqual(kept, ['Host', 'X-Two', 'X-Forwarded-For', 'Authorization', 'Content-Length']);
});

test('the one upgrade that counts is a WebSocket', (t) => {
  t.true(parse(get('Connection: Upgrade\r\nUpgrade: websocket\r\n')).head.upgradesToWebSocket);
  t.false(parse(get('Connection: Upgrade\r\nUpgrade: h2c\r\n')).head.upgradesToWebSocket);
  t.false(parse(get('Upgrade: websocket\r\n')).head.upgradesToWebSocket);
});

test('what one request had does not show in the next', (t) => {
  const head = new RequestHead(limits);
  const first = Buffer.from('POST http://a/x?y HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n');
  t.is(head.parse(first, 0, first.length), first.length);
  t.true(head.expectsContinue && head.hostDisagrees);
  const second = Buffer.from(get());
  t.is(head.parse(second, 0, second.length), second.length);
  t.deepEqual(
    [head.framing, head.expectsContinue, head.hostDisagrees, head.keepAlive, head.query, head.form, head.authority.host],
    [framing.none, false, false, true, undefined, 'origin', 'shop.example'],
  );
});
