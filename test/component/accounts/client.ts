import { randomBytes } from 'node:crypto';
import type { ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2';
import { readResponse } from '../../strict/response.ts';
import { pause, pathOf, type BehaviourName } from '../events/upstream.ts';
import { StreamClient } from '../proxy-http2-rig.ts';
import { RawClient } from '../proxy-rig.ts';
import type { CallName } from './upstream.ts';

/** Clients of HTTP/1.1 and HTTP/2 that note what they sent and what they got. */

/** What a request has that no request may have. */
export const faults = {
  'no host': { lines: '', own: 'bad-request' },
  'escaped slash': { suffix: '%2F', own: 'bad-request' },
  'another version': { version: 'HTTP/1.7', own: 'unsupported-version' },
  'a coding': { lines: 'Transfer-Encoding: gzip\r\n', own: 'unsupported-transfer-coding' },
  'an expectation': { lines: 'Expect: more\r\n', own: 'expectation-failed' },
  'a large head': { lines: `A: ${'b'.repeat(70_000)}\r\n`, own: 'head-too-large' },
} as const satisfies Record<string, { lines?: string; suffix?: string; version?: string; own: string }>;

export type FaultName = keyof typeof faults;

export interface Asked {
  /** `b`: to endpoints of HTTP/1.1; `m`: with a mirror; `g`: to one of HTTP/2; `h`: to one that is not there; `n`: no backend; `r`: a redirect; `x`: no route. */
  readonly rule: 'b' | 'm' | 'g' | 'h' | 'n' | 'r' | 'x';
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST';
  readonly script: readonly (BehaviourName | CallName)[];
  readonly bodyBytes: number;
  /** The body's pieces, and how long it rests before each. Milliseconds. */
  readonly rests: readonly number[];
  readonly chunks: boolean;
  readonly upgrades: boolean;
  readonly grpc: boolean;
  readonly fault: FaultName | undefined;
}

export interface Visit {
  /** A gateway's listener, or a sidecar's that learns soon, or not, where it is going. */
  readonly door: 'gateway' | 'soon' | 'never';
  readonly speaks: 'HTTP/1.1' | 'HTTP/2';
  /** Over HTTP/1.1 one after the other, over HTTP/2 together. */
  readonly asked: readonly Asked[];
  /** When the client breaks off the last one. */
  readonly leaves: 'never' | 'behind the head' | 'within the body' | 'soon' | 'within the answer';
  readonly leavesAfterMs: number;
}

export interface Seen {
  readonly asked: Asked;
  readonly door: Visit['door'];
  readonly path: string;
  readonly traceId: string;
  /** Of the client's own span. */
  readonly spanId: string;
  /** Of the body. */
  sent: number;
  sentWhole: boolean;
  left: boolean;
  /** Undefined: none came. */
  status: number | undefined;
  /** `x-weft-error`. */
  own: string | undefined;
  grpcStatus: number | undefined;
  got: number;
  /** The response came to its end. */
  whole: boolean;
  /** Its connection ends with it. */
  last: boolean;
}

const stuckMs = 10_000;

export type Doors = Readonly<Record<'gateway' | 'sidecar', number>>;

export async function visit(each: Visit, name: string, doors: Doors): Promise<readonly Seen[]> {
  const port = each.door === 'gateway' ? doors.gateway : doors.sidecar;
  const seen = each.asked.map((asked, index): Seen => ({
    asked, door: each.door, path: pathOf(asked.rule, `${name}.${index}`, asked.script as readonly BehaviourName[]),
    traceId: randomBytes(16).toString('hex'), spanId: randomBytes(8).toString('hex'),
    sent: 0, sentWhole: false, left: false, status: undefined, own: undefined, grpcStatus: undefined, got: 0, whole: false, last: false,
  }));
  return each.speaks === 'HTTP/1.1' ? visitLines(each, seen, port) : visitStreams(each, seen, port);
}

const hasBody = ({ method }: Asked): boolean => method === 'PUT' || method === 'POST';
const parentOf = ({ traceId, spanId }: Seen): string => `00-${traceId}-${spanId}-01`;
const leaving = (each: Visit, index: number): Visit['leaves'] => (index === each.asked.length - 1 ? each.leaves : 'never');

async function visitLines(each: Visit, all: readonly Seen[], port: number): Promise<readonly Seen[]> {
  const client = new RawClient(port);
  let from = 0;
  const done: Seen[] = [];
  for (const [index, seen] of all.entries()) {
    done.push(seen);
    const leaves = leaving(each, index);
    const answered = sendLines(client, seen, leaves).then(() => {
      if (seen.left) client.socket.resetAndDestroy();
    });
    const read = (): boolean => readLines(client, seen, from);
    const leave = (): void => {
      seen.left = true;
      client.socket.resetAndDestroy();
    };
    if (leaves === 'soon') setTimeout(() => !seen.whole && leave(), each.leavesAfterMs);
    const isOver = (): boolean => {
      const over = read() || client.ended;
      if (leaves === 'within the answer' && seen.status !== undefined && !over && !seen.left) leave();
      return over;
    };
    if (!isOver()) await client.until(isOver, stuckMs).catch(() => {});
    if (!isOver()) throw new Error(`${seen.path}: no answer, and no end`);
    // What was cut may still stand in the way of the next request.
    if (!client.ended) await answered;
    if (client.ended || seen.status === 101 || !seen.sentWhole || seen.last) break;
    from = seen.whole ? endOf(client, seen, from) : client.text.length;
  }
  if (done.at(-1)!.status === 101) await leaveTunnel(client, done.at(-1)!, from);
  client.close();
  return done;
}

/** Says something, which comes back, and then ends or breaks off. */
async function leaveTunnel(client: RawClient, seen: Seen, from: number): Promise<void> {
  const words = ['more', 'bye', 'bye!'][seen.asked.bodyBytes % 3]!;
  client.send(words);
  seen.sent = words.length;
  if (words === 'more') {
    await client.until((text) => text.endsWith('more')).catch(() => {});
    client.socket.end();
  }
  await client.all(stuckMs);
  seen.got = client.text.length - client.text.indexOf('\r\n\r\n', from) - 4;
}

async function sendLines(client: RawClient, seen: Seen, leaves: Visit['leaves']): Promise<void> {
  const { asked } = seen;
  const { method, bodyBytes, rests, chunks, upgrades, fault } = asked;
  const wrong: { readonly lines?: string; readonly suffix?: string; readonly version?: string } = fault === undefined ? {} : faults[fault];
  const framing = !hasBody(asked) ? '' : chunks ? 'Transfer-Encoding: chunked\r\n' : `Content-Length: ${bodyBytes * rests.length}\r\n`;
  const upgrade = upgrades ? 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: abc\r\nSec-WebSocket-Version: 13\r\n' : '';
  const host = fault === 'no host' ? '' : `Host: ${seen.door}.example\r\n`;
  client.send(`${method} ${seen.path}${wrong.suffix ?? ''} ${wrong.version ?? 'HTTP/1.1'}\r\n${host}traceparent: ${parentOf(seen)}\r\n${wrong.lines ?? ''}${fault === undefined ? framing + upgrade : ''}\r\n`);
  if (leaves === 'behind the head') {
    await pause(2);
    seen.left = true;
    return;
  }
  if (hasBody(asked) && fault === undefined) {
    for (const [number, rest] of rests.entries()) {
      if (rest > 0) await pause(rest);
      if (leaves === 'within the body' && number === rests.length - 1) {
        seen.left = true;
        return;
      }
      if (!client.socket.writable) return;
      const data = 'y'.repeat(bodyBytes);
      client.send(chunks ? `${bodyBytes.toString(16)}\r\n${data}\r\n` : data);
      seen.sent += bodyBytes;
    }
    if (chunks && client.socket.writable) client.send('0\r\n\r\n');
  }
  seen.sentWhole = true;
}

function endOf(client: RawClient, { asked }: Seen, from: number): number {
  const read = readResponse(client.text, from, asked.method, client.ended);
  return read.kind === 'response' ? read.end : client.text.length;
}

/** True once the answer is whole. */
function readLines(client: RawClient, seen: Seen, from: number): boolean {
  const { text } = client;
  let at = from;
  let head = /^HTTP\/1\.1 ([0-9]{3})[^]*?\r\n\r\n/.exec(text.slice(at));
  while (head !== null && head[1]!.startsWith('1') && head[1] !== '101') {
    at += head[0].length;
    head = /^HTTP\/1\.1 ([0-9]{3})[^]*?\r\n\r\n/.exec(text.slice(at));
  }
  if (head === null) return false;
  seen.status = Number(head[1]);
  seen.own = /\r\nx-weft-error: ([a-z-]+)\r\n/.exec(head[0])?.[1];
  if (seen.status === 101) return true;
  const read = readResponse(text, at, seen.asked.method, client.ended && client.error === undefined);
  if (read.kind === 'refused') throw new Error(`${seen.path}: ${read.reason} in ${JSON.stringify(text.slice(at, at + 500))}`);
  if (read.kind === 'incomplete') return false;
  seen.whole = true;
  seen.last = read.last;
  seen.got = read.body.length;
  return true;
}

async function visitStreams(each: Visit, all: readonly Seen[], port: number): Promise<readonly Seen[]> {
  const client = new StreamClient(`http://127.0.0.1:${port}`);
  await Promise.all(all.map((seen, index) => askStream(client, seen, { leaves: leaving(each, index), afterMs: each.leavesAfterMs })));
  client.close();
  return all;
}

async function askStream(client: StreamClient, seen: Seen, { leaves, afterMs }: { readonly leaves: Visit['leaves']; readonly afterMs: number }): Promise<void> {
  const { asked } = seen;
  const more = asked.grpc ? { 'content-type': 'application/grpc', te: 'trailers' } : {};
  const stream = client.open({ ':authority': `${seen.door}.example`, ':method': asked.method, ':path': seen.path, traceparent: parentOf(seen), ...more }, hasBody(asked) ? 'goes-on' : 'ends');
  const over = listen(stream, seen);
  const leave = (): void => {
    if (seen.whole || stream.closed) return;
    seen.left = true;
    stream.close(8);
  };
  if (leaves === 'soon') setTimeout(leave, afterMs);
  if (leaves === 'within the answer') stream.once('response', () => setImmediate(leave));
  if (leaves === 'behind the head') setTimeout(leave, 2);
  if (hasBody(asked)) {
    for (const [number, rest] of asked.rests.entries()) {
      if (rest > 0) await pause(rest);
      if (leaves === 'within the body' && number === asked.rests.length - 1) leave();
      if (!stream.writable) break;
      stream.write('y'.repeat(asked.bodyBytes));
      seen.sent += asked.bodyBytes;
    }
    if (stream.writable) seen.sentWhole = true;
    stream.end();
  } else seen.sentWhole = true;
  const timer = setTimeout(() => stream.close(8), stuckMs);
  await over;
  clearTimeout(timer);
}

function listen(stream: ClientHttp2Stream, seen: Seen): Promise<void> {
  const status = (fields: IncomingHttpHeaders): void => {
    if (seen.asked.grpc && fields['grpc-status'] !== undefined) seen.grpcStatus = Number(fields['grpc-status']);
    seen.own ??= fields['x-weft-error'] as string | undefined;
  };
  return new Promise((resolve) => {
    stream.on('response', (fields) => {
      seen.status = Number(fields[':status']);
      status(fields);
    });
    stream.on('trailers', status);
    stream.on('data', (bytes: Buffer) => (seen.got += bytes.length));
    stream.on('end', () => (seen.whole = seen.status !== undefined && (stream.rstCode ?? 0) === 0));
    stream.on('close', () => {
      if (stream.rstCode !== 0) seen.whole = false;
      resolve();
    });
  });
}
