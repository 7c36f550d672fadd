export * from './context.ts';
export * from './tracer.ts';
export * from './otlp.ts';
