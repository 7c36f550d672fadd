import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import type { ClusterState, Pod } from '#crds';
import { parseDuration } from '#snapshot';
import { pairFor } from './certificates.ts';
import { serveDatagrams } from './wire/datagrams.ts';

/** A request as it came to a workload. */
export interface Arrival {
  /** The request of the case that it belongs to. */
  readonly id: string;
  /** `{namespace}/{pod}`. */
  readonly pod: string;
  /** `{namespace}/{app label}`. */
  readonly app: string;
  readonly address: string;
  readonly port: number;
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly host: string;
  /** Lower-case names; repeated lines joined by a comma. */
  readonly headers: Readonly<Record<string, string>>;
  body: string;
  /** Of TLS: the name that the client asked for. */
  readonly serverName?: string;
  /** Of TLS: names in the certificate that the client showed, such as `DNS:gateway.example`; `none` where it showed none. */
  readonly clientCertificate?: string;
}

export interface Workloads {
  readonly arrivals: readonly Arrival[];
  close(): Promise<void>;
}

interface Place {
  readonly pod: string;
  readonly app: string;
  readonly address: string;
  readonly port: number;
  readonly behaviour: string;
  /** `h2c`: HTTP/2 without TLS, and answers as a gRPC server does. `udp`. HTTP/1.1 without. */
  readonly protocol?: 'h2c' | 'udp';
  /** Speaks TLS with the pair for these hosts. */
  readonly tls?: string;
  /** Clients have to show the certificate for these hosts. */
  readonly clients?: string;
}

/** Joins the arrivals of one request of a case. */
export const idHeader = 'x-golden-request';

/** Every Pod of the state answers on each of its container ports, and every EndpointSlice that was written on its own. */
export async function startWorkloads(state: ClusterState): Promise<Workloads> {
  const places = [...[...state.pods.values()].flatMap(placesOf), ...slicePlaces(state)].filter(({ behaviour }) => behaviour !== 'refuse');
  const arrivals: Arrival[] = [];
  const running = await Promise.all(places.map((place) => serve(place, arrivals)));
  return { arrivals, close: async () => void (await Promise.all(running.map((close) => close()))) };
}

function placesOf({ metadata, spec, status }: Pod): readonly Place[] {
  const { podIP } = status;
  if (podIP === undefined) return [];
  const { namespace, name, labels, annotations } = metadata;
  const ports = (spec.containers ?? []).flatMap((container) => container.ports ?? []);
  return ports.map(({ containerPort, protocol, name: port }) => ({
    pod: `${namespace}/${name}`,
    app: `${namespace}/${labels?.['app'] ?? name}`,
    address: podIP,
    port: containerPort,
    behaviour: annotations?.['golden/behaviour'] ?? '',
    ...(protocol === 'UDP' ? { protocol: 'udp' as const } : (port === 'grpc' || annotations?.['golden/protocol'] === 'h2c') ? { protocol: 'h2c' as const } : {}),
    ...(annotations?.['golden/tls'] === undefined ? {} : { tls: annotations['golden/tls'] }),
    ...(annotations?.['golden/clients'] === undefined ? {} : { clients: annotations['golden/clients'] }),
  }));
}

function slicePlaces({ endpointSlices }: ClusterState): readonly Place[] {
  // Of IPv6 a machine has one loopback address: nobody answers at others, nor at names.
  return [...endpointSlices.values()].filter(({ addressType }) => addressType === 'IPv4').flatMap(({ metadata, ports, endpoints }) =>
    (endpoints ?? []).flatMap(({ addresses, targetRef }) => {
      const pod = `${metadata.namespace}/${targetRef?.name ?? metadata.name}`;
      return addresses.flatMap((address) => (ports ?? []).flatMap(({ port }) => (port === undefined ? [] : [{ pod, app: pod, address, port, behaviour: '' }])));
    }),
  );
}

async function serve(place: Place, arrivals: Arrival[]): Promise<() => Promise<void>> {
  if (place.protocol === 'udp') return serveDatagrams(place, arrivals);
  const server = serverFor(place, (request, response) => void answer({ place, arrivals }, request, response));
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => sockets.add(socket.on('error', () => undefined)));
  server.on('upgrade', (request, socket) => upgrade({ place, arrivals }, request, socket));
  await listen(server, place);
  return () =>
    new Promise((resolve) => {
      for (const socket of sockets) socket.destroy();
      server.close(() => resolve());
    });
}

