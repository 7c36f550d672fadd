export * from './endpoints.ts';
export * from './balancers.ts';
