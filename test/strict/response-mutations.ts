import { bytesInLine, chunkBodies, codings, everyByte, headLines, lengths, mark, show } from './request-mutations.ts';

/** What an upstream answers. `§§§§§` stands for the number of the vector. */
export interface ResponseVector {
  readonly title: string;
  readonly method: 'GET' | 'HEAD';
  readonly text: string;
}

const body = `hello ${mark}`;
const chunkedBody = `b\r\n${body}\r\n0\r\n\r\n`;
/** To who takes it for a response it is one. */
export const injected = 'HTTP/1.1 200 OK\r\nX-Injected: yes\r\nContent-Length: 8\r\n\r\ninjected';

function ok(lines: string, content: string, status = '200 OK'): string {
  return `HTTP/1.1 ${status}\r\n${lines}\r\n${content}`;
}

const plain = ok('Content-Length: 11\r\n', body);
const chunked = ok('Transfer-Encoding: chunked\r\n', chunkedBody);

function* everyByteOfResponses(): Generator<ResponseVector> {
  const places: Record<string, (byte: string) => string> = {
    'before the version': (byte) => `${byte}HTTP/1.1 200 OK\r\n`,
    'as the minor version': (byte) => `HTTP/1.${byte} 200 OK\r\n`,
    'before the status': (byte) => `HTTP/1.1${byte}200 OK\r\n`,
    'in the status': (byte) => `HTTP/1.1 2${byte}0 OK\r\n`,
    'after the status': (byte) => `HTTP/1.1 200${byte}OK\r\n`,
    'in the reason': (byte) => `HTTP/1.1 200 O${byte}K\r\n`,
    'in place of CR': (byte) => `HTTP/1.1 200 OK${byte}\n`,
    'in place of LF': (byte) => `HTTP/1.1 200 OK\r${byte}`,
    'as a line': (byte) => `HTTP/1.1 200 OK\r\n${byte}\r\n`,
  };
  for (const [place, line] of Object.entries(places)) {
    for (const byte of everyByte) yield { title: `status line: ${show(byte)} ${place}`, method: 'GET', text: `${line(byte)}Content-Length: 11\r\n\r\n${body}` };
  }
  for (const [place, line] of Object.entries(bytesInLine('Content-Length', '11'))) {
    for (const byte of everyByte) yield { title: `Content-Length: ${show(byte)} ${place}`, method: 'GET', text: ok(line(byte), body) };
  }
  for (const [place, line] of Object.entries(bytesInLine('Transfer-Encoding', 'chunked'))) {
    for (const byte of everyByte) yield { title: `Transfer-Encoding: ${show(byte)} ${place}`, method: 'GET', text: ok(line(byte), chunkedBody) };
  }
  for (const byte of everyByte) {
    yield { title: `${show(byte)} behind a response`, method: 'GET', text: plain + byte };
    yield { title: `${show(byte)} behind a chunked response`, method: 'GET', text: chunked + byte };
    yield { title: `${show(byte)} in a value`, method: 'GET', text: ok(`X: a${byte}b\r\nContent-Length: 11\r\n`, body) };
  }
}

function* framings(): Generator<ResponseVector> {
  const lines = [
    ...lengths.flatMap((value) => around(`Content-Length: ${value}\r\n`, 'Content-Length: 11\r\n', 'Transfer-Encoding: chunked\r\n')),
    ...codings.flatMap((value) => around(`Transfer-Encoding: ${value}\r\n`, 'Transfer-Encoding: chunked\r\n', 'Content-Length: 11\r\n')),
    ...['Content_Length: 11\r\n', 'Content.Length: 11\r\n', 'Transfer_Encoding: chunked\r\n', 'Transfer.Encoding: chunked\r\n'].flatMap((line) => around(line, 'Content-Length: 11\r\n', 'Transfer-Encoding: chunked\r\n')),
  ];
  for (const line of lines) {
    for (const content of [body, chunkedBody, '']) yield { title: `framed by ${show(line)}`, method: 'GET', text: ok(line, content) };
    yield { title: `HEAD, framed by ${show(line)}`, method: 'HEAD', text: ok(line, '') };
    yield { title: `304, framed by ${show(line)}`, method: 'GET', text: ok(line, '', '304 Not Modified') };
    yield { title: `204, framed by ${show(line)}`, method: 'GET', text: ok(line, '', '204 No Content') };
    yield { title: `HTTP/1.0, framed by ${show(line)}`, method: 'GET', text: ok(line, chunkedBody).replace('HTTP/1.1', 'HTTP/1.0') };
    yield { title: `interim, framed by ${show(line)}`, method: 'GET', text: ok(line, '', '103 Early Hints') + plain };
  }
}

function around(line: string, same: string, other: string): readonly string[] {
  return [line, line + line, line + same, same + line, line + other, other + line];
}

