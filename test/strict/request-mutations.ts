/** Requests that are wrong, odd, or valid in a way that is easy to get wrong. `§§§§§` stands for the number of the vector. */
export interface Vector {
  readonly title: string;
  readonly text: string;
}

export const mark = '§§§§§';
const host = 'Host: strict.test\r\n';
const hidden = `GET /s${mark} HTTP/1.1\r\nHost: strict.test\r\n\r\n`;
const chunkedHello = '5\r\nhello\r\n0\r\n\r\n';
/** To who reads chunks it ends at once, and another request follows. */
const chunkedHidden = `0\r\n\r\n${hidden}`;

export const everyByte = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code));

function post(lines: string, body: string): string {
  return `POST /v${mark} HTTP/1.1\r\n${host}${lines}\r\n${body}`;
}

/** One byte more, or another one, at each place of a field line. */
export function bytesInLine(name: string, value: string): Record<string, (byte: string) => string> {
  const dash = name.indexOf('-');
  return {
    'before the name': (byte) => `${byte}${name}: ${value}\r\n`,
    'inside the name': (byte) => `${name.slice(0, dash + 2)}${byte}${name.slice(dash + 2)}: ${value}\r\n`,
    'in place of the dash': (byte) => `${name.slice(0, dash)}${byte}${name.slice(dash + 1)}: ${value}\r\n`,
    'after the name': (byte) => `${name}${byte}: ${value}\r\n`,
    'in place of the colon': (byte) => `${name}${byte} ${value}\r\n`,
    'before the value': (byte) => `${name}:${byte}${value}\r\n`,
    'inside the value': (byte) => `${name}: ${value.slice(0, 1)}${byte}${value.slice(1)}\r\n`,
    'after the value': (byte) => `${name}: ${value}${byte}\r\n`,
    'in place of CR': (byte) => `${name}: ${value}${byte}\n`,
    'in place of LF': (byte) => `${name}: ${value}\r${byte}`,
  };
}

function* everyByteOfFramingFields(): Generator<Vector> {
  const length = `Content-Length: ${chunkedHidden.length}\r\n`;
  const settings: readonly [string, string, string, (line: string) => string][] = [
    ['Content-Length alone', 'Content-Length', '55', (line) => post(line, hidden.padEnd(55, '.'))],
    ['Content-Length behind chunked', 'Content-Length', '15', (line) => post(`Transfer-Encoding: chunked\r\n${line}`, chunkedHello)],
    ['chunked alone', 'Transfer-Encoding', 'chunked', (line) => post(line, chunkedHello)],
    ['chunked behind a length', 'Transfer-Encoding', 'chunked', (line) => post(`${length}${line}`, chunkedHidden)],
  ];
  for (const [what, name, value, build] of settings) {
    for (const [place, line] of Object.entries(bytesInLine(name, value))) {
      for (const byte of everyByte) yield { title: `${what}: ${show(byte)} ${place}`, text: build(line(byte)) };
    }
  }
}

function* everyByteOfRequestLine(): Generator<Vector> {
  const places: Record<string, (byte: string) => string> = {
    'before the method': (byte) => `${byte}GET /v${mark} HTTP/1.1\r\n`,
    'inside the method': (byte) => `G${byte}ET /v${mark} HTTP/1.1\r\n`,
    'in place of the first space': (byte) => `GET${byte}/v${mark} HTTP/1.1\r\n`,
    'before the target': (byte) => `GET ${byte}/v${mark} HTTP/1.1\r\n`,
    'inside the target': (byte) => `GET /v${mark}${byte}x HTTP/1.1\r\n`,
    'inside the query': (byte) => `GET /v${mark}?${byte}x HTTP/1.1\r\n`,
    'in place of the second space': (byte) => `GET /v${mark}${byte}HTTP/1.1\r\n`,
    'before the version': (byte) => `GET /v${mark} ${byte}HTTP/1.1\r\n`,
    'inside the version': (byte) => `GET /v${mark} HTTP/1${byte}1\r\n`,
    'the minor version': (byte) => `GET /v${mark} HTTP/1.${byte}\r\n`,
    'after the version': (byte) => `GET /v${mark} HTTP/1.1${byte}\r\n`,
    'in place of CR': (byte) => `GET /v${mark} HTTP/1.1${byte}\n`,
  };
  for (const [place, line] of Object.entries(places)) {
    for (const byte of everyByte) yield { title: `request line: ${show(byte)} ${place}`, text: `${line(byte)}${host}\r\n` };
  }
}

