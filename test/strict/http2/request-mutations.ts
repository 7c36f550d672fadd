import { codings, everyByte, headLines, hosts, lengths, mark, requestLines, show, targets } from '../request-mutations.ts';
import type { Field, Piece } from './wire.ts';

/** A request on a stream that is wrong, odd, or valid in a way that is easy to get wrong. `§§§§§` stands for its number. */
export interface StreamVector {
  readonly title: string;
  readonly pieces: readonly Piece[];
}

const path = `/v${mark}`;
const hidden = `GET /s${mark} HTTP/1.1\r\nHost: strict.test\r\n\r\n`;
const chunkedHidden = `0\r\n\r\n${hidden}`;

interface Parts {
  readonly method?: string;
  readonly path?: string;
  readonly authority?: string;
  readonly scheme?: string;
}

function pseudo({ method = 'POST', path: target = path, authority = 'strict.test', scheme = 'http' }: Parts = {}): readonly Field[] {
  return [[':method', method], [':scheme', scheme], [':authority', authority], [':path', target]];
}

export function head(fields: readonly Field[], end: 'end' | 'more' = 'end'): Piece {
  return { kind: 'headers', fields, end: end === 'end' };
}

export function data(text: string, end: 'end' | 'more' = 'end'): Piece {
  return { kind: 'data', text, end: end === 'end' };
}

function get(...fields: readonly Field[]): readonly Piece[] {
  return [head([...pseudo({ method: 'GET' }), ...fields])];
}

function post(body: string, ...fields: readonly Field[]): readonly Piece[] {
  return [head([...pseudo(), ...fields], 'more'), data(body)];
}

function trailed(...trailers: readonly Field[]): readonly Piece[] {
  return [head(pseudo(), 'more'), data('hello', 'more'), head(trailers)];
}

/** Each byte at each place of a request that has all there is. */
const places: Readonly<Record<string, (byte: string) => readonly Piece[]>> = {
  'as a name': (byte) => get([byte, 'y']),
  'before a name': (byte) => get([`${byte}x`, 'y']),
  'inside a name': (byte) => get([`x${byte}y`, 'z']),
  'after a name': (byte) => get([`x${byte}`, 'y']),
  'as a value': (byte) => get(['x', byte]),
  'before a value': (byte) => get(['x', `${byte}y`]),
  'inside a value': (byte) => get(['x', `y${byte}z`]),
  'after a value': (byte) => get(['x', `y${byte}`]),
  'as the path': (byte) => [head(pseudo({ method: 'GET', path: byte }))],
  'before the path': (byte) => [head(pseudo({ method: 'GET', path: byte + path }))],
  'inside the path': (byte) => [head(pseudo({ method: 'GET', path: `${path}${byte}x` }))],
  'inside the query': (byte) => [head(pseudo({ method: 'GET', path: `${path}?a${byte}x` }))],
  'after the path': (byte) => [head(pseudo({ method: 'GET', path: path + byte }))],
  'before the method': (byte) => [head(pseudo({ method: `${byte}GET` }))],
  'inside the method': (byte) => [head(pseudo({ method: `G${byte}ET` }))],
  'after the method': (byte) => [head(pseudo({ method: `GET${byte}` }))],
  'before the authority': (byte) => [head(pseudo({ authority: `${byte}strict.test` }))],
  'inside the authority': (byte) => [head(pseudo({ authority: `stri${byte}ct.test` }))],
  'after the authority': (byte) => [head(pseudo({ authority: `strict.test${byte}` }))],
  'as the scheme': (byte) => [head(pseudo({ scheme: byte }))],
  'after the scheme': (byte) => [head(pseudo({ scheme: `http${byte}` }))],
  'before content-length': (byte) => post(hidden, [`${byte}content-length`, '6']),
  'in place of the dash of content-length': (byte) => post(hidden, [`content${byte}length`, '6']),
  'after content-length': (byte) => post(hidden, [`content-length${byte}`, '6']),
  'before a length': (byte) => post('hello!', ['content-length', `${byte}6`]),
  'after a length': (byte) => post('hello!', ['content-length', `6${byte}`]),
  'before transfer-encoding': (byte) => post(chunkedHidden, [`${byte}transfer-encoding`, 'chunked']),
  'in place of the dash of transfer-encoding': (byte) => post(chunkedHidden, [`transfer${byte}encoding`, 'chunked']),
  'after transfer-encoding': (byte) => post(chunkedHidden, [`transfer-encoding${byte}`, 'chunked']),
  'in a host field': (byte) => [head([...pseudo({ method: 'GET' }).filter(([name]) => name !== ':authority'), ['host', `stri${byte}ct.test`]])],
  'in a second host': (byte) => get(['host', `stri${byte}ct.test`]),
  'in a crumb': (byte) => get(['cookie', 'a=b'], ['cookie', `c${byte}d`]),
  'after te': (byte) => get(['te', `trailers${byte}`]),
  'in the name of a trailer': (byte) => trailed([`x${byte}y`, 'z']),
  'in the value of a trailer': (byte) => trailed(['x', `y${byte}z`]),
  'as a pseudo-header field': (byte) => [head([...pseudo({ method: 'GET' }), [`:${byte}`, 'x']])],
};

