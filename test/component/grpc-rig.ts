import { connect, constants, createServer, type ClientHttp2Session, type ClientHttp2Stream, type IncomingHttpHeaders, type OutgoingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import { createMesh, type Mesh, type MeshOptions } from '../../index.ts';
import type { ExecutionContext } from 'ava';

/** gRPC by Node's own HTTP/2, on both sides of a mesh that was made from manifests. */

/** A message as it goes over the wire: not compressed, its length before it. */
export function frame(message: Buffer | string): Buffer {
  const bytes = Buffer.from(message as string);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

/** The messages of a body; throws where the last one is not complete. */
export function messagesIn(body: Buffer): readonly Buffer[] {
  const messages: Buffer[] = [];
  for (let at = 0; at < body.length; ) {
    const end = at + 5 + body.readUInt32BE(at + 1);
    if (end > body.length) throw new Error('a message that breaks off');
    messages.push(body.subarray(at + 5, end));
    at = end;
  }
  return messages;
}

export interface Call {
  readonly stream: ServerHttp2Stream;
  readonly headers: IncomingHttpHeaders;
  /** All that the client has sent. */
  body(): Promise<Buffer>;
  /** Messages, then trailers. */
  reply(messages: readonly (Buffer | string)[], status?: number, trailers?: OutgoingHttpHeaders): void;
  /** Trailers alone. */
  refuse(status: number, message?: string): void;
}

export interface GrpcServer {
  readonly address: string;
  readonly port: number;
  readonly calls: IncomingHttpHeaders[];
  readonly sessions: Set<ServerHttp2Session>;
  /** Codes of streams that were reset. */
  readonly resets: number[];
}

export async function grpcServer(t: ExecutionContext, address: string, serve: (call: Call) => void): Promise<GrpcServer> {
  const calls: IncomingHttpHeaders[] = [];
  const sessions = new Set<ServerHttp2Session>();
  const resets: number[] = [];
  const server = createServer({ settings: { maxConcurrentStreams: 1000 } });
  server.on('session', (session) => {
    sessions.add(session);
    session.on('error', () => {});
    session.on('close', () => sessions.delete(session));
  });
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    calls.push(headers);
    stream.on('error', () => {});
    stream.on('close', () => stream.rstCode !== constants.NGHTTP2_NO_ERROR && resets.push(stream.rstCode));
    serve(callOf(stream, headers));
  });
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  t.teardown(async () => {
    for (const session of sessions) session.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  const bound = server.address();
  return { address, port: typeof bound === 'object' ? (bound?.port ?? 0) : 0, calls, sessions, resets };
}

function callOf(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): Call {
  return {
    stream,
    headers,
    body: async () => {
      const pieces: Buffer[] = [];
      for await (const piece of stream) pieces.push(piece as Buffer);
      return Buffer.concat(pieces);
    },
    reply: (messages, status = 0, trailers = {}) => {
      if (stream.destroyed) return;
      if (!stream.headersSent) stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': String(status), ...trailers }));
      for (const message of messages) stream.write(frame(message));
      stream.end();
    },
    refuse: (status, message = '') => {
      stream.resume();
      if (!stream.destroyed) stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': String(status), 'grpc-message': message }, { endStream: true });
    },
  };
}

export interface Outcome {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly trailers: IncomingHttpHeaders;
  readonly messages: readonly Buffer[];
  /** `grpc-status`, wherever it was; -1 without one. */
  readonly grpcStatus: number;
  /** The code where the stream was reset. */
  readonly reset: number;
}

export class GrpcClient {
  readonly session: ClientHttp2Session;
  goaways = 0;

  constructor(origin: string) {
    this.session = connect(origin, { settings: { initialWindowSize: 1_000_000 } });
    this.session.on('error', () => {});
    this.session.on('goaway', () => this.goaways++);
  }

  open(method: string, headers: OutgoingHttpHeaders = {}): ClientHttp2Stream {
    const stream = this.session.request({ ':method': 'POST', ':path': `/${method}`, ':authority': 'localhost', 'content-type': 'application/grpc', te: 'trailers', ...headers }, { endStream: false });
    stream.on('error', () => {});
    return stream;
  }

  async call(method: string, message: Buffer | string = '', headers: OutgoingHttpHeaders = {}): Promise<Outcome> {
    const stream = this.open(method, headers);
    stream.end(frame(message));
    return outcomeOf(stream);
  }

  close(): void {
    this.session.destroy();
  }
}

export function outcomeOf(stream: ClientHttp2Stream): Promise<Outcome> {
  return new Promise((resolve) => {
    let headers: IncomingHttpHeaders = {};
    let trailers: IncomingHttpHeaders = {};
    const pieces: Buffer[] = [];
    stream.on('response', (head) => (headers = head));
    stream.on('trailers', (fields) => (trailers = fields));
    stream.on('data', (piece: Buffer) => pieces.push(piece));
    stream.on('close', () => {
      const body = Buffer.concat(pieces);
      const grpcStatus = Number(trailers['grpc-status'] ?? headers['grpc-status'] ?? -1);
      const whole = headers['content-type']?.startsWith('application/grpc') === true && grpcStatus === 0;
      resolve({ status: Number(headers[':status'] ?? 0), headers, trailers, messages: whole ? messagesIn(body) : [body], grpcStatus, reset: stream.rstCode ?? 0 });
    });
  });
}

export interface GrpcMesh {
  readonly mesh: Mesh;
  readonly client: GrpcClient;
}

/** A Gateway and a Service `cart` of these servers, with what else the manifests say; a GRPCRoute `cart` of one rule `all` unless they have one. */
export async function grpcMesh(t: ExecutionContext, options: { readonly loopback: string; readonly servers: readonly GrpcServer[]; readonly manifests?: readonly object[] } & Pick<MeshOptions, 'drainMs'>): Promise<GrpcMesh> {
  const { loopback, servers, manifests = [], ...rest } = options;
  const own = manifests.some((each) => Reflect.get(each, 'kind') === 'GRPCRoute');
  const mesh = await createMesh({
    ...rest,
    loopback,
    manifests: [gateway, ...(own ? [] : [grpcRoute([{ name: 'all', backendRefs: [{ name: 'cart', port: 9000 }] }])]), ...serviceOf('cart', servers), ...manifests].map((each) => JSON.stringify(each)),
  });
  const found = mesh.gateway('shop/g');
  if (found === undefined) throw new Error('no gateway shop/g');
  const client = new GrpcClient(`http://${found.address}:${found.port('grpc')}`);
  t.teardown(async () => {
    client.close();
    await mesh.close();
  });
  const wrong = mesh.problems().filter(({ severity }) => severity === 'error');
  if (wrong.length > 0) throw new Error(wrong.map(({ message }) => message).join('\n'));
  return { mesh, client };
}

const metadata = (name: string): object => ({ name, namespace: 'shop' });

const gateway = {
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'Gateway',
  metadata: metadata('g'),
  spec: { gatewayClassName: 'weft', listeners: [{ name: 'grpc', port: 18_090, protocol: 'HTTP' }] },
};

export function grpcRoute(rules: readonly object[], parent: object = { name: 'g' }): object {
  return { apiVersion: 'gateway.networking.k8s.io/v1', kind: 'GRPCRoute', metadata: metadata('cart'), spec: { parentRefs: [parent], rules } };
}

/** For the rule `all` of the GRPCRoute. */
export function policy(kind: 'RetryPolicy' | 'TimeoutPolicy', fields: object): object {
  const targetRef = { group: 'gateway.networking.k8s.io', kind: 'GRPCRoute', name: 'cart', sectionName: 'all' };
  return { apiVersion: 'policy.weft-mesh.io/v1alpha1', kind, metadata: metadata('cart'), spec: { targetRef, default: fields } };
}

export function serviceOf(name: string, servers: readonly GrpcServer[]): readonly object[] {
  return [
    { apiVersion: 'v1', kind: 'Service', metadata: metadata(name), spec: { ports: [{ name: 'grpc', port: 9000 }] } },
    ...servers.map(({ address, port }, index) => ({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: `${name}-${index}`, namespace: 'shop', labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      endpoints: [{ addresses: [address], conditions: { ready: true } }],
      ports: [{ name: 'grpc', port, protocol: 'TCP' }],
    })),
  ];
}