function* everyByteOfChunks(): Generator<Vector> {
  const places: Record<string, (byte: string) => string> = {
    'before the size': (byte) => `${byte}5\r\nhello\r\n0\r\n\r\n`,
    'after the size': (byte) => `5${byte}\r\nhello\r\n0\r\n\r\n`,
    'after the size, before an extension': (byte) => `5${byte};a=b\r\nhello\r\n0\r\n\r\n`,
    'in an extension': (byte) => `5;a${byte}=b\r\nhello\r\n0\r\n\r\n`,
    'in a quoted extension': (byte) => `5;a="${byte}"\r\nhello\r\n0\r\n\r\n`,
    'in place of the size line’s CR': (byte) => `5${byte}\nhello\r\n0\r\n\r\n`,
    'in place of the size line’s LF': (byte) => `5\r${byte}hello\r\n0\r\n\r\n`,
    'in place of the data’s CR': (byte) => `5\r\nhello${byte}\n0\r\n\r\n`,
    'in place of the data’s LF': (byte) => `5\r\nhello\r${byte}0\r\n\r\n`,
    'after the last size': (byte) => `5\r\nhello\r\n0${byte}\r\n\r\n`,
    'before a trailer': (byte) => `5\r\nhello\r\n0\r\n${byte}X-T: 1\r\n\r\n`,
    'in a trailer’s name': (byte) => `5\r\nhello\r\n0\r\nX${byte}T: 1\r\n\r\n`,
    'after a trailer’s name': (byte) => `5\r\nhello\r\n0\r\nX-T${byte}: 1\r\n\r\n`,
    'in a trailer’s value': (byte) => `5\r\nhello\r\n0\r\nX-T: a${byte}b\r\n\r\n`,
    'in place of a trailer’s CR': (byte) => `5\r\nhello\r\n0\r\nX-T: 1${byte}\n\r\n`,
    'in place of the last CR': (byte) => `5\r\nhello\r\n0\r\n${byte}\n`,
  };
  for (const [place, body] of Object.entries(places)) {
    for (const byte of everyByte) yield { title: `chunks: ${show(byte)} ${place}`, text: post('Transfer-Encoding: chunked\r\n', body(byte)) };
  }
}

export const lengths: readonly string[] = [
  '', '+6', '-6', '06', '006', '0x6', '6 6', '6;', '6.0', '6e0', '"6"', '6,6', '6, 6', '6,7', '6,', ',6', '6,,6', '٦', '\xb2', '0', '00', '-0', '+0', '1e1', '0b11', '0o6', '6\t', '\t6', '  6  ',
  '4294967302', '18446744073709551622', '9007199254740997', '999999999999999', '9'.repeat(400), 'six', 'Infinity', 'NaN', '6L', '0006'.repeat(20), '6 ', '6\r\n 6', '6\r\n\t6', '\r\n 6', '6\r', '6\n', '\x006',
];

export const codings: readonly string[] = [
  '', 'xchunked', 'chunkedx', 'chunk', 'identity', 'identity, chunked', 'chunked, identity', 'gzip', 'gzip, chunked', 'chunked, gzip', 'chunked, chunked', ',chunked', 'chunked,', ', , chunked', 'chunked;q=1', 'chunked; q=0', '"chunked"', "'chunked'",
  'CHUNKED', 'Chunked', 'cHuNkEd', 'ChunKed ', ' chunked', '\tchunked\t', 'chunked chunked', 'chunked\x0b', '\x0bchunked', 'chunked\x0c', 'chunked\0', '\0chunked', '\x85chunked', '\xa0chunked', 'chun\xc4\xb1ked', 'chunked\xa0', '\xef\xbb\xbfchunked',
  'chunked\r', 'chunked\n', '\r\n chunked', '\r\n\tchunked', 'chunked\r\n ', 'chunked\r\n , identity', 'x, chunked', 'deflate, gzip, chunked', 'trailers, chunked', '*', 'chunked/1.0', '%63hunked', 'chunke\u0064', 'chun\x08ked',
];

