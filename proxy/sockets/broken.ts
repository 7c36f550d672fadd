import type { Socket } from 'node:net';
import { descriptorOf } from './unsent.ts';

/** Of a `sockaddr` of any family that sockets of ours have. */
const addressBytes = 28;

type GetPeerName = (fd: number, address: Uint8Array, length: Uint32Array) => number;

let getpeername: GetPeerName | undefined;

/** Makes `isBroken` work; to be awaited once, when the process starts. Without koffi nothing is ever found to be broken. */
export async function prepareBroken(): Promise<void> {
  if (process.platform !== 'linux') return;
  try {
    const { default: koffi } = await import('koffi');
    getpeername = koffi.load(null).func('int getpeername(int, _Out_ void *, _Inout_ uint32_t *)') as unknown as GetPeerName;
  } catch {
    // It is as before.
  }
}

/**
 * Whether a connection whose end was told, and which we have not ended, was reset in truth. With TLS, Node writes by itself (session tickets, say), and says nothing where
 * that fails; the kernel tells of a reset once only, so the next read finds an end in order. What is written from then on is never over, nor does it fail.
 */
export function isBroken(socket: Socket): boolean {
  const descriptor = 'encrypted' in socket && !socket.writableEnded ? descriptorOf(socket) : undefined;
  if (getpeername === undefined || descriptor === undefined) return false;
  return getpeername(descriptor, new Uint8Array(addressBytes), Uint32Array.of(addressBytes)) !== 0;
}
