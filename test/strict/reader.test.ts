import test from 'ava';
import { compare, readUpstream } from './judge.ts';
import { readRequest, readRequests } from './request.ts';
import { readResponse } from './response.ts';

/** The judge is judged: what it must see, it sees. */

const own = 'x-forwarded-for: 127.0.0.1\r\nx-forwarded-proto: http\r\nx-forwarded-host: x\r\nx-forwarded-port: 80\r\nx-request-id: 1\r\nx-weft-hops: 1\r\n';
const upstream = (lines: string, body = '') => `POST / HTTP/1.1\r\nHost: x\r\n${own}${lines}\r\n${body}`;

test('a plain request upstream is no fault', (t) => t.deepEqual(readUpstream(upstream('Content-Length: 2\r\n', 'ab') + upstream('transfer-encoding: chunked\r\n', '0\r\n\r\n')).faults, []));

const unsafe: Readonly<Record<string, string>> = {
  'length and chunked': upstream('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'),
  'two lengths': upstream('Content-Length: 1\r\nContent-Length: 1\r\n', 'a'),
  'a length with zeros': upstream('Content-Length: 01\r\n', 'a'),
  'an alias': upstream('Content_Length: 5\r\n'),
  'a coding list': upstream('Transfer-Encoding: ,chunked\r\n', '0\r\n\r\n'),
  'a control character': upstream('X: a\0b\r\n'),
  'a bare LF': upstream('X: a\nTransfer-Encoding: chunked\r\n'),
  'a space before the colon': upstream('X : a\r\n'),
  'hop by hop': upstream('Connection: x\r\n'),
  'a forged address': upstream('').replace('127.0.0.1', '6.6.6.6'),
  'a count of hops that is none': upstream('').replace('x-weft-hops: 1', 'x-weft-hops: 65'),
  'an alias of the address': upstream('X_Forwarded_For: 1.1.1.1\r\n'),
  'part of a head': 'GET / HTTP/1.1\r\nX: a\x01b',
};
for (const [title, text] of Object.entries(unsafe)) test(`unsafe: ${title}`, (t) => t.not(readUpstream(text).faults.length, 0));

test('an extra, a changed and a missing request are seen', (t) => {
  const stream = readRequests('POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nb');
  const got = (text: string) => readRequests(text).requests;
  t.is(compare(stream, got('POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nb')), undefined);
  t.regex(compare(stream, got('POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nbGET /s HTTP/1.1\r\nHost: x\r\n\r\n')) ?? '', /^extra/);
  t.regex(compare(stream, got('POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nc')) ?? '', /^body/);
  t.regex(compare(stream, []) ?? '', /^refused though valid/);
});

test('what RFC 9112 says of bodies', (t) => {
  const kind = (lines: string, body: string) => readRequest(`POST / HTTP/1.1\r\nHost: x\r\n${lines}\r\n${body}`, 0);
  t.like(kind('Transfer-Encoding: chunked\r\n', '2 ;a="b c"\r\nhi\r\n0\r\nT: x\r\n\r\n'), { kind: 'request', body: 'hi', certainty: 'must' });
  t.like(kind('Transfer-Encoding: gzip, chunked\r\n', '0\r\n\r\n'), { certainty: 'may' });
  t.like(kind('Transfer-Encoding: chunked, gzip\r\n', '0\r\n\r\n'), { kind: 'refused' });
  t.like(kind('Content-Length: 3\r\n', 'ab'), { kind: 'incomplete' });
  t.like(kind('Transfer-Encoding: chunked\r\n', '2\nhi\r\n0\r\n\r\n'), { kind: 'refused' });
  t.like(readResponse('HTTP/1.1 304 N\r\nContent-Length: 9\r\n\r\nrest', 0, 'GET', true), { body: '', end: 37 });
  t.like(readResponse('HTTP/1.1 200 OK\r\n\r\nrest', 0, 'GET', true), { body: 'rest', last: true });
});