function* spellings(): Generator<Vector> {
  for (const value of lengths) {
    for (const [what, build] of Object.entries(around(`Content-Length: ${value}\r\n`, 'Content-Length: 6\r\n', 'Transfer-Encoding: chunked\r\n'))) yield { title: `length ${show(value)}: ${what}`, text: build };
  }
  for (const value of codings) {
    for (const [what, build] of Object.entries(around(`Transfer-Encoding: ${value}\r\n`, 'Transfer-Encoding: chunked\r\n', `Content-Length: ${chunkedHidden.length}\r\n`))) yield { title: `coding ${show(value)}: ${what}`, text: build };
  }
  for (const name of ['content-length', 'CONTENT-LENGTH', 'cOnTeNt-LeNgTh', 'Content-length', 'content_length', 'Content.Length', 'Content Length', 'Content--Length', 'ContentLength', 'X-Content-Length', 'Content-Length-', 'Content~Length', 'content\x00length', 'HTTP_CONTENT_LENGTH']) {
    for (const [what, build] of Object.entries(around(`${name}: 6\r\n`, 'Content-Length: 6\r\n', 'Transfer-Encoding: chunked\r\n'))) yield { title: `name ${show(name)}: ${what}`, text: build };
  }
  for (const name of ['transfer-encoding', 'TRANSFER-ENCODING', 'tRANSFER-eNCODING', 'Transfer_Encoding', 'Transfer.Encoding', 'Transfer Encoding', 'TransferEncoding', 'Transfer-Encodings', 'X-Transfer-Encoding', 'Content-Transfer-Encoding', 'TE', 'Transfer~Encoding', 'Transfer-Encoding-', 'HTTP_TRANSFER_ENCODING']) {
    for (const [what, build] of Object.entries(around(`${name}: chunked\r\n`, 'Transfer-Encoding: chunked\r\n', `Content-Length: ${chunkedHidden.length}\r\n`))) yield { title: `name ${show(name)}: ${what}`, text: build };
  }
}

/** A line by itself, twice, beside a plain one of its own and of the other kind, in both orders, in both versions. */
function around(line: string, plain: string, other: string): Record<string, string> {
  const build = (lines: string): string => post(lines, chunkedHidden);
  return {
    alone: build(line),
    twice: build(line + line),
    'before a plain one': build(line + plain),
    'behind a plain one': build(plain + line),
    'before the other': build(line + other),
    'behind the other': build(other + line),
    'between two others': build(other + line + other),
    'behind an unrelated line': build(`X: y\r\n${line}`),
    'listed by Connection': build(`${line}Connection: ${line.slice(0, line.indexOf(':'))}\r\n`),
    'in HTTP/1.0': build(line + other).replace('HTTP/1.1', 'HTTP/1.0'),
    'with GET': build(line).replace('POST', 'GET'),
    'with HEAD': build(line + other).replace('POST', 'HEAD'),
  };
}

