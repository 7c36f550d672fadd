export * from './metrics.ts';
export * from './exposition.ts';
export { processCounters, processGauges, type CounterName, type GaugeName } from './process.ts';
export { seriesLabelNames } from './families.ts';
export { type StreamNumber, type StreamTotals } from './streams.ts';
export * from './merge.ts';