function serverFor({ protocol, tls, clients }: Place, listener: RequestListener): Server {
  // Its requests and responses have all that is asked of them here.
  if (protocol === 'h2c') return createHttp2Server(listener as never) as unknown as Server;
  if (tls === undefined) return createServer(listener);
  const { certificate, key } = pairFor(tls);
  const demand = clients === undefined ? { rejectUnauthorized: false } : { ca: pairFor(clients).certificate };
  return createTlsServer({ cert: certificate, key, requestCert: true, ...demand }, listener).on('tlsClientError', () => undefined);
}

function listen(server: Server, { address, port, pod }: Place): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(new Error(`workload ${pod} can't listen on ${address}:${port}: ${error.message}`)));
    server.listen(port, address, resolve);
  });
}

interface Context {
  readonly place: Place;
  readonly arrivals: Arrival[];
}

async function answer(context: Context, request: IncomingMessage, response: ServerResponse): Promise<void> {
  response.on('error', () => undefined);
  const { arrival, turn } = arrive(context, request);
  request.setEncoding('utf8');
  try {
    for await (const chunk of request) arrival.body += String(chunk);
  } catch {
    return; // The proxy gave up on this attempt.
  }
  const wishes = wishesOf(context.place, request);
  const delay = wishes.delays[Math.min(turn, wishes.delays.length - 1)] ?? 0;
  if (delay > 0) await new Promise((resolve) => setTimeout(resolve, delay).unref());
  const status = wishes.statuses[Math.min(turn, wishes.statuses.length - 1)] ?? '200';
  if (status === 'reset') {
    request.socket.resetAndDestroy();
    return;
  }
  for (const [name, value] of wishes.headers) response.appendHeader(name, value);
  if (request.httpVersionMajor === 2) {
    response.writeHead(200, { 'content-type': 'application/grpc' });
    response.addTrailers({ 'grpc-status': status === '200' ? '0' : status });
    response.end(JSON.stringify(arrival));
    return;
  }
  response.writeHead(Number(status), { 'content-type': 'application/json' });
  response.end(JSON.stringify(arrival));
}

/** Says 101 and sends back every byte that comes. */
function upgrade(context: Context, request: IncomingMessage, socket: Duplex): void {
  arrive(context, request);
  socket.on('error', () => undefined);
  // RFC 6455, 4.2.2.
  const accept = createHash('sha1').update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${request.headers.upgrade}\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
  socket.on('data', (chunk: Buffer) => socket.write(chunk));
  socket.on('end', () => socket.end());
}

function arrive({ place, arrivals }: Context, request: IncomingMessage): { readonly arrival: Arrival; readonly turn: number } {
  const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(',') : (value ?? '')]));
  const id = headers[idHeader] ?? '';
  const { pod, app, address } = place;
  const { port } = request.socket.address() as AddressInfo;
  const turn = arrivals.filter((each) => each.id === id && each.app === app).length;
  const arrival: Arrival = { id, pod, app, address, port, method: request.method ?? '', path: request.url ?? '', host: headers['host'] ?? headers[':authority'] ?? '', headers, body: '', ...tlsOf(request.socket) };
  arrivals.push(arrival);
  return { arrival, turn };
}

function tlsOf(socket: Socket): Pick<Arrival, 'serverName' | 'clientCertificate'> {
  if (!(socket instanceof TLSSocket)) return {};
  const { servername } = socket as TLSSocket & { readonly servername?: string | false };
  return { serverName: servername === undefined || servername === false ? 'none' : servername, clientCertificate: socket.getPeerCertificate().subjectaltname ?? 'none' };
}

interface Wishes {
  /** One per attempt, the last for all that follow: a status, or `reset`. */
  readonly statuses: readonly string[];
  /** Milliseconds, one per attempt. */
  readonly delays: readonly number[];
  readonly headers: readonly (readonly [string, string])[];
}

/** `status=503,200&delay=1s&delays=2s,0s&header=name:value`, from the request's query or from the Pod's annotation. */
function wishesOf({ behaviour }: Place, request: IncomingMessage): Wishes {
  const asked = new URLSearchParams(/\?(.*)$/.exec(request.url ?? '')?.[1] ?? '');
  const own = new URLSearchParams(behaviour);
  const get = (name: string): string | null => asked.get(name) ?? own.get(name);
  const delays = (get('delays') ?? get('delay') ?? '0s').split(',').map((text) => parseDuration(text) ?? 0);
  const headers = [...own.getAll('header'), ...asked.getAll('header')].map((text) => [text.slice(0, text.indexOf(':')), text.slice(text.indexOf(':') + 1)] as const);
  return { statuses: (get('status') ?? '200').split(','), delays, headers };
}
