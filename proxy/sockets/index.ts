export { openSocketIO, type OpenedIO } from './check.ts';
export { publicIO } from './public.ts';
export { socketModes, type Receiver, type SocketIO, type SocketMode } from './types.ts';