function* everyByteOfEverything(): Generator<StreamVector> {
  for (const [place, build] of Object.entries(places)) for (const byte of everyByte) yield { title: `${show(byte)} ${place}`, pieces: build(byte) };
}

const latin1 = (value: string): boolean => Buffer.from(value, 'latin1').toString('latin1') === value;

function* framings(): Generator<StreamVector> {
  for (const value of lengths.filter(latin1)) {
    for (const [what, body] of Object.entries({ 'six bytes': 'hello!', more: hidden, less: 'hell', chunks: chunkedHidden })) {
      yield { title: `length ${show(value)} for ${what}`, pieces: post(body, ['content-length', value]) };
      yield { title: `length ${show(value)} twice for ${what}`, pieces: post(body, ['content-length', value], ['content-length', value]) };
      yield { title: `length ${show(value)} and 6 for ${what}`, pieces: post(body, ['content-length', value], ['content-length', '6']) };
      yield { title: `6 and length ${show(value)} for ${what}`, pieces: post(body, ['content-length', '6'], ['content-length', value]) };
    }
    yield { title: `length ${show(value)} and no body`, pieces: get(['content-length', value]) };
    yield { title: `length ${show(value)} in trailers`, pieces: trailed(['content-length', value]) };
    yield { title: `length ${show(value)} with trailers`, pieces: [head([...pseudo(), ['content-length', value]], 'more'), data('hello!', 'more'), head([['x', 'y']])] };
    yield { title: `length ${show(value)} and nothing but trailers`, pieces: [head([...pseudo(), ['content-length', value]], 'more'), head([['x', 'y']])] };
  }
  for (const value of codings.filter(latin1)) {
    yield { title: `coding ${show(value)}`, pieces: post(chunkedHidden, ['transfer-encoding', value]) };
    yield { title: `coding ${show(value)} and length`, pieces: post(chunkedHidden, ['transfer-encoding', value], ['content-length', String(chunkedHidden.replaceAll(mark, '10000').length)]) };
    yield { title: `coding ${show(value)} in trailers`, pieces: trailed(['transfer-encoding', value]) };
    yield { title: `coding ${show(value)} as te`, pieces: get(['te', value]) };
  }
}

/** Fields that HTTP/1.1 writes in lines, line ends and all. */
function* fieldsOfLines(): Generator<StreamVector> {
  for (const line of headLines) {
    const colon = line.indexOf(':');
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    for (const [how, spelled] of Object.entries({ 'as it is': name, 'in lower case': name.toLowerCase() })) {
      yield { title: `field ${show(line)} ${how}`, pieces: get([spelled, value]) };
      yield { title: `field ${show(line)} ${how} with a body`, pieces: post('hello', [spelled, value]) };
      yield { title: `field ${show(line)} ${how} before a late field`, pieces: get([spelled, value], ['z', 'w']) };
      yield { title: `field ${show(line)} ${how} in trailers`, pieces: trailed([spelled, value]) };
    }
    const separate = line.split('\r\n').flatMap((each): Field[] => (each.includes(':') ? [[each.slice(0, each.indexOf(':')).toLowerCase(), each.slice(each.indexOf(':') + 1).trim()]] : []));
    yield { title: `fields of ${show(line)}`, pieces: get(...separate) };
    yield { title: `fields of ${show(line)} with a body`, pieces: post('hello', ...separate) };
  }
}

