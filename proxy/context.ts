import { Fields, OutputBuffer, RequestHead, ResponseHead } from './codec/index.ts';
import type { Backends } from './configuration/backends.ts';
import type { Http1Place } from './connection/http1/place.ts';
import { HeadView } from './exchange/view.ts';
import type { RoutingTable } from './configuration/tables.ts';
import { publicIO, type SocketIO } from './sockets/index.ts';
import { HeaderEncoder, http2Environment, type Http2Environment } from './http2/index.ts';
import type { StreamRouting } from './streams/index.ts';
import { RandomIds, type AccessLog, type Metrics, type Tracer } from './telemetry/index.ts';
import { Turns, type TimerWheel } from './time/index.ts';
import type { ProxyEnvironment, ProxyLimits } from './types.ts';

/** What all connections of a proxy share. The parsers and the output buffer are used by one at a time, within one event. */
export class Context {
  readonly environment: ProxyEnvironment;
  readonly limits: ProxyLimits;
  readonly wheel: TimerWheel;
  /** Of connections that are read much, or cost much. */
  readonly turns: Turns;
  readonly metrics: Metrics;
  readonly accessLog: AccessLog | undefined;
  readonly tracer: Tracer | undefined;
  readonly io: SocketIO;
  readonly ids = new RandomIds();
  readonly requestHead: RequestHead;
  readonly responseHead: ResponseHead;
  /** Trailers that were last parsed. */
  readonly trailers: Fields;
  /** Of header blocks. */
  readonly encoder = new HeaderEncoder();
  /** Of pieces of them. */
  readonly parts = new HeaderEncoder();
  /** What all HTTP/2 connections share; who wants other limits makes another of it. How long one may be idle is not for it to say. */
  readonly http2: Http2Environment;
  /** The request that was last parsed, as rules see it. */
  readonly view: HeadView;
  readonly output = new OutputBuffer();
  /** For requests to come. */
  readonly freePlaces: Http1Place[] = [];
  readonly tables = new Map<string, RoutingTable>();
  readonly streamTables = new Map<string, StreamRouting>();
  readonly backends: Backends;
  /** `address:port`, as `hostPort` has it, where workloads' requests are accepted: to forward one there would not end. */
  readonly outboundPlaces = new Set<string>();
  /** Set once: responses ask clients to close their connections, and idle ones are closed. */
  draining = false;
  mirrors = 0;
  /** What keys of session tickets are derived from; undefined: each server has keys of its own. */
  ticketSecret: Uint8Array | undefined;

  constructor(environment: ProxyEnvironment, limits: ProxyLimits, parts: { readonly wheel: TimerWheel; readonly backends: Backends }) {
    this.environment = environment;
    this.limits = limits;
    this.wheel = parts.wheel;
    this.turns = new Turns(() => environment.now(), setImmediate);
    this.backends = parts.backends;
    this.metrics = environment.metrics;
    this.accessLog = environment.accessLog;
    this.tracer = environment.tracer;
    this.io = environment.io ?? publicIO;
    this.requestHead = new RequestHead(limits);
    this.view = new HeadView(this.requestHead);
    this.responseHead = new ResponseHead(limits);
    this.trailers = new Fields(limits, 'trailers');
    this.http2 = http2Environment({
      now: () => environment.now(),
      wheel: parts.wheel,
      turns: this.turns,
      io: this.io,
      limits: { idleMs: 0, keepAliveMs: 60_000, maxHeaderListBytes: limits.maxHeadBytes, maxHeaders: limits.maxHeaders, maxTargetBytes: limits.maxTargetBytes, maxInterimResponses: limits.maxInterimResponses },
      onError: (error) => this.fault(error),
    });
  }

  /** Something threw that must not have. */
  fault(error: unknown): void {
    this.metrics.count('internal_errors');
    this.environment.onFault?.(error);
  }

  now(): number {
    return this.environment.now();
  }
}
