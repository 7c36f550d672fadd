export * from './resources.ts';
export * from './duration.ts';
export * from './stream/index.ts';
