export * from './resources.ts';
export * from './duration.ts';
export type * from './stream.ts';
