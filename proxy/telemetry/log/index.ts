export * from './access-log.ts';
export * from './record.ts';
export * from './sink.ts';
export * from './json.ts';
