export * from './settings.ts';
export * from './verdict.ts';
export * from './delay.ts';
export * from './budget.ts';
