import type { Server, Socket } from 'node:net';
import { openLibc } from './libc.ts';

/**
 * Of `<linux/tcp.h>`: so much may wait in the kernel that was not sent yet before a socket takes no more (tcp(7), `TCP_NOTSENT_LOWAT`). What is on
 * its way is not counted. Less costs time of the processor: docs/decisions/0016.
 */
const [tcp, notSentLowWater] = [6, 25];
export const maxUnsentBytes = 524_288;

/** Of `<poll.h>`: there is something to read, or somebody to accept. */
const pollIn = 1;

type SetSockOpt = (fd: number, level: number, name: number, value: Uint32Array, length: number) => number;

type Poll = (descriptors: Int32Array, count: number, timeoutMs: number) => number;

let setsockopt: SetSockOpt | undefined;
let poll: Poll | undefined;
const value = Uint32Array.of(maxUnsentBytes);

/** Makes `boundUnsent` and `somebodyWaits` work; to be awaited once, when the process starts. False where there is no such option: not on Linux, or no koffi. */
export async function prepareUnsent(): Promise<boolean> {
  const libc = await openLibc();
  setsockopt = libc?.func('int setsockopt(int, int, int, const void *, uint32_t)') as SetSockOpt | undefined;
  poll = libc?.func('int poll(void *, unsigned long, int)') as Poll | undefined;
  return libc !== undefined;
}

/**
 * Has the kernel keep little of what this side of a connection does not take: by itself it lets the buffer of who reads slowly grow to 4 MiB
 * (`net.ipv4.tcp_wmem`), and that of whom it came from, which is read so fast, to 6 or 32 (`tcp_rmem`); a few dozen of those are more memory
 * than a container has. Connections have it of the server that accepted them. One that was dialled must be there.
 */
export function boundUnsent(socket: Server | Socket): void {
  const descriptor = descriptorOf(socket);
  if (setsockopt !== undefined && descriptor !== undefined) setsockopt(descriptor, tcp, notSentLowWater, value, 4);
}

/** Whether somebody waits to be accepted at this very moment (poll(2)). False where that can't be told. */
export function somebodyWaits(server: Server): boolean {
  const descriptor = descriptorOf(server);
  return poll !== undefined && descriptor !== undefined && poll(Int32Array.of(descriptor, pollIn), 1, 0) > 0;
}

/** Undefined: it is not open. Node has no public way to a descriptor; this property is as old as Node. */
export function descriptorOf(socket: Server | Socket): number | undefined {
  const { _handle: handle } = socket as unknown as { readonly _handle?: { readonly fd?: number } | null };
  return handle?.fd !== undefined && handle.fd >= 0 ? handle.fd : undefined;
}
