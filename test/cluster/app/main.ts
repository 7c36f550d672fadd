import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import { request as requestOverTls } from 'node:https';
import { connect, createServer as createTcpServer } from 'node:net';
import { callGrpc, serveProtocols, serverNameOf, type GrpcOrder } from './protocols.ts';

/**
 * What runs in the Pods of the end-to-end tests. `serve` answers HTTP (8080) and greets on TCP before it is spoken to (9090), and
 * calls others on behalf of the test (protocols.ts: what else it speaks); `fetch URL` calls once and ends, with 0 where the answer is 200.
 */

export interface CallOrder {
  readonly url: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly count?: number;
  /** Milliseconds. */
  readonly timeoutMs?: number;
}

export interface CallResult {
  /** 0 where there was no answer; `body` says why. */
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
  /** Milliseconds. */
  readonly took: number;
}

export interface TcpOrder {
  readonly host: string;
  readonly port: number;
  /** Sent once the server has spoken. */
  readonly send: string;
}

export interface TcpResult {
  /** What the server said before anything was sent, and how long that took, in milliseconds. */
  readonly first: string;
  readonly took: number;
  readonly second: string;
}

/** What the application tells of a request that it got. */
export interface Echo {
  readonly pod: string;
  readonly version: string;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** How often a request with its `key` has come, this one included. */
  readonly count: number;
  /** What the client called the server in TLS; empty without TLS. */
  readonly serverName: string;
}

const pod = process.env['POD_NAME'] ?? '';
const version = process.env['VERSION'] ?? '';
const counts = new Map<string, number>();

async function bodyOf(message: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of message as AsyncIterable<Buffer>) text += chunk.toString('utf8');
  return text;
}

function call({ url, method = 'GET', headers = {}, body, timeoutMs = 15_000 }: CallOrder): Promise<CallResult> {
  const started = performance.now();
  const took = (): number => Math.round(performance.now() - started);
  return new Promise((resolve) => {
    const fault = (error: Error): void => resolve({ status: 0, headers: {}, body: error.message, took: took() });
    // Whom it speaks to over TLS is not what is tested.
    const sent = (url.startsWith('https:') ? requestOverTls : request)(url, { method, headers, agent: false, timeout: timeoutMs, rejectUnauthorized: false }, (answer) => {
      bodyOf(answer).then((text) => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: text, took: took() }), fault);
    });
    sent.on('error', fault);
    sent.on('timeout', () => sent.destroy(new Error(`no answer within ${timeoutMs} ms`)));
    sent.end(body);
  });
}

async function callAll(order: CallOrder): Promise<readonly CallResult[]> {
  const results: CallResult[] = [];
  for (let turn = 0; turn < (order.count ?? 1); turn++) results.push(await call(order));
  return results;
}

function speak({ host, port, send }: TcpOrder): Promise<TcpResult> {
  const started = performance.now();
  return new Promise((resolve, reject) => {
    const socket = connect(port, host);
    let first: string | undefined;
    let took = 0;
    socket.setTimeout(10_000, () => socket.destroy(new Error('silence')));
    socket.on('error', reject);
    socket.on('data', (chunk) => {
      if (first === undefined) {
        first = chunk.toString('utf8');
        took = Math.round(performance.now() - started);
        return void socket.write(send);
      }
      resolve({ first, took, second: chunk.toString('utf8') });
      return void socket.end();
    });
  });
}

/** `?status=503&times=2&key=x`: the first two requests with that key; `?delay=300`: so many milliseconds late. */
async function echo(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(incoming.url ?? '/', 'http://app');
  const key = url.searchParams.get('key') ?? '';
  const count = (counts.get(key) ?? 0) + 1;
  counts.set(key, count);
  const delay = Number(url.searchParams.get('delay') ?? 0);
  if (delay > 0) await new Promise((resolve) => setTimeout(resolve, delay));
  const status = Number(url.searchParams.get('status') ?? 200);
  const fails = count <= Number(url.searchParams.get('times') ?? Number.POSITIVE_INFINITY);
  const answer: Echo = { pod, version, method: incoming.method ?? '', path: incoming.url ?? '', headers: incoming.headers, count, serverName: serverNameOf(incoming) };
  response.writeHead(fails ? status : 200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
}

async function answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  const order = (text: string): unknown => JSON.parse(text);
  switch (incoming.url?.split('?', 1)[0]) {
    case '/-/call':
      return void response.end(JSON.stringify(await callAll(order(await bodyOf(incoming)) as CallOrder)));
    case '/-/tcp':
      return void response.end(JSON.stringify(await speak(order(await bodyOf(incoming)) as TcpOrder)));
    case '/-/grpc':
      return void response.end(JSON.stringify(await callGrpc(order(await bodyOf(incoming)) as GrpcOrder)));
    case '/-/count':
      return void response.end(String(counts.get(new URL(incoming.url ?? '', 'http://app').searchParams.get('key') ?? '') ?? 0));
    default:
      return echo(incoming, response);
  }
}

const [command, ...words] = process.argv.slice(2);
if (command === 'fetch') {
  const { status, body } = await call({ url: words[0] ?? '', timeoutMs: 5000 });
  process.stdout.write(`${status} ${body}\n`);
  process.exit(status === 200 ? 0 : 1);
}
const listener = (incoming: IncomingMessage, response: ServerResponse): void => {
  answer(incoming, response).catch((error: unknown) => response.writeHead(500).end(String(error)));
};
serveProtocols(pod, listener);
const server = createServer(listener);
server.keepAliveTimeout = 60_000;
server.listen(8080);
const greeter = createTcpServer((socket) => {
  socket.on('error', () => {});
  socket.write(`220 ${pod}\n`);
  socket.on('data', (chunk) => socket.write(`you said ${chunk.toString('utf8')}`));
}).listen(9090);
process.on('SIGTERM', () => {
  greeter.close();
  server.close(() => process.exit(0));
  server.closeIdleConnections();
  setTimeout(() => process.exit(0), 5000).unref();
});
