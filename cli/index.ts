export type { CliEnvironment } from './environment.ts';
