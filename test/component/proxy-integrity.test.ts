import { createHash, randomBytes } from 'node:crypto';
import { createServer as createHttp1Server, request as http1Request, type IncomingMessage } from 'node:http';
import { request as https1Request } from 'node:https';
import { connect as connectHttp2, createServer as createHttp2Server, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo, Server } from 'node:net';
import { Readable, type Duplex, type Writable } from 'node:stream';
import test, { type ExecutionContext } from 'ava';
import type { ListenerSection } from '#snapshot';
import type { Speaks } from './proxy-http2-rig.ts';
import { applyTo, startRig } from './proxy-rig.ts';
import { certificateFor } from './streams-rig.ts';

/**
 * What arrives is, byte for byte, what was sent, in both directions at once, while both ends read in fits and starts: whatever the proxy has
 * read stays what it was until it has left, though memory of reads is used again or given back early.
 */

const lanes = 4;
/** More than the kernel holds of a connection whose other end does not read. */
const bodyBytes = 12 * 1024 * 1024;
const pieceBytes = 30_011;
/** Readers rest before the first byte, and again after so many. */
const readerRests = 6 * 1024 * 1024;
const restMs = 150;

const noise = randomBytes(1024 * 1024);

/** No two pieces are alike, nor are any two bodies. */
function* pieces(seed: number): Generator<Buffer> {
  for (let from = 0; from < bodyBytes; from += pieceBytes) {
    const at = (from * 7 + seed * 1009) % (noise.length - pieceBytes);
    const piece = Buffer.from(noise.subarray(at, at + Math.min(bodyBytes - from, pieceBytes)));
    piece.writeUInt32BE(from);
    yield piece;
  }
}

function hashOf(seed: number): string {
  const hash = createHash('sha256');
  for (const piece of pieces(seed)) hash.update(piece);
  return hash.digest('hex');
}

const rest = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, restMs));

/** Reads with rests, and tells the hash. What comes is handed on first. */
async function read(source: AsyncIterable<Buffer>, onward?: Writable): Promise<string> {
  const hash = createHash('sha256');
  let untilRest = readerRests;
  await rest();
  for await (const piece of source) {
    hash.update(piece);
    if (onward?.write(piece) === false) await new Promise((resolve) => onward.once('drain', resolve));
    untilRest -= piece.length;
    if (untilRest > 0) continue;
    untilRest = readerRests;
    await rest();
  }
  return hash.digest('hex');
}

interface Echo {
  readonly port: number;
  /** Of the bodies that arrived. */
  readonly hashes: string[];
}

/** Sends back what it gets, as it comes. */
async function echo(t: ExecutionContext, speaks: Speaks): Promise<Echo> {
  const hashes: string[] = [];
  const back = async (request: AsyncIterable<Buffer>, response: Writable): Promise<void> => {
    hashes.push(await read(request, response));
    response.end();
  };
  const open = new Set<Duplex>();
  const server: Server =
    speaks === 'http1'
      ? createHttp1Server((request, response) => void back(request, response).catch(() => response.destroy()))
      : createHttp2Server().on('stream', (stream: ServerHttp2Stream) => {
          stream.on('error', () => {});
          stream.respond({ ':status': 200 });
          void back(stream, stream).catch(() => stream.destroy());
        });
  server.on('connection', (socket: Duplex) => open.add(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, hashes };
}

interface Way {
  readonly port: number;
  readonly isSecure: boolean;
}

/** Sends a body, and tells the hash of what comes back. */
type Exchange = (way: Way, seed: number) => Promise<string>;

function byHttp1(framing: 'content-length' | 'chunked'): Exchange {
  return async ({ port, isSecure }, seed) => {
    const headers = framing === 'content-length' ? { 'content-length': bodyBytes } : {};
    const request = (isSecure ? https1Request : http1Request)({ host: '127.0.0.1', port, method: 'POST', headers, agent: false, rejectUnauthorized: false });
    const response = new Promise<IncomingMessage>((resolve, reject) => request.once('response', resolve).on('error', reject));
    Readable.from(pieces(seed)).pipe(request);
    return read(await response);
  };
}

/** All lanes share one connection. */
function byHttp2(framing: 'content-length' | 'none'): Exchange {
  let session: ReturnType<typeof connectHttp2> | undefined;
  let left = lanes;
  return async ({ port, isSecure }, seed) => {
    session ??= connectHttp2(`${isSecure ? 'https' : 'http'}://127.0.0.1:${port}`, { rejectUnauthorized: false });
    const stream = session.request({ ':method': 'POST', ':path': '/', ...(framing === 'none' ? {} : { 'content-length': bodyBytes }) });
    Readable.from(pieces(seed)).pipe(stream);
    const hash = await read(stream);
    if (--left === 0) session.close();
    return hash;
  };
}

const clients: readonly (readonly [string, () => Exchange])[] = [
  ['HTTP/1.1, content-length', () => byHttp1('content-length')],
  ['HTTP/1.1, chunked', () => byHttp1('chunked')],
  ['HTTP/2', () => byHttp2('none')],
  ['HTTP/2, content-length', () => byHttp2('content-length')],
];

for (const speaks of ['http1', 'http2'] as const) {
  for (const transport of ['clear', 'TLS'] as const) {
    for (const [name, client] of clients) {
      test.serial(`${name} in the ${transport === 'TLS' ? 'shelter of TLS' : 'clear'} to an endpoint of ${speaks}`, async (t) => {
        t.timeout(120_000);
        const server = await echo(t, speaks);
        const isSecure = transport === 'TLS';
        const faults: unknown[] = [];
        const section: ListenerSection = { name: 's', hostname: '', protocol: isSecure ? 'HTTPS' : 'HTTP', routes: 'listener/shop/gw/http', ...(isSecure ? { certificates: ['pair'] } : {}) };
        const rig = await startRig({ backends: { a: [server.port] }, protocol: speaks, sections: [section], onFault: (fault) => faults.push(fault) });
        t.teardown(() => rig.close());
        if (isSecure) applyTo(rig.proxy, { certificates: { changed: [{ kind: 'Certificate', name: 'pair', ...certificateFor('integrity.test') }] } });
        const exchange = client();
        const seeds = Array.from({ length: lanes }, (_, lane) => lane);
        const expected = seeds.map(hashOf);
        const came = await Promise.all(seeds.map((seed) => exchange({ port: rig.listener.port, isSecure }, seed)));
        t.deepEqual(came, expected, 'what came back');
        t.deepEqual(server.hashes.toSorted(), expected.toSorted(), 'what arrived');
        t.deepEqual(faults, []);
      });
    }
  }
}
