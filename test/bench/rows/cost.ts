import { join } from 'node:path';
import { runClient } from '../loads/client.ts';
import { h2load } from '../loads/h2load.ts';
import type { Done } from '../loads/types.ts';
import { paced } from '../loads/paced.ts';
import { browserHeaders, wrk } from '../loads/wrk.ts';
import { grpcMessageFile, largeBytes, smallBytes } from '../targets/backends.ts';
import { rawWeft } from '../targets/types.ts';
import type { CostRow } from './types.ts';

type Load = CostRow['load'];

const keepAlive = (path: string, bodyBytes: number): Load => (bench, { port, scenario }, seconds) =>
  wrk({ url: `${scenario === 'tls' ? 'https' : 'http'}://127.0.0.1:${port}${path}`, connections: 64, seconds, headers: browserHeaders, bodyBytes, script: bench.scripts.one });

/** What the slowest of those that are compared can do. */
const pacePerSecond = 8000;

const atOnePace: Load = (bench, { port }, seconds) => {
  if (!bench.tools.h2load) throw new Error('h2load is not installed');
  return paced({ url: `http://127.0.0.1:${port}/product/1?view=full`, connections: 64, perSecond: pacePerSecond, seconds, headers: browserHeaders, bodyBytes: smallBytes });
};

const everyRoute: Load = (bench, { port }, seconds) =>
  wrk({ url: `http://127.0.0.1:${port}/`, connections: 64, seconds, headers: browserHeaders, bodyBytes: smallBytes, script: bench.scripts.routes });

const newConnections: Load = (bench, { port }, seconds) =>
  wrk({ url: `http://127.0.0.1:${port}/product/1`, connections: 64, seconds, headers: [...browserHeaders, 'Connection: close'], bodyBytes: smallBytes, script: bench.scripts.one });

const calls = (connections: number, streams: number): Load => (bench, { port }, seconds, rate) => {
  if (bench.backends.grpc === undefined || !bench.tools.h2load) throw new Error('h2load and nghttpd are not installed');
  const requests = Math.max(2000, Math.round((rate ?? 5000) * seconds));
  return h2load({ port, connections, streams, requests, messageFile: join(bench.folder, grpcMessageFile) });
};

/** Of a second there are not a thousand: single pauses would show. Seconds. */
const leastHandshakes = 2;

const handshakes = (mode: 'new' | 'resumed'): Load => async (_bench, { port }, seconds) => {
  const { requests, resumed, seconds: took } = (await runClient('handshakes.ts', [port, Math.max(leastHandshakes, seconds), mode, smallBytes])) as Done & { readonly resumed: number };
  const should = mode === 'new' ? 0 : requests - 8;
  if (resumed !== should) throw new Error(`${resumed} of ${requests} handshakes resumed a session, ${should} should have`);
  return { requests, seconds: took };
};

/**
 * Some ten thousand handshakes, fifty thousand requests: before that, V8's compiler has up to half of the time, on the same core. Seconds. Peers
 * get as much.
 */
const warmUp = 10;

/** Rows whose figure is CPU time per request, in the order of the page. */
export const costRows: readonly CostRow[] = [
  { id: 'keep-alive', warmUpSeconds: 5, title: 'HTTP/1.1, 1 KiB, 64 keep-alive connections', scenario: 'plain', peers: [rawWeft, 'nginx', 'HAProxy', 'Envoy', 'undici', 'http-proxy'], goals: [{ peer: 'Envoy', atMost: 0.5 }, { peer: 'nginx', atMost: 1.25 }], load: keepAlive('/product/1?view=full', smallBytes) },
  { id: 'paced', title: `HTTP/1.1, 1 KiB, 64 keep-alive connections, ${pacePerSecond.toLocaleString('en-US')} requests/s for each proxy`, scenario: 'plain', peers: [rawWeft, 'nginx', 'HAProxy', 'Envoy'], goals: [], load: atOnePace },
  { id: 'large', title: '64 KiB responses', scenario: 'plain', peers: [rawWeft, 'nginx', 'HAProxy', 'Envoy'], goals: [{ peer: 'Envoy', atMost: 0.7 }], load: keepAlive('/large', largeBytes) },
  { id: 'new-connection', title: 'a new client connection for each request', scenario: 'plain', peers: [rawWeft, 'nginx', 'HAProxy', 'Envoy'], goals: [{ peer: 'Envoy', atMost: 0.85 }], load: newConnections },
  { id: 'routes', warmUpSeconds: warmUp, title: '1 KiB with retries, timeouts, a mirror at 1 %, 1,000 routes', scenario: 'routes', peers: [rawWeft, 'Envoy'], goals: [{ peer: 'Envoy', atMost: 0.6 }], load: everyRoute },
  { id: 'grpc-64x1', warmUpSeconds: warmUp, title: 'gRPC unary, h2c both sides, 64 connections × 1 stream', scenario: 'grpc', peers: [rawWeft, 'nginx', 'HAProxy', 'Envoy'], goals: [{ peer: 'Envoy', atMost: 0.5 }], load: calls(64, 1) },
  { id: 'grpc-8x16', title: 'gRPC unary, h2c both sides, 8 connections × 16 streams', scenario: 'grpc', peers: [rawWeft, 'nginx', 'HAProxy', 'Envoy'], goals: [{ peer: 'Envoy', atMost: 0.3 }], load: calls(8, 16) },
  { id: 'tls', warmUpSeconds: warmUp, title: 'TLS in, mTLS out, 1 KiB, keep-alive', scenario: 'tls', peers: ['nginx', 'HAProxy', 'Envoy'], goals: [{ peer: 'Envoy', atMost: 0.65 }], load: keepAlive('/product/1?view=full', smallBytes) },
  { id: 'handshake', title: 'full TLS handshake and request', scenario: 'terminate', peers: ['nginx', 'HAProxy', 'Envoy', 'node:tls'], goals: [{ peer: 'Envoy', atMost: 1.3 }], warmUpSeconds: warmUp, load: handshakes('new') },
  { id: 'handshake-ticket', title: 'TLS handshake with a session ticket, and request', scenario: 'terminate', peers: ['nginx', 'HAProxy', 'Envoy', 'node:tls'], goals: [{ peer: 'Envoy', atMost: 0.8 }], warmUpSeconds: warmUp, load: handshakes('resumed') },
];
