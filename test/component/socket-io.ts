import { openSocketIO } from '#proxy';

/** `WEFT_SOCKET_IO=raw ava …` runs a test's proxies with raw socket I/O. */
export const socketMode = process.env['WEFT_SOCKET_IO'] === 'raw' ? 'raw' : 'public';

const { io, refused } = await openSocketIO(socketMode);
if (refused !== undefined) throw new Error(`raw socket I/O does not work here: ${refused}`);

export const socketIO = io;
