export * from './wheel.ts';
export * from './driver.ts';
export { bulkBytes, sliceBytes, sliceMs, Turns, type Waiter } from './turns.ts';