export const chunkBodies: readonly string[] = [
  '5;\r\nhello\r\n0\r\n\r\n', '5;;a\r\nhello\r\n0\r\n\r\n', '5;a;b=c;d="e f"\r\nhello\r\n0;last\r\n\r\n', '5 ; a = b\r\nhello\r\n0\r\n\r\n', '5\t;a\r\nhello\r\n0\r\n\r\n', '5 \r\nhello\r\n0\r\n\r\n', '5;a="\\""\r\nhello\r\n0\r\n\r\n', '5;a="\r\n"\r\nhello\r\n0\r\n\r\n', `5;a="${'b'.repeat(150)}"\r\nhello\r\n0\r\n\r\n`,
  `5;a=${'b'.repeat(10_000)}\r\nhello\r\n0\r\n\r\n`, '05\r\nhello\r\n0\r\n\r\n', '000005\r\nhello\r\n000\r\n\r\n', `${'0'.repeat(40)}5\r\nhello\r\n0\r\n\r\n`, '0x5\r\nhello\r\n0\r\n\r\n', '+5\r\nhello\r\n0\r\n\r\n', '-5\r\nhello\r\n0\r\n\r\n', '5.\r\nhello\r\n0\r\n\r\n', '5h\r\nhello\r\n0\r\n\r\n', '5_\r\nhello\r\n0\r\n\r\n',
  'a\r\n0123456789\r\n0\r\n\r\n', 'A\r\n0123456789\r\n0\r\n\r\n', `ffffffffffffffff\r\n${hidden}`, `fffffffffffffffff5\r\n${hidden}`, `100000005\r\nhello\r\n0\r\n\r\n${hidden}`, `10000000000000005\r\nhello\r\n0\r\n\r\n${hidden}`, `7fffffff\r\n${hidden}`, `fffffffffff\r\n${hidden}`,
  '5\r\nhell\r\n0\r\n\r\n', '5\r\nhello!\r\n0\r\n\r\n', '5\r\nhello0\r\n\r\n', '5\r\nhello\n0\r\n\r\n', '5\nhello\r\n0\r\n\r\n', '5\r\nhello\r\n0\n\n', '5\r\nhello\r\n0\r\n\n', '5\r\nhello\r\n0\r\r\n\r\n', '5\r\r\nhello\r\n0\r\n\r\n', '\r\n5\r\nhello\r\n0\r\n\r\n', '5\r\n\r\nhello\r\n0\r\n\r\n', '', '0', '0\r\n', '0\r\n\r', '5\r\nhel', '5\r\nhello\r\n',
  '0\r\n\r\n', '1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n', `0\r\n${hidden}`, `0\r\nX: y\r\n\r\n${hidden}`, '0\r\nContent-Length: 50\r\n\r\n', '0\r\nTransfer-Encoding: chunked\r\n\r\n', '0\r\nHost: other\r\n\r\n', '0\r\nX: y\r\n folded\r\n\r\n', '0\r\nX : y\r\n\r\n', '0\r\n: y\r\n\r\n', '0\r\nX\r\n\r\n', '0\r\nX: \0\r\n\r\n', '0\r\nX: y\n\r\n', '0\r\nX: y\rZ: w\r\n\r\n', `0\r\n${'A: b\r\n'.repeat(3000)}\r\n`,
  `5\r\nhello\r\n0\r\n\r\n${hidden}`, `${hidden.length.toString(16)}\r\n${hidden}\r\n0\r\n\r\n`, `5;\n${hidden}\r\nhello\r\n0\r\n\r\n`, `0;\n${hidden}\r\n\r\n`, `2;\rxx\r\n45\r\n0\r\n\r\n${hidden}`, `2;\nxx\r\n4c\r\n0\r\n\r\n${hidden}`,
];

function* chunkForms(): Generator<Vector> {
  for (const body of chunkBodies) {
    yield { title: `chunked body ${show(body)}`, text: post('Transfer-Encoding: chunked\r\n', body) };
    yield { title: `chunked body with trailer field ${show(body)}`, text: post('Trailer: X\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\nConnection: TE\r\n', body) };
  }
}

export const hosts: readonly string[] = [
  'Host: strict.test', 'Host: STRICT.test', 'Host: strict.test.', 'Host: strict.test:80', 'Host: strict.test:', 'Host: strict.test:0', 'Host: strict.test:65536', 'Host: strict.test:x', 'Host: strict.test:-1', 'Host: strict.test:8 0', 'Host:', 'Host: ', 'host:strict.test', 'HOST:\tstrict.test\t', 'Host : strict.test', ' Host: strict.test', 'Host',
  'Host: strict test', 'Host: strict.test, other.test', 'Host: strict.test\r\nHost: strict.test', 'Host: strict.test\r\nHost: other.test', 'Host: strict.test\r\nhost: other.test', 'Host:\r\nHost: strict.test', 'Host: user@strict.test', 'Host: strict.test/path', 'Host: strict.test?x', 'Host: strict.test#x', 'Host: strict.test\\x', 'Host: strict..test', 'Host: .strict.test', 'Host: -',
  'Host: [::1]', 'Host: [::1]:80', 'Host: [::1', 'Host: ::1', 'Host: [g::1]', 'Host: [::1]x', 'Host: [::ffff:1.2.3.4]', 'Host: 127.0.0.1', 'Host: 0x7f.1', 'Host: strict%2etest', 'Host: stri\xe7t.test', 'Host: strict.test\0', 'Host: strict\x0btest', 'Host: strict_test', "Host: strict!$&'()*+,;=.test", 'Host: <strict>', 'Host: "strict.test"', 'Host: strict.test\r\n\tother.test', 'Host: strict.test\rX: y', 'Host: strict.test\nX: y',
  `Host: ${'a'.repeat(64)}.test`, `Host: ${'a.'.repeat(200)}test`, 'X-Host: strict.test', 'X-Forwarded-Host: strict.test', 'Host_: strict.test', 'Hos\xf4: strict.test', 'Host\0: strict.test', '', 'X: y',
];

