import { connect, createServer, type Server, type Socket } from 'node:net';
import type { ExecutionContext } from 'ava';
import { addresses, yaml } from '../component/mesh-rig.ts';
import { socketMode } from '../component/socket-io.ts';
import { createMesh, type Mesh } from '../../index.ts';
import { readRequest, type ReadRequest } from './request.ts';

export interface Place {
  readonly address: string;
  readonly port: number;
}

/** What one connection to the upstream carried, byte for byte as Latin-1. */
export interface Carried {
  text: string;
  ended: boolean;
}

/** A server that keeps every byte; `serve` is told after each packet. */
export async function recordingServer(t: ExecutionContext, address: string, serve: (socket: Socket, carried: Carried) => void): Promise<{ readonly port: number; readonly connections: readonly Carried[] }> {
  const connections: Carried[] = [];
  const sockets = new Set<Socket>();
  const server: Server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const carried: Carried = { text: '', ended: false };
    connections.push(carried);
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      carried.text += bytes.toString('latin1');
      serve(socket, carried);
    });
    socket.on('end', () => socket.end());
    socket.on('close', () => {
      carried.ended = true;
      sockets.delete(socket);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, address, 4096, resolve));
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as { port: number }).port, connections };
}

/** A mesh with one Gateway, all of whose requests go to one Pod, at the second address unless said. `more`: further manifests. */
export async function gatewayTo(t: ExecutionContext, base: number, port: number, more = '', pod = addresses(base)(2)): Promise<{ readonly mesh: Mesh; readonly place: Place }> {
  const at = addresses(base);
  const text = yaml.join(yaml.gateway('g', [18_080], at(1)), yaml.route('r', '{ name: g }', { web: 1 }), yaml.service('web', 'web', port), yaml.pod('p', 'web', pod), ...(more === '' ? [] : [more]));
  const mesh = await createMesh({ manifests: text, loopback: at(1), socketIO: socketMode });
  t.teardown(() => mesh.close());
  return { mesh, place: { address: at(1), port: mesh.gateway('shop/g')!.port(18_080) } };
}

export interface Talk {
  /** All that came, as Latin-1. */
  readonly text: string;
  /** `hung`: the connection was not ended in time. */
  readonly outcome: 'ended' | 'reset' | 'hung';
}

export interface TalkOptions {
  /** Ends the sending side behind the last byte. */
  readonly half: boolean;
  /** Offsets at which the bytes are cut into packets. */
  readonly cuts: readonly number[];
  readonly timeoutMs: number;
}

/** Sends the text on a connection of its own and reads until the other side ends it. */
export function talk(place: Place, text: string, { half, cuts, timeoutMs }: TalkOptions): Promise<Talk> {
  return new Promise((resolve) => {
    const socket = connect({ host: place.address, port: place.port, noDelay: true, allowHalfOpen: true });
    let got = '';
    let broken = false;
    const settle = (outcome: Talk['outcome']): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ text: got, outcome });
    };
    const timer = setTimeout(() => settle('hung'), timeoutMs);
    socket.on('data', (bytes) => (got += bytes.toString('latin1')));
    socket.on('error', () => (broken = true));
    socket.on('end', () => settle('ended'));
    socket.on('close', () => settle(broken ? 'reset' : 'ended'));
    socket.on('connect', () => void sendPieces(socket, text, cuts).then(() => half && socket.writable && socket.end()));
  });
}

async function sendPieces(socket: Socket, text: string, cuts: readonly number[]): Promise<void> {
  let from = 0;
  for (const cut of [...cuts, text.length]) {
    if (!socket.writable) return;
    if (cut > from || text === '') socket.write(text.slice(from, cut), 'latin1');
    from = cut;
    if (from < text.length) await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** Runs `work` for every index below `count`, `lanes` at a time. */
export async function inLanes(count: number, lanes: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: Math.min(lanes, count) }, lane));
}

/** A few of each kind: what differs in numbers and quoted bytes alone is one kind. */
export function byKind(failures: readonly string[]): readonly string[] {
  const kinds = Map.groupBy(failures, (failure) => failure.slice(failure.indexOf(': ') + 1).replace(/"[^]*$/, '').replaceAll(/\d+/g, '0').slice(0, 40));
  return [...kinds.values()].slice(0, 30).map((same) => `${same.length} × ${same[0]!.slice(0, 300)}`);
}

/** Answers every whole request with its target; what is no request ends the connection. */
export function echo(arrived: ReadRequest[]): (socket: Socket, carried: Carried) => void {
  const offsets = new WeakMap<Carried, number>();
  return (socket, carried) => {
    let p = offsets.get(carried) ?? 0;
    for (;;) {
      const read = readRequest(carried.text, p);
      if (read.kind === 'incomplete') break;
      if (read.kind === 'refused') {
        socket.destroy();
        break;
      }
      p = read.end;
      arrived.push(read);
      const body = `echo ${read.target}`;
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${read.method === 'HEAD' ? '' : body}`, 'latin1');
    }
    offsets.set(carried, p);
  };
}
