import type { SpanEnd, TraceSpan } from '#proxy';
import { faults, type Seen } from './client.ts';
import type { Sample } from './page.ts';

/** Holds the access log, the page of metrics and the spans against what clients and endpoints saw, and against each other. */

/** A line of the access log. */
export interface Line {
  readonly path: string;
  readonly status: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly durationMs: number;
  readonly source: string;
  readonly route?: string;
  readonly rule?: number;
  readonly backend?: string;
  readonly endpoint?: string;
  readonly attempts?: number;
  readonly failedAttempts?: readonly { readonly endpoint: string; readonly why: string | number }[];
  readonly failure?: string;
  readonly grpcStatus?: number;
  readonly traceId?: string;
}

export interface Span {
  readonly span: TraceSpan;
  readonly end: SpanEnd;
}

export interface Stage {
  /** Arrived at endpoints, by the request's id. */
  readonly arrived: (id: string) => number;
  /** Spans of attempts that came with them, of endpoints that note it. */
  readonly spansArrived: (id: string) => readonly string[];
  /** Where backends have their endpoints. */
  readonly places: Readonly<Record<string, readonly string[]>>;
  /** The proxy may have ended before it read the request. */
  readonly ends: boolean;
}

export const rules = ['b', 'm', 'h', 'n', 'g', 'r'] as const;
const backends: Readonly<Record<string, string>> = { b: 'a', m: 'a', h: 'h', g: 'g' };
/** Says why something else happened, and goes with the endpoint's own answer. */
const remarks = new Set(['retry-limit', 'body-too-large-to-retry']);
const attemptsOf = ({ attempts = 1 }: Line): number => attempts;

/** What is wrong with the line of one request. */
export function judgeLine(seen: Seen, lines: readonly Line[], stage: Stage): readonly string[] {
  const wrong: string[] = [];
  const [line] = lines;
  const check = (is: boolean, what: string): void => void (is || wrong.push(`${what}: ${JSON.stringify(line)} of ${JSON.stringify(seen)}`));
  if (line === undefined || lines.length > 1) {
    check(lines.length === 0 && seen.status === undefined && (seen.left || stage.ends), `${lines.length} lines`);
    return wrong;
  }
  const { asked } = seen;
  if (seen.status !== undefined) check(line.status === seen.status, 'status');
  if (seen.whole) {
    check(line.failure === seen.own || (seen.own === undefined && (line.failure === undefined || remarks.has(line.failure))), 'failure');
    check(line.bytesOut === seen.got, 'bytes to the client');
    if (asked.grpc) check(line.grpcStatus === seen.grpcStatus, 'grpc-status');
  } else if (seen.status === 101) {
    check(line.bytesOut >= seen.got, 'bytes of the tunnel');
  } else {
    // What was passed on in full may be lost behind us.
    check(seen.left || stage.ends || line.failure !== undefined, 'a response that broke off, without a failure');
    check(seen.left || line.failure !== 'client-closed', 'a client that did not leave');
    check(line.bytesOut >= seen.got, 'fewer bytes than the client got');
    if (seen.status === undefined) check(line.grpcStatus === undefined || line.grpcStatus === seen.grpcStatus || seen.left || stage.ends, 'a status that did not come');
  }
  check(line.bytesIn <= seen.sent + (seen.left ? asked.bodyBytes : 0), 'more bytes than the client sent');
  if (seen.whole && seen.sentWhole && line.failure === undefined && line.backend !== undefined && !asked.script.some((name) => name.toLowerCase().includes('early'))) {
    check(line.bytesIn === seen.sent, 'bytes from the client');
  }
  const isLate = asked.fault === 'escaped slash' && seen.door === 'never';
  if (asked.fault !== undefined) check(line.failure === faults[asked.fault].own || seen.left || stage.ends || isLate, 'the fault');
  wrong.push(...judgeWay(seen, line, stage));
  return wrong;
}

/** Where it went. */
function judgeWay(seen: Seen, line: Line, stage: Stage): readonly string[] {
  const wrong: string[] = [];
  const check = (is: boolean, what: string): void => void (is || wrong.push(`${what}: ${JSON.stringify(line)} of ${JSON.stringify(seen)}`));
  const { arrived, places } = stage;
  const id = seen.path.split('/')[2]!;
  if (seen.asked.fault !== undefined) {
    check(arrived(id) === 0 && line.backend === undefined && line.attempts === 0, 'a refused request that went on');
    return wrong;
  }
  const { rule } = seen.asked;
  check(line.source === (line.route === undefined && seen.door !== 'gateway' && rule !== 'x' ? 'mesh' : line.source), 'source');
  check(seen.door !== 'never' || line.failure === 'config-missing' || seen.left || stage.ends, 'a destination that nobody knows');
  // It may be over before it was known where it goes.
  const isLost = seen.door !== 'gateway' && line.route === undefined && (seen.door === 'never' || line.failure === 'client-closed' || line.failure === 'draining' || line.failure === 'stream-idle-timeout');
  if (isLost) check(line.backend === undefined && line.endpoint === undefined && line.attempts === 0, 'attempts without a destination');
  if (isLost) return wrong;
  check(rule === 'x' ? line.route === undefined : line.route?.startsWith('HTTPRoute/shop/') === true && line.rule === rules.indexOf(rule), 'route and rule');
  check(line.backend === backends[rule], 'backend');
  check(line.traceId === seen.traceId, 'trace');
  if (line.backend === undefined) {
    check(line.attempts === 0 && line.endpoint === undefined, 'attempts without a backend');
    return wrong;
  }
  const failed = line.failedAttempts ?? [];
  check(attemptsOf(line) - failed.length >= 0 && attemptsOf(line) - failed.length <= 1, 'attempts that neither failed nor were the last');
  check(arrived(id) <= attemptsOf(line), `${arrived(id)} attempts arrived`);
  if (!failed.some(({ why }) => typeof why === 'string') && line.failure === undefined) check(arrived(id) === attemptsOf(line), `${arrived(id)} attempts arrived`);
  for (const endpoint of [line.endpoint, ...failed.map((one) => one.endpoint)]) check(endpoint === undefined || places[line.backend]!.includes(endpoint), `endpoint ${endpoint}`);
  return wrong;
}