export const targets: readonly string[] = [
  `http://strict.test/v${mark}`, `http://strict.test:80/v${mark}`, `http://STRICT.TEST/v${mark}`, `http://strict.test./v${mark}`, `HTTP://strict.test/v${mark}`, `http://other.test/v${mark}`, `http://strict.test:81/v${mark}`, `http://strict.test@other.test/v${mark}`, `http://user:pw@strict.test/v${mark}`, `http:///v${mark}`, `http://:80/v${mark}`, `http:/v${mark}`, `http:v${mark}`, `//strict.test/v${mark}`, `///v${mark}`,
  `https://strict.test/v${mark}`, `ftp://strict.test/v${mark}`, `ws://strict.test/v${mark}`, `file:///v${mark}`, `http://strict.test?v${mark}`, `http://strict.test#v${mark}`, `http://strict.test\\v${mark}`, `http://[::1]/v${mark}`, `http://strict.test/v${mark}?a=b`, `http://strict.test/v${mark}#f`, `http://stri%63t.test/v${mark}`, `http://strict.test%00/v${mark}`, `http://strict .test/v${mark}`,
  '*', `*/v${mark}`, `v${mark}`, `strict.test:80`, `strict.test/v${mark}`, `?v${mark}`, `#v${mark}`, `\\v${mark}`, `/v${mark}#f`, `/v${mark}%23f`, `/v${mark}%2f..`, `/v${mark}%2F`, `/v${mark}%5c`, `/v${mark}%5Cx`, `/v${mark}\\x`, `/v${mark}%00`, `/v${mark}?%00`, `/v${mark}%0d%0aX:y`, `/v${mark}%`, `/v${mark}%g0`, `/v${mark}%2`, `/v${mark}?%`, `/a/../v${mark}`, `/./v${mark}`, `/../v${mark}`, `/a/%2e%2e/v${mark}`, `/a/%2E./v${mark}`,
  `/v${mark};x=1`, `/v${mark}/..;/x`, `/a/..;x=1/v${mark}`, `/v${mark}/.%2e%3Bx`, `/v${mark}//x`, `//v${mark}`, `/v${mark}|x`, `/v${mark}{x}`, `/v${mark}"x`, `/v${mark}<x>`, `/v${mark}^x`, `/v${mark}\`x`, `/v${mark}[x]`, `/v${mark}?[x]={y}`, `/v${mark}?a?b`, `/v${mark}?#`, `/v${mark}\x7f`, `/v${mark}\xe9`, `/v${mark} HTTP/1.1\r\nX:`, `/v${mark} x`, `/v${mark}\tx`, `/v${mark}?a b`, `/${'a'.repeat(15_000)}/v${mark}`, `/${'a'.repeat(20_000)}/v${mark}`,
];

