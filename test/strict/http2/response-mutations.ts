import { codings, everyByte, headLines, lengths, mark, show } from '../request-mutations.ts';
import { injected } from '../response-mutations.ts';
import { data, head } from './request-mutations.ts';
import type { Field, Piece } from './wire.ts';

/** What an upstream answers on a stream. `§§§§§` stands for the number of the vector. */
export interface StreamAnswer {
  readonly title: string;
  readonly method: 'GET' | 'HEAD';
  readonly pieces: readonly Piece[];
}

const body = `hello ${mark}`;
const chunkedBody = `b\r\n${body}\r\n0\r\n\r\n`;

function ok(fields: readonly Field[], content: string = body, status = '200'): readonly Piece[] {
  return content === '' ? [head([[':status', status], ...fields])] : [head([[':status', status], ...fields], 'more'), data(content)];
}

function trailed(...trailers: readonly Field[]): readonly Piece[] {
  return [head([[':status', '200']], 'more'), data(body, 'more'), head(trailers)];
}

const places: Readonly<Record<string, (byte: string) => readonly Piece[]>> = {
  'as the status': (byte) => ok([], body, byte),
  'before the status': (byte) => ok([], body, `${byte}200`),
  'in the status': (byte) => ok([], body, `2${byte}0`),
  'after the status': (byte) => ok([], body, `200${byte}`),
  'as a name': (byte) => ok([[byte, 'y']]),
  'before a name': (byte) => ok([[`${byte}x`, 'y']]),
  'inside a name': (byte) => ok([[`x${byte}y`, 'z']]),
  'after a name': (byte) => ok([[`x${byte}`, 'y']]),
  'as a value': (byte) => ok([['x', byte]]),
  'before a value': (byte) => ok([['x', `${byte}y`]]),
  'inside a value': (byte) => ok([['location', `/y${byte}z`]]),
  'after a value': (byte) => ok([['x', `y${byte}`]]),
  'before content-length': (byte) => ok([[`${byte}content-length`, '3']]),
  'in place of the dash of content-length': (byte) => ok([[`content${byte}length`, '3']]),
  'before a length': (byte) => ok([['content-length', `${byte}11`]]),
  'after a length': (byte) => ok([['content-length', `11${byte}`]]),
  'in place of the dash of transfer-encoding': (byte) => ok([[`transfer${byte}encoding`, 'chunked']], chunkedBody),
  'in set-cookie': (byte) => ok([['set-cookie', 'a=b'], ['set-cookie', `c=${byte}d`]]),
  'in the name of a trailer': (byte) => trailed([`x${byte}y`, 'z']),
  'in the value of a trailer': (byte) => trailed(['x', `y${byte}z`]),
  'as a pseudo-header field': (byte) => [head([[':status', '200'], [`:${byte}`, 'x']], 'more'), data(body)],
  'in an interim response': (byte) => [head([[':status', '103'], ['link', `a${byte}b`]], 'more'), ...ok([])],
};

function* everyByteOfAnswers(): Generator<StreamAnswer> {
  for (const [place, build] of Object.entries(places)) for (const byte of everyByte) yield { title: `${show(byte)} ${place}`, method: 'GET', pieces: build(byte) };
}

const latin1 = (value: string): boolean => Buffer.from(value, 'latin1').toString('latin1') === value;

function* framings(): Generator<StreamAnswer> {
  const lines: Field[][] = [
    ...lengths.filter(latin1).flatMap((value): Field[][] => [[['content-length', value]], [['content-length', value], ['content-length', value]], [['content-length', value], ['content-length', '11']], [['content-length', '11'], ['content-length', value]]]),
    ...codings.filter(latin1).flatMap((value): Field[][] => [[['transfer-encoding', value]], [['transfer-encoding', value], ['content-length', '11']]]),
    ...['content_length', 'content.length', 'transfer_encoding', 'transfer.encoding', 'connection', 'keep-alive', 'upgrade', 'proxy-connection', 'te'].map((name): Field[] => [[name, '11']]),
  ];
  for (const fields of lines) {
    const shown = show(JSON.stringify(fields));
    yield { title: `framed by ${shown}`, method: 'GET', pieces: ok(fields) };
    yield { title: `framed by ${shown}, chunks`, method: 'GET', pieces: ok(fields, chunkedBody) };
    yield { title: `framed by ${shown}, nothing`, method: 'GET', pieces: ok(fields, '') };
    yield { title: `framed by ${shown}, trailers`, method: 'GET', pieces: [head([[':status', '200'], ...fields], 'more'), data(body, 'more'), head([['x', 'y']])] };
    yield { title: `framed by ${shown} in trailers`, method: 'GET', pieces: trailed(...fields) };
    yield { title: `HEAD, framed by ${shown}`, method: 'HEAD', pieces: ok(fields, '') };
    yield { title: `304, framed by ${shown}`, method: 'GET', pieces: ok(fields, '', '304') };
    yield { title: `204, framed by ${shown}`, method: 'GET', pieces: ok(fields, '', '204') };
    yield { title: `interim, framed by ${shown}`, method: 'GET', pieces: [head([[':status', '103'], ...fields], 'more'), ...ok([])] };
  }
}

