export * from './object.ts';
export * from './result.ts';
export * from './state.ts';
export type * from './core/types.ts';
export type * from './generated/types/index.ts';
export type * from './schema/schema.ts';
