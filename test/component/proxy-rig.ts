import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { ExecutionContext } from 'ava';
import { createProxy, Metrics, type AccessLog, type BoundListener, type Proxy, type ProxyLimits, type Tracer } from '#proxy';
import type { Backend, EffectivePolicy, Endpoint, Filter, Listener, ListenerSection, Route, RouteTable, Rule, WeightedBackend } from '#snapshot';
import { socketIO } from './socket-io.ts';
import { runSteps } from '#snapshot';
import type { Refusal, ResourceUpdate } from '../../proxy/types.ts';

/** Parts from which tests of the proxy put together what they need: raw sockets on both sides. */

export interface Rig {
  readonly proxy: Proxy;
  readonly metrics: Metrics;
  readonly listener: BoundListener;
  /** One rule for all paths to all backends, unless `rules` says otherwise. */
  close(): Promise<void>;
}

export interface RigOptions {
  readonly backends?: Readonly<Record<string, readonly number[]>>;
  /** What they are spoken to by; HTTP/1.1 where nothing is said. */
  readonly protocol?: Backend['protocol'];
  readonly rules?: readonly Partial<Rule>[];
  readonly policies?: readonly EffectivePolicy[];
  readonly limits?: Partial<ProxyLimits>;
  readonly sections?: readonly ListenerSection[];
  readonly listenerPolicy?: EffectivePolicy;
  readonly random?: () => number;
  readonly onFault?: (error: unknown) => void;
  /** 127.0.0.1 unless set. */
  readonly address?: string;
  /** The proxy's own; of both families unless set. */
  readonly addresses?: readonly string[];
  readonly accessLog?: AccessLog;
  readonly tracer?: Tracer;
  readonly trustedHops?: number;
}

const ref = (kind: string, name: string) => ({ kind, namespace: 'shop', name });

export function backendTo(name: string, more: Partial<WeightedBackend> = {}): WeightedBackend {
  return { index: 0, weight: 1, filters: [], policy: 0, target: { kind: 'backend', ref: ref('Service', name), port: 80, backend: name }, ...more };
}

export function rule(parts: Partial<Rule> & { readonly path?: string; readonly filters?: readonly Filter[] } = {}): Rule {
  const { path = '/', ...rest } = parts;
  return {
    index: 0,
    matches: [{ index: 0, path: { type: 'PathPrefix', value: path }, headers: [], query: [] }],
    filters: [],
    backends: [backendTo('a')],
    policy: 0,
    ...rest,
  };
}

export function tableOf(rules: readonly Partial<Rule>[], policies: readonly EffectivePolicy[] = []): RouteTable {
  const route: Route = {
    ref: ref('HTTPRoute', 'route'),
    createdAt: 0,
    hostnames: [],
    rules: rules.map((parts, index) => ({ ...rule(), ...parts, index })),
  };
  return { kind: 'RouteTable', name: 'listener/shop/gw/http', routes: [route], policies };
}

export function backendNamed(name: string, protocol: Backend['protocol'] = 'http1'): Backend {
  return { kind: 'Backend', name, ref: ref('Service', name), port: 80, protocol, balancing: 'round-robin' };
}

export function endpointsOf(ports: readonly number[]): readonly Endpoint[] {
  return ports.map((port) => ({ address: '127.0.0.1', port }));
}

export function listenerWith(sections: readonly ListenerSection[]): Listener {
  return { kind: 'Listener', name: 'shop/gw/80', gateway: ref('Gateway', 'gw'), address: '127.0.0.1', port: 0, sections };
}

/** Puts resources into force in one go. Returns what is refused. */
export function applyTo(proxy: Pick<Proxy, 'applyInSteps'>, update: ResourceUpdate): readonly Refusal[] {
  return runSteps(proxy.applyInSteps(update));
}

export async function startRig(options: RigOptions): Promise<Rig> {
  const metrics = new Metrics();
  const proxy = createProxy({
    now: () => performance.now(),
    wallClock: () => Date.now(),
    random: options.random ?? Math.random,
    metrics,
    io: socketIO,
    ...(options.onFault === undefined ? {} : { onFault: options.onFault }),
    ...(options.limits === undefined ? {} : { options: options.limits }),
    ...(options.addresses === undefined ? {} : { addresses: options.addresses }),
    ...(options.accessLog === undefined ? {} : { accessLog: options.accessLog }),
    ...(options.tracer === undefined ? {} : { tracer: options.tracer }),
  });
  const backends = Object.entries(options.backends ?? {});
  const policies = options.policies ?? [];
  const rules = options.rules ?? [policies.length > 0 ? {} : {}];
  applyTo(proxy, {
    routeTables: { changed: [tableOf(rules, policies)] },
    backends: { changed: backends.map(([name]) => backendNamed(name, options.protocol)) },
    endpoints: { changed: backends.map(([name, ports]) => ({ kind: 'Endpoints', name, endpoints: endpointsOf(ports) })) },
  });
  const section: ListenerSection = {
    name: 'http',
    hostname: '',
    protocol: 'HTTP',
    routes: 'listener/shop/gw/http',
    ...(options.listenerPolicy === undefined ? {} : { policy: options.listenerPolicy }),
  };
  const listener = await proxy.listen({ ...listenerWith(options.sections ?? [section]), ...(options.address === undefined ? {} : { address: options.address }), ...(options.trustedHops === undefined ? {} : { trustedHops: options.trustedHops }) });
  return { proxy, metrics, listener, close: () => proxy.close() };
}

