import type { Socket } from 'node:net';
import { descriptorOf } from '#proxy';
import { formatIPv6 } from '#snapshot';

/** An address and port; IPv6 without brackets, IPv4 never in its IPv6 form. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Where a redirected connection was going. Undefined where the kernel does not know. */
export type OriginalDestination = (socket: Socket) => Address | undefined;

/** `<linux/netfilter_ipv4.h>` and `<linux/netfilter_ipv6/ip6_tables.h>`: SO_ORIGINAL_DST and IP6T_SO_ORIGINAL_DST. */
const soOriginalDst = 80;
const level = { ipv4: 0, ipv6: 41 } as const;
const family = { ipv4: 2, ipv6: 10 } as const;
const sockaddrBytes = 28;

type GetSockOpt = (fd: number, level: number, name: number, value: Uint8Array, length: Uint32Array) => number;

/** Loads the C library. Rejects where there is no such thing as SO_ORIGINAL_DST, or no koffi for this platform. */
export async function linuxOriginalDestination(): Promise<OriginalDestination> {
  if (process.platform !== 'linux') throw new Error(`connections can be captured on Linux only, not on ${process.platform}`);
  const { default: koffi } = await import('koffi');
  const getsockopt = koffi.load(null).func('int getsockopt(int, int, int, _Out_ void *, _Inout_ uint32_t *)') as unknown as GetSockOpt;
  return (socket) => {
    const descriptor = descriptorOf(socket);
    if (descriptor === undefined) return undefined;
    const isIPv4 = socket.remoteFamily === 'IPv4' || socket.remoteAddress?.startsWith('::ffff:') === true;
    const value = Buffer.alloc(sockaddrBytes);
    const length = Uint32Array.of(sockaddrBytes);
    if (getsockopt(descriptor, isIPv4 ? level.ipv4 : level.ipv6, soOriginalDst, value, length) !== 0) return undefined;
    return parseSockaddr(value);
  };
}

/** `struct sockaddr_in` or `sockaddr_in6`, as Linux has them on machines of little endian. */
export function parseSockaddr(bytes: Buffer): Address | undefined {
  const port = bytes.readUInt16BE(2);
  switch (bytes.readUInt16LE(0)) {
    case family.ipv4:
      return { host: [...bytes.subarray(4, 8)].join('.'), port };
    case family.ipv6: {
      const words = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(8 + index * 2));
      return { host: formatIPv6(words), port };
    }
    default:
      return undefined;
  }
}