function* origins(): Generator<StreamVector> {
  const withoutAuthority = (method: string): readonly Field[] => pseudo({ method }).filter(([name]) => name !== ':authority');
  for (const line of hosts) {
    const values = line.split('\r\n').flatMap((each) => (/^ *host *:/i.test(each) ? [each.slice(each.indexOf(':') + 1).replace(/^ /, '')] : []));
    yield { title: `${show(line)} without authority`, pieces: [head([...withoutAuthority('GET'), ...values.map((value): Field => ['host', value])])] };
    yield { title: `${show(line)} beside the authority`, pieces: get(...values.map((value): Field => ['host', value])) };
    for (const value of values) {
      yield { title: `authority ${show(value)}`, pieces: [head(pseudo({ method: 'GET', authority: value }))] };
      yield { title: `authority and host ${show(value)}`, pieces: [head([...pseudo({ method: 'GET', authority: value }), ['host', value]])] };
      yield { title: `CONNECT to ${show(value)}`, pieces: [head([[':method', 'CONNECT'], [':authority', value]])] };
    }
  }
  for (const target of [...targets, '', '/', '*', ' ', `${path} HTTP/1.1\r\nHost: strict.test\r\n\r\n${hidden}`, `${path} HTTP/1.0`, `${path}\r\nX: y`]) {
    for (const method of ['GET', 'OPTIONS', 'CONNECT']) yield { title: `${method} of ${show(target)}`, pieces: [head(pseudo({ method, path: target }))] };
  }
  for (const line of requestLines) yield { title: `method ${show(line)}`, pieces: [head(pseudo({ method: line }))] };
  for (const scheme of ['http', 'https', 'HTTP', 'ftp', '', 'http:', 'http://x', 'http\r\nX: y', 'h2c', 'javascript', 'https ', ' http']) yield { title: `scheme ${show(scheme)}`, pieces: [head(pseudo({ scheme }))] };
}

function* pseudoFields(): Generator<StreamVector> {
  const all = pseudo({ method: 'GET' });
  for (const [index, [name, value]] of all.entries()) {
    const others = all.filter((_, place) => place !== index);
    yield { title: `no ${name}`, pieces: [head(others)] };
    yield { title: `${name} empty`, pieces: [head([...others, [name, '']])] };
    yield { title: `${name} in capitals`, pieces: [head([...others, [name.toUpperCase(), value]])] };
    yield { title: `${name} late`, pieces: [head([...others, ['x', 'y'], [name, value]])] };
    yield { title: `${name} in trailers`, pieces: trailed([name, value]) };
    yield { title: `${name} without colon`, pieces: [head([...all, [name.slice(1), value]])] };
    for (const other of [value, 'other.test', `/s${mark}`, 'POST', 'CONNECT', 'https', '', `x\r\n\r\n${hidden}`]) {
      yield { title: `${name} twice, then ${show(other)}`, pieces: [head([...all, [name, other]])] };
      yield { title: `${name} twice, late, ${show(other)}`, pieces: [head([...all, ['x', 'y'], [name, other]])] };
      yield { title: `${name} is ${show(other)}`, pieces: [head([...others, [name, other]])] };
    }
    for (const [second, field] of others.entries()) yield { title: `${name} behind ${field[0]}`, pieces: [head([...others.slice(0, second + 1), [name, value], ...others.slice(second + 1)])] };
  }
  for (const name of [':status', ':protocol', ':', '::', ':x', ':host', ':method:', ':path ', ': path', ':content-length', ':transfer-encoding', ':authority\0']) {
    for (const value of ['200', 'websocket', '', 'chunked']) {
      yield { title: `${show(name)}: ${value} early`, pieces: [head([[name, value], ...all])] };
      yield { title: `${show(name)}: ${value} behind the others`, pieces: [head([...all, [name, value]])] };
      yield { title: `${show(name)}: ${value} in trailers`, pieces: trailed([name, value]) };
    }
  }
}

