import type { Socket } from 'node:net';
import { stop } from './stopping.ts';

/** What is smaller costs less than giving it back. */
const leastBytes = 16_384;
/** Node's memory for a read, which stays as long where the read fills most of it. Its pool, of which small buffers are parts, has another length. */
const readBytes = 65_536;

/**
 * Gives the memory of a read back that nobody will look at again. Node makes each read a buffer of its own, which else waits for the garbage
 * collector: that sees little garbage, but after every 64 MiB of such memory it goes over the whole heap, and takes the processor for it.
 */
export function spent(bytes: Buffer): void {
  const memory = bytes.buffer;
  if (bytes.length < leastBytes || !(memory instanceof ArrayBuffer)) return;
  const isAll = bytes.length === memory.byteLength || (memory.byteLength === readBytes && bytes.byteOffset === 0 && bytes.length > readBytes / 2);
  if (isAll) memory.transfer(0);
}

/** The same of what a socket that is closed, or about to be, has read, and nobody took: its listeners, where it still has some, get it, to drop it. */
export function drain(socket: Socket): void {
  if (socket.readableLength < leastBytes) return;
  // A stream that does not flow would make one of all its pieces.
  socket.resume();
  for (let piece = socket.read() as Buffer | null; piece !== null; piece = socket.read() as Buffer | null) spent(piece);
}

/**
 * Nobody will look at what still comes: the socket is not read any more. A paused one is, unless it was its receiver that called this, read until it holds 64 KiB,
 * and thousands that wait for their end would hold that much each: what it holds has its length still, but no memory.
 */
export function deafen(socket: Socket): void {
  const { push } = socket;
  socket.push = (chunk: Buffer | null, encoding?: BufferEncoding): boolean => {
    const goesOn = push.call(socket, chunk, encoding);
    if (chunk !== null) spent(chunk);
    return goesOn;
  };
  socket.pause();
  stop(socket);
}