export const requestLines: readonly string[] = [
  `GET /v${mark} HTTP/1.1`, `GET  /v${mark} HTTP/1.1`, `GET /v${mark}  HTTP/1.1`, `GET\t/v${mark}\tHTTP/1.1`, ` GET /v${mark} HTTP/1.1`, `GET /v${mark} HTTP/1.1 `, `GET /v${mark}`, `GET /v${mark} `, `GET /v${mark} HTTP/0.9`, `GET /v${mark} HTTP/1.0`, `GET /v${mark} HTTP/1.2`, `GET /v${mark} HTTP/2.0`, `GET /v${mark} HTTP/2`, `GET /v${mark} HTTP/3.0`, `GET /v${mark} HTTP/01.1`, `GET /v${mark} HTTP/1.01`, `GET /v${mark} HTTP/1,1`, `GET /v${mark} http/1.1`, `GET /v${mark} HTTPS/1.1`, `GET /v${mark} HTTP /1.1`, `GET /v${mark} HTTP/ 1.1`, `GET /v${mark} HTTP/1.1x`, `GET /v${mark} XTTP/1.1`, `GET /v${mark} HTTP/11`,
  `get /v${mark} HTTP/1.1`, `M-SEARCH /v${mark} HTTP/1.1`, `G@T /v${mark} HTTP/1.1`, `G\0T /v${mark} HTTP/1.1`, `GÉT /v${mark} HTTP/1.1`, `${'G'.repeat(33)} /v${mark} HTTP/1.1`, `GET,POST /v${mark} HTTP/1.1`, `"GET" /v${mark} HTTP/1.1`, `GET: /v${mark} HTTP/1.1`, ` /v${mark} HTTP/1.1`, `/v${mark} HTTP/1.1`, `PRI * HTTP/2.0\r\n\r\nSM`, 'OPTIONS * HTTP/1.1', `OPTIONS /v${mark} HTTP/1.1`, `CONNECT strict.test:80 HTTP/1.1`, `CONNECT strict.test HTTP/1.1`, `CONNECT /v${mark} HTTP/1.1`, `CONNECT http://strict.test/v${mark} HTTP/1.1`, `TRACE /v${mark} HTTP/1.1`, `\r\nGET /v${mark} HTTP/1.1`, `\r\n\r\nGET /v${mark} HTTP/1.1`, `\nGET /v${mark} HTTP/1.1`, `\r\r\nGET /v${mark} HTTP/1.1`, `${'\r\n'.repeat(50)}GET /v${mark} HTTP/1.1`,
];

export const headLines: readonly string[] = [
  'X: y', 'X:', 'X:y', 'X: \t y \t ', 'X', ': y', ' X: y', '\tX: y', 'X : y', 'X\t: y', 'X: a\r\n b', 'X: a\r\n\tb', 'X: a\r\n ', '\r\n X: y', 'X: a\rb', 'X: a\nb', 'X: a\r', 'X: a\n', 'X: \0', 'X: \x01', 'X: \x7f', 'X: \x80\xff', 'X: "\\""', 'X(y): z', 'X/y: z', 'X[y]: z', 'X{y}: z', 'X"y": z', 'X@y: z', 'X;y: z', 'X=y: z', 'X,y: z', 'X<y: z', 'X?y: z', 'X\\y: z', 'X\xe9: z', `${'N'.repeat(256)}: x`, `${'N'.repeat(300)}: x`,
  "!#$%&'*+-.^_`|~0aZ: y", 'Connection: close', 'Connection: keep-alive', 'Connection: close, keep-alive', 'Connection: X-Secret\r\nX-Secret: 1', 'Connection: Host', 'Connection: host, content-length', 'Connection: ,,close', 'Connection: close;x', 'Connection: "close"', 'Connection:', 'Connection: a b', 'Connection: X-Forwarded-For\r\nX-Forwarded-For: 6.6.6.6', 'Connection: authorization\r\nAuthorization: secret', 'Keep-Alive: timeout=5', 'Proxy-Connection: keep-alive', 'Proxy-Authorization: secret', 'TE: trailers', 'Trailer: X', 'Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA', 'Upgrade: websocket', 'Upgrade: foo\r\nConnection: upgrade', 'HTTP2-Settings: x',
  'Expect: 100-continue', 'Expect: 100-Continue', 'Expect: 200-ok', 'Expect: 100-continue, x', 'Expect:', 'Expect: x\r\nExpect: 100-continue', 'Expect: 100-continue\r\nExpect: 100-continue', 'X-Forwarded-For: 6.6.6.6', 'X_Forwarded_For: 6.6.6.6', 'X.Forwarded.For: 6.6.6.6', 'x-forwarded_for: 6.6.6.6', 'X~Forwarded~For: 6.6.6.6', 'Forwarded: for=6.6.6.6', 'X-Forwarded-Proto: https', 'X_Forwarded_Proto: https', 'X-Forwarded-Host: evil', 'X.Forwarded-Host: evil', 'X-Forwarded-Prefix: /6.6.6.6', 'X_Forwarded_User: 6.6.6.6', 'X-Request-Id: bad\x01', 'X_Request_Id: x', 'X-Weft-Error: no-route', 'X-Weft-Anything: 1', 'X-Weft-: 1', 'X-Weft-Hops: 7', 'X-Weft-Hops: 7\r\nX-Weft-Hops: 8', 'X-Weft-Hops: 6.6.6.6', 'X-Weft-Hops: 1e1', 'X_Weft_Hops: 70', 'X_Weft_: 1', 'X_Weft_Anything: 1', 'x.weft.anything: 1', 'Authorization: a\r\nAuthorization: b', 'Cookie: a\r\nCookie: b', 'Content-Type: a\r\nContent-Type: b', 'X: a\r\nX: b\r\nx: c',
  'Content-Length: 0', 'Content-Length: 0\r\nContent-Length: 0', 'Transfer-Encoding: chunked', `${'A: b\r\n'.repeat(126)}A: c`, `${'A: b\r\n'.repeat(300)}A: c`, `A: ${'b'.repeat(8000)}`, `A: ${'b'.repeat(70_000)}`, 'HTTP/1.1 200 OK', 'GET /s HTTP/1.1', `GET /s${mark} HTTP/1.1\r\nHost: x`,
];

