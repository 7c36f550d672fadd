export * from './metrics/index.ts';
export * from './log/index.ts';
export * from './trace/index.ts';
export * from './ids.ts';
export * from './admin.ts';