function* bodiless(): Generator<ResponseVector> {
  for (const rest of ['', '\r\n', 'x', body, injected, chunkedBody, '0\r\n\r\n']) {
    for (const status of ['204 No Content', '304 Not Modified', '205 Reset Content']) {
      for (const lines of ['', 'Content-Length: 0\r\n', 'Content-Length: 11\r\n', 'Transfer-Encoding: chunked\r\n']) yield { title: `${status} with ${show(lines)} and ${show(rest)}`, method: 'GET', text: ok(lines, rest, status) };
    }
    for (const lines of ['', 'Content-Length: 0\r\n', 'Content-Length: 11\r\n', 'Transfer-Encoding: chunked\r\n', 'Connection: close\r\n']) yield { title: `HEAD with ${show(lines)} and ${show(rest)}`, method: 'HEAD', text: ok(lines, rest) };
    yield { title: `length and ${show(rest)}`, method: 'GET', text: plain + rest };
    yield { title: `chunks and ${show(rest)}`, method: 'GET', text: chunked + rest };
    yield { title: `no length and ${show(rest)}`, method: 'GET', text: ok('', rest) };
    yield { title: `HTTP/1.0 and ${show(rest)}`, method: 'GET', text: `HTTP/1.0 200 OK\r\n\r\n${rest}` };
    yield { title: `HTTP/1.0 kept alive and ${show(rest)}`, method: 'GET', text: `HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 11\r\n\r\n${body}${rest}` };
    for (const status of ['100 Continue', '102 Processing', '103 Early Hints', '199 X', '101 Switching Protocols']) {
      yield { title: `${status} with ${show(rest)}`, method: 'GET', text: ok('X: y\r\n', rest, status) + plain };
      yield { title: `${status} to HEAD with ${show(rest)}`, method: 'HEAD', text: ok('X: y\r\n', rest, status) + ok('', '') };
    }
  }
  for (const count of [1, 5, 16, 17, 100]) yield { title: `${count} interim responses`, method: 'GET', text: ok('Link: x\r\n', '', '103 Early Hints').repeat(count) + plain };
  yield { title: 'upgraded though nobody asked', method: 'GET', text: ok('Upgrade: websocket\r\nConnection: upgrade\r\n', '', '101 Switching Protocols') + injected };
}

/** Lines that would split the response for a reader that takes part of a line end for all of it. */
function* splits(): Generator<ResponseVector> {
  for (const end of ['\r', '\n', '\r\r', '\n\n', '\r\r\n', '\r\n\r', '\n\r\n', '\r\n ', '\r\n\t', '\0', '\x0b', '\x85', '%0d%0a', '\u{8}']) {
    yield { title: `a value with ${show(end)}`, method: 'GET', text: ok(`Location: /x${end}Set-Cookie: a=b\r\nContent-Length: 11\r\n`, body) };
    yield { title: `a value with ${show(end)} and a response`, method: 'GET', text: ok(`Location: /x${end}Content-Length: 0${end}${end}${injected.replaceAll('\r\n', end)}\r\nContent-Length: 11\r\n`, body) };
    yield { title: `a reason with ${show(end)}`, method: 'GET', text: ok('Content-Length: 11\r\n', body, `200 O${end}Set-Cookie: a=b`) };
  }
  for (const line of headLines) {
    yield { title: `field ${show(line)}`, method: 'GET', text: ok(`${line}\r\nContent-Length: 11\r\n`, body) };
    yield { title: `field ${show(line)} with chunks`, method: 'GET', text: ok(`Transfer-Encoding: chunked\r\n${line}\r\n`, chunkedBody) };
    yield { title: `field ${show(line)} to HEAD`, method: 'HEAD', text: ok(`${line}\r\n`, '') };
  }
  for (const content of chunkBodies) {
    yield { title: `chunked body ${show(content)}`, method: 'GET', text: ok('Transfer-Encoding: chunked\r\n', content) };
    yield { title: `chunked body ${show(content)} and a response`, method: 'GET', text: ok('Transfer-Encoding: chunked\r\n', content + injected) };
  }
  for (const first of ['', 'H', 'HTTP', 'HTTP/1.', 'HTTP/1.1 2', 'HTTP/1.1 200', 'HTTP/1.1 200 ', 'HTTP/1.1  200 OK', 'HTTP/1.1 2000 OK', 'HTTP/1.1 20 OK', 'HTTP/1.1 099 X', 'HTTP/1.1 600 X', 'HTTP/1.1 999 X', 'HTTP/1.1 -20 X', 'HTTP/1.1 abc X', 'HTTP/1.1', 'HTTP/2 200 OK', 'HTTP/2.0 200 OK', 'HTTP/1.2 200 OK', 'HTTP/0.9 200 OK', 'http/1.1 200 OK', 'ICY 200 OK', 'HTTP/1.1\t200 OK', ' HTTP/1.1 200 OK', '\r\nHTTP/1.1 200 OK', '\nHTTP/1.1 200 OK', 'HTTP/1.1 200 caf\xe9', 'HTTP/1.1 200 a\tb', 'GET / HTTP/1.1']) {
    yield { title: `status line ${show(first)}`, method: 'GET', text: `${first}\r\nContent-Length: 11\r\n\r\n${body}` };
    yield { title: `nothing but ${show(first)}`, method: 'GET', text: `${first}\r\n\r\n` };
  }
}

/** Cut at every byte: the connection ends there. */
function* truncated(): Generator<ResponseVector> {
  for (const [what, whole] of Object.entries({ length: plain, chunks: chunked, trailers: chunked.replace('0\r\n\r\n', '0\r\nX: y\r\n\r\n'), interim: ok('', '', '103 Early Hints') + plain })) {
    for (let end = 0; end < whole.length; end++) if (!whole.slice(end - 4, end + 4).includes('§')) yield { title: `${what}, cut behind byte ${end}`, method: 'GET', text: whole.slice(0, end) };
  }
}

/** All vectors, always in the same order. */
export function responseVectors(): readonly ResponseVector[] {
  return [...framings(), ...bodiless(), ...splits(), ...truncated(), ...everyByteOfResponses()];
}
