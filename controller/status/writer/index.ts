export { createStatusWriter, type StatusWriter, type StatusWriterEnvironment } from './writer.ts';
export { mergeStatus, retraction } from './merge.ts';
