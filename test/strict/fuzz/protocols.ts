import { decodeResponse, type RouteTable } from '#snapshot';
import { createProxy, Metrics } from '#proxy';
import { ChunkedReader, brokenChunk, RequestHead } from '../../../proxy/codec/index.ts';
import { acceptSession, connectSession, defaultHttp2Limits, http2Environment, nobody, type Acceptor, type HeaderBlock, type Http2Environment } from '../../../proxy/http2/index.ts';
import { HeaderDecoder } from '../../../proxy/http2/hpack/index.ts';
import { Turn } from '../../../proxy/http2/transport/turn.ts';
import { maxHelloBytes, readClientHello } from '../../../proxy/streams/client-hello.ts';
import { TimerWheel } from '../../../proxy/time/index.ts';
import { defaultLimits } from '../../../proxy/types.ts';
import { resourceFault } from '../../../snapshot/stream/codec.ts';
import { readStreamRequest } from '../http2/reader.ts';
import { block, endHeaders, endStream, frame, headers, number, preface, settings, type } from '../http2/wire.ts';
import { readRequest } from '../request.ts';
import type { GuidedTarget } from './guided.ts';
import { MemorySocket } from './memory-socket.ts';
import { applyTo } from '../../component/proxy-rig.ts';

/** What comes from the network, for `guided.ts`: nothing throws, bounds hold, and what is accepted a strict reader accepts as well. */

const words = (...texts: readonly string[]): readonly Buffer[] => texts.map((text) => Buffer.from(text, 'latin1'));
const request = block([[':method', 'GET'], [':scheme', 'http'], [':authority', 'strict.test'], [':path', '/a'], ['x', 'y']], 'indexed');
const upload = block([[':method', 'POST'], [':scheme', 'http'], [':authority', 'strict.test'], [':path', '/b'], ['content-length', '5'], ['cookie', 'a=b'], ['cookie', 'c=d'], ['te', 'trailers']]);

let time = 0;

/** What connections share, and how its clock goes on: in a loop that never waits, no turn of the event loop ends by itself. */
interface Surroundings {
  readonly shared: Http2Environment;
  /** Ends a turn, and lets 50 ms go by. */
  pass(): void;
}

function surroundings(onError: (error: unknown) => void): Surroundings {
  const wheel = new TimerWheel({ now: time, onError });
  const due: (() => void)[] = [];
  return {
    shared: { ...http2Environment({ now: () => time, wheel, onError }), turn: new Turn((callback) => due.push(callback)) },
    pass: () => {
      for (const callback of due.splice(0)) callback();
      wheel.advance((time += 50));
    },
  };
}

/** A header list, as a request: what is taken for valid is so. */
function decodeList(shared: Http2Environment): (input: Buffer) => void {
  return (input) => {
    const decoder = new HeaderDecoder(shared.collector);
    const decoded = decoder.decode(input, 0, input.length, 'request');
    if (decoded === undefined) return;
    if (decoded.count > defaultHttp2Limits.maxHeaders) throw new Error(`${decoded.count} fields`);
    if (decoded.end - decoded.start > defaultHttp2Limits.maxHeaderListBytes) throw new Error('a list beyond the bound');
    if (decoded.fault === '' && decoded.excess === '') judge(decoded);
    // The same bytes again, on the same connection: the same, or not valid against the table any more; never a throw.
    decoder.decode(input, 0, input.length, 'request');
    decoder.decode(input, 0, input.length, 'trailers');
  };
}

function judge(decoded: HeaderBlock): void {
  const { method, scheme, authority, path } = decoded;
  const pseudo: [string, string][] = [[':method', method]];
  if (method !== 'CONNECT') pseudo.push([':scheme', scheme], [':path', path]);
  const hasHost = decoded.lookup('host') !== undefined;
  if (!hasHost) pseudo.push([':authority', authority]);
  const read = readStreamRequest([{ kind: 'headers', fields: [...pseudo, ...decoded.entries().filter(([name]) => name !== 'content-length')], end: true }]);
  // Hosts and paths are for routing to judge; see `../http2/requests.test.ts`.
  if (read.kind === 'refused' && !/^(host|path|fragment|ambiguous path|CONNECT|target of CONNECT|target \*)$/.test(read.reason)) throw new Error(`accepted though ${read.reason}: ${JSON.stringify([pseudo, decoded.entries()])}`);
}

