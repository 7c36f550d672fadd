import { setImmediate } from 'node:timers/promises';
import { Counter, Gauge, Registry } from 'prom-client';
import { failureCodes } from '../../failures.ts';
import { seriesFamilies } from './families.ts';
import { openFiles } from './files.ts';
import { latencyStart, cellsPerSeries, offsets } from './layout.ts';
import type { Metrics } from './metrics.ts';
import { counterNames, gaugeNames, processCounters, processGauges } from './process.ts';

export interface Exposition {
  readonly contentType: string;
  readonly body: string;
}

/** Series written before other work gets its turn: about a millisecond. */
const seriesPerTurn = 64;

/**
 * The page that Prometheus scrapes. Numbers of the process are exposed by prom-client; those of the series are written here, in slices:
 * a thousand series are 4 MB of text, with which prom-client lets every request wait for 70 ms. `now`: milliseconds of a clock that never goes
 * back, by which series of routes and backends that are gone leave the page.
 */
export function createExposition(metrics: Metrics, now?: () => number): () => Promise<Exposition> {
  const registry = processRegistry(metrics);
  let limit = 0;
  return async () => {
    if (now !== undefined) metrics.forgetUnused(now());
    const files = await openFiles();
    if (files === 'none left') metrics.set('open_files', limit);
    else if (files !== undefined) {
      ({ limit } = files);
      metrics.set('open_files', files.open);
      metrics.set('open_files_limit', limit);
    }
    return { contentType: registry.contentType, body: (await registry.metrics()) + (await seriesText(metrics)) };
  };
}

function processRegistry(metrics: Metrics): Registry {
  const registry = new Registry();
  const registers = [registry];
  for (const [index, name] of counterNames.entries()) {
    new Counter({
      name: `weft_${name}_total`, help: processCounters[name], registers,
      collect() {
        this.reset();
        this.inc(metrics.counters[index]!);
      },
    });
  }
  for (const [index, name] of gaugeNames.entries()) {
    new Gauge({
      name: `weft_${name}`, help: processGauges[name], registers,
      collect() {
        this.set(metrics.gauges[index]!);
      },
    });
  }
  new Counter({
    name: ejections.name, help: ejections.help, labelNames: ejections.labels, registers,
    collect() {
      this.reset();
      for (const [index, reason] of failureCodes.entries()) if (metrics.ejections[index]! > 0) this.inc({ reason }, metrics.ejections[index]!);
    },
  });
  return registry;
}

const ejections = { name: 'weft_upstream_ejections_total', help: 'Times that an endpoint was set aside, by the failure of the attempt that was the last straw.', labels: ['reason'] };

/** A family's lines stand together, as the format asks; the lines of one series are of one moment. */
async function seriesText(metrics: Metrics): Promise<string> {
  const used = usedSeries(metrics);
  let text = '';
  let written = 0;
  for (const { name, help, type, lines, of } of seriesFamilies) {
    text += `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
    for (const series of of === undefined ? used.all : used[of]) {
      text += lines(metrics, series);
      if (++written % seriesPerTurn === 0) await setImmediate();
    }
  }
  return text;
}

/** Series that ever had a request, a stream or a failure: what is configured but not used would make the page long for nothing. */
function usedSeries(metrics: Metrics): Readonly<Record<'requests' | 'streams' | 'all', readonly number[]>> {
  const [requests, streams, all]: [number[], number[], number[]] = [[], [], []];
  for (let series = 0; series < metrics.labels.length; series++) {
    const isOfRequests = hadRequests(metrics, series);
    if (isOfRequests) requests.push(series);
    if (metrics.streams.has(series)) streams.push(series);
    if (isOfRequests || metrics.streams.has(series) || metrics.failures.has(series)) all.push(series);
  }
  return { requests, streams, all };
}

function hadRequests(metrics: Metrics, series: number): boolean {
  const base = series * cellsPerSeries;
  let requests = metrics.cells[base + offsets.active]!;
  for (let cell = base; requests <= 0 && cell < base + latencyStart; cell++) requests = metrics.cells[cell]!;
  return requests > 0;
}

/** What stands on the page, for its documentation. */
export interface FamilyDescription {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: readonly string[];
}

export const families: readonly FamilyDescription[] = [
  ...seriesFamilies.map(({ name, type, help, labels }) => ({ name, type, help, labels })),
  ...counterNames.map((name) => ({ name: `weft_${name}_total`, type: 'counter' as const, help: processCounters[name], labels: [] })),
  ...gaugeNames.map((name) => ({ name: `weft_${name}`, type: 'gauge' as const, help: processGauges[name], labels: [] })),
  { ...ejections, type: 'counter' },
];