function* heads(): Generator<Vector> {
  for (const line of hosts) {
    for (const target of [`/v${mark}`, `http://strict.test/v${mark}`, `http://other.test/v${mark}`]) yield { title: `${show(line)} with ${target}`, text: `GET ${target} HTTP/1.1\r\n${line === '' ? '' : `${line}\r\n`}\r\n` };
    yield { title: `${show(line)} in HTTP/1.0`, text: `GET /v${mark} HTTP/1.0\r\n${line === '' ? '' : `${line}\r\n`}\r\n` };
  }
  for (const target of targets) for (const method of ['GET', 'OPTIONS']) yield { title: `${method} of ${show(target)}`, text: `${method} ${target} HTTP/1.1\r\n${host}\r\n` };
  for (const line of requestLines) yield { title: `request line ${show(line)}`, text: `${line}\r\n${host}\r\n` };
  for (const line of headLines) {
    yield { title: `field ${show(line)}`, text: `GET /v${mark} HTTP/1.1\r\n${host}${line}\r\n\r\n` };
    yield { title: `field ${show(line)} before Host`, text: `GET /v${mark} HTTP/1.1\r\n${line}\r\n${host}\r\n` };
    yield { title: `field ${show(line)} with a body`, text: `POST /v${mark} HTTP/1.1\r\n${host}${line}\r\nContent-Length: 5\r\n\r\nhello` };
    yield { title: `field ${show(line)} with chunks`, text: `POST /v${mark} HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n${line}\r\n\r\n${chunkedHello}` };
    yield { title: `field ${show(line)} in HTTP/1.0`, text: `GET /v${mark} HTTP/1.0\r\n${host}${line}\r\n\r\n` };
  }
}

/** Ends of lines at every place of a head with a body. */
function* lineEnds(): Generator<Vector> {
  const plain = post(`X: y\r\nContent-Length: ${chunkedHidden.length}\r\nZ: w\r\n`, chunkedHidden);
  for (const end of ['\n', '\r', '\n\r', '\r\r\n', '\r\n\n', '\r\n\r', '\n\n', '\r\n\r\n', ' \r\n', '\t\r\n', '\0\r\n', '\x0b\r\n', '\x85', '\u{b}', '']) {
    for (let at = plain.indexOf('\r\n'), place = 1; at >= 0 && place <= 7; at = plain.indexOf('\r\n', at + 2), place++) {
      yield { title: `line end ${place} as ${show(end)}`, text: plain.slice(0, at) + end + plain.slice(at + 2) };
    }
  }
}

export function show(text: string): string {
  const short = text.length > 60 ? `${text.slice(0, 57)}…` : text;
  return JSON.stringify(short).replaceAll(/[\x7f-\xff]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16)}`);
}

/** All vectors, always in the same order. */
export function requestVectors(): readonly Vector[] {
  return [...spellings(), ...chunkForms(), ...heads(), ...lineEnds(), ...everyByteOfFramingFields(), ...everyByteOfRequestLine(), ...everyByteOfChunks()];
}
