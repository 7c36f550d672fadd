export * from './wheel.ts';
export * from './driver.ts';
export { bulkBytes, cheapBytes, sliceBytes, sliceMs, Turns, type Waiter } from './turns.ts';
