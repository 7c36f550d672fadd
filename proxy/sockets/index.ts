export { isBroken } from './broken.ts';
export { endAfterWrites } from './end-after-writes.ts';
export { openSocketIO, type OpenedIO } from './check.ts';
export { publicIO } from './public.ts';
export { reset } from './reset.ts';
export { socketModes, type Reader, type Receiver, type SocketIO, type SocketMode } from './types.ts';
export { boundUnsent, descriptorOf, somebodyWaits } from './unsent.ts';
export { deafen, drain, spent } from './spent.ts';
