import { createSecureServer, createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream, type IncomingHttpHeaders, type Settings } from 'node:http2';
import { connect, createServer as createSocketServer, type AddressInfo, type Socket } from 'node:net';
import type { Backend, BackendTls } from '#snapshot';
import { frame, type Frame } from '../../proxy/http2/testing/rig.ts';
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

/** HTTP/2 frame by frame, on either side of the proxy. */
const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
const emptySettings = frame(4, 0, 0);

/** One end of a connection. SETTINGS are acknowledged and PINGs answered; all else is for the test. */
export class FrameEnd {
  readonly socket: Socket;
  readonly frames: Frame[] = [];
  ended = false;
  #rest: Buffer;
  #prefaceLeft: number;

  constructor(socket: Socket, role: 'client' | 'server', serve: (frame: Frame, end: FrameEnd) => void = () => {}) {
    this.socket = socket;
    this.#rest = Buffer.alloc(0);
    this.#prefaceLeft = role === 'server' ? preface.length : 0;
    socket.on('error', () => (this.ended = true));
    socket.on('close', () => (this.ended = true));
    socket.on('end', () => {
      this.ended = true;
      socket.end();
    });
    socket.on('data', (bytes: Buffer) => {
      for (const one of this.#read(bytes)) {
        this.frames.push(one);
        if (one.type === 4 && (one.flags & 1) === 0) this.send(frame(4, 1, 0));
        if (one.type === 6 && (one.flags & 1) === 0) this.send(frame(6, 1, 0, one.payload));
        serve(one, this);
      }
    });
  }

  send(...frames: readonly Uint8Array[]): void {
    if (!this.socket.destroyed) this.socket.write(Buffer.concat(frames));
  }

  /** Frames of one type, of one stream where that is said. */
  of(type: number, id?: number): Frame[] {
    return this.frames.filter((one) => one.type === type && (id === undefined || one.id === id));
  }

  #read(bytes: Buffer): Frame[] {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    const skipped = Math.min(this.#prefaceLeft, this.#rest.length);
    this.#prefaceLeft -= skipped;
    let p = skipped;
    const frames: Frame[] = [];
    for (; this.#rest.length - p >= 9; ) {
      const length = this.#rest.readUIntBE(p, 3);
      if (this.#rest.length - p < 9 + length) break;
      frames.push({ type: this.#rest[p + 3]!, flags: this.#rest[p + 4]!, id: this.#rest.readUInt32BE(p + 5), payload: this.#rest.subarray(p + 9, p + 9 + length) });
      p += 9 + length;
    }
    this.#rest = this.#rest.subarray(p);
    return frames;
  }
}

export interface FrameServer {
  readonly port: number;
  readonly ends: FrameEnd[];
  close(): Promise<void>;
}

/** A server that says its SETTINGS, and is told what to do with each frame. */
export async function frameServer(serve: (frame: Frame, end: FrameEnd, connection: number) => void, settings: (connection: number) => Buffer = () => emptySettings): Promise<FrameServer> {
  const ends: FrameEnd[] = [];
  const server = createSocketServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const connection = ends.length;
    const end = new FrameEnd(socket, 'server', (one) => serve(one, end, connection));
    ends.push(end);
    end.send(settings(connection));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    ends,
    close: () =>
      new Promise((resolve) => {
        for (const { socket } of ends) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

export function frameClient(port: number): FrameEnd {
  const end = new FrameEnd(connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true }), 'client');
  end.send(preface, emptySettings);
  return end;
}
