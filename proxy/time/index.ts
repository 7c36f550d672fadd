export * from './wheel.ts';
export * from './driver.ts';
