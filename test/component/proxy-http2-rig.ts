import { connect, createServer, type ClientHttp2Session, type ClientHttp2Stream, type Http2Server, type IncomingHttpHeaders, type OutgoingHttpHeaders, type ServerHttp2Stream, type Settings } from 'node:http2';
import { createServer as createHttp1Server, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ExecutionContext } from 'ava';
import { startRig, type Rig, type RigOptions } from './proxy-rig.ts';

/** HTTP/2 by Node's own implementation on either side of the proxy. */

export type Speaks = 'http1' | 'http2';

export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly authority: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  body: string;
  trailers: Readonly<Record<string, string | string[] | undefined>>;
}

export interface Answer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  readonly trailers?: Readonly<Record<string, string>>;
}

export interface OriginServer {
  readonly port: number;
  readonly seen: Seen[];
  /** Connections that were opened. */
  connections(): number;
  /** Streams of HTTP/2 that were reset by the proxy, with their codes. */
  readonly resets: number[];
  close(): Promise<void>;
}

/** Answers each request when all of it has come. */
export async function originServer(speaks: Speaks, answer: (seen: Seen) => Answer | Promise<Answer>): Promise<OriginServer> {
  return speaks === 'http1' ? http1Origin(answer) : streamServer((stream, seen) => void respond(stream, seen, answer).catch(() => stream.destroy()));
}

async function respond(stream: ServerHttp2Stream, seen: Seen, answer: (seen: Seen) => Answer | Promise<Answer>): Promise<void> {
  stream.setEncoding('latin1');
  stream.on('trailers', (trailers) => (seen.trailers = trailers));
  for await (const piece of stream) seen.body += piece as string;
  const { status = 200, headers = {}, body = '', trailers } = await answer(seen);
  if (stream.destroyed) return;
  stream.respond({ ':status': status, ...headers }, { waitForTrailers: trailers !== undefined, endStream: body === '' && trailers === undefined });
  if (body === '' && trailers === undefined) return;
  stream.on('wantTrailers', () => stream.sendTrailers({ ...trailers }));
  stream.end(body);
}

/** A server of HTTP/2 that is told what to do with each stream. */
export async function streamServer(serve: (stream: ServerHttp2Stream, seen: Seen) => void, settings: Settings = {}): Promise<OriginServer & { readonly server: Http2Server }> {
  const seen: Seen[] = [];
  const resets: number[] = [];
  let connections = 0;
  const server = createServer({ settings: { maxConcurrentStreams: 1000, ...settings } });
  const sessions = new Set<{ destroy(): void }>();
  server.on('session', (session) => {
    connections++;
    sessions.add(session);
    session.on('error', () => {});
    session.on('close', () => sessions.delete(session));
  });
  server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    stream.on('error', () => {});
    stream.on('close', () => stream.rstCode !== 0 && resets.push(stream.rstCode));
    const one: Seen = { method: headers[':method'] ?? '', path: headers[':path'] ?? '', authority: headers[':authority'] ?? '', headers, body: '', trailers: {} };
    seen.push(one);
    serve(stream, one);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    server,
    port: (server.address() as AddressInfo).port,
    seen,
    resets,
    connections: () => connections,
    close: async () => {
      for (const session of sessions) session.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function http1Origin(answer: (seen: Seen) => Answer | Promise<Answer>): Promise<OriginServer> {
  const seen: Seen[] = [];
  let connections = 0;
  const server: Server = createHttp1Server({ maxHeaderSize: 131_072 }, (request, response) => {
    void (async () => {
      const one: Seen = { method: request.method ?? '', path: request.url ?? '', authority: request.headers.host ?? '', headers: request.headers, body: '', trailers: {} };
      seen.push(one);
      request.setEncoding('latin1');
      for await (const piece of request) one.body += piece as string;
      one.trailers = request.trailers;
      const { status = 200, headers = {}, body = '', trailers } = await answer(one);
      response.writeHead(status, { ...headers, ...(trailers === undefined ? {} : { trailer: Object.keys(trailers).join(', ') }) });
      if (trailers !== undefined) response.addTrailers(trailers);
      response.end(body);
    })().catch(() => response.destroy());
  });
  server.on('connection', () => connections++);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    resets: [],
    connections: () => connections,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

export interface Response {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly trailers: IncomingHttpHeaders;
  readonly interims: readonly number[];
}

/** A client of HTTP/2. */
export class StreamClient {
  readonly session: ClientHttp2Session;
  goaways = 0;

  constructor(origin: string, options: Parameters<typeof connect>[1] = {}) {
    this.session = connect(origin, options);
    this.session.on('error', () => {});
    this.session.on('goaway', () => this.goaways++);
  }

  open(headers: OutgoingHttpHeaders = {}, ends: 'ends' | 'goes-on' = 'ends'): ClientHttp2Stream {
    const stream = this.session.request({ ':authority': 'shop.example', ...headers }, { endStream: ends === 'ends' });
    stream.on('error', () => {});
    return stream;
  }

  /** Rejects where the stream is reset: `reset N`. */
  fetch(headers: OutgoingHttpHeaders = {}, body?: string | Buffer): Promise<Response> {
    const stream = this.open(headers, body === undefined ? 'ends' : 'goes-on');
    if (body !== undefined) stream.end(body);
    return responseOf(stream);
  }

  close(): void {
    this.session.destroy();
  }
}

export function responseOf(stream: ClientHttp2Stream): Promise<Response> {
  return new Promise((resolve, reject) => {
    let head: IncomingHttpHeaders = {};
    let trailers: IncomingHttpHeaders = {};
    let body = '';
    const interims: number[] = [];
    stream.setEncoding('latin1');
    stream.on('headers', (interim) => interims.push(Number(interim[':status'])));
    stream.on('response', (headers) => (head = headers));
    stream.on('trailers', (headers) => (trailers = headers));
    stream.on('data', (piece: string) => (body += piece));
    stream.on('close', () => {
      if (stream.rstCode !== 0 || head[':status'] === undefined) reject(new Error(`reset ${stream.rstCode}`));
      else resolve({ status: Number(head[':status']), headers: head, body, trailers, interims });
    });
  });
}

export interface Http2Rig {
  readonly rig: Rig;
  readonly origin: OriginServer;
  readonly client: StreamClient;
}

/** A client of HTTP/2, the proxy, and a server; all closed at the end of the test, when nothing must be left. */
export async function bridge(t: ExecutionContext, speaks: Speaks, answer: (seen: Seen) => Answer | Promise<Answer>, options: RigOptions = {}): Promise<Http2Rig> {
  return bridgeTo(t, speaks, await originServer(speaks, answer), options);
}

export async function bridgeTo<Origin extends OriginServer>(t: ExecutionContext, speaks: Speaks, origin: Origin, options: RigOptions = {}): Promise<Http2Rig & { readonly origin: Origin }> {
  const faults: unknown[] = [];
  const rig = await startRig({ backends: { a: [origin.port] }, protocol: speaks, onFault: (error) => faults.push(error), ...options });
  const client = new StreamClient(`http://127.0.0.1:${rig.listener.port}`);
  t.teardown(async () => {
    client.close();
    await rig.close();
    await origin.close();
    if (faults.length > 0) throw faults[0];
  });
  return { rig, origin, client };
}
