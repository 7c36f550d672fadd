import { connect, createServer, type Server, type Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import type { BoundListener } from '#proxy';
import type { ListenerSection, TimeoutFields } from '#snapshot';
import { startCaptureRig } from '../capture-rig.ts';
import { applyTo, backendNamed, endpointsOf, tableOf } from '../proxy-rig.ts';
import { certificateFor, setBackends, startStreamRig, streamBackend, streamTable } from '../streams-rig.ts';

/** Each way in which bytes pass a proxy as they are. */
export const kinds = ['tcp', 'tls passed', 'tls ended', 'tls begun', 'websocket', 'connect', 'captured'] as const;
export type Kind = (typeof kinds)[number];

export const turns = ['endpoint gone', 'route gone', 'port carries something else', 'port closes', 'drain', 'cut'] as const;
export type Turn = (typeof turns)[number];

/** `carrier`: of TLS the connection below, else the same. */
export interface Dialled {
  readonly socket: Socket;
  readonly carrier: Socket;
}

/** A proxy with one way to one endpoint. */
export interface Door {
  /** A client's connection; what is said before the payload is written already. */
  dial(): Dialled;
  /** Where the payload begins in what a side gets; below 0: not yet; Infinity: it is refused. */
  payloadAt(side: 'client' | 'server', bytes: Buffer): number;
  /** Of the client, that the endpoint gets as they are. */
  readonly bytesAhead: number;
  /** What the endpoint answers to what came before the payload. */
  readonly greeting: string;
  /** Does what changes while connections are open. */
  turn(turn: Turn): void;
  /** Lines of /metrics that begin so. */
  metricLines(start: string): Promise<readonly string[]>;
  logged(): Promise<readonly Record<string, unknown>[]>;
  /** Port of the proxy that clients dial. */
  readonly port: number;
  readonly faults: readonly unknown[];
  close(): Promise<void>;
}

const name = 'end.example';
const upgrade = `GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: abc\r\nSec-WebSocket-Version: 13\r\n\r\n`;
const accepted = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: def\r\n\r\n';

/** RFC 8446, 4.1.2: with a server name, and nothing else that is not needed. */
const hello = ((): Buffer => {
  const vector = (bytes: Buffer): Buffer => Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]);
  const serverName = vector(vector(Buffer.concat([Buffer.from([0]), vector(Buffer.from(name))])));
  const body = Buffer.concat([Buffer.from([3, 3]), Buffer.alloc(33), Buffer.from([0, 2, 0x13, 1, 1, 0]), vector(Buffer.concat([Buffer.from([0, 0]), serverName]))]);
  return Buffer.concat([Buffer.from([22, 3, 1]), vector(Buffer.concat([Buffer.from([1, 0, body.length >> 8, body.length & 255]), body]))]);
})();

const sections: Readonly<Record<'tcp' | 'tls begun' | 'tls passed' | 'tls ended' | 'websocket', ListenerSection>> = {
  'tcp': { name: 'one', hostname: '', protocol: 'TCP', routes: 'listener/shop/gw/one' },
  'tls begun': { name: 'one', hostname: '', protocol: 'TCP', routes: 'listener/shop/gw/one' },
  'tls passed': { name: 'one', hostname: '', protocol: 'TLS', mode: 'Passthrough', routes: 'listener/shop/gw/one' },
  'tls ended': { name: 'one', hostname: '', protocol: 'TLS', mode: 'Terminate', certificates: [name], routes: 'listener/shop/gw/one' },
  'websocket': { name: 'http', hostname: '', protocol: 'HTTP', routes: 'listener/shop/gw/http' },
};

export async function openDoor(kind: Kind, serverPort: number, timeouts: TimeoutFields): Promise<Door> {
  return kind === 'captured' ? captured(serverPort) : served(kind, serverPort, timeouts);
}

