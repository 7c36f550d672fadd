import http from 'node:http';
import https from 'node:https';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { pairFor } from './certificates.ts';
import { idHeader } from './echo.ts';
import type { RequestExpectation } from './expectation.ts';
import { sendDatagram } from './wire/datagrams.ts';
import { callGrpc } from './wire/grpc.ts';
import { addressed, isStream, type Addressed } from './requests.ts';
import { tunnel } from './wire/tunnel.ts';
import { openWebSocket } from './wire/web-socket.ts';

/** Where the proxies of a running case are reached. */
export interface Entrances {
  /** Address and port to dial for a Gateway's listener port. */
  gateway(key: string, port: number): { readonly address: string; readonly port: number };
  /** The HTTP proxy of a Pod's sidecar. */
  sidecar(key: string): { readonly address: string; readonly port: number };
}

type Entrance = ReturnType<Entrances['gateway']>;

/** What goes on a stream of HTTP/2. */
interface Streamed {
  readonly entrance: Entrance;
  readonly to: Addressed;
  readonly id: string;
  readonly request: RequestExpectation;
}

export interface Reply {
  readonly id: string;
  readonly status: number;
  /** Lower-case names; repeated lines joined by a comma. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Milliseconds. */
  readonly elapsed: number;
  /** Names in the server's certificate. */
  readonly certificate: string | undefined;
}

/** Connections of one case. */
export interface Client {
  send(request: RequestExpectation): Promise<Reply>;
  close(): void;
}

let ids = 0;
const patienceMs = 20_000;
/** Those that are dropped are never answered. */
const datagramPatienceMs = 500;

export function createClient(entrances: Entrances): Client {
  const plain = new http.Agent({ keepAlive: true, maxSockets: 4 });
  return {
    send: (request) => send(entrances, request, plain),
    close: () => plain.destroy(),
  };
}

async function send(entrances: Entrances, request: RequestExpectation, agent: http.Agent): Promise<Reply> {
  const to = addressed(request);
  const id = `${process.pid}-${++ids}`;
  const entrance = to.client === undefined ? entrances.gateway(to.gateway!, to.port) : entrances.sidecar(to.client);
  if (to.protocol === 'udp') return exchangeDatagrams(entrance, id, request.url);
  if (to.protocol === 'grpc') return exchangeStream({ entrance, to, id, request }, callGrpc);
  if (request.over === 'http2') return exchangeStream({ entrance, to, id, request }, openWebSocket);
  const tunnelled = to.client !== undefined && isStream(to) ? await tunnel(entrance, `${to.dialled}:${to.port}`, patienceMs) : undefined;
  const secure = to.scheme === 'https';
  const { upgrade: protocol, body } = request;
  const options: https.RequestOptions = {
    host: request.address ?? entrance.address,
    port: entrance.port,
    method: to.method,
    // A proxy gets the whole URL (RFC 9112, 3.2.2).
    path: to.client === undefined || tunnelled !== undefined ? to.target : `http://${to.host}${to.target}`,
    headers: {
      host: to.host,
      ...request.headers,
      [idHeader]: id,
      ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }),
      ...(protocol === undefined ? {} : { connection: 'Upgrade', upgrade: protocol, 'sec-websocket-version': '13', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' }),
    },
    setHost: false,
    // A new connection for each TLS request: which certificate it gets is part of the case.
    ...(secure ? { agent: false, servername: request.sni ?? to.dialled, rejectUnauthorized: false, ...shown(request) } : { agent: to.protocol === 'tcp' ? false : agent }),
    ...(tunnelled === undefined ? {} : secure ? { socket: tunnelled } : { agent: undefined, createConnection: () => tunnelled }),
    signal: AbortSignal.timeout(patienceMs),
  };
  return exchange(secure ? https.request(options) : http.request(options), { id, body, url: request.url });
}

function shown({ certificate: hosts }: RequestExpectation): { readonly cert?: string; readonly key?: string } {
  if (hosts === undefined) return {};
  const { certificate, key } = pairFor(hosts);
  return { cert: certificate, key };
}

async function exchangeDatagrams(entrance: Entrance, id: string, url: string): Promise<Reply> {
  const start = performance.now();
  const body = await sendDatagram(entrance, id, datagramPatienceMs);
  if (body === undefined) throw new Error(`${url}: no answer`);
  return { id, status: 200, headers: {}, body, elapsed: performance.now() - start, certificate: undefined };
}

async function exchangeStream({ entrance, to, id, request }: Streamed, send: typeof callGrpc | typeof openWebSocket): Promise<Reply> {
  const start = performance.now();
  const reply = await send(entrance, { authority: to.host, path: to.target, headers: { ...request.headers, [idHeader]: id } }, patienceMs);
  return { id, ...reply, elapsed: performance.now() - start, certificate: undefined };
}

function exchange(request: http.ClientRequest, { id, body, url }: { readonly id: string; readonly body: string | undefined; readonly url: string }): Promise<Reply> {
  const start = performance.now();
  return new Promise((resolve, reject) => {
    const finish = (response: http.IncomingMessage, text: string, certificate?: string): void => {
      const headers = Object.fromEntries(Object.entries(response.headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(',') : (value ?? '')]));
      resolve({ id, status: response.statusCode ?? 0, headers, body: text, elapsed: performance.now() - start, certificate });
    };
    const fail = (error: Error): void => reject(new Error(`${url}: ${error.message}`, { cause: error }));
    request.on('error', fail);
    request.on('response', (response) => {
      let text = '';
      // Asked now: at the end of the response its socket may have gone back to the agent.
      const certificate = (response.socket as Partial<TLSSocket> | null)?.getPeerCertificate?.().subjectaltname;
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk)).on('end', () => finish(response, text, certificate)).on('error', fail);
    });
    request.on('upgrade', (response, socket) => void talk(socket).then((text) => finish(response, text), fail));
    request.end(body);
  });
}

/** Says something on an upgraded connection; resolves to what comes back. */
async function talk(socket: Duplex): Promise<string> {
  const back = new Promise<string>((resolve, reject) => {
    socket.once('data', (chunk: Buffer) => resolve(chunk.toString()));
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('the upgraded connection closed')));
  });
  socket.write('hello');
  const text = await back;
  socket.destroy();
  return text;
}
