import { constants, createServer as createHttp2Server, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { readRequest } from '../../strict/request.ts';
import type { End } from './model.ts';

/** Endpoints that do with each request what its path says of this visit, and keep what they got. */

export type Speaks = 'http1' | 'http2';
export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** One attempt, as it came. */
export interface Arrival {
  readonly id: string;
  readonly endpoint: number;
  /** Requests that its connection had carried before. */
  readonly before: number;
  /** Method, path and fields but for framing, as `name: value`. */
  readonly head: readonly string[];
  body: string;
  trailers: string;
  whole: boolean;
}

/** How an attempt is answered, whatever is spoken. */
interface Answering {
  readonly arrival: Arrival;
  readonly whole: Promise<void>;
  interim(status?: number): void;
  head(status: number, length: number, lines?: Readonly<Record<string, string>>): void;
  data(text: string): void;
  /** `trailers`: of HTTP/2 alone. */
  end(trailers?: Readonly<Record<string, string>>): void;
  /** A head, and nothing behind it. */
  alone(status: number, lines: Readonly<Record<string, string>>): void;
  reset(): void;
  /** The connection ends, without a byte. */
  leave(): void;
  /** Something else than an answer. */
  garble(): void;
  refuse(): void;
  /** Says that its connection ends before this request, where another one was on it; else refuses it. */
  goAway(): void;
}

type Act = (to: Answering) => Promise<void> | void;
const nameOf = ({ id, endpoint }: Arrival): string => `${id}@${endpoint}`;
const answer = (to: Answering, status: number): void => {
  const text = nameOf(to.arrival);
  to.head(status, text.length);
  to.data(text);
  to.end();
};
const whenWhole = (act: Act): Act => async (to) => {
  await to.whole;
  await act(to);
};
const part = (to: Answering, status: number): void => {
  to.head(status, 100);
  to.data('part');
};

interface Behaviour {
  readonly act: Act;
  readonly end: End;
  /** Something comes before it fails. */
  readonly interim?: true;
  /** Needs a limit of time to end. */
  readonly endless?: true;
  /** Begins before all of the request has come. */
  readonly atHead?: true;
  readonly speaks?: Speaks;
  readonly grpc?: true;
  /** Takes others with it that are under way on its connection. */
  readonly alone?: true;
}

const answers = (status: number, cut = false): End => ({ kind: 'answer', status, cut });
const fails = (code: (End & { kind: 'failure' })['code']): End => ({ kind: 'failure', code, sent: true });
const statusOf = (status: number): Behaviour => ({ act: whenWhole((to) => answer(to, status)), end: answers(status) });
const message = '\0\0\0\0\x03abc';
const grpcLines = { 'content-type': 'application/grpc' };
const grpcAlone = (status: number): Behaviour => ({
  act: whenWhole((to) => to.alone(200, { ...grpcLines, 'grpc-status': String(status) })), end: { kind: 'answer', status: 200, cut: false, grpc: status }, grpc: true,
});
const grpcBehind = (status: number): Behaviour => ({
  act: whenWhole((to) => {
    to.head(200, -1, grpcLines);
    to.data(message);
    to.end({ 'grpc-status': String(status) });
  }),
  end: answers(200), grpc: true,
});

export const behaviours: Readonly<Record<string, Behaviour>> = {
  ok: statusOf(200),
  slow: { act: whenWhole(async (to) => (await pause(15), answer(to, 200))), end: answers(200) },
  hints: { act: whenWhole((to) => (to.interim(), answer(to, 200))), end: answers(200) },
  hintsReset: { act: whenWhole(async (to) => (to.interim(), await pause(5), to.reset())), end: fails('upstream-reset'), interim: true },
  s429: statusOf(429),
  s500: statusOf(500),
  s502: statusOf(502),
  s503: statusOf(503),
  s504: statusOf(504),
  s508: statusOf(508),
  early200: { act: (to) => answer(to, 200), end: answers(200), atHead: true },
  early503: { act: (to) => answer(to, 503), end: answers(503), atHead: true },
  reset: { act: (to) => to.reset(), end: fails('upstream-reset'), atHead: true },
  resetWhole: { act: whenWhole((to) => to.reset()), end: fails('upstream-reset') },
  leave: { act: whenWhole((to) => to.leave()), end: fails('upstream-reset'), alone: true },
  garble: { act: whenWhole((to) => to.garble()), end: fails('bad-response'), speaks: 'http1' },
  refuse: { act: (to) => to.refuse(), end: fails('refused-stream'), atHead: true, speaks: 'http2' },
  goaway: { act: (to) => to.goAway(), end: fails('refused-stream'), atHead: true, speaks: 'http2', alone: true },
  goOn: { act: async (to) => (to.interim(100), await to.whole, answer(to, 200)), end: answers(200) },
  goOn503: { act: async (to) => (to.interim(100), await to.whole, answer(to, 503)), end: answers(503) },
  goOnReset: { act: async (to) => (to.interim(100), await to.whole, await pause(5), to.reset()), end: fails('upstream-reset'), interim: true },
  cut: { act: whenWhole(async (to) => (part(to, 200), await pause(5), to.reset())), end: answers(200, true) },
  busyCut: { act: whenWhole(async (to) => (part(to, 503), await pause(5), to.reset())), end: answers(503, true) },
  silent: { act: () => {}, end: fails('per-try-timeout'), atHead: true, endless: true },
  hang: { act: whenWhole((to) => part(to, 200)), end: answers(200, true), endless: true },
  busyHang: { act: whenWhole((to) => part(to, 503)), end: answers(503, true), endless: true },
  grpc0: grpcBehind(0),
  grpc14: grpcAlone(14),
  grpc13: grpcAlone(13),
  grpc5: grpcAlone(5),
  grpc14Behind: grpcBehind(14),
};

/** `scripts`: what each endpoint does at the visits of this request, the last one for all that follow. */
export function pathOf(id: string, scripts: readonly (readonly string[])[]): string {
  return `/${id}/${scripts.map((names) => names.join('-')).join('/')}`;
}

export function scripted(path: string, endpoint: number, visit: number): string {
  const names = path.split('/')[endpoint + 2]?.split('-') ?? ['ok'];
  return names[visit] ?? names.at(-1)!;
}

export interface Endpoint {
  readonly port: number;
  /** By request, in the order in which they came. */
  readonly arrivals: Map<string, Arrival[]>;
  close(): Promise<void>;
}

/** Begins what the request's path says. Returns what tells that all of it has come. */
function begin(arrivals: Endpoint['arrivals'], path: string, arrival: Arrival, to: Omit<Answering, 'arrival' | 'whole'>): () => void {
  const visits = arrivals.getOrInsert(arrival.id, []);
  const name = scripted(path, arrival.endpoint, visits.push(arrival) - 1);
  const { promise, resolve } = Promise.withResolvers<void>();
  void Promise.resolve(behaviours[name]!.act({ ...to, arrival, whole: promise })).catch(() => {});
  return () => {
    arrival.whole = true;
    resolve();
  };
}

const framingFields: ReadonlySet<string> = new Set(['content-length', 'transfer-encoding', 'trailer', 'te', 'connection']);
const fieldTexts = (fields: readonly (readonly [string, string])[]): readonly string[] => fields.filter(([name]) => !framingFields.has(name)).map(([name, value]) => `${name}: ${value}`);

export async function http1Endpoint(index: number): Promise<Endpoint> {
  const arrivals: Endpoint['arrivals'] = new Map();
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket.once('close', () => sockets.delete(socket)));
    socket.on('error', () => {});
    let [text, before] = ['', 0];
    let current: { arrival: Arrival; isWhole: () => void } | undefined;
    const take = (): void => {
      if (current === undefined && text.includes('\r\n\r\n')) current = beginHttp1(socket, text, arrivals, { endpoint: index, before: before++ });
      const read = readRequest(text, 0);
      if (read.kind === 'refused') throw new Error(`${read.reason}: ${text.slice(0, 300)}`);
      if (read.kind !== 'request') return;
      text = text.slice(read.end);
      const { arrival, isWhole } = current!;
      arrival.body = read.body;
      arrival.trailers = (read.trailers ?? []).map(({ name, value }) => `${name}: ${value}`).join();
      current = undefined;
      isWhole();
    };
    socket.on('data', (bytes) => {
      text += bytes.toString('latin1');
      take();
    });
    socket.on('end', () => socket.end());
  });
  return listening(server, arrivals, sockets);
}

