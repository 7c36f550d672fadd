import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls, createServer as createTlsServer, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { AccessLog, createExposition, createProxy, Metrics, type BoundListener, type Proxy, type ProxyLimits } from '#proxy';
import type { Listener, ListenerSection, StreamRoute, StreamTable, WeightedBackend } from '#snapshot';
import { applyTo, backendNamed, endpointsOf } from './proxy-rig.ts';
import { socketIO } from './socket-io.ts';

/** Parts for tests of what a proxy passes as it is: TCP, TLS by server name, UDP. */

export interface Pem {
  readonly chain: string;
  readonly key: string;
}

const made = new Map<string, Pem>();

/** A certificate that signs itself. */
export function certificateFor(name: string): Pem {
  const known = made.get(name);
  if (known !== undefined) return known;
  const folder = mkdtempSync(join(tmpdir(), 'weft-'));
  const at = (file: string): string => join(folder, file);
  const options = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`, '-keyout', at('key'), '-out', at('crt')];
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', ...options], { stdio: 'ignore' });
  const pem = { chain: readFileSync(at('crt'), 'utf8'), key: readFileSync(at('key'), 'utf8') };
  rmSync(folder, { recursive: true });
  made.set(name, pem);
  return pem;
}

export interface StreamRig {
  readonly proxy: Proxy;
  readonly metrics: Metrics;
  readonly log: Record<string, unknown>[];
  readonly faults: unknown[];
  listen(sections: readonly ListenerSection[], more?: Partial<Listener>): Promise<BoundListener>;
  /** Lines of /metrics that begin so. */
  metricLines(start: string): Promise<readonly string[]>;
  /** All lines of the access log so far. */
  logged(): Promise<readonly Record<string, unknown>[]>;
  close(): Promise<void>;
}

export async function startStreamRig(options: { readonly limits?: Partial<ProxyLimits>; readonly random?: () => number; readonly now?: () => number; readonly wallClock?: () => number } = {}): Promise<StreamRig> {
  const metrics = new Metrics();
  const faults: unknown[] = [];
  const log: Record<string, unknown>[] = [];
  const write = async (bytes: Buffer): Promise<void> => {
    for (const line of bytes.toString().trim().split('\n')) log.push(JSON.parse(line) as Record<string, unknown>);
  };
  const accessLog = new AccessLog({ sink: { write, close: async () => {} }, now: () => Date.now() });
  const proxy = createProxy({
    now: options.now ?? (() => performance.now()), wallClock: options.wallClock ?? (() => Date.now()), random: options.random ?? Math.random, metrics, accessLog, io: socketIO,
    onFault: (error) => faults.push(error),
    ...(options.limits === undefined ? {} : { options: options.limits }),
  });
  const exposition = createExposition(metrics);
  return {
    proxy, metrics, log, faults,
    listen: (sections, more = {}) => proxy.listen({ kind: 'Listener', name: 'shop/gw/1', gateway: { kind: 'Gateway', namespace: 'shop', name: 'gw' }, address: '127.0.0.1', port: 0, sections, ...more }),
    metricLines: async (start) => (await exposition()).body.split('\n').filter((line) => line.startsWith(start)),
    logged: async () => {
      await accessLog.flush();
      await accessLog.flush();
      return log;
    },
    close: () => proxy.close(),
  };
}

export function streamBackend(name: string, more: Partial<WeightedBackend> = {}): WeightedBackend {
  return { index: 0, weight: 1, filters: [], target: { kind: 'backend', ref: { kind: 'Service', namespace: 'shop', name }, port: 80, backend: name }, ...more };
}

export const invalidBackend: WeightedBackend = {
  index: 0, weight: 1, filters: [], target: { kind: 'invalid', ref: { kind: 'Service', namespace: 'shop', name: 'none' }, port: 80, status: 500, reason: 'BackendNotFound' },
};

/** Routes by what they are for: `TLSRoute a.example → backend`. */
export function streamTable(section: string, routes: readonly { readonly hostnames?: readonly string[]; readonly backends: readonly WeightedBackend[]; readonly kind?: string }[]): StreamTable {
  return {
    kind: 'StreamTable',
    name: `listener/shop/gw/${section}`,
    routes: routes.map(({ hostnames = [], backends, kind = 'TCPRoute' }, index): StreamRoute => ({
      ref: { kind, namespace: 'shop', name: `${section}-${index}` },
      createdAt: index,
      hostnames: hostnames.map((hostname) => ({ match: hostname, written: hostname })),
      rule: { index: 0, backends: backends.map((backend, place) => ({ ...backend, index: place })) },
    })),
  };
}

export function setBackends(proxy: Proxy, backends: Readonly<Record<string, readonly number[]>>, protocol: 'tcp' | 'udp' = 'tcp'): void {
  const names = Object.entries(backends);
  applyTo(proxy, {
    backends: { changed: names.map(([name]) => ({ ...backendNamed(name), protocol })) },
    endpoints: { changed: names.map(([name, ports]) => ({ kind: 'Endpoints', name, endpoints: endpointsOf(ports) })) },
  });
}

export interface StreamServer {
  readonly port: number;
  readonly sockets: Socket[];
  close(): void;
}

/** Says its name and then what it gets. With a certificate over TLS, and then the server name too. */
export async function echoServer(name: string, pem?: Pem): Promise<StreamServer> {
  const sockets: Socket[] = [];
  const serve = (socket: Socket | TLSSocket): void => {
    sockets.push(socket);
    socket.on('error', () => {});
    socket.write(`${name}${'servername' in socket ? ` ${String(socket.servername)}` : ''}\n`);
    socket.on('data', (bytes) => socket.write(bytes));
    socket.on('end', () => socket.end('end'));
  };
  const server = pem === undefined ? createServer({ allowHalfOpen: true }, serve) : createTlsServer({ allowHalfOpen: true, cert: pem.chain, key: pem.key }, serve);
  server.on('tlsClientError', () => {});
  return boundServer(server, sockets);
}

/** Gives it a port of its own. What it accepted, `sockets`, is cut when it is closed. */
export async function boundServer(server: Server, sockets: Socket[]): Promise<StreamServer> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    sockets,
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** Sends, ends, and reads to the end. Rejects with the error's code where the connection breaks. */
export function exchangeBytes(socket: Socket, text: string, event: 'connect' | 'secureConnect' = 'connect'): Promise<string> {
  return new Promise((resolve, reject) => {
    let got = '';
    socket.on('data', (bytes) => (got += bytes.toString('latin1')));
    socket.on('error', (error: NodeJS.ErrnoException) => reject(Object.assign(new Error(`${error.code ?? 'error'} ${error.message}`), { got })));
    socket.on('end', () => resolve(got));
    socket.on('close', () => resolve(got));
    socket.once(event, () => socket.end(text));
  });
}

export function tcpExchange(port: number, text: string): Promise<string> {
  return exchangeBytes(connect({ port, host: '127.0.0.1', allowHalfOpen: true }), text);
}

export function tlsExchange(port: number, servername: string, text: string, options: ConnectionOptions = {}): Promise<string> {
  return exchangeBytes(connectTls({ port, host: '127.0.0.1', allowHalfOpen: true, rejectUnauthorized: false, ...(servername === '' ? {} : { servername }), ...options } as ConnectionOptions), text, 'secureConnect');
}

export async function eventually(check: () => boolean | Promise<boolean>, ms = 3000): Promise<void> {
  const until = performance.now() + ms;
  while (!(await check())) {
    if (performance.now() > until) throw new Error('did not come true');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
