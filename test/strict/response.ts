import { membersOf, Oddities, readChunks, readFields, readFraming, refused, token, valuesOf, type Certainty, type FieldLine, type Framed, type Incomplete, type Refused } from './message.ts';
import { isFramingAlias } from './request.ts';

export interface ReadResponse extends Certainty, Framed {
  readonly kind: 'response';
  readonly status: number;
  readonly fields: readonly FieldLine[];
  /** 1xx before it. */
  readonly interims: readonly number[];
  /** The connection ends with it. */
  readonly last: boolean;
}

// The reason phrase may hold what a field value may; the space before an empty one is due, though often missing.
const statusLine = /^HTTP\/1\.([01]) ([1-9][0-9]{2})(| [\t\x20-\x7e\x80-\xff]*)$/;

/** The response that starts at `from`. `ended`: nothing follows the text. */
export function readResponse(text: string, from: number, method: string, ended: boolean): ReadResponse | Refused | Incomplete {
  const odd = new Oddities();
  const interims: number[] = [];
  let p = from;
  for (;;) {
    const headEnd = text.indexOf('\r\n\r\n', p);
    if (headEnd < 0) return { kind: 'incomplete' };
    const [first, ...lines] = text.slice(p, headEnd).split('\r\n');
    const line = statusLine.exec(first!);
    if (line === null) return refused('status line');
    const minor = Number(line[1]);
    const status = Number(line[2]);
    if (line[3] === '') odd.note('no space behind the status');
    if (status > 599) odd.note('status');
    const fields = readFields(lines, odd);
    if (typeof fields === 'string') return refused(fields);
    if (status === 101) return refused('nobody asked to upgrade');
    const framing = readFraming(fields, minor, odd);
    if (typeof framing === 'string') return refused(framing);
    if (fields.some(({ name }) => isFramingAlias(name))) odd.note('alias of a framing field');
    if (status < 200) {
      if (valuesOf(fields, 'content-length').length + valuesOf(fields, 'transfer-encoding').length > 0) odd.note('framing in an interim response');
      interims.push(status);
      if (interims.length > 10) odd.note('many interim responses');
      p = headEnd + 4;
      continue;
    }
    const bodiless = method === 'HEAD' || status === 204 || status === 304;
    if (status === 204 && valuesOf(fields, 'content-length').length + valuesOf(fields, 'transfer-encoding').length > 0) odd.note('framing in 204');
    const untilClose = !bodiless && framing.kind === 'none' && valuesOf(fields, 'content-length').length === 0;
    const body = bodiless ? { body: '', end: headEnd + 4 } : untilClose ? readRest(text, headEnd + 4, ended) : readBody(text, headEnd + 4, framing, odd);
    if ('kind' in body) return body;
    const options = membersOf(valuesOf(fields, 'connection')).map((option) => option.toLowerCase());
    if (options.some((option) => !new RegExp(`^${token}$`).test(option))) odd.note('connection options');
    const last = untilClose || options.includes('close') || (minor === 0 && !options.includes('keep-alive'));
    return { kind: 'response', status, fields, interims, last, ...body, ...odd.certainty };
  }
}

function readRest(text: string, from: number, ended: boolean): Framed | Incomplete {
  return ended ? { body: text.slice(from), end: text.length } : { kind: 'incomplete' };
}

function readBody(text: string, from: number, framing: Exclude<ReturnType<typeof readFraming>, string>, odd: Oddities): Framed | Refused | Incomplete {
  if (framing.kind === 'chunked') return readChunks(text, from, odd);
  const end = from + (framing.kind === 'length' ? framing.length : 0);
  return end > text.length ? { kind: 'incomplete' } : { body: text.slice(from, end), end };
}

export interface ReadAnswers {
  readonly responses: readonly ReadResponse[];
  /** Undefined: the text is used up. */
  readonly fault: string | undefined;
}

/** What a client got on a connection that has ended, for requests with these methods. */
export function readResponses(text: string, methods: readonly string[]): ReadAnswers {
  const responses: ReadResponse[] = [];
  let p = 0;
  while (p < text.length) {
    const read = readResponse(text, p, methods[responses.length] ?? 'GET', true);
    if (read.kind !== 'response') return { responses, fault: read.kind === 'refused' ? read.reason : 'incomplete' };
    responses.push(read);
    p = read.end;
    if (read.last && p < text.length) return { responses, fault: 'bytes behind the last response' };
  }
  return { responses, fault: undefined };
}