function beginHttp1(socket: Socket, text: string, arrivals: Endpoint['arrivals'], where: { readonly endpoint: number; readonly before: number }): { arrival: Arrival; isWhole: () => void } {
  const [first = '', ...lines] = text.slice(0, text.indexOf('\r\n\r\n')).split('\r\n');
  const [method = '', path = ''] = first.split(' ');
  const fields = lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()] as const);
  const arrival: Arrival = { id: path.split('/')[1]!, ...where, head: [method, path, ...fieldTexts(fields)], body: '', trailers: '', whole: false };
  const write = (bytes: string): void => void (socket.writable && socket.write(bytes, 'latin1'));
  const to = {
    interim: (status = 103) => write(`HTTP/1.1 ${status} Early\r\nlink: x\r\n\r\n`),
    head: (status: number, length: number) => write(`HTTP/1.1 ${status} X\r\nx-from: ${nameOf(arrival)}\r\ncontent-length: ${length}\r\n\r\n`),
    data: write,
    end: () => {},
    alone: () => {},
    reset: () => void socket.resetAndDestroy(),
    leave: () => void socket.end(),
    garble: () => void socket.end('220 mail.example ESMTP\r\n'),
    refuse: () => void socket.end(),
    goAway: () => void socket.end(),
  };
  return { arrival, isWhole: begin(arrivals, path, arrival, to) };
}

