import type { StreamTable } from '#snapshot';
import { OutputBuffer, RequestHead, ResponseHead } from './codec/index.ts';
import type { Backends } from './configuration/backends.ts';
import { HeadView } from './exchange/view.ts';
import type { RoutingTable } from './configuration/tables.ts';
import { RandomIds, type AccessLog, type Metrics, type Tracer } from './telemetry/index.ts';
import type { TimerWheel } from './time/index.ts';
import type { ProxyEnvironment, ProxyLimits } from './types.ts';

/** What all connections of a proxy share. The parsers and the output buffer are used by one at a time, within one event. */
export class Context {
  readonly environment: ProxyEnvironment;
  readonly limits: ProxyLimits;
  readonly wheel: TimerWheel;
  readonly metrics: Metrics;
  readonly accessLog: AccessLog | undefined;
  readonly tracer: Tracer | undefined;
  readonly ids = new RandomIds();
  readonly requestHead: RequestHead;
  readonly responseHead: ResponseHead;
  /** The request that was last parsed, as rules see it. */
  readonly view: HeadView;
  readonly output = new OutputBuffer();
  readonly tables = new Map<string, RoutingTable>();
  readonly streamTables = new Map<string, StreamTable>();
  readonly backends: Backends;
  /** `address:port` where workloads' requests are accepted: to forward one there would not end. */
  readonly outboundPlaces = new Set<string>();
  /** Set once: responses ask clients to close their connections, and idle ones are closed. */
  draining = false;
  mirrors = 0;

  constructor(environment: ProxyEnvironment, limits: ProxyLimits, parts: { readonly wheel: TimerWheel; readonly backends: Backends }) {
    this.environment = environment;
    this.limits = limits;
    this.wheel = parts.wheel;
    this.backends = parts.backends;
    this.metrics = environment.metrics;
    this.accessLog = environment.accessLog;
    this.tracer = environment.tracer;
    this.requestHead = new RequestHead(limits);
    this.view = new HeadView(this.requestHead);
    this.responseHead = new ResponseHead(limits);
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
