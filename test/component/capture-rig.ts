import { connect, createServer, type Socket } from 'node:net';
import { createController, ManifestStore, translateInSteps } from '#controller';
import { createExposition, createProxy, Metrics } from '#proxy';
import { startCapture, type Address, type Capture } from '#sidecar';
import { channelPair, type Channel, type DeltaResponse, type ResourceKind } from '#snapshot';
import { stringify } from 'yaml';
import { socketIO } from './socket-io.ts';
import { boundServer, type StreamServer } from './streams-rig.ts';

/** A sidecar of namespace shop whose captured connections are said to have gone wherever the test says. `newer`: a kind that a newer controller sends. */
export interface CaptureRig {
  readonly capture: Capture;
  readonly metrics: Metrics;
  /** Lines of /metrics that begin so. */
  metricLines(start: string): Promise<readonly string[]>;
  /** A connection that the workload opens to the address, or (inbound) that comes from outside. */
  dial(to: Address, direction?: 'outbound' | 'inbound'): Socket;
  close(): Promise<void>;
}

export async function startCaptureRig(objects: readonly object[], options: { readonly controller: 'there' | 'away'; readonly original?: Address; readonly newer?: ResourceKind } = { controller: 'there' }): Promise<CaptureRig> {
  const metrics = new Metrics();
  const proxy = createProxy({ now: () => performance.now(), wallClock: () => Date.now(), random: Math.random, metrics, io: socketIO });
  const { promise: ready, resolve } = Promise.withResolvers<void>();
  const controller = createController({ translate: translateInSteps, addresses: { first: '127.0.0.1' }, portOffset: 0, changed: () => resolve(), failed: () => {} });
  controller.setState(new ManifestStore().update(new Map([['m.yaml', objects.map((object) => stringify(object)).join('---\n')]])).state);
  await ready;
  const dial = (): Channel => {
    if (options.controller === 'away') throw new Error('away');
    const [ours, theirs] = channelPair();
    controller.accept(theirs);
    const { newer } = options;
    if (newer === undefined) return ours;
    return { send: (message) => ours.send(message), onMessage: (listener) => ours.onMessage((message) => listener(ofNewer(message, newer))), onClose: (listener) => ours.onClose(listener), close: () => ours.close() };
  };
  let next = options.original;
  const capture = await startCapture({
    node: { id: 'sidecar/shop/client', role: 'sidecar', namespace: 'shop', name: 'client' },
    proxy,
    metrics,
    dial,
    now: () => performance.now(),
    random: Math.random,
    original: () => next,
    address: '127.0.0.1',
    podAddresses: ['127.0.0.1'],
    outboundPort: 0,
    inboundPort: 0,
    // Short where nobody answers; long enough for a busy machine where somebody does.
    resolveTimeoutMs: options.controller === 'away' ? 200 : 2000,
  });
  const exposition = createExposition(metrics);
  return {
    capture,
    metrics,
    metricLines: async (start) => (await exposition()).body.split('\n').filter((line) => line.startsWith(start)),
    dial: (to, direction = 'outbound') => {
      next = to;
      const socket = connect({ port: direction === 'outbound' ? capture.outboundPort : capture.inboundPort, host: '127.0.0.1', allowHalfOpen: true });
      socket.on('error', () => {});
      return socket;
    },
    close: async () => {
      controller.close();
      await capture.close();
    },
  };
}

/** As a newer controller would send it, whose resources of the kind have a field that is not known here. */
function ofNewer(message: string, kind: ResourceKind): string {
  const response = JSON.parse(message) as DeltaResponse;
  if (response.type !== kind) return message;
  return JSON.stringify({ ...response, resources: response.resources.map((each) => ({ ...each, resource: { ...each.resource, authorization: 'x' } })) });
}

/** Manifests of a Service and where its endpoints are. */
export function service(name: string, clusterIP: string, port: { readonly name?: string; readonly appProtocol?: string }, endpoints: readonly number[]): readonly object[] {
  const metadata = { name, namespace: 'shop' };
  return [
    { apiVersion: 'v1', kind: 'Service', metadata, spec: { clusterIP, clusterIPs: [clusterIP], ports: [{ port: 80, ...port }] } },
    ...endpoints.map((number, index) => ({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: `${name}-${index}`, namespace: 'shop', labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      endpoints: [{ addresses: ['127.0.0.1'], conditions: { ready: true } }],
      ports: [{ name: port.name ?? '', port: number, protocol: 'TCP' }],
    })),
  ];
}

/** A server whose every connection goes to `serve`. */
export async function peer(serve: (socket: Socket) => void): Promise<StreamServer> {
  const sockets: Socket[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    sockets.push(socket);
    serve(socket);
  });
  return boundServer(server, sockets);
}

/** An HTTP server that says its name. */
export function httpPeer(name: string): Promise<StreamServer> {
  return peer((socket) => socket.on('data', () => socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${name.length}\r\n\r\n${name}`)));
}

/** All that comes until the other side ends; `reset` at the end where it did not end in an orderly way. */
export function readAll(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    socket.on('data', (bytes) => (text += bytes.toString('latin1')));
    socket.once('end', () => resolve(text));
    socket.once('close', () => resolve(`${text}reset`));
  });
}

/** The next bytes. */
export function next(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    socket.once('data', (bytes) => resolve(bytes.toString('latin1')));
    socket.once('close', () => resolve('closed'));
  });
}
