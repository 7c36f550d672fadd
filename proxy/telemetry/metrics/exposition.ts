import { Registry, type Counter, type MetricType } from 'prom-client';
import { cellsPerSeries, exposedBounds, latencyCells, latencyStart, offsets, statusLabels, stepsPerDoubling } from './layout.ts';
import type { Metrics, SeriesLabels } from './metrics.ts';
import { counterNames, gaugeNames, processCounters, processGauges } from './process.ts';

type Labels = Readonly<Record<string, string | number>>;

interface Sample {
  readonly value: number;
  readonly metricName?: string;
  readonly labels: Labels;
  /** Labels that prom-client turns into text once per object. */
  readonly sharedLabels?: Labels;
}

interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: `${MetricType}`;
  readonly samples: (metrics: Metrics) => Sample[];
}

export interface Exposition {
  readonly contentType: string;
  readonly body: string;
}

/** Every metric that a proxy exposes, in the order of the page. `docs/reference/metrics.md` is checked against it. */
export const families: readonly Family[] = [
  { name: 'weft_requests_total', help: 'Requests that are over, by status; status 0 is one whose client got no response.', type: 'counter', samples: requestSamples },
  { name: 'weft_request_duration_seconds', help: "Time from a request's head to the end of its response.", type: 'histogram', samples: durationSamples },
  single('weft_requests_active', 'Requests in flight.', 'gauge', 'active'),
  single('weft_request_bytes_total', 'Bytes received from clients.', 'counter', 'bytesIn'),
  single('weft_response_bytes_total', 'Bytes sent to clients.', 'counter', 'bytesOut'),
  { name: 'weft_failures_total', help: 'Failures by code: replies of the proxy itself, and attempts that failed.', type: 'counter', samples: failureSamples },
  { name: 'weft_retries_total', help: 'Attempts after the first (made), and those that the budget forbade (over-budget).', type: 'counter', samples: results('result', { 'made': 'retries', 'over-budget': 'retriesOverBudget' }) },
  { name: 'weft_mirrored_requests_total', help: 'Copies of requests for mirrors.', type: 'counter', samples: results('result', { sent: 'mirrored', failed: 'mirrorsFailed' }) },
  ...counterNames.map((name, index): Family => ({
    name: `weft_${name}_total`, help: processCounters[name], type: 'counter', samples: (metrics) => [{ value: metrics.counters[index]!, labels: {} }],
  })),
  ...gaugeNames.map((name, index): Family => ({
    name: `weft_${name}`, help: processGauges[name], type: 'gauge', samples: (metrics) => [{ value: metrics.gauges[index]!, labels: {} }],
  })),
  {
    name: 'weft_config_info', help: '1 for the version in force of each kind of resource.', type: 'gauge',
    samples: (metrics) => [...metrics.versions].map(([kind, version]) => ({ value: 1, labels: { kind, version } })),
  },
];

/** The page that Prometheus scrapes. The numbers of one moment: nothing else runs while they are read. */
export function createExposition(metrics: Metrics): () => Promise<Exposition> {
  const registry = new Registry();
  for (const { name, help, type, samples } of families) {
    // prom-client asks of a metric its name and `get()`; its own classes would keep a second copy of every number, filled per request.
    const metric = { name, help, type, get: async () => ({ name, help, type, aggregator: 'sum', values: samples(metrics) }) };
    registry.registerMetric(metric as unknown as Counter);
  }
  return async () => ({ contentType: registry.contentType, body: await registry.metrics() });
}

const sharedByLabels = new WeakMap<SeriesLabels, Labels>();

function shared(labels: SeriesLabels): Labels {
  let exposed = sharedByLabels.get(labels);
  if (exposed === undefined) {
    exposed = {
      source: labels.source,
      route_kind: labels.routeKind,
      route_namespace: labels.routeNamespace,
      route_name: labels.routeName,
      rule: labels.rule,
      backend: labels.backend,
    };
    sharedByLabels.set(labels, exposed);
  }
  return exposed;
}

/** Series that ever had a request: what is configured but not used would make the page long for nothing. */
function used(metrics: Metrics): number[] {
  return metrics.labels.flatMap((_, series) => (metrics.requests(series) > 0 || cell(metrics, series, 'active') > 0 ? [series] : []));
}

function cell(metrics: Metrics, series: number, name: keyof typeof offsets): number {
  return metrics.cells[series * cellsPerSeries + offsets[name]]!;
}

function single(name: string, help: string, type: Family['type'], of: keyof typeof offsets): Family {
  const samples = (metrics: Metrics): Sample[] =>
    used(metrics).map((series) => ({ value: cell(metrics, series, of), labels: {}, sharedLabels: shared(metrics.labels[series]!) }));
  return { name, help, type, samples };
}

function results(label: string, byValue: Readonly<Record<string, keyof typeof offsets>>): Family['samples'] {
  return (metrics) =>
    used(metrics).flatMap((series) =>
      Object.entries(byValue).flatMap(([value, of]): Sample[] => {
        const count = cell(metrics, series, of);
        return count === 0 ? [] : [{ value: count, labels: { [label]: value }, sharedLabels: shared(metrics.labels[series]!) }];
      }),
    );
}

function requestSamples(metrics: Metrics): Sample[] {
  return used(metrics).flatMap((series) =>
    statusLabels.flatMap((status, index): Sample[] => {
      const count = metrics.cells[series * cellsPerSeries + index]!;
      return count === 0 ? [] : [{ value: count, labels: { status }, sharedLabels: shared(metrics.labels[series]!) }];
    }),
  );
}

function failureSamples(metrics: Metrics): Sample[] {
  return [...metrics.failures.values()].map(({ series, code, count }) => ({ value: count, labels: { code }, sharedLabels: shared(metrics.labels[series]!) }));
}

function durationSamples(metrics: Metrics): Sample[] {
  const samples: Sample[] = [];
  for (const series of used(metrics)) {
    const sharedLabels = shared(metrics.labels[series]!);
    const start = series * cellsPerSeries + latencyStart;
    let below = 0;
    for (let index = 0; index < latencyCells - 1; index++) {
      below += metrics.cells[start + index]!;
      if ((index + 1) % stepsPerDoubling !== 0) continue;
      samples.push({ metricName: 'weft_request_duration_seconds_bucket', value: below, labels: { le: exposedBounds[(index + 1) / stepsPerDoubling - 1]! }, sharedLabels });
    }
    below += metrics.cells[start + latencyCells - 1]!;
    samples.push(
      { metricName: 'weft_request_duration_seconds_bucket', value: below, labels: { le: '+Inf' }, sharedLabels },
      { metricName: 'weft_request_duration_seconds_sum', value: cell(metrics, series, 'durationSum') / 1000, labels: {}, sharedLabels },
      { metricName: 'weft_request_duration_seconds_count', value: below, labels: {}, sharedLabels },
    );
  }
  return samples;
}