/** Requests for a WebSocket (RFC 8441), with what would be a request of its own behind them. */
function* extended(): Generator<StreamVector> {
  const all: readonly Field[] = [...pseudo({ method: 'CONNECT' }), [':protocol', 'websocket'], ['sec-websocket-version', '13']];
  const asked = (fields: readonly Field[]): readonly Piece[] => [head(fields, 'more'), data(hidden)];
  yield { title: 'extended CONNECT, open', pieces: [head(all, 'more')] };
  yield { title: 'extended CONNECT, ended', pieces: [head(all)] };
  yield { title: 'extended CONNECT with trailers', pieces: [head(all, 'more'), data(hidden, 'more'), head([['x', 'y']])] };
  for (const [index, [name, value]] of all.entries()) {
    const others = all.filter((_, place) => place !== index);
    yield { title: `extended CONNECT without ${name}`, pieces: asked(others) };
    for (const other of ['', value, `${value} `, `${value}\r\nX: y`, value.toUpperCase(), 'GET', 'connect-udp', 'h2c', 'websocket, h2c', '*', 'https', 'wss', '/', `x\r\n\r\n${hidden}`]) {
      yield { title: `extended CONNECT, ${name} is ${show(other)}`, pieces: asked(all.map((field, place) => (place === index ? [name, other] : field))) };
      yield { title: `extended CONNECT, ${name} twice, then ${show(other)}`, pieces: asked([...all.slice(0, index + 1), [name, other], ...all.slice(index + 1)]) };
    }
    for (const byte of everyByte) yield { title: `extended CONNECT, ${show(byte)} in ${name}`, pieces: asked(all.map((field, place) => (place === index ? [name, value + byte] : field))) };
  }
  for (const line of [...headLines, ...lengths.map((value) => `content-length: ${value}`), ...codings.map((value) => `transfer-encoding: ${value}`)].flatMap((each) => each.split('\r\n'))) {
    const colon = line.indexOf(':');
    if (colon > 0) yield { title: `extended CONNECT with ${show(line)}`, pieces: asked([...all, [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]]) };
  }
  for (const name of ['sec-websocket-key', 'sec_websocket_key', 'sec-websocket-accept', 'upgrade', 'connection', 'content-length', 'expect']) {
    for (const value of ['', '0', '5', 'websocket', 'Upgrade', '100-continue', 'dGhlIHNhbXBsZSBub25jZQ==']) {
      yield { title: `extended CONNECT with ${name}: ${value}`, pieces: asked([...all, [name, value]]) };
      yield { title: `${name}: ${value} beside upgrade fields without extended CONNECT`, pieces: get(['upgrade', 'websocket'], ['connection', 'Upgrade'], [name, value]) };
      yield { title: `${name}: ${value} without extended CONNECT`, pieces: get([name, value], ['sec-websocket-version', '13']) };
    }
  }
}

