export { dialController, type ControllerAddress, type DialEnvironment } from './dial.ts';
export { keepLastGood, type LastGood, type LastGoodOptions } from './last-good.ts';
export { inSlices } from './slices.ts';
export { copyHoldings } from './store.ts';