export function policyOf(parts: Omit<EffectivePolicy, 'origins'>, stanza: 'route' | 'default' = 'default'): EffectivePolicy {
  const origin = { kind: 'RetryPolicy', namespace: 'shop', name: 'p', stanza, level: 'Route' } as const;
  return { ...parts, origins: { 'retry.maxRetries': origin } };
}

/** A server that is told what to do with each connection. */
export interface RawServer {
  readonly port: number;
  /** Bytes that each connection received, as Latin-1, in the order of the connections. */
  readonly received: string[];
  readonly sockets: Socket[];
  close(): Promise<void>;
}

export async function rawServer(serve: (socket: Socket, text: string, connection: number) => void, address = '127.0.0.1'): Promise<RawServer> {
  const received: string[] = [];
  const sockets: Socket[] = [];
  const server: Server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const connection = sockets.push(socket) - 1;
    received[connection] = '';
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      const text = bytes.toString('latin1');
      received[connection] += text;
      serve(socket, text, connection);
    });
    socket.on('end', () => socket.end());
  });
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  return {
    port: (server.address() as AddressInfo).port,
    received,
    sockets,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

/** Answers each request head with the same bytes; bodies must come in the same packet or be told by the caller. */
export function answering(response: string): (socket: Socket, text: string) => void {
  return (socket, text) => {
    for (let heads = text.split('\r\n\r\n').length - 1; heads > 0; heads--) socket.write(response, 'latin1');
  };
}

export function ok(body: string, lines = ''): string {
  return `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n${lines}\r\n${body}`;
}

/** A port on which nothing listens. */
export async function closedPort(): Promise<number> {
  const server = await rawServer(() => {});
  await server.close();
  return server.port;
}

export class RawClient {
  readonly socket: Socket;
  text = '';
  ended = false;
  /** Why the connection broke. */
  error: string | undefined;
  #waiting: (() => void)[] = [];

  constructor(port: number, host = '127.0.0.1') {
    this.socket = connect({ port, host, noDelay: true, allowHalfOpen: true });
    this.socket.on('data', (bytes) => {
      this.text += bytes.toString('latin1');
      this.#wake();
    });
    this.socket.on('end', () => {
      this.ended = true;
      this.#wake();
    });
    this.socket.on('error', (error: NodeJS.ErrnoException) => {
      this.error = error.code ?? 'error';
      this.#wake();
    });
    this.socket.on('close', () => {
      this.ended = true;
      this.#wake();
    });
  }

  send(text: string): this {
    this.socket.write(text, 'latin1');
    return this;
  }

  /** Until the text satisfies; rejects with what there is after `ms`. */
  async until(satisfied: (text: string) => boolean, ms = 5000): Promise<string> {
    const deadline = performance.now() + ms;
    while (!satisfied(this.text)) {
      if (this.ended || performance.now() > deadline) throw new Error(`not received (ended ${this.ended}): ${JSON.stringify(this.text.slice(0, 600))}`);
      await this.#next(deadline - performance.now());
    }
    return this.text;
  }

  /** All that comes until the connection ends. */
  async all(ms = 5000): Promise<string> {
    const deadline = performance.now() + ms;
    while (!this.ended) {
      if (performance.now() > deadline) throw new Error(`not ended: ${JSON.stringify(this.text.slice(0, 600))}`);
      await this.#next(deadline - performance.now());
    }
    return this.text;
  }

  close(): void {
    this.socket.destroy();
  }

  #next(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.max(1, ms));
      this.#waiting.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #wake(): void {
    for (const waiting of this.#waiting.splice(0)) waiting();
  }
}

/** A proxy before one server, and a client of it; all of it ends with the test. */
export async function behind(t: ExecutionContext, serve: Parameters<typeof rawServer>[0], options: RigOptions = {}): Promise<{ readonly server: RawServer; readonly rig: Rig; readonly client: RawClient }> {
  const server = await rawServer(serve);
  const rig = await startRig({ backends: { a: [server.port] }, ...options });
  const client = new RawClient(rig.listener.port);
  t.teardown(async () => {
    client.close();
    await rig.close();
    await server.close();
  });
  return { server, rig, client };
}

/** One request on a connection of its own, that the proxy is to close. */
export async function fetchRaw(port: number, request: string): Promise<string> {
  const client = new RawClient(port);
  client.send(request);
  try {
    return await client.all();
  } finally {
    client.close();
  }
}

export function getRequest(path = '/', lines = '', host = 'shop.example'): string {
  return `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${lines}\r\n`;
}

export function statusOf(text: string): number {
  return Number(text.slice(9, 12));
}

export function bodyOf(text: string): string {
  return text.slice(text.indexOf('\r\n\r\n') + 4);
}
