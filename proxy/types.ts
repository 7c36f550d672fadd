import type { Socket } from 'node:net';
import type { Backend, Certificate, Destination, Endpoints, Listener, RouteTable, Steps, StreamTable } from '#snapshot';
import type { SocketIO } from './sockets/index.ts';
import type { AccessLog, Metrics, Tracer } from './telemetry/index.ts';

/** What a proxy takes from its process. Nothing in this folder reads a clock or draws a number by itself. */
export interface ProxyEnvironment {
  /** Milliseconds on a monotonic clock: `performance.now`. */
  now(): number;
  /** Milliseconds since 1970: `Date.now`. */
  wallClock(): number;
  /** In [0, 1): `Math.random`. */
  random(): number;
  readonly metrics: Metrics;
  readonly accessLog?: AccessLog;
  readonly tracer?: Tracer;
  readonly options?: Partial<ProxyLimits>;
  /** Other processes bind the same ports: the kernel spreads connections over all of them (SO_REUSEPORT). */
  readonly sharesPorts?: boolean;
  /** Its own, in their normal form: by which it is reached where it listens at all of them, and of the families that it can send from (both unless set). */
  readonly addresses?: readonly string[];
  /** How sockets are read and written; by Node's public interface unless set. */
  readonly io?: SocketIO;
  /** A fault of the proxy itself was caught: for the process's log. The proxy goes on. */
  onFault?(error: unknown): void;
}

/** Bounds on everything that a peer could grow. Bytes, counts, milliseconds. */
export interface ProxyLimits {
  /** Of a head, request or response. */
  readonly maxHeadBytes: number;
  readonly maxHeaders: number;
  readonly maxTargetBytes: number;
  /** Client connections of one listener. */
  readonly maxConnections: number;
  /** 1xx responses before the final one. */
  readonly maxInterimResponses: number;
  /** Idle connections kept per endpoint. */
  readonly maxIdlePerEndpoint: number;
  /** Of a request's body that a mirror gets; a longer one is not mirrored. */
  readonly maxMirrorBodyBytes: number;
  /** Mirrored requests in flight; more are not sent. */
  readonly maxMirrors: number;
  /** Hosts outside of the mesh to which connections are kept. */
  readonly maxPassthroughHosts: number;
  /** Rest of a response that is read and dropped so that its connection can be used again. */
  readonly maxDiscardedBytes: number;
  /** How long that may take. */
  readonly maxDiscardMs: number;
  /** How long a client that ended its side has to wait for the first byte of a response before it counts as gone. */
  readonly halfClosedMs: number;
  /** How long, and for how many bytes, a connection that is to be closed is read on, so that the client gets the last response. */
  readonly lingerMs: number;
  readonly lingerBytes: number;
  /** The same of a client that is still uploading when its response is out, as long as it goes on: many look for a response when they have sent all, and not before. */
  readonly lingerUploadMs: number;
  /** For a handshake, and before it for its first bytes, or for all of the ClientHello where that decides who ends TLS. */
  readonly tlsHandshakeMs: number;
  /** How long a connection of a TCPRoute or TLSRoute may go without a byte in either direction. */
  readonly streamConnectionIdleMs: number;
  /** How long a connection whose bytes pass as they are may take for its last ones, once its `maxConnectionDuration` is over. */
  readonly streamEndingMs: number;
  /** Clients of one UDP listener that are remembered; the one silent for the longest time makes way, of those that sent one datagram only first. */
  readonly maxUdpFlows: number;
  /** Clients of one UDP listener that get a flow, per second; as many may come at once. */
  readonly maxNewUdpFlows: number;
  /** How long a UDP flow may go without a datagram in either direction. */
  readonly udpIdleMs: number;
  /** What a client gets that has sent one datagram only, and so may have sent it under another's address. */
  readonly maxUdpUnprovenBytes: number;
  /** Of datagrams that wait to be sent, per socket; more are dropped. */
  readonly maxUdpQueuedBytes: number;
}

