/**
 * Where each number of a series sits among its cells: first a counter per status, then the latency histogram, then single counters.
 * One array holds all series, so counting is an index and an addition.
 */

/** Statuses that are counted by themselves; what else a backend invents counts as its class (`4xx`). */
const knownStatuses = [
  101, 200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 307, 308,
  400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 421, 422, 423, 424, 425, 426, 428, 429, 431, 451, 499,
  500, 501, 502, 503, 504, 505, 506, 507, 508, 510, 511,
];

/** Label value of each status cell. */
export const statusLabels: readonly string[] = ['0', '1xx', '2xx', '3xx', '4xx', '5xx', ...knownStatuses.map(String)];

/** Status cell by status. */
export const statusCell: Uint8Array = Uint8Array.from({ length: 1000 }, (_, status) => {
  const known = knownStatuses.indexOf(status);
  if (known >= 0) return known + 6;
  return status >= 100 && status < 600 ? Math.floor(status / 100) : 0;
});

/**
 * Latency in log-linear buckets: each doubling from half a millisecond on, in four equal steps, so that a quantile is off by an eighth at
 * most. The exposition has the doublings alone.
 */
export const stepsPerDoubling = 4;
export const doublings = 17;
const firstDoublingMs = 0.5;
/** 4 cells below half a millisecond, 4 per doubling to 65.536 s, one beyond. */
export const latencyCells = stepsPerDoubling * (1 + doublings) + 1;

/** Upper bounds in seconds of the exposed buckets: 0.0005, 0.001, 0.002, … 65.536. */
export const exposedBounds: readonly number[] = Array.from({ length: doublings + 1 }, (_, power) => (firstDoublingMs * 2 ** power) / 1000);

/** Cell of a duration, without a logarithm: its binary exponent is that of the doubling. */
export function latencyCell(ms: number): number {
  const units = ms / firstDoublingMs;
  if (!(units >= 1)) return units > 0 ? Math.floor(units * stepsPerDoubling) : 0;
  if (units >= 2 ** doublings) return latencyCells - 1;
  const power = 31 - Math.clz32(units);
  return stepsPerDoubling * (1 + power) + Math.floor((units / 2 ** power - 1) * stepsPerDoubling);
}

/** Milliseconds at which a cell ends; Infinity for the last. */
export function latencyCellEnd(cell: number): number {
  if (cell >= latencyCells - 1) return Infinity;
  const power = Math.floor(cell / stepsPerDoubling) - 1;
  const step = (cell % stepsPerDoubling) + 1;
  if (power < 0) return (firstDoublingMs * step) / stepsPerDoubling;
  return firstDoublingMs * 2 ** power * (1 + step / stepsPerDoubling);
}

const singles = ['durationSum', 'active', 'bytesIn', 'bytesOut', 'retries', 'resent', 'retriesOverBudget', 'mirrored', 'mirrorsFailed'] as const;
type Single = (typeof singles)[number];

export const latencyStart = statusLabels.length;
const singleStart = latencyStart + latencyCells;
/** Offset of each single number. */
export const offsets = Object.fromEntries(singles.map((name, index) => [name, singleStart + index])) as Readonly<Record<Single, number>>;
export const cellsPerSeries = singleStart + singles.length;
