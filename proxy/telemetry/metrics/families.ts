import { failureCodes } from '../../failures.ts';
import { cellsPerSeries, exposedBounds, latencyCells, latencyStart, offsets, statusLabels, stepsPerDoubling } from './layout.ts';
import type { Metrics, SeriesLabels } from './metrics.ts';
import type { StreamNumber } from './streams.ts';

/** A metric that each series has. `lines` writes those of one series, in Prometheus' text format, version 0.0.4. */
export interface SeriesFamily {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  /** Beyond those of every series. */
  readonly labels: readonly string[];
  readonly lines: (metrics: Metrics, series: number) => string;
  /** Which series have it: those of requests, those of streams (connections whose bytes pass as they are, UDP flows); absent: both. */
  readonly of?: 'requests' | 'streams';
}

export const seriesLabelNames = ['source', 'route_kind', 'route_namespace', 'route_name', 'rule', 'backend'] as const;

type Cell = keyof typeof offsets;
const duration = 'weft_request_duration_seconds';

export const seriesFamilies: readonly SeriesFamily[] = [
  { name: 'weft_requests_total', type: 'counter', help: 'Requests that are over, by status; status 0 is one whose client got no response, or stands for a connection of HTTP/2 that was ended for what its client sent.', labels: ['status'], lines: requestLines, of: 'requests' },
  { name: duration, type: 'histogram', help: "Time from a request's head to the end of its response.", labels: ['le'], lines: durationLines, of: 'requests' },
  single('weft_requests_active', 'gauge', 'Requests in flight.', 'active'),
  single('weft_request_bytes_total', 'counter', 'Bytes received from clients: of bodies and of tunnels. Heads and framing do not count.', 'bytesIn'),
  single('weft_response_bytes_total', 'counter', 'Bytes sent to clients, likewise.', 'bytesOut'),
  { name: 'weft_grpc_responses_total', type: 'counter', help: 'Requests of gRPC that are over, by the status that ended them.', labels: ['grpc_status'], lines: grpcLines, of: 'requests' },
  { name: 'weft_failures_total', type: 'counter', help: 'Failures by code: of requests and streams (`failure` in the access log), of attempts (`failedAttempts` there), and of datagrams that began no flow.', labels: ['code'], lines: failureLines },
  results('weft_retries_total', 'Attempts after the first, of retry policies (made) or because the connection of the one before was no longer good (resent), and those that the budget forbade (over-budget).', { 'made': 'retries', 'resent': 'resent', 'over-budget': 'retriesOverBudget' }),
  results('weft_mirrored_requests_total', 'Copies of requests for mirrors.', { sent: 'mirrored', failed: 'mirrorsFailed' }),
  ofStreams('weft_streams_total', 'counter', 'Connections of TCPRoutes and TLSRoutes and flows of UDPRoutes that are over.', { result: { completed: 'completed', failed: 'failed' } }),
  ofStreams('weft_streams_active', 'gauge', 'Such connections and flows that are open.', 'active'),
  ofStreams('weft_stream_received_bytes_total', 'counter', 'Bytes from clients of those that are over.', 'bytesIn'),
  ofStreams('weft_stream_sent_bytes_total', 'counter', 'Bytes to clients of those that are over.', 'bytesOut'),
  ofStreams('weft_stream_datagrams_total', 'counter', 'Datagrams of flows that are over: in from clients, out to them.', { direction: { in: 'datagramsIn', out: 'datagramsOut' } }),
];

const textByLabels = new WeakMap<SeriesLabels, string>();

/** `source="…",route_kind="…",…`, made once per series. */
function labelText(metrics: Metrics, series: number): string {
  const labels = metrics.labels[series]!;
  let text = textByLabels.get(labels);
  if (text === undefined) {
    const values = [labels.source, labels.routeKind, labels.routeNamespace, labels.routeName, labels.rule, labels.backend];
    text = seriesLabelNames.map((name, index) => `${name}="${escapeLabel(values[index]!)}"`).join(',');
    textByLabels.set(labels, text);
  }
  return text;
}