/** A connection of a client, or of a server, that says anything. */
function converse(role: 'server' | 'client', faults: unknown[]): (input: Buffer) => void {
  const { shared, pass } = surroundings((error) => faults.push(error));
  const answer = shared.limits.maxConcurrentStreams;
  const acceptor: Acceptor = {
    request: (stream) => {
      stream.headers(Buffer.from([0x88]));
      stream.end();
      return nobody;
    },
    excessive: () => nobody,
    refused: () => {},
    closed: () => {},
  };
  return (input) => {
    const socket = new MemorySocket();
    const session = role === 'server' ? acceptSession(shared, socket.asSocket(), acceptor) : connectSession(shared, socket.asSocket(), { ready: () => {}, available: () => {}, leaving: () => {}, closed: () => {} });
    if (role === 'client') for (let index = 0; index < 3 && 'open' in session && session.canOpen; index++) session.open(Buffer.from([0x82, 0x86, 0x84]), 'GET', { ...nobody, interim: () => {}, responded: () => {} });
    for (let p = 0; p < input.length; p += 1500) {
      session.receive(input, p, Math.min(input.length, p + 1500));
      pass();
    }
    if (session.streams.size > answer) throw new Error(`${session.streams.size} streams`);
    if (faults.length > 0) throw faults.splice(0)[0];
    session.gone('over');
    pass();
    if (session.streams.size > 0) throw new Error('streams are left');
  };
}

function hello(input: Buffer): void {
  const whole = readClientHello(input);
  if (whole.kind === 'more' && whole.bytes > maxHelloBytes) throw new Error(`wants ${whole.bytes} bytes`);
  if (whole.kind === 'more' && whole.bytes <= input.length) throw new Error('wants what is there');
  if (whole.kind === 'hello' && !/^[a-z0-9._-]*$/.test(whole.serverName)) throw new Error(`server name ${JSON.stringify(whole.serverName)}`);
  const part = readClientHello(input.subarray(0, input.length >> 1));
  if (part.kind === 'hello' && (whole.kind !== 'hello' || whole.serverName !== part.serverName) && !(whole.kind === 'malformed')) throw new Error('a part is another hello');
}

function head(input: Buffer): void {
  const parsed = new RequestHead(defaultLimits);
  const end = parsed.parse(input, 0, input.length);
  const text = input.toString('latin1');
  const read = readRequest(text, 0);
  // What a table may allow, one that allows nothing refuses.
  if (end >= 0 && parsed.escapes === 0 && read.kind === 'refused' && !/chunk|trailer/.test(read.reason)) throw new Error(`accepted though ${read.reason}`);
  if (end === -2 && read.kind === 'request' && read.certainty === 'must') throw new Error(`refused though valid (${parsed.fields.reason})`);
  if (end < 0) return;
  const reader = new ChunkedReader();
  for (let p = end; p < input.length && !reader.done; ) {
    p = reader.next(input, p, input.length);
    if (p === brokenChunk) return;
  }
}

function snapshots(faults: unknown[]): (input: Buffer) => void {
  const proxy = createProxy({ now: () => time, wallClock: () => 0, random: () => 0.5, metrics: new Metrics(), onFault: (error) => faults.push(error) });
  return (input) => {
    const decoded = decodeResponse(input.toString());
    if (!decoded.ok) return;
    const { type: kind, resources } = decoded.value;
    for (const each of resources) {
      if (resourceFault(kind, each) !== undefined || kind !== 'RouteTable') continue;
      applyTo(proxy, { routeTables: { changed: [each.resource as RouteTable] } });
    }
    if (faults.length > 0) throw faults.splice(0)[0];
  };
}