export const defaultLimits: ProxyLimits = {
  maxHeadBytes: 65_536,
  maxHeaders: 128,
  maxTargetBytes: 16_384,
  maxConnections: 20_000,
  maxInterimResponses: 16,
  maxIdlePerEndpoint: 128,
  maxMirrorBodyBytes: 65_536,
  maxMirrors: 1024,
  maxPassthroughHosts: 256,
  maxDiscardedBytes: 65_536,
  maxDiscardMs: 1000,
  halfClosedMs: 1000,
  lingerMs: 1000,
  lingerBytes: 131_072,
  lingerUploadMs: 30_000,
  tlsHandshakeMs: 10_000,
  streamConnectionIdleMs: 3_600_000,
  streamEndingMs: 5000,
  maxUdpFlows: 10_000,
  maxNewUdpFlows: 5000,
  udpIdleMs: 60_000,
  maxUdpUnprovenBytes: 1_048_576,
  maxUdpQueuedBytes: 4_194_304,
};

export interface Changes<T> {
  /** New and changed resources. */
  readonly changed?: readonly T[];
  /** Names of resources that are gone. */
  readonly removed?: readonly string[];
}

/** Changes that take effect together. */
export interface ResourceUpdate {
  readonly routeTables?: Changes<RouteTable>;
  readonly streamTables?: Changes<StreamTable>;
  readonly backends?: Changes<Backend>;
  readonly endpoints?: Changes<Endpoints>;
  readonly certificates?: Changes<Certificate>;
}

/** A resource that can't be used; what was in force before stays. For the NACK. */
export interface Refusal {
  readonly kind: 'RouteTable' | 'StreamTable' | 'Backend' | 'Endpoints' | 'Certificate';
  readonly name: string;
  readonly reason: string;
}

/** A socket that accepts connections. */
export interface Bound {
  readonly address: string;
  /** The port that was bound, also where 0 was asked for. */
  readonly port: number;
  /** Stops accepting, lets requests in flight end for at most `drainMs`, then closes what is left. Never rejects. */
  close(drainMs: number): Promise<void>;
}

export interface BoundListener extends Bound {
  /** Takes over sections and their policies; address and port stay as bound. Takes effect with the next request. */
  update(listener: Listener): void;
}

export interface OutboundOptions {
  readonly address: string;
  readonly port: number;
  /**
   * What the workload dialled: `host` lower case, no trailing dot. Called for each request, so it answers from memory what it knows.
   * A rejection is answered 503.
   */
  resolve(host: string, port: number): Destination | Promise<Destination>;
}

/** Where a connection was going. `host`: an address, IPv6 without brackets. */
export interface Place {
  readonly host: string;
  readonly port: number;
}

export interface IntakeOptions {
  /** For metrics and the access log: what requests without a route table are counted under. */
  readonly source: string;
  /** What is at a place. Called for each request, so it answers from memory what it knows. A rejection is answered 503. */
  resolve(host: string, port: number): Destination | Promise<Destination>;
}

/** An endpoint that a connection goes to; the balancer counts it until it is released. */
export interface PickedEndpoint {
  readonly address: string;
  readonly port: number;
  connected(): void;
  /** It took no connection, for that reason (`ECONNREFUSED`): it is avoided for a while, unless the want is ours. Releases it. */
  refused(reason: string | undefined): void;
  release(): void;
}

/** A connection, or one to be, whose bytes pass as they are, by a StreamTable. */
export interface StreamRequest {
  /** Name of the StreamTable. */
  readonly streams: string;
  readonly protocol: 'tcp' | 'tls';
  /** Of TLS: lower case, no trailing dot; empty without one. */
  readonly serverName: string;
  /** The client's address, for the access log. */
  readonly client: string;
}

/** A connection to an endpoint, opened for another one; counted and logged when that is over. */
export interface OpenedStream {
  readonly socket: Socket;
  readonly lifetime: Lifetime;
  /** To be called once. */
  ended(end: SpliceEnd): void;
  /** Instead of `ended`, where nothing was sent over it. */
  unused(): void;
}

/** How two connections that were one came to their end. */
export interface SpliceEnd {
  /** From whoever opened the connection. Bytes. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Why it broke: cut for want of bytes, ended because of its age, or broken by one side, by a reset mostly; undefined where each side came to its end, or was cut here. */
  readonly broken: 'idle' | 'age' | 'client' | 'upstream' | undefined;
}