function escapeLabel(value: string): string {
  return value.replace(/\\/g, '\\\\').replace(/\n/g, '\\n').replace(/"/g, '\\"');
}

function cellOf(metrics: Metrics, series: number, name: Cell): number {
  return metrics.cells[series * cellsPerSeries + offsets[name]]!;
}

function single(name: string, type: 'counter' | 'gauge', help: string, cell: Cell): SeriesFamily {
  return { name, type, help, labels: [], of: 'requests', lines: (metrics, series) => `${name}{${labelText(metrics, series)}} ${cellOf(metrics, series, cell)}\n` };
}

function ofStreams(name: string, type: 'counter' | 'gauge', help: string, numbers: StreamNumber | Readonly<Record<string, Readonly<Record<string, StreamNumber>>>>): SeriesFamily {
  if (typeof numbers === 'string') {
    return { name, type, help, labels: [], of: 'streams', lines: (metrics, series) => `${name}{${labelText(metrics, series)}} ${metrics.streams.get(series, numbers)}\n` };
  }
  const [label, values] = Object.entries(numbers)[0]!;
  const lines = (metrics: Metrics, series: number): string =>
    Object.entries(values)
      .map(([value, number]) => `${name}{${label}="${value}",${labelText(metrics, series)}} ${metrics.streams.get(series, number)}\n`)
      .join('');
  return { name, type, help, labels: [label], of: 'streams', lines };
}

function results(name: string, help: string, cells: Readonly<Record<string, Cell>>): SeriesFamily {
  const lines = (metrics: Metrics, series: number): string => {
    let text = '';
    for (const [result, cell] of Object.entries(cells)) {
      const count = cellOf(metrics, series, cell);
      if (count > 0) text += `${name}{result="${result}",${labelText(metrics, series)}} ${count}\n`;
    }
    return text;
  };
  return { name, type: 'counter', help, labels: ['result'], lines, of: 'requests' };
}

function requestLines(metrics: Metrics, series: number): string {
  let text = '';
  for (let index = 0; index < statusLabels.length; index++) {
    const count = metrics.cells[series * cellsPerSeries + index]!;
    if (count > 0) text += `weft_requests_total{status="${statusLabels[index]}",${labelText(metrics, series)}} ${count}\n`;
  }
  return text;
}

function grpcLines(metrics: Metrics, series: number): string {
  const counts = metrics.grpcStatuses.get(series);
  if (counts === undefined) return '';
  let text = '';
  for (const [status, count] of counts.entries()) if (count > 0) text += `weft_grpc_responses_total{grpc_status="${status}",${labelText(metrics, series)}} ${count}\n`;
  return text;
}

function failureLines(metrics: Metrics, series: number): string {
  const counts = metrics.failures.get(series);
  if (counts === undefined) return '';
  let text = '';
  for (const [index, code] of failureCodes.entries()) {
    if (counts[index]! > 0) text += `weft_failures_total{code="${code}",${labelText(metrics, series)}} ${counts[index]}\n`;
  }
  return text;
}

/** `duration_bucket{le="0.001",`, made once. */
const bucketStarts = exposedBounds.map((bound) => `${duration}_bucket{le="${bound}",`);

function durationLines(metrics: Metrics, series: number): string {
  const labels = labelText(metrics, series);
  const start = series * cellsPerSeries + latencyStart;
  let text = '';
  let below = 0;
  for (let index = 0; index < latencyCells - 1; index++) {
    below += metrics.cells[start + index]!;
    if ((index + 1) % stepsPerDoubling === 0) text += `${bucketStarts[(index + 1) / stepsPerDoubling - 1]}${labels}} ${below}\n`;
  }
  below += metrics.cells[start + latencyCells - 1]!;
  const sum = cellOf(metrics, series, 'durationSum') / 1000;
  return `${text}${duration}_bucket{le="+Inf",${labels}} ${below}\n${duration}_sum{${labels}} ${sum}\n${duration}_count{${labels}} ${below}\n`;
}
