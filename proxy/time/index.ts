export * from './wheel.ts';
export * from './driver.ts';
export { Departures, type Departing } from './departures.ts';
export { bulkBytes, cheapBytes, sliceBytes, sliceMs, Turns, type Waiter } from './turns.ts';
