import type { Socket } from 'node:net';
import { openLibc } from './libc.ts';
import { descriptorOf } from './unsent.ts';

/** Of a `sockaddr` of any family that sockets of ours have. */
const addressBytes = 28;

/** Of `<asm-generic/socket.h>`: the error that nobody was told of yet. */
const [solSocket, soError] = [1, 4];

type GetPeerName = (fd: number, address: Uint8Array, length: Uint32Array) => number;

type GetSockOpt = (fd: number, level: number, name: number, value: Uint32Array, length: Uint32Array) => number;

let getpeername: GetPeerName | undefined;
let getsockopt: GetSockOpt | undefined;

/** Makes `isBroken` work; to be awaited once, when the process starts. Without koffi nothing is ever found to be broken. */
export async function prepareBroken(): Promise<void> {
  const libc = await openLibc();
  getpeername = libc?.func('int getpeername(int, _Out_ void *, _Inout_ uint32_t *)') as GetPeerName | undefined;
  getsockopt = libc?.func('int getsockopt(int, int, int, _Out_ void *, _Inout_ uint32_t *)') as GetSockOpt | undefined;
}

/**
 * Whether a connection whose end was told, and which we have not ended, was reset in truth. With TLS, Node writes by itself (session tickets, say), and says nothing where
 * that fails; the kernel tells of a reset once only, so the next read finds an end in order. What is written from then on is never over, nor does it fail. A reset that came
 * behind the end is still to be told: who has sent all, and is gone before we have read it, has ended in order.
 */
export function isBroken(socket: Socket): boolean {
  const descriptor = 'encrypted' in socket && !socket.writableEnded ? descriptorOf(socket) : undefined;
  if (descriptor === undefined || getpeername === undefined || getsockopt === undefined) return false;
  if (getpeername(descriptor, new Uint8Array(addressBytes), Uint32Array.of(addressBytes)) === 0) return false;
  const untold = new Uint32Array(1);
  return getsockopt(descriptor, solSocket, soError, untold, Uint32Array.of(4)) === 0 && untold[0] === 0;
}