function* connectionFields(): Generator<StreamVector> {
  for (const name of ['connection', 'proxy-connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'te', 'trailer', 'http2-settings', 'proxy-authorization', 'expect', 'content-encoding', 'x-forwarded-for', 'x-request-id', 'forwarded', 'x-weft-error']) {
    for (const value of ['close', 'keep-alive', 'x', 'trailers', 'trailers, deflate;q=0.5', 'Trailers', 'chunked', 'h2c', 'websocket', '', 'content-length', '6.6.6.6', '100-continue']) {
      for (const spelled of [name, name.toUpperCase(), name.replaceAll('-', '_')]) {
        yield { title: `${spelled}: ${value}`, pieces: get([spelled, value]) };
        yield { title: `${spelled}: ${value} with a body`, pieces: post(chunkedHidden, [spelled, value]) };
        yield { title: `${spelled}: ${value} in trailers`, pieces: trailed([spelled, value]) };
      }
    }
  }
  for (const name of ['accept', 'x-custom', 'cookie', 'content-length', 'host']) {
    for (let at = 0; at < name.length; at++) {
      const spelled = name.slice(0, at) + name[at]!.toUpperCase() + name.slice(at + 1);
      if (spelled === name) continue;
      yield { title: `capital in ${spelled}`, pieces: get([spelled, '0']) };
      yield { title: `capital in ${spelled} in trailers`, pieces: trailed([spelled, '0']) };
    }
  }
}

/** Whole requests and fields where a text is expected. */
function* injections(): Generator<StreamVector> {
  for (const end of ['\r\n', '\n', '\r', '\n\r', '\0', '\r\n ', '\r\n\t', '\x0b', '\x85', ' ', '\t', '%0d%0a']) {
    for (const injected of [`x-injected: 1`, `Transfer-Encoding: chunked`, `Content-Length: 0${end}${end}${hidden}`, `${end}${hidden}`]) {
      const text = `a${end}${injected}`;
      yield { title: `value ${show(text)}`, pieces: get(['x', text]) };
      yield { title: `value ${show(text)} with a body`, pieces: post('hello', ['x', text], ['content-length', '5']) };
      yield { title: `name ${show(text)}`, pieces: get([text, 'x']) };
      yield { title: `name ${show(text)} and a colon`, pieces: get([`x: y${end}${injected}`, 'x']) };
      yield { title: `crumb ${show(text)}`, pieces: get(['cookie', 'a=b'], ['cookie', text]) };
      yield { title: `path ${show(text)}`, pieces: [head(pseudo({ method: 'GET', path: `${path} HTTP/1.1${end}${injected}` }))] };
      yield { title: `method ${show(text)}`, pieces: [head(pseudo({ method: `GET ${path} HTTP/1.1${end}${injected}${end}X: ` }))] };
      yield { title: `authority ${show(text)}`, pieces: [head(pseudo({ authority: `strict.test${end}${injected}` }))] };
      yield { title: `scheme ${show(text)}`, pieces: [head(pseudo({ scheme: `http://strict.test${path} HTTP/1.1${end}${injected}` }))] };
      yield { title: `trailer value ${show(text)}`, pieces: trailed(['x', text]) };
      yield { title: `trailer name ${show(text)}`, pieces: trailed([text, 'x']) };
    }
  }
}

function* shapes(): Generator<StreamVector> {
  const start = head(pseudo(), 'more');
  const sized = (length: number): Piece => head([...pseudo(), ['content-length', String(length)]], 'more');
  for (const body of ['', 'hello', hidden, chunkedHidden, 'x'.repeat(16_384), '0\r\n\r\n', '5\r\nhello\r\n0\r\n\r\n']) {
    for (const more of [0, 1, -1, 5, 1000]) {
      const real = body.replaceAll(mark, '10000').length;
      if (real + more < 0) continue;
      yield { title: `${real} bytes told as ${real + more}`, pieces: [sized(real + more), data(body)] };
      yield { title: `${real} bytes in two told as ${real + more}`, pieces: [sized(real + more), data(body.slice(0, 3), 'more'), data(body.slice(3))] };
      yield { title: `${real} bytes and an empty end told as ${real + more}`, pieces: [sized(real + more), data(body, 'more'), data('')] };
      yield { title: `${real} bytes told as ${real + more} with trailers`, pieces: [sized(real + more), data(body, 'more'), head([['x', 'y']])] };
      yield { title: `${real} bytes told as ${real + more}, never ended`, pieces: [sized(real + more), data(body, 'more')] };
    }
    yield { title: `${show(body)} without length`, pieces: [start, data(body)] };
    yield { title: `${show(body)} never ended`, pieces: [start, data(body, 'more')] };
    yield { title: `${show(body)} and trailers`, pieces: [start, data(body, 'more'), head([['x', 'y'], ['z', 'w']])] };
    yield { title: `${show(body)} and trailers without end`, pieces: [start, data(body, 'more'), head([['x', 'y']], 'more')] };
    yield { title: `${show(body)} and trailers twice`, pieces: [start, data(body, 'more'), head([['x', 'y']], 'more'), head([['x', 'y']])] };
    yield { title: `${show(body)} and a head`, pieces: [start, data(body, 'more'), head(pseudo())] };
    yield { title: `trailers amid ${show(body)}`, pieces: [start, data('a', 'more'), head([['x', 'y']], 'more'), data(body)] };
    yield { title: `${show(body)} and empty trailers`, pieces: [start, data(body, 'more'), head([])] };
  }
  for (const count of [0, 1, 2, 50, 100, 127, 128, 129, 500]) yield { title: `${count} fields`, pieces: get(...Array.from({ length: count }, (_, index): Field => [`n${index}`, 'x'])) };
  for (const length of [255, 256, 257, 1000]) yield { title: `a name of ${length}`, pieces: get(['n'.repeat(length), 'x']) };
  for (const length of [8000, 20_000, 32_768, 32_769, 60_000]) yield { title: `a value of ${length}`, pieces: get(['x', 'v'.repeat(length)]) };
  for (const count of [2, 3, 20, 60]) yield { title: `${count} crumbs`, pieces: get(...Array.from({ length: count }, (_, index): Field => ['cookie', `c${index}=${index}`]), ['x', 'y']) };
  yield { title: 'no fields', pieces: [head([])] };
  yield { title: 'no head', pieces: [head([['x', 'y']])] };
}

/** All vectors, always in the same order. */
export function streamRequestVectors(): readonly StreamVector[] {
  return [...framings(), ...fieldsOfLines(), ...origins(), ...pseudoFields(), ...extended(), ...connectionFields(), ...injections(), ...shapes(), ...everyByteOfEverything()];
}

/** With its number in it. */
export function numbered(pieces: readonly Piece[], number: string): readonly Piece[] {
  const own = (text: string): string => text.replaceAll(mark, number);
  return pieces.map((piece) => (piece.kind === 'data' ? { ...piece, text: own(piece.text) } : { ...piece, fields: piece.fields.map(([name, value]): Field => [own(name), own(value)]) }));
}
