/** What is to be redirected in a Pod's network. Ports and ranges are numbers or `first:last`. */
export interface Redirection {
  /** Whose TCP is left alone: the sidecar's. */
  readonly uid: number;
  /** Where the Pod's TCP goes instead. */
  readonly outbound: number;
  /** Where TCP to the Pod goes instead. */
  readonly inbound: number;
  readonly excludeOutbound: readonly string[];
  readonly excludeInbound: readonly string[];
}

export type Family = 'IPv4' | 'IPv6';

const chains = { inbound: 'WEFT_INBOUND', outbound: 'WEFT_OUTBOUND' } as const;
const jumps = [`-A PREROUTING -p tcp -j ${chains.inbound}`, `-A OUTPUT -p tcp -j ${chains.outbound}`] as const;
const loopback: Readonly<Record<Family, string>> = { IPv4: '127.0.0.0/8', IPv6: '::1/128' };
/** Which interface an address of a link is meant on (RFC 4007) is not to be had from the kernel's rewriting: the sidecar could not dial it. */
const ofLink: Readonly<Record<Family, readonly string[]>> = { IPv4: [], IPv6: ['fe80::/10'] };

/**
 * Input for `iptables-restore --noflush` (`ip6tables-restore` for IPv6), table nat. `present` is what `iptables-save -t nat` says: a
 * container that is run once more must not add a second jump. Our chains are emptied and filled anew in one transaction; rules of others
 * stay.
 */
export function redirectRules(redirection: Redirection, family: Family, present: string): string {
  const lines = new Set(present.split('\n').map((line) => line.trim()));
  const { uid, outbound, inbound, excludeOutbound, excludeInbound } = redirection;
  return [
    '*nat',
    `:${chains.inbound} - [0:0]`,
    `:${chains.outbound} - [0:0]`,
    // The Pod to itself, and what it may name with its own address: there is nothing between.
    `-A ${chains.inbound} -i lo -j RETURN`,
    ...ofLink[family].map((range) => `-A ${chains.inbound} -d ${range} -j RETURN`),
    ...excludeInbound.map((range) => `-A ${chains.inbound} -p tcp -m tcp --dport ${range} -j RETURN`),
    `-A ${chains.inbound} -p tcp -j REDIRECT --to-ports ${inbound}`,
    `-A ${chains.outbound} -o lo -j RETURN`,
    ...[loopback[family], ...ofLink[family]].map((range) => `-A ${chains.outbound} -d ${range} -j RETURN`),
    `-A ${chains.outbound} -m owner --uid-owner ${uid} -j RETURN`,
    ...excludeOutbound.map((range) => `-A ${chains.outbound} -p tcp -m tcp --dport ${range} -j RETURN`),
    `-A ${chains.outbound} -p tcp -j REDIRECT --to-ports ${outbound}`,
    ...jumps.filter((jump) => !lines.has(jump)),
    'COMMIT',
    '',
  ].join('\n');
}

/** The families of a Pod's addresses (`status.podIPs`, separated by commas). IPv4 where none is told. */
export function familiesOf(podIPs: string): readonly Family[] {
  const addresses = podIPs.split(',').filter((address) => address !== '');
  if (addresses.length === 0) return ['IPv4'];
  return (['IPv4', 'IPv6'] as const).filter((family) => addresses.some((address) => address.includes(':') === (family === 'IPv6')));
}
