import type { TraceState } from '@opentelemetry/api';
import type { Resource } from '@opentelemetry/resources';
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace-base';
import { Tracer, type SpanEnd, type SpanSink, type TraceSpan } from './tracer.ts';

export interface OtlpOptions {
  /** `OTEL_EXPORTER_OTLP_ENDPOINT`: base address of a collector, as `http://collector:4318`. */
  readonly endpoint: string | undefined;
  /** `OTEL_SERVICE_NAME`, or the proxy's own name. */
  readonly serviceName: string;
  /** Further attributes of the resource: `k8s.namespace.name`, … */
  readonly resource?: Readonly<Record<string, string>>;
  /** `OTEL_TRACES_SAMPLER_ARG`; 1 unless set. */
  readonly sample?: number;
  /** Milliseconds between exports, 5000 unless set. */
  readonly exportEvery?: number;
  /** Milliseconds for one export, its repetitions included, 5000 unless set. */
  readonly exportTimeout?: number;
  /** Spans that reached the collector, and those that did not. */
  readonly onSpans?: (result: 'exported' | 'lost', spans: number) => void;
}

/**
 * A tracer that exports by OTLP over HTTP, or undefined where no endpoint is set: then OpenTelemetry isn't even loaded. Rejects where the
 * endpoint is no http(s) address. A collector that is down or slow costs spans (2,048 wait at most), never requests.
 */
export async function createTracer(options: OtlpOptions): Promise<Tracer | undefined> {
  if (options.endpoint === undefined || options.endpoint === '') return undefined;
  const sink = await createOtlpSink(options.endpoint, options);
  return new Tracer({ sink, sample: options.sample ?? 1 });
}

/** Spans behind a collector that is slow, or not there. */
const maxWaiting = 2048;

async function createOtlpSink(endpoint: string, options: OtlpOptions): Promise<SpanSink> {
  const url = tracesUrl(endpoint);
  const [{ createTraceState }, { BatchSpanProcessor }, { OTLPTraceExporter }, { resourceFromAttributes }] = await Promise.all([
    import('@opentelemetry/api').then(exportsOf),
    import('@opentelemetry/sdk-trace-base').then(exportsOf),
    import('@opentelemetry/exporter-trace-otlp-http').then(exportsOf),
    import('@opentelemetry/resources').then(exportsOf),
  ]);
  const exportTimeout = options.exportTimeout ?? 5000;
  const resource = resourceFromAttributes({ 'service.name': options.serviceName, ...options.resource });
  const onSpans = options.onSpans ?? (() => {});
  let waiting = 0;
  const exporter = counted(new OTLPTraceExporter({ url, timeoutMillis: exportTimeout }), { onSpans, taken: (spans) => (waiting -= spans) });
  const processor = new BatchSpanProcessor(exporter, {
    maxQueueSize: maxWaiting,
    maxExportBatchSize: 512,
    scheduledDelayMillis: options.exportEvery ?? 5000,
    exportTimeoutMillis: exportTimeout,
  });
  return {
    export: (span, end) => {
      // The processor would drop it, and tell nobody.
      if (waiting >= maxWaiting) {
        onSpans('lost', 1);
        return;
      }
      waiting++;
      processor.onEnd(readable(span, end, { resource, traceState: createTraceState(span.tracestate) }));
    },
    // With a collector that is gone the exporter tries each batch for the whole timeout; a process that ends has no time for all of them.
    close: () => Promise.race([processor.shutdown().catch(() => {}), wait(exportTimeout)]),
  };
}

/** In a bundle, a CommonJS module that is imported late has its exports under `default` alone. */
function exportsOf<Module extends object>(module: Module): Module {
  return { ...(module as { readonly default?: Module }).default, ...module };
}

function counted(exporter: SpanExporter, { onSpans, taken }: { readonly onSpans: NonNullable<OtlpOptions['onSpans']>; taken(spans: number): void }): SpanExporter {
  return {
    export: (spans, done) => {
      taken(spans.length);
      exporter.export(spans, (result) => {
        onSpans(result.code === exportSucceeded ? 'exported' : 'lost', spans.length);
        done(result);
      });
    },
    shutdown: () => exporter.shutdown(),
  };
}

/** The specification of the OTLP exporter: the signal's path is appended to the base address. */
function tracesUrl(endpoint: string): string {
  const url = new URL(endpoint);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new TypeError(`OTLP endpoint ${endpoint}: not an http or https address`);
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/v1/traces`;
  return url.href;
}

/** SpanKind, SpanStatusCode, TraceFlags of @opentelemetry/api, which are enums that type stripping can't inline. */
const kinds = { server: 1, client: 2 } as const;
const statusUnset = 0;
const statusError = 2;
/** ExportResultCode of @opentelemetry/core. */
const exportSucceeded = 0;

/**
 * The span as the exporter reads it. Made whole at its end, so nothing of OpenTelemetry is touched while a request runs.
 * An error is what its HTTP conventions call one: from 500 on for a server, from 400 on for a client.
 */
function readable(span: TraceSpan, end: SpanEnd, { resource, traceState }: { readonly resource: Resource; readonly traceState: TraceState }): ReadableSpan {
  const traceFlags = span.sampled ? 1 : 0;
  const failed = end.failure !== undefined || end.status >= (end.kind === 'server' ? 500 : 400);
  const attributes: Record<string, string | number> = { ...end.attributes };
  if (end.status > 0) attributes['http.response.status_code'] = end.status;
  if (failed) attributes['error.type'] = end.failure ?? String(end.status);
  return {
    name: end.name,
    kind: kinds[end.kind],
    spanContext: () => ({ traceId: span.traceId, spanId: span.spanId, traceFlags, traceState }),
    ...(span.parentId === undefined
      ? {}
      : { parentSpanContext: { traceId: span.traceId, spanId: span.parentId, traceFlags, isRemote: span.parent === 'remote' } }),
    startTime: hrTime(end.startedAt),
    endTime: hrTime(end.endedAt),
    duration: hrTime(Math.max(0, end.endedAt - end.startedAt)),
    status: failed ? { code: statusError, ...(end.failure === undefined ? {} : { message: end.failure }) } : { code: statusUnset },
    attributes,
    links: [],
    events: [],
    ended: true,
    resource,
    instrumentationScope: { name: 'weft' },
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}

/** Seconds and nanoseconds. */
function hrTime(ms: number): [number, number] {
  const seconds = Math.floor(ms / 1000);
  return [seconds, Math.round((ms - seconds * 1000) * 1e6)];
}

