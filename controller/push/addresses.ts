import { objectKey, type ClusterState } from '#crds';
import { withBuiltIns } from '../built-ins.ts';
import { controllerName } from '../names.ts';

/** The loopback addresses to give to Gateways, beginning with `first`. */
export interface AddressRange {
  /** IPv4; its last number counts up, and carries. */
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
    const wished = (gateway.spec.addresses ?? []).flatMap(({ type, value }) => (type === 'IPAddress' && value !== undefined && value !== '' ? [value] : []));
    if (wished.length > 0) give(objectKey(gateway), wished);
  }
  for (const gateway of gateways) {
    const key = objectKey(gateway);
    const old = before.get(key);
    if (!assigned.has(key) && old?.length === 1 && inRange(old[0], range) && !taken.has(old[0] ?? '')) give(key, old);
  }
  let next = toNumber(range.first);
  for (const gateway of gateways) {
    const key = objectKey(gateway);
    if (assigned.has(key)) continue;
    while (taken.has(toText(next))) next += 1;
    give(key, [toText(next)]);
  }
  return assigned;
}

function inRange(address: string | undefined, range: AddressRange): boolean {
  return address !== undefined && toNumber(address) >= toNumber(range.first);
}

function toNumber(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}

function toText(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.');
}
