import { failureCodes, type FailureCode } from '../../failures.ts';
import { cellsPerSeries, latencyCell, latencyCellEnd, latencyCells, latencyStart, offsets, statusCell } from './layout.ts';
import { counterNames, gaugeNames, type CounterName, type GaugeName } from './process.ts';
import { StreamNumbers } from './streams.ts';

/** What requests are counted by. All of it is known when a table is compiled; nothing of a request's own is ever a label. */
export interface SeriesLabels {
  /** `{namespace}/{gateway}/{section}` of a listener, or `mesh/{client namespace}`. */
  readonly source: string;
  /** Kind, namespace and name of the route; of the Service where it has none; all empty where no rule matched. */
  readonly routeKind: string;
  readonly routeNamespace: string;
  readonly routeName: string;
  /** The rule's name, else its index; empty where no rule matched. */
  readonly rule: string;
  /** `{namespace}/{service}:{port}`; empty where none was chosen. */
  readonly backend: string;
}

export interface MetricsOptions {
  /** Series beyond this share one whose labels are all `other`. */
  readonly maxSeries?: number;
}

const overflowLabels: SeriesLabels = { source: 'other', routeKind: 'other', routeNamespace: 'other', routeName: 'other', rule: 'other', backend: 'other' };
const labelLength = 256;
/** A scrape a minute has seen the last numbers by then. */
const unusedMs = 600_000;

/**
 * The numbers of one proxy process. Series are registered when tables are compiled and named by a small integer; what runs per request is
 * a few additions in one array. Text is made only when somebody scrapes (`expose`).
 */
export class Metrics {
  /** Cells of all series, `cellsPerSeries` each. To be read only. */
  cells = new Float64Array(cellsPerSeries * 16);
  readonly labels: SeriesLabels[] = [];
  /** Counts by place in `failureCodes`, of series that had a failure: most have none, so these are no cells. */
  readonly failures = new Map<number, Float64Array>();
  /** Of gRPC, by series: responses by status. */
  readonly grpcStatuses = new Map<number, Float64Array>();
  readonly streams = new StreamNumbers();
  readonly counters = new Float64Array(counterNames.length);
  /** Endpoints set aside, by place in `failureCodes`. */
  readonly ejections = new Float64Array(failureCodes.length);
  readonly gauges = new Float64Array(gaugeNames.length);
  readonly #byKey = new Map<string, number>();
  /** How many `series` without a `release`, by series. */
  readonly #uses: number[] = [];
  /** Series that nobody uses, longest first: since when, as far as `forgetUnused` has seen it; Infinity once forgotten. */
  readonly #released = new Map<number, number | undefined>();
  readonly #maxSeries: number;
  readonly #overflow: number;

  constructor(options: MetricsOptions = {}) {
    this.#maxSeries = options.maxSeries ?? 5000;
    this.#overflow = this.#create(overflowLabels);
  }

  /** The series of these labels. For the compiler of tables; each call needs its `release`. */
  series(labels: SeriesLabels): number {
    const series = this.#byKey.get(keyOf(labels)) ?? (this.labels.length <= this.#maxSeries ? this.#create(labels) : (this.#recycle(labels) ?? this.#overflow));
    this.#released.delete(series);
    this.#uses[series]!++;
    return series;
  }

