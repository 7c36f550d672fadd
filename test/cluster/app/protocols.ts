import { createSocket } from 'node:dgram';
import { existsSync, readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect, createServer, type ServerHttp2Stream } from 'node:http2';
import { createServer as createTlsServer, type Server } from 'node:https';
import type { TLSSocket } from 'node:tls';

/** What the application of the end-to-end tests speaks beside HTTP/1.1: gRPC on HTTP/2 without TLS (50051), HTTPS (8443), UDP (9053). */

export const ports = { grpc: 50_051, https: 8443, udp: 9053 } as const;
/** A Secret of type kubernetes.io/tls, mounted; without it HTTPS is not served. */
export const tlsFolder = '/tls';

/** One unary gRPC call. */
export interface GrpcOrder {
  /** `http://HOST:PORT`, spoken to over HTTP/2 with prior knowledge. */
  readonly url: string;
  /** `PACKAGE.SERVICE/METHOD`. */
  readonly method: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface GrpcResult {
  /** Of the gRPC call; -1 where none came, and `message` says why. */
  readonly status: number;
  /** What the server sent, or says of the fault. */
  readonly message: string;
}

/** A message as gRPC frames it: not compressed, its length, itself. */
function framed(text: string): Buffer {
  const body = Buffer.from(text);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(body.length, 1);
  return Buffer.concat([head, body]);
}

export function callGrpc({ url, method, headers = {} }: GrpcOrder): Promise<GrpcResult> {
  return new Promise((resolve) => {
    const session = connect(url);
    const end = (status: number, message: string): void => {
      session.destroy();
      resolve({ status, message });
    };
    session.on('error', (error) => end(-1, error.message));
    session.setTimeout(10_000, () => end(-1, 'no answer within 10 s'));
    const stream = session.request({ ':method': 'POST', ':path': `/${method}`, 'content-type': 'application/grpc', te: 'trailers', ...headers });
    const received: Buffer[] = [];
    let status = -1;
    const read = (fields: Readonly<Record<string, unknown>>): void => {
      if (fields['grpc-status'] !== undefined) status = Number(fields['grpc-status']);
    };
    stream.on('response', read);
    stream.on('trailers', read);
    stream.on('data', (chunk: Buffer) => received.push(chunk));
    stream.on('error', (error) => end(-1, error.message));
    stream.on('end', () => end(status, Buffer.concat(received).subarray(5).toString('utf8')));
    stream.end(framed('hello'));
  });
}

function answerCall(stream: ServerHttp2Stream, path: string, pod: string): void {
  stream.on('error', () => {});
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.resume().on('end', () => stream.end(framed(`${pod} ${path}`)));
}

/** What it serves until its process ends. */
export function serveProtocols(pod: string, answer: (incoming: IncomingMessage, response: ServerResponse) => void): void {
  const grpc = createServer();
  // The declared type knows less than what a server gives.
  grpc.on('stream', (stream, headers) => answerCall(stream as ServerHttp2Stream, headers[':path'] ?? '', pod));
  grpc.on('sessionError', () => {});
  grpc.listen(ports.grpc);
  const udp = createSocket('udp4');
  udp.on('message', (bytes, { port, address }) => udp.send(`${pod} got ${bytes.toString('utf8')}`, port, address));
  udp.on('error', () => {});
  udp.bind(ports.udp);
  serveTls(answer)?.listen(ports.https);
}

function serveTls(answer: (incoming: IncomingMessage, response: ServerResponse) => void): Server | undefined {
  if (!existsSync(`${tlsFolder}/tls.crt`)) return undefined;
  return createTlsServer({ cert: readFileSync(`${tlsFolder}/tls.crt`), key: readFileSync(`${tlsFolder}/tls.key`) }, answer);
}

/** The server name that the client sent; empty without TLS, or without one. */
export function serverNameOf({ socket }: IncomingMessage): string {
  const { servername } = socket as TLSSocket;
  return typeof servername === 'string' ? servername : '';
}