/** What is wrong with the page, once nothing is under way. */
export function judgePage(samples: readonly Sample[], lines: readonly Line[]): readonly string[] {
  const wrong: string[] = [];
  const groups = Map.groupBy(lines, keyOfLine);
  const found = Map.groupBy(samples.filter(({ labels }) => labels['source'] !== undefined), ({ labels: { source, route_kind: kind, route_namespace: namespace, route_name: name, rule, backend } }) => [source, kind, namespace, name, rule, backend].join(' '));
  for (const key of new Set([...groups.keys(), ...found.keys()])) {
    const its = groups.get(key) ?? [];
    const page = found.get(key) ?? [];
    const sum = (name: string): number => page.filter((sample) => sample.name === name).reduce((all, { value }) => all + value, 0);
    const check = (what: string, counted: number, logged: number): void => void (Math.abs(counted - logged) < 1e-6 * (1 + its.length) || wrong.push(`${what} of ${key}: ${counted} counted, ${logged} logged`));
    const byLabel = (name: string, label: string, values: readonly string[]): void => {
      const counted = Object.fromEntries(page.filter((sample) => sample.name === name).map(({ labels, value }) => [labels[label]!, value]).toSorted());
      const logged = Object.fromEntries([...Map.groupBy(values, (value) => value)].map(([value, all]) => [value, all.length]).toSorted());
      if (JSON.stringify(counted) !== JSON.stringify(logged)) wrong.push(`${name} of ${key}: counted ${JSON.stringify(counted)}, logged ${JSON.stringify(logged)}`);
    };
    byLabel('weft_requests_total', 'status', its.map(({ status }) => String(status)));
    byLabel('weft_failures_total', 'code', its.flatMap(({ failure, failedAttempts = [] }) => [failure, ...failedAttempts.map(({ why }) => why)]).filter((code) => typeof code === 'string'));
    byLabel('weft_grpc_responses_total', 'grpc_status', its.flatMap(({ grpcStatus }) => (grpcStatus === undefined ? [] : [String(grpcStatus)])));
    check('durations', sum('weft_request_duration_seconds_count'), its.length);
    check('time', sum('weft_request_duration_seconds_sum'), its.reduce((all, { durationMs }) => all + durationMs / 1000, 0));
    check('bytes in', sum('weft_request_bytes_total'), its.reduce((all, { bytesIn }) => all + bytesIn, 0));
    check('bytes out', sum('weft_response_bytes_total'), its.reduce((all, { bytesOut }) => all + bytesOut, 0));
    check('active', sum('weft_requests_active'), 0);
    const made = page.filter(({ name, labels }) => name === 'weft_retries_total' && labels['result'] !== 'over-budget').reduce((all, { value }) => all + value, 0);
    check('retries', made, its.reduce((all, line) => all + Math.max(0, attemptsOf(line) - 1), 0));
  }
  return wrong;
}

function keyOfLine({ source, route = '//', rule, backend }: Line): string {
  const [kind, namespace, name] = route.split('/');
  return [source, kind, namespace, name, rule === undefined ? '' : String(rule), backend ?? ''].join(' ');
}

/** One span of the request, one of each attempt, each over and below the right one. */
export function judgeSpans(seen: Seen, line: Line, spans: readonly Span[], stage: Stage): readonly string[] {
  const wrong: string[] = [];
  const check = (is: boolean, what: string): void => void (is || wrong.push(`${what}: ${JSON.stringify(line)}, ${JSON.stringify(spans)}`));
  if (line.traceId === undefined) return wrong;
  const own = spans.filter(({ end }) => end.kind === 'server');
  const attempts = spans.filter(({ end }) => end.kind === 'client');
  check(own.length === 1 && own[0]!.span.parentId === seen.spanId, 'the span of the request');
  check(own[0]?.end.status === line.status && own[0].end.failure === line.failure, 'its outcome');
  check(attempts.length === (line.backend === undefined ? 0 : attemptsOf(line)), 'spans of attempts');
  check(attempts.every(({ span }) => span.parentId === own[0]?.span.spanId), 'their parent');
  check(new Set(spans.map(({ span }) => span.spanId)).size === spans.length, 'ids of spans');
  check(spans.every(({ end }) => end.endedAt >= end.startedAt), 'times of spans');
  for (const [index, { endpoint, why }] of (line.failedAttempts ?? []).entries()) {
    const end = attempts[index]?.end;
    check(end?.attributes['server.address'] === endpoint && (typeof why === 'string' ? end.failure === why : end.status === why), `attempt ${index}`);
  }
  const known = new Set(attempts.map(({ span }) => span.spanId));
  check(stage.spansArrived(seen.path.split('/')[2]!).every((id) => known.has(id)), 'what the endpoint was told');
  return wrong;
}
