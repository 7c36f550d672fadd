import type { FailureCode } from '../../failures.ts';
import { RandomIds } from '../ids.ts';
import { formatTraceparent, parseTraceparent, parseTracestate, type TraceParent } from './context.ts';

/** One span under way: a request, or one of its attempts. */
export interface TraceSpan extends TraceParent {
  /** Span id of whoever caused this one; undefined for the first of a trace. */
  readonly parentId: string | undefined;
  /** `remote`: the parent is the caller's. */
  readonly parent: 'remote' | 'local' | 'none';
  /** To be passed on as it is. */
  readonly tracestate: string | undefined;
}

/** How a span ended. Times in milliseconds since 1970. */
export interface SpanEnd {
  readonly name: string;
  readonly kind: 'server' | 'client';
  readonly startedAt: number;
  readonly endedAt: number;
  /** OpenTelemetry's names: `http.request.method`, `url.path`, … and our own, `weft.…`. */
  readonly attributes: Readonly<Record<string, string | number>>;
  readonly status: number;
  readonly failure?: FailureCode | undefined;
}

/** Takes spans that are over and exports them in batches; the OTLP exporter is one (`otlp.ts`). */
export interface SpanSink {
  export(span: TraceSpan, end: SpanEnd): void;
  /** Sends what waits, and stops. Never rejects. */
  close(): Promise<void>;
}

export interface TracerOptions {
  readonly sink: SpanSink;
  /** Share (0..1) of traces that begin here that are recorded. A caller's decision is followed. */
  readonly sample: number;
  readonly ids?: RandomIds;
}

/** Begins and ends spans. There is none where no collector is configured; then trace headers pass untouched and cost nothing. */
export class Tracer {
  readonly #sink: SpanSink;
  readonly #ids: RandomIds;
  readonly #threshold: number;

  constructor(options: TracerOptions) {
    this.#sink = options.sink;
    this.#ids = options.ids ?? new RandomIds();
    this.#threshold = Math.round(Math.min(1, Math.max(0, options.sample)) * 2 ** 32);
  }

  /** The span of a request that came with these header fields. */
  begin(traceparent: string | undefined, tracestate: string | undefined): TraceSpan {
    const parent = traceparent === undefined ? undefined : parseTraceparent(traceparent);
    const spanId = this.#ids.spanId();
    if (parent === undefined) {
      const traceId = this.#ids.traceId();
      // By the trace id, so that whoever decides by it as well decides alike.
      const sampled = Number.parseInt(traceId.slice(24), 16) < this.#threshold;
      return { traceId, spanId, sampled, parentId: undefined, parent: 'none', tracestate: undefined };
    }
    return {
      traceId: parent.traceId,
      spanId,
      sampled: parent.sampled,
      parentId: parent.spanId,
      parent: 'remote',
      tracestate: tracestate === undefined ? undefined : parseTracestate(tracestate),
    };
  }

  /** The span of one attempt of a request; its id goes to the endpoint. */
  attempt(request: TraceSpan): TraceSpan {
    return { ...request, spanId: this.#ids.spanId(), parentId: request.spanId, parent: 'local' };
  }

  /** What goes upstream as `traceparent`. */
  header(span: TraceSpan): string {
    return formatTraceparent(span);
  }

  /** A span that isn't sampled goes nowhere. */
  end(span: TraceSpan, end: SpanEnd): void {
    if (span.sampled) this.#sink.export(span, end);
  }

  close(): Promise<void> {
    return this.#sink.close();
  }
}