function* fieldsOfLines(): Generator<StreamAnswer> {
  // A block of more than the bound ends the connection, and with it the streams of others: that is for `connection/` to show.
  for (const line of headLines.filter((each) => each.length < 60_000)) {
    const colon = line.indexOf(':');
    const field: Field = [(colon < 0 ? line : line.slice(0, colon)).toLowerCase(), colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')];
    yield { title: `field ${show(line)}`, method: 'GET', pieces: ok([field]) };
    yield { title: `field ${show(line)} to HEAD`, method: 'HEAD', pieces: ok([field], '') };
    yield { title: `field ${show(line)} in trailers`, method: 'GET', pieces: trailed(field) };
    yield { title: `field ${show(line)} in capitals`, method: 'GET', pieces: ok([[field[0].toUpperCase(), field[1]]]) };
    const separate = line.split('\r\n').flatMap((each): Field[] => (each.includes(':') ? [[each.slice(0, each.indexOf(':')).toLowerCase(), each.slice(each.indexOf(':') + 1).trim()]] : []));
    yield { title: `fields of ${show(line)}`, method: 'GET', pieces: ok(separate) };
  }
  for (const end of ['\r\n', '\n', '\r', '\n\r', '\0', '\r\n ', '\x0b', '\x85', '%0d%0a']) {
    for (const text of [`a${end}Set-Cookie: a=b`, `a${end}Content-Length: 0${end}${end}${injected.replaceAll('\r\n', end)}`]) {
      yield { title: `value ${show(text)}`, method: 'GET', pieces: ok([['location', text]]) };
      yield { title: `name ${show(text)}`, method: 'GET', pieces: ok([[`x: ${text}`.toLowerCase(), 'y']]) };
      yield { title: `status ${show(text)}`, method: 'GET', pieces: ok([], body, `200 OK${end}${text}`) };
      yield { title: `trailer ${show(text)}`, method: 'GET', pieces: trailed(['x', text]) };
      yield { title: `interim ${show(text)}`, method: 'GET', pieces: [head([[':status', '103'], ['link', text]], 'more'), ...ok([])] };
      yield { title: `content ${show(text)}`, method: 'GET', pieces: ok([], text + injected) };
    }
  }
}

function* statuses(): Generator<StreamAnswer> {
  for (const status of ['', '0', '20', '2000', '099', '600', '999', '-20', 'abc', '200 OK', '2 0', ' 200', '200 ', '+200', '0200', '1e2', '101', '100', '102', '103', '199', '201', '203', '205', '206', '301', '400', '418', '500', '503', '599']) {
    yield { title: `status ${show(status)}`, method: 'GET', pieces: ok([], body, status) };
    yield { title: `status ${show(status)} without content`, method: 'GET', pieces: ok([], '', status) };
    yield { title: `status ${show(status)} to HEAD`, method: 'HEAD', pieces: ok([['content-length', '11']], '', status) };
    yield { title: `status ${show(status)}, then another`, method: 'GET', pieces: [head([[':status', status]], 'more'), ...ok([])] };
  }
  for (const status of ['204', '304', '205', '200']) {
    for (const content of ['', 'x', body, injected, chunkedBody]) {
      for (const fields of [[], [['content-length', '0']], [['content-length', '11']]] as Field[][]) {
        for (const method of ['GET', 'HEAD'] as const) {
          yield { title: `${method}, ${status} with ${JSON.stringify(fields)} and ${show(content)}`, method, pieces: ok(fields, content, status) };
          yield { title: `${method}, ${status} with ${JSON.stringify(fields)} and ${show(content)} and an empty end`, method, pieces: [head([[':status', status], ...fields], 'more'), data(content, 'more'), data('')] };
          yield { title: `${method}, ${status} with ${JSON.stringify(fields)} and ${show(content)} and trailers`, method, pieces: [head([[':status', status], ...fields], 'more'), data(content, 'more'), head([['x', 'y']])] };
        }
      }
    }
  }
  for (const fields of [[], [['x', 'y'], [':status', '200']], [[':status', '200'], [':status', '200']], [[':status', '200'], [':status', '500']], [[':status', '200'], [':method', 'GET']], [[':path', '/']], [[':status', '200'], [':x', 'y']], [['status', '200']], [[':STATUS', '200']], [[':Status', '200']]] as Field[][]) {
    yield { title: `head ${JSON.stringify(fields)}`, method: 'GET', pieces: [head(fields, 'more'), data(body)] };
    yield { title: `trailers ${JSON.stringify(fields)}`, method: 'GET', pieces: trailed(...fields) };
    yield { title: `interim ${JSON.stringify(fields)}`, method: 'GET', pieces: [head(fields, 'more'), ...ok([])] };
  }
}

function* shapes(): Generator<StreamAnswer> {
  const sized = (length: number): Piece => head([[':status', '200'], ['content-length', String(length)]], 'more');
  for (const content of ['hello', injected, chunkedBody, 'x'.repeat(16_384), '']) {
    const real = content.replaceAll(mark, '10000').length;
    for (const more of [0, 1, -1, 5, 1000].filter((each) => real + each >= 0)) {
      yield { title: `${real} bytes told as ${real + more}`, method: 'GET', pieces: [sized(real + more), data(content)] };
      yield { title: `${real} bytes in pieces told as ${real + more}`, method: 'GET', pieces: [sized(real + more), data(content.slice(0, 3), 'more'), data('', 'more'), data(content.slice(3))] };
      yield { title: `${real} bytes told as ${real + more} with trailers`, method: 'GET', pieces: [sized(real + more), data(content, 'more'), head([['x', 'y']])] };
      yield { title: `${real} bytes told as ${real + more}, broken off`, method: 'GET', pieces: [sized(real + more), data(content, 'more')] };
    }
    yield { title: `${show(content)} broken off`, method: 'GET', pieces: [head([[':status', '200']], 'more'), data(content, 'more')] };
    yield { title: `${show(content)} and a second head`, method: 'GET', pieces: [head([[':status', '200']], 'more'), data(content, 'more'), ...ok([])] };
    yield { title: `${show(content)} and trailers without end`, method: 'GET', pieces: [head([[':status', '200']], 'more'), data(content, 'more'), head([['x', 'y']], 'more')] };
    yield { title: `${show(content)} and an interim response`, method: 'GET', pieces: [head([[':status', '200']], 'more'), data(content, 'more'), head([[':status', '103']], 'more')] };
    yield { title: `${show(content)} before the head`, method: 'GET', pieces: [data(content, 'more'), ...ok([])] };
  }
  for (const count of [1, 5, 16, 17, 100]) yield { title: `${count} interim responses`, method: 'GET', pieces: [...Array.from({ length: count }, () => head([[':status', '103'], ['link', 'x']], 'more')), ...ok([])] };
  yield { title: 'an interim response with an end', method: 'GET', pieces: [head([[':status', '103']])] };
  for (const count of [1, 100, 127, 128, 129, 500]) yield { title: `${count} fields`, method: 'GET', pieces: ok(Array.from({ length: count }, (_, index): Field => [`n${index}`, 'x'])) };
  for (const length of [8000, 32_768, 32_769, 60_000]) yield { title: `a value of ${length}`, method: 'GET', pieces: ok([['x', 'v'.repeat(length)]]) };
}

/** All vectors, always in the same order. */
export function streamAnswers(): readonly StreamAnswer[] {
  return [...framings(), ...fieldsOfLines(), ...statuses(), ...shapes(), ...everyByteOfAnswers()];
}
