import { connect, type Socket } from 'node:net';
import type { ExecutionContext } from 'ava';
import { startRig, type Rig } from '../../component/proxy-rig.ts';
import { tolerated, unsafeFields } from '../judge.ts';
import type { ReadRequest } from '../request.ts';
import { recordingServer, type Carried, type Place } from '../rig.ts';
import { notInTrailers, readStreamRequest } from './reader.ts';
import { block, endStream, frame, headers, number, Peer, references, type, type Field, type Piece } from './wire.ts';

/** What a client got on one stream. */
export interface StreamTalk {
  readonly pieces: readonly Piece[];
  /** `ended`: in good order. `hung`: neither ended nor reset in time. `lost`: with its connection. */
  readonly outcome: 'ended' | 'reset' | 'lost' | 'hung';
  /** Code of the reset, or why the connection was lost. */
  readonly why: string;
}

interface Waiting {
  readonly pieces: Piece[];
  settle(outcome: StreamTalk['outcome'], why: string): void;
}

/** A client that says what it is told, stream by stream. */
export class StreamTalker {
  /** Why the connection is of no more use. */
  over: string | undefined;
  readonly #peer: Peer;
  readonly #waiting = new Map<number, Waiting>();
  #next = 1;

  constructor(place: Place) {
    const socket = connect({ host: place.address, port: place.port, noDelay: true });
    this.#peer = new Peer(socket, 'client', {
      piece: (id, piece) => this.#take(id, piece),
      reset: (id, code) => this.#waiting.get(id)?.settle('reset', String(code)),
      over: (reason) => this.#lost(reason),
    });
  }

  /** Sends a message on a stream of its own; reads until that is over. `indexed`: its head goes into the table. */
  talk(pieces: readonly Piece[], how: 'plain' | 'indexed' | 'references' = 'plain', timeoutMs = 4000): Promise<StreamTalk> {
    const id = this.#next;
    this.#next += 2;
    return new Promise((resolve) => {
      const got: Piece[] = [];
      const settle = (outcome: StreamTalk['outcome'], why: string): void => {
        clearTimeout(timer);
        this.#waiting.delete(id);
        // So that what was never ended is over on the other side as well.
        if (outcome === 'hung') this.#peer.send(frame(type.reset, 0, id, number(8)));
        resolve({ pieces: got, outcome, why });
      };
      const timer = setTimeout(() => settle('hung', ''), timeoutMs);
      this.#waiting.set(id, { pieces: got, settle });
      for (const [index, piece] of pieces.entries()) {
        if (piece.kind === 'headers' && index === 0) this.#peer.send(...headers(id, how === 'references' ? references(piece.fields.length) : block(piece.fields, how === 'indexed' ? 'indexed' : 'plain'), piece.end ? endStream : 0));
        else this.#peer.sendPiece(id, piece);
      }
    });
  }

  close(): void {
    this.over ??= 'done';
    this.#peer.socket.destroy();
  }

  #take(id: number, piece: Piece): void {
    const waiting = this.#waiting.get(id);
    waiting?.pieces.push(piece);
    if (piece.end) waiting?.settle('ended', '');
  }

  #lost(reason: string): void {
    this.over ??= reason;
    for (const waiting of this.#waiting.values()) waiting.settle('lost', this.over);
  }
}

export interface Origin {
  readonly port: number;
  /** Requests that arrived whole. */
  readonly arrived: ReadRequest[];
  readonly faults: string[];
  connections(): number;
}

const forbidden = /^(connection|keep-alive|proxy-connection|transfer-encoding|upgrade|host|http2-settings|proxy-authorization|proxy-authenticate)$/;

/** What no server should have to read, in whatever of a request has arrived on a stream. */
function unsafePieces(pieces: readonly Piece[], read: ReturnType<typeof readStreamRequest>): string | undefined {
  if (read.kind === 'refused') return `unsafe upstream (${read.reason})`;
  const [head, ...rest] = pieces;
  if (head?.kind === 'headers') {
    const fault = unsafeFields(head.fields.filter(([name]) => !name.startsWith(':')).map(([name, value]) => ({ name, value })), forbidden);
    if (fault !== undefined) return fault;
  }
  if (rest.some((piece) => piece.kind === 'headers' && piece.fields.some(([name]) => notInTrailers.test(name)))) return 'trailers that belong into a head';
  if (read.kind !== 'request' || !pieces.at(-1)!.end) return undefined;
  const odd = read.why.split('; ').filter((why) => why !== '' && !tolerated.has(why));
  return odd.length > 0 ? `odd upstream (${odd.join('; ')})` : undefined;
}

/** Answers on a stream; `request` is whole. */
export type Serve = (peer: Peer, id: number, request: ReadRequest) => void;

/** A server of HTTP/2 that reads every stream strictly. */
export async function streamOrigin(t: ExecutionContext, address: string, serve: Serve): Promise<Origin> {
  const arrived: ReadRequest[] = [];
  const faults: string[] = [];
  const peers = new WeakMap<Carried, true>();
  const accept = (socket: Socket): void => {
    const streams = new Map<number, Piece[]>();
    const peer: Peer = new Peer(socket, 'server', {
      piece: (id, piece) => {
        const pieces = streams.get(id) ?? [];
        streams.set(id, pieces);
        pieces.push(piece);
        const read = readStreamRequest(pieces);
        const fault = unsafePieces(pieces, read);
        if (fault !== undefined) faults.push(`${fault}: ${JSON.stringify(pieces).slice(0, 600)}`);
        if (!piece.end) return;
        streams.delete(id);
        if (read.kind !== 'request') return;
        arrived.push(read);
        serve(peer, id, read);
      },
      reset: (id) => streams.delete(id),
      over: (reason) => reason !== 'closed' && faults.push(`the connection to the upstream: ${reason}`),
    });
  };
  const server = await recordingServer(t, address, (socket, carried) => {
    // The first packet is still to be read by the peer.
    if (peers.has(carried)) return;
    peers.set(carried, true);
    accept(socket);
    socket.emit('data', Buffer.from(carried.text, 'latin1'));
  });
  return { port: server.port, arrived, faults, connections: () => server.connections.length };
}

/** Answers every request with its target. */
export const echoStream: Serve = (peer, id, { method, target }) => {
  const body = `echo ${target}`;
  const end = method === 'HEAD';
  peer.sendPiece(id, { kind: 'headers', fields: [[':status', '200'], ['content-length', String(body.length)]], end });
  if (!end) peer.sendPiece(id, { kind: 'data', text: body, end: true });
};

/** A proxy before one backend. No fault of its own may be left at the end. */
export async function proxyTo(t: ExecutionContext, port: number, protocol: 'http1' | 'http2'): Promise<{ readonly rig: Rig; readonly place: Place; readonly faults: readonly unknown[] }> {
  const faults: unknown[] = [];
  const rig = await startRig({ backends: { a: [port] }, protocol, onFault: (error) => faults.push(error) });
  t.teardown(() => rig.close());
  return { rig, place: { address: '127.0.0.1', port: rig.listener.port }, faults };
}

export function request(path: string): readonly Piece[] {
  const fields: readonly Field[] = [[':method', 'GET'], [':scheme', 'http'], [':authority', 'strict.test'], [':path', path]];
  return [{ kind: 'headers', fields, end: true }];
}
