import type { Socket } from 'node:net';

/** What is smaller costs less than giving it back. */
const leastBytes = 16_384;

/**
 * Gives the memory of a read back that nobody will look at again. Node makes each read a buffer of its own, which else waits for the garbage
 * collector: that sees little garbage, but after every 64 MiB of such memory it goes over the whole heap, and takes the processor for it.
 */
export function spent(bytes: Buffer): void {
  const memory = bytes.buffer;
  if (bytes.length >= leastBytes && bytes.length === memory.byteLength && memory instanceof ArrayBuffer) memory.transfer(0);
}

/** The same of what a socket that is about to be closed has read, and nobody took: its listeners get it, to drop it. */
export function drain(socket: Socket): void {
  if (socket.readableLength >= leastBytes && !socket.destroyed) socket.read();
}
