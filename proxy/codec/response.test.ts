import test from 'ava';
import { framing, invalid, needMore } from './fields.ts';
import { ResponseHead } from './response.ts';

const limits = { maxHeadBytes: 65_536, maxHeaders: 128, maxTargetBytes: 8192 };

function parse(text: string, method = 'GET'): { head: ResponseHead; end: number } {
  const bytes = Buffer.from(text, 'latin1');
  const head = new ResponseHead(limits);
  return { head, end: head.parse(bytes, 0, bytes.length, method) };
}

test('framing follows RFC 9112, 6.3', (t) => {
  const told = (text: string, method?: string) => {
    const { head, end } = parse(text, method);
    return end < 0 ? 'refused' : [head.framing, head.contentLength, head.keepAlive];
  };
  t.deepEqual(told('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n'), [framing.length, 5, true]);
  t.deepEqual(told('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'), [framing.none, 0, true]);
  t.deepEqual(told('HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n'), [framing.chunked, 0, true]);
  t.deepEqual(told('HTTP/1.1 200 OK\r\n\r\n'), [framing.untilClose, 0, false]);
  t.deepEqual(told('HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n'), [framing.length, 5, false]);
  t.deepEqual(told('HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n'), [framing.length, 5, false]);
  t.deepEqual(told('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', 'HEAD'), [framing.none, 5, true]);
  t.deepEqual(told('HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n'), [framing.none, 5, true]);
  t.deepEqual(told('HTTP/1.1 204 No Content\r\n\r\n'), [framing.none, -1, true]);
  t.deepEqual(told('HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n'), [framing.none, 0, true]);
  t.deepEqual(told('HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n'), [framing.none, -1, true]);
  t.deepEqual(told('HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\n'), [framing.none, 5, true]);
  t.deepEqual(told('HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n'), [framing.length, 5, true]);
  t.deepEqual(told('HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\n'), [framing.untilClose, 0, false]);
  t.is(parse('HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n').head.fields.reason, 'chunked-in-1.0');
});

test('of a response of HTTP/2 the framing is that of its status and method', (t) => {
  const shown = (status: number, { method = 'GET', body = 'follows', contentLength = -1 }: { method?: string; body?: 'none' | 'follows'; contentLength?: number } = {}) => {
    const head = new ResponseHead(limits);
    const lines = { start: 0, end: 0, count: 0, at: new Int32Array(4), ids: new Uint8Array(1), treatments: new Uint8Array(1), bytes: Buffer.alloc(0) };
    head.show({ ...lines, status, contentLength, kept: false, attachment: undefined } as unknown as Parameters<ResponseHead['show']>[0], method, body);
    return [head.framing, head.contentLength, head.keepAlive, head.minorVersion];
  };
  t.deepEqual(shown(200), [framing.chunked, -1, true, 1]);
  t.deepEqual(shown(200, { contentLength: 5 }), [framing.length, 5, true, 1]);
  t.deepEqual(shown(200, { contentLength: 0 }), [framing.chunked, 0, true, 1]);
  for (const status of [103, 199, 204, 304]) t.deepEqual(shown(status, { contentLength: 5 }), [framing.none, 5, true, 1], String(status));
  for (const status of [200, 203, 205, 303, 305, 404]) t.deepEqual(shown(status, { contentLength: 5 }), [framing.length, 5, true, 1], String(status));
  t.deepEqual(shown(200, { method: 'HEAD', contentLength: 5 }), [framing.none, 5, true, 1]);
  t.deepEqual(shown(200, { body: 'none' }), [framing.none, -1, true, 1]);
});

const refused: Record<string, string> = {
  'length and chunked together': 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n',
  'two lengths': 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n',
  'gzip as transfer coding': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n',
  'chunked in HTTP/1.0': 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n',
  'a status of two digits': 'HTTP/1.1 20 OK\r\nA: bcdef\r\n\r\n',
  'a status of four digits': 'HTTP/1.1 2000 OK\r\n\r\n',
  'a status of 600': 'HTTP/1.1 600 OK\r\n\r\n',
  'a status of 099': 'HTTP/1.1 099 OK\r\n\r\n',
  'HTTP/2': 'HTTP/2.0 200 OK\r\n\r\n',
  'something else': 'SSH-2.0-OpenSSH_9.2p1\r\n',
  'a control byte in the phrase': 'HTTP/1.1 200 O\x01K\r\n\r\n',
  'a status and no space before the phrase': 'HTTP/1.1 200OK\r\nA: b\r\n\r\n',
  'line feeds alone': 'HTTP/1.1 200 OK\nA: b\n\n',
  'a folded line': 'HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n',
  'NUL in a value': 'HTTP/1.1 200 OK\r\nA: \0\r\n\r\n',
};

for (const [title, response] of Object.entries(refused)) {
  test(`refused: ${title}`, (t) => t.is(parse(response).end, invalid));
}

test('every proper prefix of a head asks for more', (t) => {
  const whole = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\n';
  for (let length = 0; length < whole.length; length++) t.is(parse(whole.slice(0, length)).end, needMore, String(length));
});

test('a head over the limit is refused before it is whole', (t) => {
  const { head, end } = parse(`HTTP/1.1 200 OK\r\nA: ${'b'.repeat(66_000)}`);
  t.is(end, invalid);
  t.is(head.fields.failure, 'response-too-large-head');
});

test('how long a server keeps its connection', (t) => {
  const told = (line: string): number => {
    const bytes = Buffer.from(`HTTP/1.1 200 OK\r\n${line}Content-Length: 0\r\n\r\n`);
    const head = new ResponseHead(limits);
    head.parse(bytes, 0, bytes.length, 'GET');
    return head.keepAliveMs(bytes);
  };
  t.is(told('Keep-Alive: timeout=5\r\n'), 5000);
  t.is(told('keep-alive: max=9, timeout=72\r\n'), 72_000);
  t.is(told('Keep-Alive: xtimeout=5\r\n'), Infinity);
  t.is(told(''), Infinity);
});
