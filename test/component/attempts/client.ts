import { connect, type ClientHttp2Session, type IncomingHttpHeaders } from 'node:http2';
import { readResponse } from '../../strict/response.ts';
import { RawClient } from '../proxy-rig.ts';
import type { Speaks } from './endpoint.ts';

/** A client of one request after the other, that tells what it got. */

export interface Sent {
  readonly method: string;
  readonly path: string;
  readonly fields: Readonly<Record<string, string>>;
  /** Undefined: there is no content. The second piece goes out when `gate` says so. */
  readonly pieces: readonly [string, string] | undefined;
  readonly gate: Promise<void>;
  readonly trailers: Readonly<Record<string, string>> | undefined;
  /** Of HTTP/1.1. */
  readonly framing: 'length' | 'chunked';
}

export interface Got {
  readonly status: number;
  readonly fields: Readonly<Record<string, string>>;
  readonly body: string;
  readonly trailers: Readonly<Record<string, string>>;
  /** How often it was told to go on. */
  readonly continues: number;
  /** `cut`: what came is not whole, and this was told. `unmarked`: it looks whole, and is not. */
  readonly end: 'whole' | 'cut' | 'unmarked' | 'none came';
}

/** Beyond all limits of time. Milliseconds. */
const stuckMs = 15_000;

export interface Asking {
  ask(sent: Sent): Promise<Got>;
  close(): void;
}

export function clientOf(speaks: Speaks, port: number): Asking {
  return speaks === 'http1' ? { ask: (sent) => askHttp1(port, sent), close: () => {} } : new Http2Client(port);
}

async function askHttp1(port: number, { method, path, fields, pieces, gate, trailers, framing }: Sent): Promise<Got> {
  const client = new RawClient(port);
  const size = pieces === undefined ? 0 : pieces[0].length + pieces[1].length;
  const isChunked = framing === 'chunked';
  const framed = pieces === undefined ? '' : isChunked ? `transfer-encoding: chunked\r\n${trailers === undefined ? '' : `trailer: ${Object.keys(trailers).join()}\r\n`}` : `content-length: ${size}\r\n`;
  const lines = Object.entries({ host: 'shop.example', ...fields }).map(([name, value]) => `${name}: ${value}\r\n`);
  const put = (text: string): string => (!isChunked ? text : text === '' ? '' : `${text.length.toString(16)}\r\n${text}\r\n`);
  const write = (text: string): void => void (client.socket.writable && client.send(text));
  write(`${method} ${path} HTTP/1.1\r\n${lines.join('')}${framed}\r\n${pieces === undefined ? '' : put(pieces[0])}`);
  if (pieces !== undefined) {
    await gate;
    const behind = Object.entries(trailers ?? {}).map(([name, value]) => `${name}: ${value}\r\n`).join('');
    write(put(pieces[1]) + (isChunked ? `0\r\n${behind}\r\n` : ''));
  }
  const read = (): ReturnType<typeof readResponse> => readResponse(client.text, 0, method, false);
  await client.until(() => read().kind !== 'incomplete', stuckMs).catch(() => {});
  const got = read();
  const { text, error, ended } = client;
  client.close();
  if (got.kind === 'refused') throw new Error(`${got.reason}: ${text.slice(0, 500)}`);
  if (got.kind === 'response') return { status: got.status, fields: Object.fromEntries(got.fields.map(({ name, value }) => [name, value])), body: got.body, trailers: {}, continues: got.interims.filter((status) => status === 100).length, end: 'whole' };
  const last = text.slice(text.lastIndexOf('HTTP/1.1 '));
  const from = /^x-from: (.*)$/m.exec(last)?.[1]?.trim();
  return { status: Number(last.slice(9, 12)), fields: from === undefined ? {} : { 'x-from': from }, body: '', trailers: {}, continues: text.split('HTTP/1.1 100').length - 1, end: error !== undefined ? 'cut' : ended ? 'unmarked' : 'none came' };
}

class Http2Client implements Asking {
  readonly #session: ClientHttp2Session;

  constructor(port: number) {
    this.#session = connect(`http://127.0.0.1:${port}`);
    this.#session.on('error', () => {});
  }

  async ask({ method, path, fields, pieces, gate, trailers }: Sent): Promise<Got> {
    const stream = this.#session.request({ ':method': method, ':path': path, ':authority': 'shop.example', ...fields }, { endStream: pieces === undefined, waitForTrailers: trailers !== undefined });
    stream.on('error', () => {});
    stream.on('wantTrailers', () => stream.sendTrailers({ ...trailers }));
    const got = new Promise<Got>((resolve) => {
      let [head, behind, body, isWhole]: [IncomingHttpHeaders, IncomingHttpHeaders, string, boolean] = [{}, {}, '', false];
      let continues = 0;
      stream.setEncoding('latin1');
      stream.on('response', (headers) => (head = headers));
      stream.on('trailers', (headers) => (behind = headers));
      stream.on('continue', () => continues++);
      stream.on('data', (text: string) => (body += text));
      stream.on('end', () => (isWhole = true));
      const timer = setTimeout(() => tell('none came'), stuckMs);
      const tell = (end: Got['end']): void => {
        clearTimeout(timer);
        resolve({ status: Number(head[':status'] ?? 0), fields: textsOf(head), body, trailers: textsOf(behind), continues, end });
      };
      // NO_ERROR behind a whole response asks to stop an upload (RFC 9113, 8.1).
      stream.on('close', () => tell(head[':status'] === undefined ? 'cut' : stream.rstCode === 0 && isWhole ? 'whole' : 'cut'));
    });
    if (pieces !== undefined) {
      stream.write(pieces[0], 'latin1');
      await gate;
      if (!stream.destroyed && !stream.closed) stream.end(pieces[1], 'latin1');
    }
    return got;
  }

  close(): void {
    this.#session.destroy();
  }
}

function textsOf(headers: IncomingHttpHeaders): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
}