const table = {
  type: 'RouteTable', nonce: '1', removed: [],
  resources: [{ name: 'l', version: '1', resource: { kind: 'RouteTable', name: 'l', policies: [], routes: [{ ref: { kind: 'HTTPRoute', namespace: 'a', name: 'r' }, createdAt: 0, hostnames: [{ match: '*.x', written: '*.x' }], rules: [{ index: 0, matches: [{ index: 0, path: { type: 'RegularExpression', value: '/a.*' }, headers: [{ name: 'x', type: 'Exact', value: 'y' }], query: [] }], filters: [{ type: 'URLRewrite', path: { type: 'ReplacePrefixMatch', value: '/b' } }], backends: [{ index: 0, weight: 1, filters: [], policy: 0, target: { kind: 'backend', ref: { kind: 'Service', namespace: 'a', name: 's' }, port: 80, backend: 's' } }] }] }] } }],
};

/** `clientHello`: a whole one. */
export function protocolTargets(clientHello: Buffer): readonly GuidedTarget[] {
  const start = Buffer.concat([preface, settings({ 3: 100 })]);
  const frames = [
    ...headers(1, request, endStream), ...headers(3, upload, 0), frame(type.data, endStream, 3, 'hello'), frame(type.data, 9, 3, '\x02hello\0\0'), frame(type.headers, 0, 5, request), frame(type.continuation, endHeaders, 5, block([['a', 'b']])),
    frame(type.reset, 0, 1, number(8)), frame(type.ping, 0, 0, 'xxxxxxxx'), frame(type.windowUpdate, 0, 0, number(1000)), frame(type.windowUpdate, 0, 1, number(1)), frame(type.priority, 0, 1, '\0\0\0\x03x'), frame(type.goaway, 0, 0, Buffer.alloc(8)), settings({ 4: 0, 5: 16_384 }), frame(99, 0, 0, 'x'),
  ];
  const response = [frame(type.headers, endHeaders, 1, Buffer.from([0x88])), frame(type.data, endStream, 1, 'hi'), frame(type.headers, endHeaders | endStream, 3, Buffer.concat([Buffer.from([0x8d])])), frame(type.headers, endHeaders, 5, block([[':status', '103'], ['link', 'x']]))];
  const { shared } = surroundings(() => {});
  return [
    { name: 'HPACK, guided', share: 0.1, seeds: [request, upload, Buffer.from('828684418cf1e3c2e5f23a6ba0ab90f4ff', 'hex'), Buffer.from('3fe11f20be828684', 'hex')], words: [request, upload, Buffer.from([0x40]), Buffer.from([0x10]), Buffer.from([0x20]), Buffer.from([0x3f, 0xe1, 0x1f]), Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f])], run: decodeList(shared) },
    { name: 'HTTP/2 of clients, guided', share: 0.15, seeds: [Buffer.concat([start, ...frames]), Buffer.concat([start, ...frames.slice(0, 4)])], words: [...frames, start], run: converse('server', []) },
    { name: 'HTTP/2 of servers, guided', share: 0.1, seeds: [Buffer.concat([settings({ 3: 100 }), ...response]), Buffer.concat([settings({ 3: 100 }), ...response, ...frames])], words: [...response, ...frames], run: converse('client', []) },
    { name: 'ClientHello, guided', share: 0.05, seeds: [clientHello], words: [clientHello.subarray(0, 5), Buffer.from([0, 0]), Buffer.from([22, 3, 1])], run: hello },
    {
      name: 'heads, guided', share: 0.1,
      seeds: words('GET /a?b=c HTTP/1.1\r\nHost: strict.test\r\nConnection: close, x\r\nX: y\r\n\r\n', 'POST http://strict.test/a HTTP/1.1\r\nHost: strict.test\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n5;a="b"\r\nhello\r\n0\r\nX: y\r\n\r\n'),
      words: words('\r\n', 'Content-Length: 5\r\n', 'Transfer-Encoding: chunked\r\n', 'Host: ', 'Upgrade: websocket\r\nConnection: upgrade\r\n', ' ', '%2e', '../', 'X-Forwarded-For: 1\r\n', 'HTTP/1.0', 'OPTIONS * ', 'CONNECT a:1 '), run: head,
    },
    { name: 'snapshots, guided', share: 0.1, seeds: [Buffer.from(JSON.stringify(table))], words: words('{}', '[]', 'null', '"Exact"', '"PathPrefix"', '"RequestRedirect"', '"RequestMirror"', '"CORS"', '"invalid"', '"GRPCRoute"', '-1', '1e999', '"__proto__"'), run: snapshots([]) },
  ];
}
