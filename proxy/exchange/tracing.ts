import type { FailureCode } from '../failures.ts';
import type { Exchange } from './exchange.ts';

/** Spans of an exchange and of its attempts. Without a tracer none is begun, and nothing here costs anything. */

export function beginSpan(exchange: Exchange): void {
  const { tracer, requestHead } = exchange.context;
  if (tracer === undefined) return;
  const { fields } = requestHead;
  const parent = fields.traceparent < 0 ? undefined : fields.lookup(exchange.bytes, 'traceparent');
  exchange.span = tracer.begin(parent, parent === undefined ? undefined : fields.lookup(exchange.bytes, 'tracestate'));
}

export function beginAttemptSpan(exchange: Exchange): void {
  if (exchange.span !== undefined) exchange.attemptSpan = exchange.context.tracer!.attempt(exchange.span);
}

export interface AttemptOutcome {
  readonly startedAt: number;
  /** `address:port`. */
  readonly endpoint: string;
  /** 0: there was no answer. */
  readonly status: number;
  readonly failure: FailureCode | undefined;
}

export function endAttemptSpan(exchange: Exchange, { startedAt, endpoint, status, failure }: AttemptOutcome): void {
  const span = exchange.attemptSpan;
  if (span === undefined) return;
  exchange.attemptSpan = undefined;
  const { now, endedAt } = clocks(exchange);
  exchange.context.tracer!.end(span, {
    name: exchange.method,
    kind: 'client',
    startedAt: endedAt - (now - startedAt),
    endedAt,
    attributes: { 'http.request.method': exchange.method, 'server.address': endpoint },
    status,
    failure,
  });
}

export function endSpan(exchange: Exchange): void {
  const { span } = exchange;
  if (span === undefined) return;
  exchange.span = undefined;
  const { endedAt } = clocks(exchange);
  exchange.context.tracer!.end(span, {
    name: exchange.method,
    kind: 'server',
    startedAt: endedAt - exchange.durationMs,
    endedAt,
    attributes: {
      'http.request.method': exchange.method,
      'url.path': exchange.path,
      'server.address': exchange.host,
      'client.address': exchange.client,
      'http.response.status_code': exchange.status,
      'weft.attempts': exchange.attempts,
      'weft.request_id': exchange.id,
    },
    status: exchange.status,
    failure: exchange.failure,
  });
}

function clocks(exchange: Exchange): { now: number; endedAt: number } {
  return { now: exchange.context.now(), endedAt: exchange.context.environment.wallClock() };
}
