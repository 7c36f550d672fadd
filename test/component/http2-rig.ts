import { createSecureServer, createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream, type IncomingHttpHeaders, type Settings } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import type { Backend, BackendTls } from '#snapshot';
import { applyTo, backendNamed, startRig, type Rig, type RigOptions } from './proxy-rig.ts';

/** HTTP/2 servers for tests: node:http2, a peer that is not ours, and one that says what it is told. */

export type Answer = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, body: Promise<Buffer>) => void;

export interface PeerServer {
  readonly port: number;
  readonly sessions: Set<ServerHttp2Session>;
  /** Sessions that there have been. */
  readonly opened: () => number;
  readonly requests: IncomingHttpHeaders[];
  close(): Promise<void>;
}

export interface PeerOptions {
  readonly settings?: Settings;
  readonly tls?: { readonly key: string; readonly cert: string };
  readonly port?: number;
}

export async function peerServer(answer: Answer, { settings, tls, port = 0 }: PeerOptions = {}): Promise<PeerServer> {
  const sessions = new Set<ServerHttp2Session>();
  const sockets = new Set<Socket>();
  const requests: IncomingHttpHeaders[] = [];
  let opened = 0;
  const options = settings === undefined ? {} : { settings };
  const server = (tls === undefined ? createServer(options) : createSecureServer({ ...tls, ...options })) as Http2Server;
  server.on('session', (session) => {
    opened++;
    sessions.add(session);
    session.on('error', () => {});
    session.on('close', () => sessions.delete(session));
  });
  server.on(tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
  });
  server.on('stream', (stream, headers) => {
    requests.push(headers);
    stream.on('error', () => {});
    answer(stream as ServerHttp2Stream, headers, bodyOf(stream as ServerHttp2Stream));
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    sessions,
    opened: () => opened,
    requests,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

function bodyOf(stream: ServerHttp2Stream): Promise<Buffer> {
  const pieces: Buffer[] = [];
  stream.on('data', (bytes: Buffer) => pieces.push(bytes));
  return new Promise((resolve) => stream.on('end', () => resolve(Buffer.concat(pieces))));
}

export function http2Backend(name: string, tls?: BackendTls): Backend {
  return { ...backendNamed(name), protocol: 'http2', ...(tls === undefined ? {} : { tls }) };
}

/** A proxy whose backends speak HTTP/2. */
export async function http2Rig(options: RigOptions, tls?: BackendTls): Promise<Rig> {
  const rig = await startRig(options);
  applyTo(rig.proxy, { backends: { changed: Object.keys(options.backends ?? {}).map((name) => http2Backend(name, tls)) } });
  return rig;
}
