import { objectKey, type ClusterState } from '#crds';
import { familyOf, formatIPv6, normalAddress, parseIPv6 } from '#snapshot';
import { withBuiltIns } from '../built-ins.ts';
import { controllerName } from '../names.ts';

/** The loopback addresses to give to Gateways, beginning with `first`. */
export interface AddressRange {
  /** Its last number counts up, and carries. */
  readonly first: string;
}

/**
 * An address for every Gateway of our class: those that its spec names (`IPAddress`), else the next of the range, in the order of
 * `{namespace}/{name}`. A Gateway keeps what it had before, so that adding one moves no other.
 */
export function assignAddresses(
  state: ClusterState,
  range: AddressRange,
  before: ReadonlyMap<string, readonly string[]>,
): ReadonlyMap<string, readonly string[]> {
  const { gatewayClasses: classes, gateways: all } = withBuiltIns(state);
  const gateways = [...all.values()]
    .filter(({ spec }) => classes.get(spec.gatewayClassName)?.spec.controllerName === controllerName)
    .sort((a, b) => (objectKey(a) < objectKey(b) ? -1 : 1));
  const assigned = new Map<string, readonly string[]>();
  const taken = new Set<string>();
  const give = (key: string, addresses: readonly string[]): void => {
    assigned.set(key, addresses);
    for (const address of addresses) taken.add(address);
  };
  for (const gateway of gateways) {
    const wished = (gateway.spec.addresses ?? []).flatMap(({ type, value }) => (type === 'IPAddress' && value !== undefined && value !== '' ? [normalAddress(value)] : []));
    if (wished.length > 0) give(objectKey(gateway), wished);
  }
  for (const gateway of gateways) {
    const key = objectKey(gateway);
    const old = before.get(key);
    if (!assigned.has(key) && old?.length === 1 && inRange(old[0], range) && !taken.has(old[0] ?? '')) give(key, old);
  }
  let next = toNumber(range.first);
  const text = (): string => (familyOf(range.first) === 'IPv6' ? formatIPv6(parts(next, 8, 16n)) : parts(next, 4, 8n).join('.'));
  for (const gateway of gateways) {
    const key = objectKey(gateway);
    if (assigned.has(key)) continue;
    while (taken.has(text())) next += 1n;
    give(key, [text()]);
  }
  return assigned;
}

function inRange(address: string | undefined, { first }: AddressRange): boolean {
  return address !== undefined && familyOf(address) === familyOf(first) && toNumber(address) >= toNumber(first);
}

function toNumber(address: string): bigint {
  const words = parseIPv6(address);
  if (words !== undefined) return words.reduce((sum, word) => sum * 65_536n + BigInt(word), 0n);
  return address.split('.').reduce((sum, part) => sum * 256n + BigInt(part), 0n);
}

/** The numbers of `bits` bits that an address consists of. */
function parts(address: bigint, count: number, bits: bigint): readonly number[] {
  return Array.from({ length: count }, (_, index) => Number((address >> (bits * BigInt(count - 1 - index))) & ((1n << bits) - 1n)));
}
