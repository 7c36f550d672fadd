export * from './resources.ts';
export * from './duration.ts';
export { Pace, runSteps, sortInSteps, stepLength, type Steps } from './steps.ts';
export { inTurns, resultInTurns, type TurnsEnvironment } from './turns.ts';
export * from './stream/index.ts';
export * from './hostname.ts';
export * from './address.ts';
export * from './headers.ts';
export * from './wire/index.ts';
