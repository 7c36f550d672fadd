export * from './endpoints.ts';
export * from './balancers.ts';
export * from './faults.ts';