export async function http2Endpoint(index: number): Promise<Endpoint> {
  const arrivals: Endpoint['arrivals'] = new Map();
  const server = createHttp2Server({ settings: { maxConcurrentStreams: 100 } });
  const sockets = new Set<Socket>();
  const carried = new WeakMap<object, number>();
  const socketOf = new WeakMap<object, Socket>();
  let latest: Socket;
  // A session's own socket can't be destroyed by others; its session begins with the event of its connection.
  server.prependListener('connection', (socket: Socket) => {
    latest = socket;
    sockets.add(socket.once('close', () => sockets.delete(socket)));
    socket.on('error', () => {});
  });
  server.on('session', (session) => {
    socketOf.set(session, latest);
    session.on('error', () => {});
  });
  server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    const { session } = stream;
    if (session === undefined) return;
    const before = carried.get(session) ?? 0;
    carried.set(session, before + 1);
    beginHttp2(stream, headers, arrivals, { endpoint: index, before, socket: socketOf.get(session)! });
  });
  return listening(server as unknown as Server, arrivals, sockets);
}

function beginHttp2(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, arrivals: Endpoint['arrivals'], { socket, ...where }: { readonly endpoint: number; readonly before: number; readonly socket: Socket }): void {
  stream.on('error', () => {});
  const { ':method': method = '', ':path': path = '' } = headers;
  const fields = Object.entries(headers).map(([name, value]) => [name, String(value)] as const);
  const arrival: Arrival = { id: path.split('/')[1]!, ...where, head: [method, path, ...fieldTexts(fields)], body: '', trailers: '', whole: false };
  let behind: Readonly<Record<string, string>> | undefined;
  stream.on('wantTrailers', () => stream.sendTrailers({ ...behind }));
  const isOpen = (): boolean => !stream.destroyed && !stream.closed;
  const to = {
    interim: (status = 103) => isOpen() && stream.additionalHeaders({ ':status': status, link: 'x' }),
    head: (status: number, length: number, lines = {}) => isOpen() && stream.respond({ ':status': status, 'x-from': nameOf(arrival), ...(length < 0 ? {} : { 'content-length': length }), ...lines }, { waitForTrailers: length < 0 }),
    data: (text: string) => isOpen() && stream.write(text, 'latin1'),
    end: (trailers?: Readonly<Record<string, string>>) => {
      behind = trailers;
      if (isOpen()) stream.end();
    },
    alone: (status: number, lines: Readonly<Record<string, string>>) => isOpen() && stream.respond({ ':status': status, 'x-from': nameOf(arrival), ...lines }, { endStream: true }),
    reset: () => stream.close(constants.NGHTTP2_INTERNAL_ERROR),
    leave: () => socket.resetAndDestroy(),
    garble: () => stream.close(constants.NGHTTP2_INTERNAL_ERROR),
    refuse: () => stream.close(constants.NGHTTP2_REFUSED_STREAM),
    goAway: () => (arrival.before > 0 ? stream.session?.goaway(constants.NGHTTP2_NO_ERROR, (stream.id ?? 0) - 2) : stream.close(constants.NGHTTP2_REFUSED_STREAM)),
  };
  const isWhole = begin(arrivals, path, arrival, to as Omit<Answering, 'arrival' | 'whole'>);
  stream.setEncoding('latin1');
  stream.on('data', (text: string) => (arrival.body += text));
  stream.on('trailers', (trailers: IncomingHttpHeaders) => (arrival.trailers = Object.entries(trailers).map(([name, value]) => `${name}: ${String(value)}`).join()));
  stream.on('end', () => setImmediate(() => stream.rstCode === 0 && isWhole()));
}

async function listening(server: Server, arrivals: Endpoint['arrivals'], sockets: ReadonlySet<Socket>): Promise<Endpoint> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    arrivals,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}