/** How long two connections that are one may last. */
export interface Lifetime {
  /** Without a byte in either direction, at most a quarter longer. Milliseconds; 0: no limit. */
  readonly idleMs: number;
  /** On the proxy's clock; `Infinity`: no limit. */
  readonly endsAt: number;
}

/** Two open connections that are to be one. */
export interface JoinParts {
  readonly client: Socket;
  readonly upstream: Socket;
  /** What was read of either side before. */
  readonly ahead: { readonly client: Uint8Array; readonly upstream: Uint8Array };
  readonly lifetime: Lifetime;
  /** Called once, when both are closed. */
  ended(end: SpliceEnd): void;
}

/** Takes connections that were accepted elsewhere, such as captured ones. */
export interface Intake {
  /** A connection was accepted, whatever becomes of it: others may stand behind it. */
  accepted(): void;
  /** Serves HTTP/1 on a paused connection; what was read of it must have been put back (`unshift`). The place decides, whatever Host says. */
  serve(socket: Socket, place: Place): void;
  /** Whether HTTP/2 without TLS can be served by this RouteTable: there are GRPCRoutes in it, or backends that speak HTTP/2. */
  servesHttp2(routes: string): boolean;
  /** Whether connections without a server name have a route in this StreamTable. */
  servesNameless(streams: string): boolean;
  /** Connects to an endpoint of the route that has the connection. Rejects where there is no route or no endpoint; that is counted and logged. */
  open(request: StreamRequest, signal: AbortSignal): Promise<OpenedStream>;
  /** An endpoint for a connection that is not HTTP, other than those tried. Undefined: the backend is not known, or has no other. */
  pick(backend: string, tried: readonly PickedEndpoint[]): PickedEndpoint | undefined;
  /** Bytes pass as they are, no faster than the other side takes them, each direction to its own end; a reset stays one. */
  join(parts: JoinParts): void;
  /** In a moment, connections that wait for a next request are closed; further ones are served. */
  retire(): void;
  /** Lets requests in flight end for at most `drainMs`, then closes what is left. Never rejects. */
  close(drainMs: number): Promise<void>;
}

/** An endpoint that gets trials alone, because attempts there fail without an answer. */
export interface EndpointAside {
  readonly backend: string;
  /** `address:port`. */
  readonly endpoint: string;
  /** For how long it has been. Milliseconds. */
  readonly sinceMs: number;
  readonly trialInMs: number;
}

export interface Proxy {
  /**
   * Compiles and swaps. Requests in flight end on what they began with. What is refused changes nothing. One update at a time may be under way:
   * backends change one after the other, tables all at once when those are through.
   */
  applyInSteps(update: ResourceUpdate): Steps<readonly Refusal[]>;
  /** A resource did not get as far as that: it failed the check before. For the metrics. */
  countRefused(): void;
  /** Rejects where the address can't be bound. */
  listen(listener: Listener): Promise<BoundListener>;
  /**
   * The sidecar's outbound side: an HTTP proxy (RFC 9110, 7.3.2). Absolute form and origin form are routed, CONNECT becomes a tunnel.
   */
  listenOutbound(options: OutboundOptions): Promise<Bound>;
  /** Takes connections that the caller accepts. Drained with the listeners. */
  intake(options: IntakeOptions): Intake;
  /**
   * Keys of TLS session tickets are derived from it, at least 32 random bytes, from now on: for processes of one gateway, which then resume each other's sessions, and
   * anew where keys are to be forgotten. Without one, each listener draws its own, and new ones twice a day.
   */
  useTicketSecret(secret: Uint8Array): void;
  /** The first hundred endpoints that are set aside now. */
  setAside(): readonly EndpointAside[];
  /** Responses ask clients to open their next connection elsewhere; connections are taken as before. To be followed by `drain`. */
  retire(): void;
  /** Closes all listeners gracefully: no request in flight is cut before `ms` milliseconds are over. */
  drain(ms: number): Promise<void>;
  /** Closes everything at once. */
  close(): Promise<void>;
}
