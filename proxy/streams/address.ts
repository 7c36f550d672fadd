/**
 * An address of a socket as others know it: IPv4 on a socket of both families in its own form, IPv6 without the zone, which names an
 * interface of this machine. Systems write them in their normal form otherwise.
 */
export function plainAddress(address: string): string {
  if (address.startsWith('::ffff:')) return address.slice(7);
  const zone = address.indexOf('%');
  return zone < 0 ? address : address.slice(0, zone);
}