async function served(kind: Exclude<Kind, 'captured'>, serverPort: number, timeouts: TimeoutFields): Promise<Door> {
  const rig = await startStreamRig({ limits: { streamEndingMs: 200, halfClosedMs: 60_000 } });
  const policies = [{ timeouts, origins: {} }];
  let listener: BoundListener | undefined;
  let port: number;
  if (kind === 'connect') {
    const table = { ...streamTable('one', [{ backends: [streamBackend('a', { policy: 0 })] }]), policies };
    setBackends(rig.proxy, { a: [serverPort] });
    applyTo(rig.proxy, { streamTables: { changed: [table] } });
    const service = { kind: 'Service', namespace: 'shop', name: 'a' };
    const outbound = await rig.proxy.listenOutbound({ address: '127.0.0.1', port: 0, resolve: (host, to) => ({ kind: 'Destination', name: `${host}:${to}`, target: { kind: 'service', service, port: 80, routes: 'none', streams: table.name, protocol: 'tcp' } }) });
    port = outbound.port;
  } else {
    if (kind === 'websocket') {
      applyTo(rig.proxy, { backends: { changed: [backendNamed('a')] }, endpoints: { changed: [{ kind: 'Endpoints', name: 'a', endpoints: endpointsOf([serverPort]) }] }, routeTables: { changed: [tableOf([{}], policies)] } });
    } else {
      setBackends(rig.proxy, { a: [serverPort] });
      if (kind === 'tls begun') applyTo(rig.proxy, { backends: { changed: [{ ...backendNamed('a'), protocol: 'tcp', tls: { hostname: name, authorities: certificateFor(name).chain } }] } });
      applyTo(rig.proxy, { certificates: { changed: [{ kind: 'Certificate', name, ...certificateFor(name) }] }, streamTables: { changed: [{ ...streamTable('one', [{ backends: [streamBackend('a', { policy: 0 })] }]), policies }] } });
    }
    listener = await rig.listen([sections[kind]]);
    port = listener.port;
  }
  const ends: Promise<unknown>[] = [];
  const dial = (): Dialled => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    if (kind === 'tls ended') return { socket: connectTls({ socket, rejectUnauthorized: false, servername: name }), carrier: socket };
    if (kind === 'tls passed') socket.write(hello);
    else if (kind === 'websocket') socket.write(upgrade);
    else if (kind === 'connect') socket.write('CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n');
    return { socket, carrier: socket };
  };
  return {
    port, dial, faults: rig.faults, metricLines: rig.metricLines, logged: rig.logged,
    bytesAhead: kind === 'tls passed' ? hello.length : 0,
    greeting: kind === 'websocket' ? accepted : '',
    payloadAt: (side, bytes) => {
      if (kind === 'tls passed' && side === 'server') return bytes.length < hello.length ? -1 : bytes.subarray(0, hello.length).equals(hello) ? hello.length : 0;
      if (!(kind === 'websocket' || (kind === 'connect' && side === 'client'))) return 0;
      const end = bytes.indexOf('\r\n\r\n');
      if (end < 0) return -1;
      return side === 'server' || /^HTTP\/1\.1 (?:101|200) /.test(bytes.toString('latin1', 0, 13)) ? end + 4 : Infinity;
    },
    turn: (turn) => {
      const close = (drainMs: number): void => void ends.push(listener === undefined ? rig.proxy.drain(drainMs) : listener.close(drainMs));
      if (turn === 'endpoint gone') applyTo(rig.proxy, { endpoints: { changed: [{ kind: 'Endpoints', name: 'a', endpoints: [] }] } });
      else if (turn === 'route gone') applyTo(rig.proxy, { streamTables: { removed: ['listener/shop/gw/one'] }, routeTables: { removed: ['listener/shop/gw/http'] } });
      else if (turn === 'port carries something else') listener?.update({ kind: 'Listener', name: 'shop/gw/1', gateway: { kind: 'Gateway', namespace: 'shop', name: 'gw' }, address: '127.0.0.1', port, sections: [kind === 'tcp' || kind === 'tls begun' ? sections['tls ended'] : sections.tcp] });
      else if (turn === 'port closes') close(60_000);
      else if (turn === 'cut') close(0);
      else ends.push(rig.proxy.drain(60_000));
    },
    close: async () => {
      await Promise.all(ends);
      await rig.close();
    },
  };
}

/** A server for the endpoint's side. */
export function serverFor(kind: Kind, serve: (dialled: Dialled) => void): Server {
  if (kind !== 'tls begun') return createServer({ allowHalfOpen: true }, (socket) => serve({ socket, carrier: socket }));
  const { chain, key } = certificateFor(name);
  const secure = createTlsServer({ cert: chain, key });
  const carriers = new Map<number, Socket>();
  secure.on('secureConnection', (socket) => {
    socket.allowHalfOpen = true;
    serve({ socket, carrier: carriers.get(socket.remotePort!)! });
  }).on('tlsClientError', () => {});
  return createServer({ allowHalfOpen: true }, (socket) => {
    carriers.set(socket.remotePort!, socket.on('error', () => {}));
    secure.emit('connection', socket);
  });
}

/** What comes for a workload: nobody knows who speaks first. */
async function captured(serverPort: number): Promise<Door> {
  const rig = await startCaptureRig([]);
  const ends: Promise<unknown>[] = [];
  return {
    port: rig.capture.inboundPort,
    dial: () => {
      const socket = rig.dial({ host: '127.0.0.1', port: serverPort }, 'inbound');
      return { socket, carrier: socket };
    },
    faults: [],
    metricLines: rig.metricLines,
    logged: async () => [],
    bytesAhead: 0,
    greeting: '',
    payloadAt: () => 0,
    turn: (turn) => {
      if (turn === 'drain') ends.push(rig.capture.drain(60_000));
      else if (turn === 'cut') ends.push(rig.capture.drain(0));
    },
    close: async () => {
      await Promise.all(ends);
      await rig.close();
    },
  };
}