  /** One user less. The numbers of a series without users stay for a while (`forgetUnused`), or until the limit asks for its place. */
  release(series: number): void {
    this.#uses[series]!--;
    if (this.#uses[series]! <= 0 && series !== this.#overflow) this.#released.set(series, undefined);
  }

  /** Forgets the numbers of series whose route or backend has been gone for ten minutes. To be called now and then. `now`: milliseconds. */
  forgetUnused(now: number): void {
    for (const [series, since] of this.#released) {
      if (since === undefined) this.#released.set(series, now);
      else if (now - since >= unusedMs && !this.#isActive(series)) {
        this.#clear(series);
        this.#released.set(series, Infinity);
      }
    }
  }

  /** A request of this series began. Each needs its `observe`. */
  began(series: number): void {
    this.cells[series * cellsPerSeries + offsets.active]!++;
  }

  /** A request that `began` is over. Status 0: no response left. */
  observe(series: number, status: number, durationMs: number, bytesIn: number, bytesOut: number): void {
    const base = series * cellsPerSeries;
    const cells = this.cells;
    cells[base + statusCell[status]!]!++;
    cells[base + latencyStart + latencyCell(durationMs)]!++;
    // A sum that once became NaN would stay so.
    if (durationMs > 0) cells[base + offsets.durationSum]! += durationMs;
    cells[base + offsets.active]!--;
    cells[base + offsets.bytesIn]! += bytesIn;
    cells[base + offsets.bytesOut]! += bytesOut;
  }

  /** A request or a stream failed, or an attempt did. */
  failed(series: number, code: FailureCode): void {
    let counts = this.failures.get(series);
    if (counts === undefined) {
      counts = new Float64Array(failureCodes.length);
      this.failures.set(series, counts);
    }
    counts[codeIndex[code]]!++;
  }

  /** A response of gRPC ended with this status (0..16). */
  grpc(series: number, status: number): void {
    let counts = this.grpcStatuses.get(series);
    if (counts === undefined) {
      counts = new Float64Array(17);
      this.grpcStatuses.set(series, counts);
    }
    counts[status]!++;
  }

  /** Another attempt was made, for a policy or for a connection that was no longer good, or the budget forbade it. */
  retried(series: number, result: 'made' | 'resent' | 'over-budget'): void {
    this.cells[series * cellsPerSeries + (result === 'made' ? offsets.retries : result === 'resent' ? offsets.resent : offsets.retriesOverBudget)]!++;
  }

  mirrored(series: number, result: 'sent' | 'failed'): void {
    this.cells[series * cellsPerSeries + (result === 'sent' ? offsets.mirrored : offsets.mirrorsFailed)]!++;
  }

  /** Counts something of the process as a whole. */
  count(name: CounterName, by = 1): void {
    this.counters[counterIndex[name]]! += by;
  }

  /** An endpoint was set aside for an attempt that failed so. */
  ejected(code: FailureCode): void {
    this.ejections[codeIndex[code]]!++;
  }

  /** Sets a gauge of the process. */
  set(name: GaugeName, value: number): void {
    this.gauges[gaugeIndex[name]] = value;
  }

  /** Moves a gauge of the process. */
  move(name: GaugeName, by: number): void {
    this.gauges[gaugeIndex[name]]! += by;
  }

  /** Requests of a series that are over. */
  requests(series: number): number {
    const base = series * cellsPerSeries;
    let sum = 0;
    for (let cell = base; cell < base + latencyStart; cell++) sum += this.cells[cell]!;
    return sum;
  }

  /** Milliseconds below which the given share (0..1) of requests took, an eighth too long at most; undefined without requests. */
  quantile(series: number, share: number): number | undefined {
    const total = this.requests(series);
    if (total === 0) return undefined;
    const start = series * cellsPerSeries + latencyStart;
    let below = 0;
    for (let cell = 0; cell < latencyCells; cell++) {
      below += this.cells[start + cell]!;
      if (below >= share * total && below > 0) return latencyCellEnd(cell);
    }
    return Infinity;
  }

  #create(labels: SeriesLabels): number {
    const series = this.labels.length;
    this.labels.push(clipLabels(labels));
    this.#uses.push(0);
    this.#byKey.set(keyOf(labels), series);
    if ((series + 1) * cellsPerSeries > this.cells.length) {
      const wider = new Float64Array(this.cells.length * 2);
      wider.set(this.cells);
      this.cells = wider;
    }
    return series;
  }

  /** The place of the series that was released longest ago and has nothing in flight. */
  #recycle(labels: SeriesLabels): number | undefined {
    for (const series of this.#released.keys()) {
      if (this.#isActive(series)) continue;
      this.#released.delete(series);
      this.#byKey.delete(keyOf(this.labels[series]!));
      this.#clear(series);
      this.labels[series] = clipLabels(labels);
      this.#byKey.set(keyOf(labels), series);
      return series;
    }
    return undefined;
  }

  #isActive(series: number): boolean {
    return this.cells[series * cellsPerSeries + offsets.active]! > 0 || this.streams.get(series, 'active') > 0;
  }

  #clear(series: number): void {
    const base = series * cellsPerSeries;
    this.cells.fill(0, base, base + cellsPerSeries);
    this.failures.delete(series);
    this.grpcStatuses.delete(series);
    this.streams.forget(series);
  }
}

const codeIndex = indexOf(failureCodes);
const counterIndex = indexOf(counterNames);
const gaugeIndex = indexOf(gaugeNames);

function indexOf<Name extends string>(names: readonly Name[]): Readonly<Record<Name, number>> {
  return Object.fromEntries(names.map((name, index) => [name, index])) as Record<Name, number>;
}

function keyOf(labels: SeriesLabels): string {
  return [labels.source, labels.routeKind, labels.routeNamespace, labels.routeName, labels.rule, labels.backend].map(clip).join('\n');
}

function clipLabels(labels: SeriesLabels): SeriesLabels {
  return {
    source: clip(labels.source),
    routeKind: clip(labels.routeKind),
    routeNamespace: clip(labels.routeNamespace),
    routeName: clip(labels.routeName),
    rule: clip(labels.rule),
    backend: clip(labels.backend),
  };
}

function clip(text: string): string {
  return text.length > labelLength ? text.slice(0, labelLength) : text;
}
